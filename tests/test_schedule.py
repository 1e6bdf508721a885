"""trainer.schedule: rates and averages over a run, against their curves drawn by hand."""

import numpy as np
import pytest

from engine.errors import ConfigError
from trainer.config import LearnerConfig, resolve
from trainer.schedule import average_decay, learning_rate


def rates(progress, **options):
    config = LearnerConfig(learning_rate=1.0, warmup_steps=0, **options)
    return [learning_rate(config, 100, at) for at in progress]


def test_one_cycle_rises_falls_and_goes_on_falling():
    progress = [0.0, 0.225, 0.45, 0.675, 0.9, 0.95, 1.0]
    expected = [0.1, 0.55, 1.0, 0.55, 0.1, 0.055, 0.01]
    got = rates(progress, learning_rate_schedule="one_cycle", drop_start=0.9,
                final_lr_fraction=0.1)  # fmt: skip
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_one_cycle_has_no_jumps():
    got = rates(np.linspace(0, 1, 2001), learning_rate_schedule="one_cycle", drop_start=0.8)
    assert np.abs(np.diff(got)).max() < 2 / 2000 * 0.9 / 0.8 + 1e-3
    assert np.argmax(got) == 800


@pytest.mark.parametrize("drop_start", [0.0, 1.0])
def test_one_cycle_at_the_ends_of_its_range(drop_start):
    got = rates([0.0, 0.5, 1.0], learning_rate_schedule="one_cycle", drop_start=drop_start)
    expected = {0.0: [0.1, 0.055, 0.01], 1.0: [0.1, 1.0, 0.1]}[drop_start]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_step_drops_at_once():
    got = rates([0.0, 0.69, 0.7, 1.0], learning_rate_schedule="step", drop_start=0.7)
    assert got == [1.0, 1.0, 0.1, 0.1]


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "step"])
def test_every_schedule_warms_up(schedule):
    config = LearnerConfig(learning_rate=1.0, warmup_steps=3, learning_rate_schedule=schedule)
    full = learning_rate(config, 100, 0.2)
    assert [learning_rate(config, step, 0.2) / full for step in range(5)] == pytest.approx(
        [0.25, 0.5, 0.75, 1, 1]
    )


def test_one_cycle_needs_an_end():
    with pytest.raises(ConfigError, match="learning_rate_schedule must be cosine or step"):
        resolve("connect4", overrides={"learner.learning_rate_schedule": "one_cycle",
                                       "budget.max_time": "0"})  # fmt: skip


def test_the_averages_memory_grows_with_the_run():
    config = LearnerConfig(ema_decay=0.999, average_share=0.1)
    assert average_decay(config, 10) == 11 / 20
    assert average_decay(config, 9_500) == 0.999
    assert average_decay(config, 50_000) == pytest.approx(1 - 1 / 5000)
    assert average_decay(LearnerConfig(), 50_000) == 0.999


def test_a_growing_memory_weighs_the_last_share_of_a_run():
    """The weights of the steps of polynomial-decay averaging, written out."""
    config, steps = LearnerConfig(ema_decay=0.0, average_share=0.25), 4000
    weights = np.zeros(steps)
    for step in range(1, steps + 1):
        decay = average_decay(config, step)
        weights *= decay
        weights[step - 1] = 1 - decay
    assert weights.sum() == pytest.approx(1)
    # With share 1/n the weight of step t goes like t^(n-1): its mean age is steps / (n + 1).
    age = (weights * (steps - np.arange(1, steps + 1))).sum()
    assert age == pytest.approx(steps / 5, rel=0.01)
