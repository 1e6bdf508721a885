"""The batch policy: pure functions of what is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.batching import BatchPolicy, LatencyCurve, batch_rows, hold_us, measured_curve
from engine.errors import ConfigError

FLAT = LatencyCurve((1, 256), (0.001, 0.001))  # a device: any batch takes a millisecond
STEEP = LatencyCurve((1, 256), (0.0001, 0.0256))  # a CPU: proportional


def policy(curve: LatencyCurve | None = FLAT, **options: float) -> BatchPolicy:
    return BatchPolicy(**{"max_batch": 256, "queue_delay_us": 1000, "curve": curve, **options})


def test_a_curve_is_interpolated_and_proportional_beyond_its_end() -> None:
    curve = LatencyCurve((1, 4, 16), (1.0, 2.0, 8.0))
    assert [curve.batch_seconds(n) for n in (1, 2, 4, 10, 16, 32)] == pytest.approx(
        [1.0, 4 / 3, 2.0, 5.0, 8.0, 16.0]
    )


@pytest.mark.parametrize(
    ("rows", "seconds"), [((), ()), ((1, 2), (1.0,)), ((2, 1), (1.0, 2.0)), ((1, 1), (1.0, 2.0))]
)
def test_a_curve_that_cannot_be_read_is_refused(
    rows: tuple[int, ...], seconds: tuple[float, ...]
) -> None:
    with pytest.raises(ConfigError, match="latency curve"):
        LatencyCurve(rows, seconds)


def test_a_measured_curve_never_falls() -> None:
    assert measured_curve([1, 4, 16], [2.0, 1.0, 3.0]) == LatencyCurve((1, 4, 16), (2.0, 2.0, 3.0))


@given(st.integers(1, 10_000), st.integers(1, 8), st.integers(1, 512))
def test_a_stream_takes_its_even_share_and_never_more_than_the_cap(
    waiting: int, idle: int, cap: int
) -> None:
    rows = batch_rows(policy(max_batch=cap), waiting, idle)
    assert 1 <= rows <= min(cap, waiting)
    assert rows == cap or (rows - 1) * idle < waiting <= rows * idle


def test_rows_are_held_where_a_batch_costs_the_same_whatever_its_size() -> None:
    assert hold_us(policy(), 10, 0.0, 100_000.0) > 0


def test_rows_are_not_held_where_time_is_proportional_to_rows() -> None:
    assert hold_us(policy(STEEP), 10, 0.0, 100_000.0) == 0


@pytest.mark.parametrize(
    ("waiting", "waited_us", "rate", "changed"),
    [
        (10, 0.0, 100_000.0, {"curve": None}),  # nothing is known
        (10, 0.0, 100_000.0, {"queue_delay_us": 0}),  # told not to
        (10, 1000.0, 100_000.0, {}),  # waited long enough
        (256, 0.0, 100_000.0, {}),  # a full batch
        (0, 0.0, 100_000.0, {}),  # nothing to hold
        (10, 0.0, 0.0, {}),  # nothing more will come
    ],
)
def test_rows_are_not_held_without_a_reason(
    waiting: int, waited_us: float, rate: float, changed: dict[str, float | None]
) -> None:
    assert hold_us(policy(**changed), waiting, waited_us, rate) == 0


@given(st.integers(0, 300), st.floats(0, 3000), st.floats(0, 1e7))
def test_rows_are_never_held_longer_than_the_limit_leaves(
    waiting: int, waited_us: float, rate: float
) -> None:
    assert 0 <= hold_us(policy(), waiting, waited_us, rate) <= max(0.0, 1000 - waited_us)


@pytest.mark.parametrize("bad", [{"max_batch": 0}, {"queue_delay_us": -1}])
def test_an_impossible_policy_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        policy(**bad)
