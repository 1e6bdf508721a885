from typing import Any

import numpy as np
import numpy.typing as npt

from engine.cache import Cache
from engine.ring import Ring
from engine.search import Search
from engine.segment import Segment
from engine.symmetry import Canonical

__all__ = [
    "WorkerSide",
    "best_first",
    "cache_find",
    "cache_store",
    "canonical_image",
    "draw",
    "policy_target",
    "softmax_exp",
    "turned_back",
]

def draw(
    kind: str,
    count: int,
    *,
    seed: int = 0,
    game: int = 0,
    ply: int = 0,
    purpose: int = 1,
    parameter: float = 1.0,
) -> list[Any]: ...
def softmax_exp(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]: ...
def policy_target(search: Search) -> tuple[dict[int, float], float]: ...
def best_first(priors: list[float], actions: list[int], num_visited: int) -> list[int]: ...

def cache_store(
    cache: Cache,
    position: int,
    policy_logits: npt.NDArray[np.float32],
    wdl_logits: npt.NDArray[np.float32],
    *,
    model: int = 0,
    generation: int = 0,
) -> None: ...
def cache_find(
    cache: Cache, position: int, *, model: int = 0, generation: int = 0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None: ...

def canonical_image(
    canonical: Canonical, observation: npt.NDArray[np.uint8]
) -> tuple[int, int, npt.NDArray[np.uint8]]: ...
def turned_back(
    canonical: Canonical, policy_logits: npt.NDArray[np.float32], symmetry: int
) -> npt.NDArray[np.float32]: ...

class WorkerSide:
    def __init__(
        self, segment: Segment, worker: int = 0, model: int = 0, spin_us: float = 0
    ) -> None: ...
    @property
    def ring(self) -> Ring: ...
    def can_fill(self) -> bool: ...
    def fill(self, row: bytes) -> int: ...
    def publish(self) -> None: ...
    def is_answered(self, ticket: int) -> bool: ...
    def wait_answered(self, ticket: int, timeout_s: float) -> bool: ...
    def results(self, ticket: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]: ...
    def release(self, ticket: int) -> None: ...
    @property
    def published(self) -> int: ...
    @property
    def released(self) -> int: ...
    @property
    def taken(self) -> int: ...
