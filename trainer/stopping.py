"""Signals that ask a run to stop."""

import signal
from types import FrameType
from typing import Any, Self

__all__ = ["Stop"]


class Stop:
    """SIGINT and SIGTERM, while it is entered: the first asks to stop, which makes this true, and
    the second stops at once."""

    def __init__(self) -> None:
        self.signal = 0
        """Number of the one that came, 0 while there was none."""
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.signal != 0

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _received(self, number: int, frame: FrameType | None) -> None:
        # Nothing is printed here: the program may be in the middle of a line.
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
