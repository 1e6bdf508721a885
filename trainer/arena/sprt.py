"""The sequential test of a match: is the first player stronger by elo1, or by no more than elo0?

After any number of games the log-likelihood ratio of the two hypotheses is compared with two
bounds; the match ends where it crosses one. A hypothesis fixes only the mean (or the normalised
mean) of a game pair's score: the rest of the distribution is what fits the counts best under
it, so that draws and the correlation within a pair need no model (a generalised test).

Shapes: ``[..., K]`` counts of K equally spaced scores from nothing to everything. K = 5: pairs of
games with 0, 0.5, 1, 1.5 and 2 points (pentanomial); K = 3: single games lost, drawn, won.

References
----------
Wald, "Sequential tests of statistical hypotheses", Ann. Math. Statist. 16 (1945): the bounds.
Van den Bergh, "A practical introduction to the GSPRT" (2020) and "Comments on normalized Elo"
(2020): likelihoods under a constrained mean, and under a constrained ratio of mean and deviation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Sprt", "Standing", "log_likelihood_ratio"]

Floats = npt.NDArray[np.float64]
Scale = Literal["logistic", "normalised"]

NOTHING = 1e-3
"""What stands for a count of zero: a score that was not seen yet is not impossible."""
NELO_PER_T = 800.0 / math.log(10.0)
"""Normalised Elo of a game whose mean lies one deviation above a half: small differences between
equal players without draws then have the same figure on both scales."""
MOST_NELO = 200.0
"""Beyond it the first linearisation may leave no distribution; tests ask for differences of 5."""
TINY = 1e-10  # below it nothing moves any more; what is left of rounding stays below 1e-11
MAX_STEPS = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """How a sequential test stands."""

    llr: float
    """Log-likelihood ratio of elo1 over elo0, in nats."""
    lower: float
    """At or below it elo0 is accepted."""
    upper: float
    """At or above it elo1 is accepted."""

    @property
    def verdict(self) -> Literal["stronger", "not stronger", "undecided"]:
        """Of the first player: elo1 accepted, elo0 accepted, or neither yet."""
        if self.llr >= self.upper:
            return "stronger"
        return "not stronger" if self.llr <= self.lower else "undecided"

    @property
    def decided(self) -> bool:
        """Whether a bound is crossed."""
        return self.verdict != "undecided"

    def as_json(self) -> dict[str, Any]:
        """Plain values, for `--json` and the run's database."""
        return {
            "llr": self.llr,
            "lower": self.lower,
            "upper": self.upper,
            "verdict": self.verdict,
        }

    def __str__(self) -> str:
        return f"{self.verdict}, LLR {self.llr:+.2f} in ({self.lower:.2f}, {self.upper:.2f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprt:
    """A sequential probability ratio test.

    Raises
    ------
    ValueError
        If the hypotheses are not in order, or an error rate is not in (0, 0.5).
    """

    elo0: float = 0.0
    """Difference that the first player has under the null hypothesis."""
    elo1: float = 5.0
    """Difference under the alternative, > elo0."""
    alpha: float = 0.05
    """Chance of "stronger" when the difference is elo0, in (0, 0.5)."""
    beta: float = 0.05
    """Chance of "not stronger" when the difference is elo1, in (0, 0.5)."""
    scale: Scale = "logistic"
    """``logistic``: Elo of the score. ``normalised``: Elo per deviation of a game's score, which
    says how many games show a difference whatever the share of draws and the openings."""

    def __post_init__(self) -> None:
        if not self.elo0 < self.elo1:
            raise ValueError(f"elo0 must be < elo1, got {self.elo0!r} and {self.elo1!r}")
        for name in ("alpha", "beta"):
            if not 0.0 < getattr(self, name) < 0.5:
                raise ValueError(f"{name} must be in (0, 0.5), got {getattr(self, name)!r}")
        if self.scale not in ("logistic", "normalised"):
            raise ValueError(f"scale must be logistic or normalised, got {self.scale!r}")
        if self.scale == "normalised" and max(-self.elo0, self.elo1) > MOST_NELO:
            raise ValueError(
                f"normalised elo0 and elo1 must be in [-{MOST_NELO:g}, {MOST_NELO:g}], "
                f"got {self.elo0!r} and {self.elo1!r}"
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound of the log-likelihood ratio (Wald 1945, eq. 3.32)."""
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)

    def standing(self, counts: Sequence[int]) -> Standing:
        """How the test stands after `counts`, [5] of pairs or [3] of single games."""
        return Standing(float(log_likelihood_ratio(counts, self)), *self.bounds)


def log_likelihood_ratio(counts: npt.ArrayLike, test: Sprt) -> Floats:
    """Log-likelihood ratio of the alternative of `test` over its null hypothesis.

    Parameters
    ----------
    counts : [..., K]
        See the module; K is 3 or 5. Many tests at once cost little more than one.

    Returns
    -------
    [...] nats; 0 without games.

    Raises
    ------
    ValueError
        If the counts have another width, or one is negative.
    """
    seen = np.asarray(counts, np.float64)
    width = seen.shape[-1] if seen.ndim else 0
    if width not in (3, 5) or (seen < 0).any():
        raise ValueError(f"counts must be 3 or 5 numbers >= 0, got {counts!r}")
    games = np.where(seen > 0, seen, NOTHING)
    total = games.sum(-1)
    share = games / total[..., None]
    fit = _fit_mean if test.scale == "logistic" else _fit_normalised
    ratio = np.log(fit(share, test.elo1) / fit(share, test.elo0))
    return np.where(seen.sum(-1) > 0, total * (share * ratio).sum(-1), 0.0)


def _fit_mean(share: Floats, elo: float) -> Floats:
    """[..., K] likeliest distribution whose mean is the expected score of `elo`."""
    scores = np.linspace(0.0, 1.0, share.shape[-1])
    return _tilted(share, np.broadcast_to(scores - 1 / (1 + 10 ** (-elo / 400)), share.shape))


def _fit_normalised(share: Floats, elo: float) -> Floats:
    """[..., K] likeliest distribution whose mean lies t deviations above a half.

    The constraint is not linear. Linearised at a distribution, it is a mean again; the fit under
    that is where it is linearised next, until nothing moves.
    """
    width = share.shape[-1]
    scores = np.linspace(0.0, 1.0, width)
    # The mean of a pair's two scores deviates by 1 / sqrt(2) of one of them.
    t = elo / NELO_PER_T * (math.sqrt(2.0) if width == 5 else 1.0)
    fit = np.full(share.shape, 1.0 / width)
    for _ in range(MAX_STEPS):
        mean = (fit * scores).sum(-1, keepdims=True)
        sigma = np.sqrt((fit * (scores - mean) ** 2).sum(-1, keepdims=True))
        offset = scores - 0.5 - t * sigma * (1 + ((mean - scores) / sigma) ** 2) / 2
        last, fit = fit, _tilted(share, offset)
        if np.abs(fit - last).max(initial=0.0) < TINY:
            break
    return fit


def _tilted(share: Floats, offset: Floats) -> Floats:
    """[..., K] likeliest distribution under which `offset` has mean 0.

    By Lagrange it is share / (1 + x offset); the mean falls with x, from plus to minus infinity
    between the poles. Newton's step is taken where it stays in the bracket, else the middle.
    """
    inside = 1 - 1e-13  # of the poles, where the terms are still finite
    low = -inside / offset.max(-1, keepdims=True)
    high = -inside / offset.min(-1, keepdims=True)
    x = np.zeros_like(low)
    for _ in range(MAX_STEPS):
        terms = offset / (1 + x * offset)
        mean = (share * terms).sum(-1, keepdims=True)
        low, high = np.where(mean > 0, x, low), np.where(mean > 0, high, x)
        newton = x + mean / (share * terms**2).sum(-1, keepdims=True)
        kept = (newton >= low) & (newton <= high)
        last, x = x, np.where(kept, newton, (low + high) / 2)
        if np.abs(x - last).max(initial=0.0) < TINY:
            break
    return np.asarray(share / (1 + x * offset))
