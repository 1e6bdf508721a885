from games.base import Game

class Canonical:
    game: Game
    num_symmetries: int
    def __new__(cls, game: Game, enabled: bool = True) -> Canonical: ...
