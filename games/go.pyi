from typing import final

from games.base import Game, NativeState

__all__ = ["Go", "GoState", "make"]

def make(
    *,
    size: int = 9,
    komi: float = 0.0,
    ko: str = "positional",
    suicide: bool = False,
    max_plies: int | None = None,
) -> Go: ...

class Go(Game):
    def __init__(
        self,
        size: int = 9,
        komi: float = 0.0,
        ko: str = "positional",
        suicide: bool = False,
        max_plies: int | None = None,
    ) -> None: ...
    def initial_state(self) -> GoState: ...
    def state_from_text(self, text: str) -> GoState: ...

@final
class GoState(NativeState):
    def __init__(self, game: Go) -> None: ...
    def stones(self) -> tuple[int, int]: ...
    def ko_points(self) -> list[int]: ...
    def area(self) -> tuple[int, int]: ...
    def score(self) -> float: ...
