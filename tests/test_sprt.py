"""The sequential test: published figures, limits that can be derived, and simulated matches."""

import math

import numpy as np
import pytest
from simulated_matches import pair_chances, simulated

from trainer.arena.sprt import Sprt, log_likelihood_ratio

CHECKED = [
    ((0, 5), (10, 50, 100, 60, 12), 0.359350, 0.260106),
    ((0, 10), (5, 40, 120, 70, 15), 3.272812, 2.127335),
    ((-5, 0), (20, 80, 200, 70, 10), -1.003808, -0.649127),
    ((0, 5), (100, 200, 150), 1.212646, 0.918980),
    ((0, 35), (3, 12, 30, 28, 9), 3.726401, 2.976930),
    ((0, 5), (0, 0, 50, 10, 0), 0.857004, 0.341499),
]
"""Hypotheses, counts, ratio for logistic and for normalised Elo, as a chess test server gives."""


@pytest.mark.parametrize(("elos", "counts", "logistic", "normalised"), CHECKED)
def test_ratios_are_those_of_a_chess_test_server(elos, counts, logistic, normalised) -> None:
    test = Sprt(elo0=elos[0], elo1=elos[1])
    assert log_likelihood_ratio(counts, test) == pytest.approx(logistic, abs=6e-7)
    test = Sprt(elo0=elos[0], elo1=elos[1], scale="normalised")
    assert log_likelihood_ratio(counts, test) == pytest.approx(normalised, abs=6e-7)


def slow_ratio(counts: tuple[int, ...], elo0: float, elo1: float) -> float:
    """The logistic ratio by plain bisection, a number at a time."""
    seen = [(n or 0.001, i / (len(counts) - 1)) for i, n in enumerate(counts)]

    def likelihood(elo: float) -> float:
        mean = 1 / (1 + 10 ** (-elo / 400))
        low, high = -1 / (1 - mean) + 1e-13, 1 / mean - 1e-13
        for _ in range(200):
            x = (low + high) / 2
            slope = sum(n * (a - mean) / (1 + x * (a - mean)) for n, a in seen)
            low, high = (x, high) if slope > 0 else (low, x)
        return -sum(n * math.log(1 + x * (a - mean)) for n, a in seen)

    return likelihood(elo1) - likelihood(elo0)


def test_many_tests_at_once_agree_with_a_slow_reference() -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(0, [30, 3, 60, 3, 30], (40, 5))
    found = log_likelihood_ratio(counts.reshape(8, 5, 5), Sprt(elo0=-3, elo1=12))
    expected = [slow_ratio(tuple(row), -3, 12) for row in counts.tolist()]
    assert found.shape == (8, 5)
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


@pytest.mark.parametrize("scale", ["logistic", "normalised"])
def test_turned_round_match_and_hypotheses_negate_the_ratio(scale) -> None:
    one = log_likelihood_ratio((4, 30, 50, 41, 9), Sprt(elo0=0, elo1=8, scale=scale))
    two = log_likelihood_ratio((9, 41, 50, 30, 4), Sprt(elo0=-8, elo1=0, scale=scale))
    assert one == pytest.approx(-float(two), abs=1e-9)


@pytest.mark.parametrize("scale", ["logistic", "normalised"])
def test_one_sided_and_empty_matches_are_finite(scale) -> None:
    test = Sprt(elo0=0, elo1=20, scale=scale)
    assert log_likelihood_ratio([0] * 5, test) == 0.0
    ratios = log_likelihood_ratio(1e5 * np.eye(5), test)
    assert np.isfinite(ratios).all() and (np.diff(ratios) > 0).all()


def test_bounds_are_walds_and_decide() -> None:
    test = Sprt(elo0=0, elo1=35)
    assert test.bounds == pytest.approx((-2.944439, 2.944439), abs=1e-6)
    assert Sprt(alpha=0.01, beta=0.2).bounds == pytest.approx((math.log(0.2 / 0.99), math.log(80)))
    won, open_, lost = (
        test.standing(c) for c in ((3, 12, 30, 28, 9), (3, 12, 30, 14, 4), (9, 28, 30, 12, 3))
    )
    assert won.verdict == "stronger" and won.decided
    assert open_.verdict == "undecided" and not open_.decided
    assert lost.verdict == "not stronger" and lost.as_json()["llr"] < lost.lower
    assert str(won) == "stronger, LLR +3.73 in (-2.94, 2.94)"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"elo0": 5, "elo1": 5}, "elo0 must be < elo1, got 5 and 5"),
        ({"alpha": 0}, r"alpha must be in \(0, 0.5\), got 0"),
        ({"beta": 0.5}, "beta must be in"),
        ({"scale": "bayes"}, "scale must be logistic or normalised, got 'bayes'"),
        ({"scale": "normalised", "elo1": 300}, r"must be in \[-200, 200\], got 0.0 and 300"),
    ],
)
def test_impossible_tests_are_refused(values, says) -> None:
    with pytest.raises(ValueError, match=says):
        Sprt(**values)


@pytest.mark.parametrize("counts", [[1, 2], [1, 2, 3, 4], [1, -1, 2], 3])
def test_counts_of_another_kind_are_refused(counts) -> None:
    with pytest.raises(ValueError, match="counts must be 3 or 5 numbers >= 0"):
        log_likelihood_ratio(counts, Sprt())


# -- simulated matches ------------------------------------------------------------------------


def test_error_rates_of_simulated_matches_are_those_asked_for() -> None:
    test = Sprt(elo0=0, elo1=40)
    accepted, mean_pairs = {}, {}
    for elo in (-20, 0, 20, 40):
        accepted[elo], mean_pairs[elo] = simulated(test, elo)
    # Three deviations of a share of 0.05 among 1000 are 0.02. The ratio overshoots its bound,
    # which errs on the safe side.
    assert accepted[-20] < 0.01 and accepted[0] < 0.07
    assert 0.4 < accepted[20] < 0.6
    assert accepted[40] > 0.93
    # In the middle it takes longest, and below elo0 it is soonest over.
    assert mean_pairs[20] > 1.3 * mean_pairs[0] > 1.3 * mean_pairs[-20]
    # Wald's mean number, without the overshoot: bound / drift of a pair.
    drift = float(log_likelihood_ratio(1e6 * pair_chances(40), test)) / 1e6
    assert 1 < mean_pairs[40] / (0.9 * test.bounds[1] / drift) < 1.25


def test_normalised_elo_is_a_pairs_mean_per_deviation() -> None:
    chances, scores = pair_chances(40), np.linspace(0, 1, 5)
    mean = chances @ scores
    t = (mean - 0.5) / math.sqrt(chances @ (scores - mean) ** 2)
    test = Sprt(elo0=0, elo1=t / math.sqrt(2) * 800 / math.log(10), scale="normalised")
    accepted, mean_pairs = simulated(test, 40)
    assert accepted > 0.93
    # The deviations alone say how many pairs: each drifts by t**2 / 2, to first order.
    assert 0.95 < mean_pairs / (0.9 * test.bounds[1] / (t * t / 2)) < 1.25
