"""What the searches and games of one generation were like, as curves.

Everything is read off the finished games' records, so it costs the workers nothing.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from engine.records import Ending, GameRecord

__all__ = ["Tally", "grouped"]

NOT_PROVEN = 2
GROUPS = {
    "search/": ("depth",),
    "inference/": (
        "evaluations_per_s", "mean_batch", "batch_fill", "queue_delay_us", "latency_us",
    ),
}  # fmt: skip


class Tally:
    """Sums over games, until they are taken."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._games = self._plies = self._searched = self._full = self._proven = 0
        self._points = self._entropy = self._surprise = self._shift = 0.0
        self._seen: set[int] = set()

    def add(self, record: GameRecord) -> None:
        """Count a finished game; the plies of its opening only count towards its length. A
        reanalysis is none: its position counted when it was played."""
        if record.ending == Ending.REANALYSED:
            return
        searched = np.arange(record.num_plies) >= record.num_opening
        full = record.full_search & searched
        self._games += 1
        self._plies += record.num_plies
        self._points += (1.0 + float(record.returns[0])) / 2
        self._searched += int(searched.sum())
        self._proven += int((record.results[searched] != NOT_PROVEN).sum())
        self._shift += float(np.abs(record.root_values - record.prior_values)[searched].sum())
        self._full += int(full.sum())
        self._surprise += float(record.surprises[full].sum())
        self._entropy += float(target_entropies(record)[full].sum())
        self._seen.update(hash(row.tobytes()) for row in record.observations[searched])

    @property
    def length(self) -> float:
        """Mean plies of the games since the last call of `take`; nan without any."""
        return self._plies / (self._games or math.nan)

    def take(self) -> dict[str, float]:
        """Means over the games since the last call, nan where there was nothing, by their names
        as curves: ``search/`` of the searched plies, ``games/`` of the games."""
        full, searched, games = (n or math.nan for n in (self._full, self._searched, self._games))
        found = {
            # nats; of full searches, which alone leave a policy target
            "search/target_entropy": self._entropy / full,
            "search/surprise": self._surprise / full,
            # how far the search moved the network's value, for the player to move, in [0, 2]
            "search/value_shift": self._shift / searched,
            "search/proven": self._proven / searched,
            "games/length": self._plies / games,
            "games/first_player": self._points / games,
            "games/distinct_positions": len(self._seen) / searched,
        }
        self._begin()
        return found


def target_entropies(record: GameRecord) -> npt.NDArray[np.float64]:
    """[T] entropy of each ply's policy target, in nats; 0 where there is none."""
    plies = np.repeat(np.arange(record.num_plies), np.diff(record.policy_offsets))
    weights = record.policy_weights.astype(np.float64)
    totals = np.bincount(plies, weights, record.num_plies)
    shares = weights / totals[plies]
    entropies: npt.NDArray[np.float64] = np.bincount(
        plies, -shares * np.log(shares), record.num_plies
    ).astype(np.float64)
    return entropies


def grouped(rates: Mapping[str, float]) -> dict[str, float]:
    """The rates of a pool under the names of their curves."""
    groups = {name: group for group, names in GROUPS.items() for name in names}
    return {groups.get(name, "selfplay/") + name: value for name, value in rates.items()}
