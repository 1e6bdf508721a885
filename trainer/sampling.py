"""Which rows of the window are drawn, and how often.

Shapes: ``n`` rows of the window, ``G`` samples that they make: every row by itself, or all rows
of one position together.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from engine.duplicates import order_by_group

__all__ = ["REPEAT_WEIGHTS", "Draws", "power_law", "ranges", "surprise_weights"]

Floats = npt.NDArray[np.floating]
Rows = npt.NDArray[np.int64]

REPEAT_WEIGHTS: dict[str, Callable[[Rows], Floats]] = {
    "one": lambda counts: np.ones(len(counts)),
    "log": lambda counts: 1 + np.log2(counts),
    "count": lambda counts: counts.astype(np.float64),
}
"""How often positions are drawn that occur so many times."""

MOST_AVERAGED = 256
"""Targets are means over the newest so many occurrences: more would cost time and tell no more
(of outcomes, the standard error is 1/16), and the oldest come from the weakest weights."""


def power_law(total: int, start: int, growth: float, slope: float) -> int:
    """Rows of a window that is `start` rows wide after `start` rows and then grows ever slower.

    start * (1 + slope * ((total / start) ** growth - 1) / growth), where one more row widens the
    window by `slope` at first; `total` itself before that.

    References
    ----------
    Wu, "Accelerating self-play learning in Go", arXiv:1902.10565, appendix C, where start is
    250 000, growth (alpha) 0.75 and slope (beta) 0.4.
    """
    if total <= start:
        return total
    return int(start * (1 + slope * ((total / start) ** growth - 1) / growth))


def surprise_weights(base: Floats, parts: Sequence[tuple[float, Floats]], clip: float) -> Floats:
    """[G] chances that sum to 1: a share of them by each surprise, what is left by `base`.

    Parameters
    ----------
    base : [G]
        Weights of the samples if nothing surprises.
    parts
        Pairs of a share and the surprises [G], >= 0, that it is given out by.
    clip
        A surprise counts at most as so many times the mean one.

    References
    ----------
    KataGoMethods.md, "Policy surprise weighting": half of the chances uniform, half by the
    Kullback-Leibler divergence of the policy target from the prior.
    """
    base = base / base.sum()
    weights: Floats = (1.0 - sum(share for share, _ in parts)) * base
    for share, surprises in parts:
        clipped = base * np.minimum(surprises, clip * float((base * surprises).sum()))
        total = float(clipped.sum())
        weights = weights + share * (clipped / total if total > 0 else base)
    return weights


class Draws:
    """Samples and their chances, fixed until rows come or go.

    Parameters
    ----------
    first
        The oldest row.
    groups : [n]
        Number of the sample that each row from there on belongs to; each number in [0, G) occurs.
    repeats
        A key of `REPEAT_WEIGHTS`.
    """

    def __init__(self, first: int, groups: npt.NDArray[np.int32], repeats: str = "one") -> None:
        self.counts = np.bincount(groups)
        """[G] rows of each sample."""
        self._first, self._order = first, order_by_group(groups, self.counts)
        self._starts = np.cumsum(self.counts) - self.counts
        self._base = REPEAT_WEIGHTS[repeats](self.counts)
        self._cumulative = np.cumsum(self._base)

    def means(self, column: Floats) -> Floats:
        """[G] mean over each sample's rows of `column` [n], whose first entry is row `first`'s."""
        sums: Floats = np.add.reduceat(column[self._order].astype(np.float64), self._starts)
        return sums / self.counts

    def weigh(self, parts: Sequence[tuple[float, Floats]], clip: float) -> None:
        """Give shares of the chances to surprises [G]; see `surprise_weights`."""
        self._cumulative = np.cumsum(surprise_weights(self._base, parts, clip))

    def draw(self, num: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Draw `num` samples with replacement: their rows one after the other, the newest
        `MOST_AVERAGED` of each, and how many that are, [num]. A draw costs O(log G)."""
        at = rng.random(num) * self._cumulative[-1]
        # The product may round up to the very end.
        picks = np.minimum(np.searchsorted(self._cumulative, at, "right"), len(self.counts) - 1)
        counts = np.minimum(self.counts[picks], MOST_AVERAGED)
        ends = self._starts[picks] + self.counts[picks]
        return self._first + self._order[ranges(ends - counts, counts)], counts


def ranges(starts: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]) -> Rows:
    """``start, start + 1, ...``, `count` of them, for each pair, one after the other."""
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    offsets: Rows = np.repeat(starts - (ends - counts), counts)
    return offsets + np.arange(total)
