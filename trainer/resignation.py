"""How often a player who resigns would have been wrong to.

A share of the games is played on although somebody would have resigned (`resign_playout`): they
tell. AlphaGo Zero (Silver et al., Nature 550, 2017, Methods) kept the false rate below 5 %.
"""

import math
from collections import deque
from collections.abc import Iterable

from engine.records import Ending, GameRecord

__all__ = ["MOST_FALSE", "Resignations"]

MOST_FALSE = 0.05
"""Share of false resignations above which `resign_value` is not low enough."""
LEAST_GAMES = 20
"""Of fewer games a share says nothing."""


class Resignations:
    """Counts the newest games in which somebody would have resigned and none was allowed to.

    Parameters
    ----------
    last
        How many such games are remembered: the network changes, and its misjudgements with it.
    """

    def __init__(self, last: int = 1000) -> None:
        self._false: deque[bool] = deque(maxlen=last)

    def add(self, records: Iterable[GameRecord]) -> None:
        """Count those of `records` that were played on."""
        for record in records:
            if record.resign_ply >= 0 and record.ending in (Ending.RULES, Ending.PROVEN):
                player = record.players[record.resign_ply]
                self._false.append(bool(record.returns[player] >= 0))

    @property
    def num_games(self) -> int:
        """Games that the share is of."""
        return len(self._false)

    @property
    def false_share(self) -> float:
        """Share of them that the one who would have resigned did not lose; nan without any."""
        return sum(self._false) / len(self._false) if self._false else math.nan

    @property
    def too_many(self) -> bool:
        """Whether more are false than `MOST_FALSE`, as far as so many games can say."""
        return self.num_games >= LEAST_GAMES and self.false_share > MOST_FALSE
