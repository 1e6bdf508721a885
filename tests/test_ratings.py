"""Elo estimates against closed forms and against simulated matches."""

import math
import random

import pytest

from trainer.arena.ratings import elo_from_score, from_games, from_pairs, pentanomial


@pytest.mark.parametrize(
    ("score", "elo"), [(0.5, 0.0), (0.75, 190.848502), (10 / 11, 400.0), (1 / 101, -800.0)]
)
def test_elo_follows_the_logistic_curve(score: float, elo: float) -> None:
    assert elo_from_score(score) == pytest.approx(elo)


def test_even_match_is_zero_and_symmetric() -> None:
    even = from_games(40, 20, 40)
    assert even.games == 100
    assert even.score == 0.5
    assert even.elo == pytest.approx(0.0)
    assert even.lo == pytest.approx(-even.hi)


def test_mirrored_result_is_negated() -> None:
    won, lost = from_games(61, 9, 30), from_games(30, 9, 61)
    assert (won.elo, won.lo, won.hi) == pytest.approx((-lost.elo, -lost.hi, -lost.lo))


def test_large_match_agrees_with_the_normal_interval() -> None:
    wins, draws, losses = 52_000, 23_000, 25_000
    games = wins + draws + losses
    score = (wins + draws / 2) / games
    variance = (wins + draws / 4) / games - score**2
    slope = 400 / math.log(10) / (score * (1 - score))  # d Elo / d score
    half = 1.959964 * math.sqrt(variance / games) * slope
    found = from_games(wins, draws, losses)
    assert found.elo == pytest.approx(elo_from_score(score), abs=0.02)
    assert found.hi - found.lo == pytest.approx(2 * half, rel=1e-3)


def test_interval_without_draws_is_wilsons() -> None:
    # Half a win and half a loss are added to 8 wins and 1 loss: 8.5 of 10 games.
    n, p, z2 = 10, 0.85, 1.959963984540054**2
    root = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))
    lo, hi = ((p + z2 / (2 * n) + sign * root) / (1 + z2 / n) for sign in (-1, 1))
    found = from_games(8, 0, 1)
    assert (found.lo, found.hi) == pytest.approx((elo_from_score(lo), elo_from_score(hi)))


def test_draws_narrow_the_interval() -> None:
    wild, calm = from_games(50, 0, 50), from_games(10, 80, 10)
    assert calm.hi - calm.lo < wild.hi - wild.lo


def test_won_match_has_finite_estimate_that_grows_with_games() -> None:
    few, many = from_games(10, 0, 0), from_games(200, 0, 0)
    assert few.score == many.score == 1.0
    for found in (few, many):
        assert 0 < found.lo < found.elo < found.hi < math.inf
    assert few.elo < many.elo
    assert few.lo < many.lo


def test_pairs_with_correlated_games_have_a_smaller_variance() -> None:
    # 100 pairs in which whoever begins wins: 200 games, 100 won and 100 lost, no doubt at all.
    pairs, games = from_pairs([0, 0, 100, 0, 0]), from_games(100, 0, 100)
    assert pairs.games == games.games == 200
    assert pairs.elo == games.elo == pytest.approx(0.0)
    assert pairs.hi < games.hi / 4


def test_independent_pairs_agree_with_games() -> None:
    # Binomial pairs of games won with probability 0.7: 9, 42 and 49 of 100.
    pairs, games = from_pairs([900, 0, 4200, 0, 4900]), from_games(14_000, 0, 6_000)
    assert pairs.elo == pytest.approx(games.elo, abs=0.05)
    assert pairs.hi - pairs.lo == pytest.approx(games.hi - games.lo, rel=0.01)


@pytest.mark.parametrize("chance", [0.5, 0.8, 0.97])
def test_interval_covers_the_truth_about_as_often_as_promised(chance: float) -> None:
    rng, truth, covered = random.Random(7), elo_from_score(chance), 0
    for _ in range(1000):
        wins = sum(rng.random() < chance for _ in range(100))
        found = from_games(wins, 0, 100 - wins)
        covered += found.lo <= truth <= found.hi
    assert 0.92 <= covered / 1000 <= 0.99


def test_pentanomial_counts_pairs_by_points() -> None:
    assert pentanomial([1, 1, 1, 0.5, 0, 1, 0.5, 0.5, 0, 0, 0, 0.5]) == [1, 1, 2, 1, 1]


@pytest.mark.parametrize("points", [[1], [0.3, 0.1], [2, 1]])
def test_pentanomial_refuses_odd_and_impossible_points(points: list[float]) -> None:
    with pytest.raises(ValueError, match="points"):
        pentanomial(points)


def test_no_games_are_an_error() -> None:
    with pytest.raises(ValueError, match="counts must be"):
        from_games(0, 0, 0)


def test_text_shows_the_interval() -> None:
    assert str(from_games(50, 0, 50)).startswith("+0 [-")
