"""Simulated matches under the sequential test.

``python -m tests.simulated_matches`` prints how often a test of 0 against 10 Elo errs, and how many
games it takes, where the true difference is -10, 0, 10 and 20 Elo.
"""

import numpy as np
import numpy.typing as npt

from trainer.arena.sprt import Sprt, log_likelihood_ratio

__all__ = ["pair_chances", "simulated"]


def pair_chances(elo: float) -> npt.NDArray[np.float64]:
    """[5] chances of a pair's points where the mean score is that of `elo`, openings favour a
    side by a fifth of a point, and about 40 % of the games are drawn."""
    chances = np.zeros(5)
    games = []
    for bias in (0.2, -0.2):
        score = 1 / (1 + 10 ** (-elo / 400)) + bias
        draw = 1.2 * min(score, 1 - score)
        games.append(np.array([1 - score - draw / 2, draw, score - draw / 2]))
    for first in range(3):
        for second in range(3):
            chances[first + second] += games[0][first] * games[1][second]
    return chances


def simulated(
    test: Sprt, elo: float, matches: int = 1000, pairs_at_once: int = 8
) -> tuple[float, float]:
    """Share of `matches` that find the first player stronger, and mean pairs to a verdict.

    Each is looked at after every `pairs_at_once`, until it is decided.
    """
    rng = np.random.default_rng(11)
    lower, upper = test.bounds
    counts = np.zeros((matches, 5))
    stronger, total = 0, 0
    for _ in range(100_000):
        counts += rng.multinomial(pairs_at_once, pair_chances(elo), len(counts))
        llr = log_likelihood_ratio(counts, test)
        going = (llr > lower) & (llr < upper)
        stronger += int((llr >= upper).sum())
        total += int(counts[~going].sum())
        counts = counts[going]
        if not len(counts):
            return stronger / matches, total / matches
    raise AssertionError(f"{len(counts)} matches were still undecided")


def main() -> None:
    """Print a row for each scale and difference."""
    for scale in ("logistic", "normalised"):
        test = Sprt(elo0=0, elo1=10, scale=scale)  # type: ignore[arg-type]
        for elo in (-10, 0, 10, 20):
            stronger, pairs = simulated(test, elo)
            print(f"{scale:>10} 0,10  true {elo:+3d} Elo: found stronger {stronger:6.1%}, "
                  f"{2 * pairs:7.0f} games on average of 1000 matches", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
