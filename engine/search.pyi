from collections.abc import Collection
from typing import Any, TypedDict, type_check_only

import numpy as np
import numpy.typing as npt

from engine.descent import Descent
from engine.evaluator import Evaluator
from engine.local import LocalEvaluator
from games.base import GameState

@type_check_only
class Candidate(TypedDict):
    action: int
    visits: int
    prior: float
    value: float | None
    proven: int | None
    distance: int | None

class Search(Descent):
    @property
    def value(self) -> float: ...
    @property
    def num_nodes(self) -> int: ...
    @property
    def node_capacity(self) -> int: ...
    @property
    def num_bytes(self) -> int: ...
    def set_state(self, state: GameState, ply: int = 0) -> None: ...
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
