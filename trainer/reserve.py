"""The time that a run keeps for its last measurement, so that the budget covers everything."""

import math
import time

from engine.config import SearchConfig
from engine.local import LocalRollout
from engine.search import Search
from games.base import Game

__all__ = ["START_S", "Reserve", "match_seconds", "rollout_seconds"]

UNKNOWN_S, UNKNOWN_SHARE = 20.0, 0.05  # kept while nothing is known: the lesser of the two
MOST_SHARE = 0.25  # of the budget; a longer measurement plays fewer games instead
MARGIN = 1.1  # measurements differ
START_S = 4.0  # of a match's processes


class Reserve:
    """How long the last measurement may take: as long as the one before it, or, before there was
    one, as its parts promise.

    Parameters
    ----------
    budget_s
        Of the whole run; infinite without a limit.
    measured_s
        What the last measurement of an earlier session took; 0 if there was none.
    """

    def __init__(self, budget_s: float, measured_s: float = 0.0) -> None:
        self._budget_s = budget_s
        self._expected_s = measured_s
        self.is_measured = measured_s > 0

    @property
    def seconds(self) -> float:
        """To keep free at the end of the budget."""
        if not self._expected_s:
            return min(UNKNOWN_S, UNKNOWN_SHARE * self._budget_s)
        return min(MARGIN * self._expected_s, MOST_SHARE * self._budget_s)

    def forecast(self, seconds: float) -> None:
        """Nothing has been measured yet, and it should take so long."""
        if not self.is_measured:
            self._expected_s = seconds

    def measured(self, seconds: float) -> None:
        """A measurement of all that is wanted took so long."""
        self._expected_s = seconds
        self.is_measured = True

    def games(self, wanted: int, left_s: float) -> int:
        """How many of the games that are `wanted` to play in a measurement that may take `left_s`:
        whole pairs, at least one."""
        if self._expected_s <= left_s:
            return wanted
        return max(2, 2 * int(wanted / 2 * max(left_s, 0.0) / self._expected_s))


def match_seconds(
    games: int, plies: float, simulations: int, simulation_s: float, opponent_s: float
) -> float:
    """What a match should take.

    Parameters
    ----------
    games, plies
        How many, and the mean length of one.
    simulations, simulation_s
        Of the network's move, and what each takes with many games at once.
    opponent_s
        What the opponent's move takes.
    """
    return START_S + games * plies / 2 * (simulations * simulation_s + opponent_s)


def rollout_seconds(game: Game, simulations: int = 50) -> float:
    """What a simulation with a rollout takes, at the first position."""
    search = Search(game, SearchConfig(num_simulations=simulations))
    evaluator = LocalRollout(game, 0)
    best = math.inf
    for _ in range(2):
        search.set_state(game.initial_state())
        start = time.perf_counter()
        search.run(evaluator)
        best = min(best, (time.perf_counter() - start) / simulations)
    return best
