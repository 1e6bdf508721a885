from typing import Self

from engine.config import SearchConfig
from games.base import Game

def arena_rows(game: Game, config: SearchConfig, num_bytes: float = 0) -> tuple[int, int]: ...

class Descent:
    game: Game
    config: SearchConfig
    num_simulations: int
    sum_depths: int
    num_full_stops: int
    def __new__(
        cls,
        game: Game,
        config: SearchConfig,
        node_capacity: int | None = None,
        spare: Self | None = None,
        *,
        arena_bytes: float = 0,
    ) -> Self: ...
