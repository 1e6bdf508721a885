"""Ratings of many players from all their games at once, with what is not known of them.

The model is Elo's curve: first against second scores ``1 / (1 + 10 ** (-d / 400))`` in the mean,
``d`` being the difference of their ratings and the first move's advantage. A draw is half a win and
half a loss. The ratings are those under which the games are likeliest; how far they may be off is
read from how the scores of opening pairs do spread about that curve, not from an assumption: draws
make the spread smaller, so do openings that favour a side, and both are found in the games.

Shapes: ``P`` players.

References
----------
Zermelo (1929) and Bradley and Terry (1952): the model. Hunter, "MM algorithms for generalized
Bradley-Terry models", Ann. Statist. 32 (2004): ties, the first move, and when there is a maximum.
White, "Maximum likelihood estimation of misspecified models", Econometrica 50 (1982): the
covariance.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trainer.arena.ratings import Z95

__all__ = ["Ladder", "Result", "rate"]

Floats = npt.NDArray[np.float64]

ELO = 400.0 / math.log(10.0)
"""Elo of one natural unit, in which a score's logit is the difference."""
MAX_STEPS = 100
TINY = 1e-12


class Result(NamedTuple):
    """A finished game."""

    first: str
    second: str
    score: float
    """The first player's points: 0, 0.5 or 1."""
    pair: Hashable
    """Games of one opening between two players share it; they are not independent."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Ratings, the strongest player first."""

    names: tuple[str, ...]
    elo: Floats
    """[P]"""
    covariance: Floats
    """[P, P] in Elo squared; an anchored player's row is 0."""
    games: npt.NDArray[np.int64]
    """[P] played."""
    scores: Floats
    """[P] share of the points, in [0, 1]."""
    first_advantage: tuple[float, float]
    """Elo that the first move is worth, and its standard deviation."""
    islands: tuple[tuple[str, ...], ...]
    """Groups of players that have played among themselves only; one, unless matches are missing.
    Nothing but the prior compares players of different islands."""

    def half_width(self, name: str) -> float:
        """Of the 95 % interval of a rating, against the anchor, or else the mean of all."""
        at = self.names.index(name)
        return Z95 * math.sqrt(max(0.0, float(self.covariance[at, at])))

    def difference(self, name: str, other: str) -> tuple[float, float, float]:
        """Elo of `name` above `other`, and the ends of its 95 % interval.

        It is narrower than the two intervals make believe: what all have in common cancels.
        """
        a, b = self.names.index(name), self.names.index(other)
        gap, half = float(self.elo[a] - self.elo[b]), Z95 * self._deviation(a, b)
        return gap, gap - half, gap + half

    def superiority(self, name: str, other: str) -> float:
        """The likelihood that `name` is the stronger of the two, in [0, 1]."""
        a, b = self.names.index(name), self.names.index(other)
        deviation = self._deviation(a, b)
        if a == b or deviation == 0.0:
            return 0.5
        return 0.5 * math.erfc(-float(self.elo[a] - self.elo[b]) / (deviation * math.sqrt(2.0)))

    def _deviation(self, a: int, b: int) -> float:
        c = self.covariance
        return math.sqrt(max(0.0, float(c[a, a] + c[b, b] - 2.0 * c[a, b])))

    def as_json(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {
            "players": [
                {
                    "name": name,
                    "elo": float(self.elo[i]),
                    "interval": [
                        float(self.elo[i]) - self.half_width(name),
                        float(self.elo[i]) + self.half_width(name),
                    ],
                    "games": int(self.games[i]),
                    "score": float(self.scores[i]),
                }
                for i, name in enumerate(self.names)
            ],
            "covariance": self.covariance.tolist(),
            "first_advantage": self.first_advantage[0],
            "first_advantage_deviation": self.first_advantage[1],
            "islands": [list(island) for island in self.islands],
        }


def rate(
    results: Iterable[Result], *, anchor: tuple[str, float] | None = None, prior: float = 1.0
) -> Ladder:
    """The ratings of all players of `results`.

    Parameters
    ----------
    anchor
        A player and the rating that it shall have; by default the ratings' mean is 0.
    prior
        So many games of each player against one of rating 0 are taken for half won and half lost,
        > 0: whoever has won every game then has a rating, too. It fades as games come.

    Raises
    ------
    ValueError
        Without results, or if one is not a game between two players with a score in [0, 1].
    """
    results = list(results)
    if not results:
        raise ValueError("results must hold at least one game, got none")
    if prior <= 0:
        raise ValueError(f"prior must be > 0, got {prior}")
    for result in results:
        if result.first == result.second or not 0.0 <= result.score <= 1.0:
            raise ValueError(f"a result is of two players with a score in [0, 1], got {result!r}")
    names = sorted({name for r in results for name in (r.first, r.second)})
    if anchor is not None and anchor[0] not in names:
        raise ValueError(f"anchor must be one of {', '.join(names)}, got {anchor[0]!r}")
    number = {name: i for i, name in enumerate(names)}
    first = np.array([number[r.first] for r in results])
    second = np.array([number[r.second] for r in results])
    score = np.array([r.score for r in results], np.float64)
    # A game says of the parameters, ratings and the first move, that the first's score is about
    # the logistic function of row @ parameters.
    rows = np.zeros((len(results), len(names) + 1))
    at = np.arange(len(results))
    rows[at, first], rows[at, second], rows[:, -1] = 1.0, -1.0, 1.0
    found, information = _likeliest(rows, score, len(names), prior)
    covariance = _covariance(rows, score, found, information, results, prior)
    return _ladder(names, found, covariance, rows, score, anchor)


def _expected(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _likeliest(
    rows: Floats, score: Floats, num_players: int, prior: float
) -> tuple[Floats, Floats]:
    """The likeliest parameters by Newton's method, and the information there."""
    weight = np.full(rows.shape[1], prior)
    weight[num_players:] = 1e-3 * prior  # the first move's: hardly any, it is no player
    found = np.zeros(rows.shape[1])

    def posterior(at: Floats) -> float:
        logits = rows @ at
        games = score @ logits - np.logaddexp(0.0, logits).sum()
        return float(games + (weight * (0.5 * at - np.logaddexp(0.0, at))).sum())

    best = posterior(found)
    information = np.eye(len(found))
    for _ in range(MAX_STEPS):
        p, q = _expected(rows @ found), _expected(found)
        slope = rows.T @ (score - p) + weight * (0.5 - q)
        information = (rows * (p * (1 - p))[:, None]).T @ rows + np.diag(weight * q * (1 - q))
        step = np.linalg.solve(information, slope)
        # The function is concave; far from its top a whole step may still lead too far.
        share = 1.0
        while (now := posterior(found + share * step)) < best - TINY and share > 1e-6:
            share /= 2
        found, best = found + share * step, now
        if float(np.abs(step).max()) < 1e-10:
            break
    return found, information


def _covariance(
    rows: Floats,
    score: Floats,
    found: Floats,
    information: Floats,
    results: Sequence[Result],
    prior: float,
) -> Floats:
    """Of the parameters: inverse information, corrected by the spread that pairs really have."""
    residual = rows * (score - _expected(rows @ found))[:, None]
    pairs: dict[Hashable, Floats] = defaultdict(lambda: np.zeros(rows.shape[1]))
    for result, each in zip(results, residual, strict=True):
        pairs[frozenset((result.first, result.second)), result.pair] += each
    sums = np.array(list(pairs.values()))
    # The prior's games spread like games, so that a handful of equal results is not certainty.
    q = _expected(found)
    spread = sums.T @ sums + np.diag(prior * ((1 - q) ** 2 + q**2) / 2)
    free = max(1.0, len(sums) - (rows.shape[1] - 1))
    inverse = np.linalg.inv(information)
    covariance: Floats = inverse @ spread @ inverse * (len(sums) / free)
    return covariance


def _ladder(
    names: Sequence[str],
    found: Floats,
    covariance: Floats,
    rows: Floats,
    score: Floats,
    anchor: tuple[str, float] | None,
) -> Ladder:
    """On Elo's scale, in order, and measured from the anchor or the mean."""
    num = len(names)
    origin = np.full(num, 1.0 / num)
    if anchor is not None:
        origin = np.array([float(name == anchor[0]) for name in names])
    shift = np.eye(num) - np.outer(np.ones(num), origin)
    elo = ELO * (shift @ found[:num]) + (0.0 if anchor is None else anchor[1])
    order = np.argsort(-elo, kind="stable")
    played = rows[:, :num] != 0
    points = (rows[:, :num] > 0).T @ score + (rows[:, :num] < 0).T @ (1 - score)
    games = played.sum(0)
    return Ladder(
        names=tuple(names[i] for i in order),
        elo=elo[order],
        covariance=(ELO**2 * shift @ covariance[:num, :num] @ shift.T)[np.ix_(order, order)],
        games=games[order],
        scores=(points / games)[order],
        first_advantage=(ELO * float(found[-1]), ELO * math.sqrt(max(0.0, covariance[-1, -1]))),
        islands=_islands(names, played),
    )


def _islands(names: Sequence[str], played: npt.NDArray[np.bool_]) -> tuple[tuple[str, ...], ...]:
    """Players that games connect, the largest group first."""
    group = np.arange(len(names))
    for game in np.unique(played, axis=0):
        a, b = np.flatnonzero(game)
        group[group == group[b]] = group[a]
    found = [
        tuple(name for name, own in zip(names, group, strict=True) if own == g)
        for g in np.unique(group)
    ]
    return tuple(sorted(found, key=lambda island: (-len(island), island)))
