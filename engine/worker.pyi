from collections.abc import Sequence

from engine.player import PlayerSpec
from engine.segment import Segment
from games.base import Game

class Player: ...
class GameSlot: ...

class Worker:
    segment: Segment
    game: Game
    index: int
    seed: int
    num_slots: int
    arena_bytes: float
    def __init__(
        self,
        segment: Segment,
        index: int,
        game: Game,
        players: Sequence[PlayerSpec],
        games: int,
        seed: int = 0,
        openings: Sequence[Sequence[int]] = (),
        plies_per_game: int = 0,
        spin_us: float = 0,
        memory_mb: float = 0,
        canonical: bool = True,
        begin_anew: bool = False,
    ) -> None: ...
    def run(self) -> None: ...
    def step(self, group: int, wait: bool = True) -> int: ...
