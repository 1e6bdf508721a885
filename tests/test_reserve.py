"""trainer.reserve: how much of the budget the last measurement keeps."""

import math

import pytest

from trainer.reserve import Reserve, match_seconds


def test_little_is_kept_while_nothing_is_known() -> None:
    assert Reserve(100.0).seconds == pytest.approx(5.0)
    assert Reserve(3600.0).seconds == 20.0
    assert Reserve(math.inf).seconds == 20.0


def test_a_measurement_goes_before_a_forecast() -> None:
    reserve = Reserve(1000.0)
    reserve.forecast(50.0)
    assert reserve.seconds == pytest.approx(55.0) and not reserve.is_measured
    reserve.measured(30.0)
    reserve.forecast(80.0)
    assert reserve.seconds == pytest.approx(33.0) and reserve.is_measured
    assert Reserve(1000.0, 30.0).seconds == pytest.approx(33.0)  # of an earlier session


def test_training_keeps_most_of_the_budget() -> None:
    reserve = Reserve(100.0)
    reserve.measured(60.0)
    assert reserve.seconds == pytest.approx(25.0)


def test_fewer_games_are_played_where_time_is_short() -> None:
    reserve = Reserve(100.0)
    assert reserve.games(40, 5.0) == 40  # nothing is known
    reserve.measured(60.0)
    assert reserve.games(40, 61.0) == reserve.games(40, math.inf) == 40
    assert reserve.games(40, 30.0) == 20
    assert reserve.games(40, 29.0) == 18  # whole pairs
    assert reserve.games(40, 0.0) == reserve.games(40, -3.0) == 2


def test_a_match_takes_what_its_moves_take() -> None:
    # 10 games of 40 plies: 200 moves of each side, of 50 x 0.2 ms and of 30 ms.
    assert match_seconds(10, 40, 50, 2e-4, 0.03) - match_seconds(0, 40, 50, 2e-4, 0.03) == (
        pytest.approx(200 * (0.01 + 0.03))
    )
