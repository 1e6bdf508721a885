"""Counter-based random numbers, through `engine.testing`."""

import math

import numpy as np
import pytest

from engine.testing import draw

MASK = 2**64 - 1


def mix64(x: int) -> int:
    """The finaliser of splitmix64 (Steele et al. 2014), written again."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def test_a_draw_is_a_pure_function_of_key_and_counter() -> None:
    seed, game, ply, purpose = 5, 17, 3, 2
    key = mix64(mix64(mix64(mix64(seed + 1) ^ game) + ply) ^ purpose)
    expected = [mix64((key + i * 0x9E3779B97F4A7C15) & MASK) for i in range(1, 9)]
    assert draw("word", 8, seed=seed, game=game, ply=ply, purpose=purpose) == expected


def test_the_order_in_which_streams_are_used_does_not_matter() -> None:
    keys = [(game, ply) for game in range(4) for ply in range(4)]
    forward = {key: draw("gamma", 5, game=key[0], ply=key[1]) for key in keys}
    backward = {key: draw("gamma", 5, game=key[0], ply=key[1]) for key in reversed(keys)}
    assert forward == backward
    assert draw("word", 3) == draw("word", 9)[:3]


def test_neighbouring_keys_give_unrelated_streams() -> None:
    first = [
        draw("word", 1, seed=seed, game=game, ply=ply, purpose=purpose)[0]
        for seed in range(6)
        for game in range(6)
        for ply in range(6)
        for purpose in range(1, 6)
    ]
    assert len(set(first)) == len(first)
    bits = np.array([[word >> i & 1 for i in range(64)] for word in first])
    # Each bit is a fair coin: 5 standard deviations.
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / math.sqrt(len(first))


def test_uniform_draws_lie_strictly_between_0_and_1_with_the_right_moments() -> None:
    x = np.array(draw("uniform", 50_000))
    assert x.min() > 0.0 and x.max() < 1.0
    assert x.mean() == pytest.approx(0.5, abs=0.01)
    assert x.var() == pytest.approx(1 / 12, abs=0.002)


def test_below_reaches_every_number_equally_often() -> None:
    counts = np.bincount(draw("below", 70_000, parameter=7), minlength=7)
    assert len(counts) == 7
    assert np.abs(counts - 10_000).max() < 500


def test_normal_draws_have_the_moments_of_a_normal() -> None:
    x = np.array(draw("normal", 100_000))
    assert x.mean() == pytest.approx(0.0, abs=0.02)
    assert x.var() == pytest.approx(1.0, abs=0.03)
    assert (x**3).mean() == pytest.approx(0.0, abs=0.06)
    assert (x**4).mean() == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize("alpha", [0.05, 0.3, 1.0, 2.5, 10.0])
def test_gamma_draws_have_the_moments_of_a_gamma(alpha: float) -> None:
    x = np.array(draw("gamma", 100_000, parameter=alpha))
    assert (x >= 0).all()
    # Six standard errors of the mean, and of the variance (kurtosis 3 + 6 / alpha).
    error = 6 / math.sqrt(len(x))
    assert x.mean() == pytest.approx(alpha, abs=error * math.sqrt(alpha))
    assert x.var() == pytest.approx(alpha, abs=error * alpha * math.sqrt(2 + 6 / alpha))
