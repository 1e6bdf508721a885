"""Which games are still to be played: numbers on their way to the workers and back.

::

    missing:   3 4 . . 7 8 9 . 11          played before: 5 6 10
    runs:      [3, 4] ─▶ [7, 8, 9] ─▶ [11]
                  └─ next_game .. game_limit of the segment: what workers may draw now
"""

from collections import deque
from collections.abc import Iterable

from engine.segment import Segment

__all__ = ["Handout"]


class Handout:
    """Hands `numbers` to the workers, consecutive ones together, until each has come back.

    Parameters
    ----------
    segment
        Whose `next_game` and `game_limit` it sets, while no games are handed out.
    numbers
        Of the games to be played.
    """

    def __init__(self, segment: Segment, numbers: Iterable[int]) -> None:
        self._segment = segment
        self.missing = set(numbers)
        """Numbers of the games that have not come back."""
        self._waiting = _runs(self.missing)
        self._hand_next()

    def came_back(self, number: int) -> bool:
        """Tick a finished game off; False if it was not missing."""
        if number not in self.missing:
            return False
        self.missing.remove(number)
        return True

    def advance(self, none_in_progress: bool) -> None:
        """Hand out the next run once the last one is drawn.

        Parameters
        ----------
        none_in_progress
            No worker plays or holds a game. Numbers that are missing then were lost: their worker
            died between drawing a number and starting its game. They are handed out again.
        """
        if self._segment.next_game < self._segment.game_limit:
            return
        if not self._waiting and none_in_progress:
            self._waiting = _runs(self.missing)
        self._hand_next()

    def _hand_next(self) -> None:
        if not self._waiting:
            return
        first, end = self._waiting.popleft()
        # A worker that looks between these lines finds nothing to play.
        self._segment.game_limit = 0
        self._segment.next_game = first
        self._segment.game_limit = end


def _runs(numbers: Iterable[int]) -> deque[tuple[int, int]]:
    """[first, end) of the consecutive stretches of `numbers`."""
    runs: deque[tuple[int, int]] = deque()
    for number in sorted(numbers):
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs
