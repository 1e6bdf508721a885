"""What of its budget a run has spent, over all its sessions, and when it is over."""

import math
import time

from trainer.config import RunConfig
from trainer.replay import ReplayStore
from trainer.reserve import Reserve

__all__ = ["Spending"]


class Spending:
    """The clock of a run, and the limits that end it. Time ends no deterministic run: it decides
    nothing there.

    Parameters
    ----------
    config, store
        The run's. The store keeps the time that earlier sessions took.
    began
        The time.monotonic() from which on this session's time counts.
    """

    def __init__(self, config: RunConfig, store: ReplayStore, began: float) -> None:
        self._budget, self._store, self._began = config.budget, store, began
        self._by_time = not config.deterministic
        self.before_s = float(store.get("elapsed_s", 0.0))
        """Seconds trained in earlier sessions."""
        self.max_time_s = self._budget.max_time_s if self._by_time else math.inf
        """Time after which the run ends."""
        self.reserve = Reserve(self.max_time_s, float(store.get("measurement_s", 0.0)))
        """What of it is kept for the last measurement."""

    @property
    def elapsed_s(self) -> float:
        """Seconds spent training, over all sessions."""
        return self.before_s + time.monotonic() - self._began

    def keep(self) -> None:
        """Write the time down, for the next session."""
        self._store.put("elapsed_s", self.elapsed_s)

    def measurement_took(self, seconds: float) -> None:
        """A measurement of all that is wanted took so long; the next session knows it, too."""
        self.reserve.measured(seconds)
        self._store.put("measurement_s", seconds)

    @property
    def out_of_time(self) -> bool:
        """Whether what is left is the last measurement's."""
        return self.elapsed_s >= self.max_time_s - self.reserve.seconds

    @property
    def ends_soon(self) -> bool:
        """Whether the last measurement is due before one of now would be over."""
        return self.elapsed_s >= self.max_time_s - 2 * self.reserve.seconds

    def is_over(self, games: int, generations: int) -> bool:
        """Whether a limit is reached with so many games and generations."""
        budget = self._budget
        return bool(
            self.out_of_time
            or (budget.max_games and games >= budget.max_games)
            or (budget.max_generations and generations >= budget.max_generations)
        )

    def share(self, games: int, generations: int) -> float:
        """Share of the budget that is spent, see `BudgetConfig.spent`."""
        return self._budget.spent(self.elapsed_s if self._by_time else 0.0, games, generations)

    def learning_share(self, games: int, generations: float) -> float | None:
        """Share of what can be learned in that is spent; None without an end.

        Parameters
        ----------
        generations
            The one in hand in part: it tells the time of a deterministic run.
        """
        if not self._by_time:
            return self._budget.spent(0.0, games, generations)
        limit = self._budget.max_time_s - self.reserve.seconds
        return None if math.isinf(limit) else self.elapsed_s / limit
