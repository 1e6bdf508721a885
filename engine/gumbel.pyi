from typing import final

from engine.config import SearchConfig
from games.base import Game

@final
class GumbelRoot:
    interior: bool
    def __new__(cls, game: Game, config: SearchConfig) -> GumbelRoot: ...
