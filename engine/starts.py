"""Positions that some games of self-play begin from: tables that the parent renews meanwhile.

::

    share | num      at which rate starts are drawn, of how many rows
    check | length | returns [2] | action 0 | action 1 | ...      row 0
    check | length | returns [2] | ...                            row 1, up to the table's room

The segment has one table of positions to play on from, and one of stored games' positions to
search once more. A row says by itself which it is, by its returns: not a number in the former.

The parent writes while workers read. A row that is read between two versions fails its check and
is read again, so neither waits for the other and no order of writes matters.
"""

import math
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.errors import EngineError
from engine.segment import Segment, start_words

__all__ = ["Start", "StartTable"]

HEADER_BYTES = 64
MOST_READS = 10_000  # far more than any writer takes
FIRST_ACTION = 4  # words before it


class Start(NamedTuple):
    """How a game begins."""

    actions: Sequence[int]
    """What is played before anything is searched."""
    returns: tuple[float, float] | None = None
    """If given, the next ply alone is searched, fully, and these are the returns: what a stored
    game says of the position to player 0 and to player 1."""


class StartTable:
    """A table of a segment that has room for starts in it.

    Parameters
    ----------
    segment
        The mapping.
    name
        Of the table: "starts", with `num_starts` rows, or "reanalyses", with `num_reanalyses`.
    """

    def __init__(self, segment: Segment, name: str = "starts") -> None:
        spec = segment.spec
        num = spec.num_starts if name == "starts" else spec.num_reanalyses
        self._name = name
        self._header = segment.array(name, np.float64, (2,))
        self._rows = segment.array(name, np.uint32, (num, start_words(spec)), HEADER_BYTES)

    @property
    def offer(self) -> tuple[float, int]:
        """(share, num): so many of the games begin from one of the first `num` rows."""
        share, num = self._header
        return float(share), int(num)

    def renew(self, starts: Sequence[Start], share: float) -> None:
        """Offer `starts` to a `share` of the games that begin from now on.

        Raises
        ------
        ValueError
            If there are more than the table has room for, or one is longer than a game.
        """
        most, plies = len(self._rows), self._rows.shape[1] - FIRST_ACTION
        longest = max((len(start.actions) for start in starts), default=0)
        if len(starts) > most or longest > plies:
            raise ValueError(
                f"{self._name} must be at most {most} of at most {plies} plies, got "
                f"{len(starts)} of up to {longest}"
            )
        self._header[:] = 0.0, 0.0
        for row, (actions, returns) in zip(self._rows, starts, strict=False):
            end = FIRST_ACTION + len(actions)
            row[1] = len(actions)
            row[2:FIRST_ACTION].view(np.float32)[:] = returns or math.nan
            row[FIRST_ACTION:end] = actions
            row[0] = zlib.crc32(row[1:end].tobytes())
        self._header[:] = share, len(starts)

    def read(self, index: int) -> Start:
        """Row `index`."""
        for _ in range(MOST_READS):
            row = self._rows[index].copy()
            end = FIRST_ACTION + min(int(row[1]), len(row) - FIRST_ACTION)
            if zlib.crc32(row[1:end].tobytes()) == row[0]:
                first, second = row[2:FIRST_ACTION].view(np.float32).tolist()
                returns = None if math.isnan(first) else (first, second)
                return Start(row[FIRST_ACTION:end].tolist(), returns)
        raise EngineError(
            f"start {index} of {self.offer[1]} is damaged in the shared segment ({self._name})"
        )
