"""Elo differences from match results, with 95 % intervals that stay honest at the edges.

Both sides of a shared opening are played, so the two games of a pair are not independent: the
variance is taken over pairs (pentanomial counts), which is smaller than that of single games
where openings favour a side.

References
----------
Elo's logistic curve: a score of s against an opponent is 400 * log10(s / (1 - s)) above it.
Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927):
the interval, here for scores with draws by an effective number of games.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["EloEstimate", "elo_from_score", "from_games", "from_pairs", "pentanomial"]

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class EloEstimate:
    """How much stronger the first player of a match is than the second."""

    games: int
    """Games played."""
    score: float
    """Share of the points the first player got, in [0, 1]; a draw is half a point."""
    elo: float
    """Elo difference; finite even when every game was won, by the prior."""
    lo: float
    """Lower end of the 95 % interval."""
    hi: float
    """Upper end of the 95 % interval."""

    def __str__(self) -> str:
        return f"{self.elo:+.0f} [{self.lo:+.0f}, {self.hi:+.0f}]"


def elo_from_score(score: float) -> float:
    """Elo difference at which the expected score is `score`, in (0, 1)."""
    if not 0.0 < score < 1.0:
        raise ValueError(f"score must be in (0, 1), got {score!r}")
    return 400.0 * math.log10(score / (1.0 - score))


def from_games(wins: int, draws: int, losses: int) -> EloEstimate:
    """Estimate from independent games, counted for the first player."""
    return _estimate((losses, draws, wins), games_each=1)


def from_pairs(counts: Sequence[int]) -> EloEstimate:
    """Estimate from pairs of games.

    Parameters
    ----------
    counts : [5]
        How many pairs gave the first player 0, 0.5, 1, 1.5 and 2 points.
    """
    if len(counts) != 5:
        raise ValueError(f"counts must have 5 entries, got {len(counts)}")
    return _estimate(counts, games_each=2)


def pentanomial(points: Sequence[float]) -> list[int]:
    """[5] counts of pairs with 0, 0.5, 1, 1.5 and 2 points.

    Parameters
    ----------
    points
        The first player's points game by game (0, 0.5 or 1); games 2i and 2i+1 are a pair.
    """
    if len(points) % 2:
        raise ValueError(f"points must have an even length, got {len(points)}")
    counts = [0] * 5
    for first, second in zip(points[::2], points[1::2], strict=True):
        total = 2 * (first + second)
        if total not in range(5):
            raise ValueError(f"points of a game must be 0, 0.5 or 1, got {first!r}, {second!r}")
        counts[int(total)] += 1
    return counts


def _estimate(counts: Sequence[int], games_each: int) -> EloEstimate:
    """Estimate from counts of equally spaced scores, from nothing to everything."""
    trials = sum(counts)
    if trials < 1 or min(counts) < 0:
        raise ValueError(f"counts must be >= 0 and not all 0, got {list(counts)}")
    top = len(counts) - 1
    score = sum(i * n for i, n in enumerate(counts)) / (top * trials)
    # The prior: one trial, half lost and half won. It keeps everything finite and fades as 1/n.
    smooth = [float(n) for n in counts]
    smooth[0] += 0.5
    smooth[-1] += 0.5
    total = trials + 1.0
    mean = sum(i / top * n for i, n in enumerate(smooth)) / total
    variance = sum((i / top - mean) ** 2 * n for i, n in enumerate(smooth)) / total
    # Draws and pairing make the variance smaller than mean * (1 - mean), that of wins and losses
    # alone: as if there had been more of those.
    effective = total * mean * (1.0 - mean) / variance
    lo, hi = _wilson(mean, effective)
    return EloEstimate(
        games=games_each * trials,
        score=score,
        elo=elo_from_score(mean),
        lo=elo_from_score(lo),
        hi=elo_from_score(hi),
    )


def _wilson(share: float, trials: float) -> tuple[float, float]:
    """95 % interval of a share seen in `trials` (Wilson 1927)."""
    ratio = Z95**2 / trials
    centre = share + ratio / 2.0
    half = math.sqrt(ratio * (share * (1.0 - share) + ratio / 4.0))
    return (centre - half) / (1.0 + ratio), (centre + half) / (1.0 + ratio)
