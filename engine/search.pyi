from collections.abc import Collection
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from engine.config import SearchConfig
from engine.evaluator import Evaluator
from games.base import Game, GameState

class Candidate(TypedDict):
    action: int
    visits: int
    prior: float
    value: float | None
    proven: int | None
    distance: int | None

def arena_rows(game: Game, config: SearchConfig, num_bytes: float = 0) -> tuple[int, int]: ...

class LocalEvaluator: ...

class Search:
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
        spare: Search | None = None,
        *,
        arena_bytes: float = 0,
    ) -> Search: ...
    @property
    def value(self) -> float: ...
    @property
    def num_nodes(self) -> int: ...
    @property
    def node_capacity(self) -> int: ...
    @property
    def num_bytes(self) -> int: ...
    def set_state(self, state: GameState) -> None: ...
    def restrict(self, actions: Collection[int]) -> None: ...
    def play(self, action: int) -> None: ...
    def run(
        self,
        evaluator: LocalEvaluator | Evaluator,
        num_simulations: int | None = None,
        *,
        seed: int | None = None,
    ) -> None: ...
    def root_visits(self) -> npt.NDArray[np.int32]: ...
    def root_target(self) -> npt.NDArray[np.float32]: ...
    def candidates(self) -> list[Candidate]: ...
    def principal_variation(
        self, max_length: int = 20, action: int | None = None
    ) -> list[int]: ...
    def dump(self) -> list[dict[str, Any]]: ...
