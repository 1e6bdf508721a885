from engine.search import LocalEvaluator
from games.base import Game

class LocalUniform(LocalEvaluator): ...

class LocalRollout(LocalEvaluator):
    def __new__(cls, game: Game, seed: int = 0) -> LocalRollout: ...
