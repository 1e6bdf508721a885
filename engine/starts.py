"""Positions that some games of self-play begin from: a table that the parent renews meanwhile.

::

    share | num      at which rate starts are drawn, of how many rows
    check | length | action 0 | action 1 | ...      row 0
    check | length | ...                            row 1, up to the segment's num_starts

The parent writes while workers read. A row that is read between two versions fails its check and
is read again, so neither waits for the other and no order of writes matters.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from engine.errors import EngineError
from engine.segment import Segment, start_words

__all__ = ["StartTable"]

HEADER_BYTES = 64
MOST_READS = 10_000  # far more than any writer takes


class StartTable:
    """The table of a segment whose `num_starts` is not 0."""

    def __init__(self, segment: Segment) -> None:
        spec = segment.spec
        self._header = segment.array("starts", np.float64, (2,))
        self._rows = segment.array(
            "starts", np.uint32, (spec.num_starts, start_words(spec)), HEADER_BYTES
        )

    @property
    def offer(self) -> tuple[float, int]:
        """(share, num): so many of the games begin from one of the first `num` rows."""
        share, num = self._header
        return float(share), int(num)

    def renew(self, starts: Sequence[Sequence[int]], share: float) -> None:
        """Offer `starts`, lists of actions, to a `share` of the games that begin from now on.

        Raises
        ------
        ValueError
            If there are more than the table has room for, or one is longer than a game.
        """
        most, plies = len(self._rows), self._rows.shape[1] - 2
        if len(starts) > most or max(map(len, starts), default=0) > plies:
            raise ValueError(
                f"starts must be at most {most} of at most {plies} plies, got {len(starts)} of up "
                f"to {max(map(len, starts), default=0)}"
            )
        self._header[:] = 0.0, 0.0
        for row, start in zip(self._rows, starts, strict=False):
            actions = np.array(start, np.uint32)
            row[1] = len(actions)
            row[2 : 2 + len(actions)] = actions
            row[0] = zlib.crc32(row[1 : 2 + len(actions)].tobytes())
        self._header[:] = share, len(starts)

    def read(self, index: int) -> list[int]:
        """The actions of row `index`."""
        for _ in range(MOST_READS):
            row = self._rows[index].copy()
            end = 2 + min(int(row[1]), len(row) - 2)
            if zlib.crc32(row[1:end].tobytes()) == row[0]:
                actions: list[int] = row[2:end].tolist()
                return actions
        raise EngineError(f"start {index} of {self.offer[1]} is damaged in the shared segment")
