"""A simulated accelerator answers zeros, no sooner than its device would; no clock judges speed."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from engine.backends import simulated
from engine.backends.plan import Plan
from engine.backends.simulated import ACCELERATORS, SimulatedEvaluator, Timing, network_timing
from engine.backends.spec import EvaluatorSpec
from engine.errors import ConfigError
from engine.evaluator import Run
from games import make
from trainer.bench import network_config
from trainer.network import Network

GAME = make("connect4")


def run_of(rows: int) -> Run:
    """Room for `rows` answers that nobody has given yet."""
    return Run(
        np.zeros((rows, GAME.observation_bytes), np.uint8),
        np.full((rows, GAME.num_actions), np.nan, np.float32),
        np.full((rows, 3), np.nan, np.float32),
    )


def plan_of(shape: str) -> Plan:
    config = network_config(shape)
    return Network(GAME.observation_shape, GAME.num_actions, config).plan()


def elapsed_us(work: Callable[[], object]) -> float:
    start = time.monotonic_ns()
    work()
    return (time.monotonic_ns() - start) / 1e3


@pytest.mark.parametrize("name", ["instant", "curve:0+1", "curve:50+0"])
def test_every_result_is_written_and_zero(name: str) -> None:
    runs = [run_of(3), run_of(5)]
    SimulatedEvaluator(name).evaluate(runs)
    for run in runs:
        assert not run.policy_logits.any() and not run.wdl_logits.any()


def test_batch_takes_no_less_than_its_curve() -> None:
    evaluator = SimulatedEvaluator("curve:1000+100")
    assert elapsed_us(lambda: evaluator.evaluate([run_of(4), run_of(6)])) >= 2000


def test_streams_of_a_device_wait_for_each_other() -> None:
    def stream() -> None:
        SimulatedEvaluator("curve:4000+0").evaluate([run_of(1)])

    def both() -> None:
        threads = [threading.Thread(target=stream) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert elapsed_us(both) >= 8000


def test_waiting_takes_little_of_the_processor() -> None:
    evaluator = SimulatedEvaluator("curve:200000+0")
    start = time.thread_time()
    evaluator.evaluate([run_of(1)])
    assert time.thread_time() - start < 0.05


@pytest.mark.parametrize("name", ["", "h100x", "curve:", "curve:5", "curve:-1+2", "curve:1+x"])
def test_unknown_device_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match="simulated device must be instant"):
        SimulatedEvaluator(name)


def test_named_device_needs_a_network() -> None:
    with pytest.raises(ConfigError, match="name a model file"):
        SimulatedEvaluator("h100")


def test_named_device_is_timed_by_the_network_it_loads() -> None:
    plans = {"small": plan_of("4x48"), "large": plan_of("20x256")}
    evaluator = SimulatedEvaluator("rtx4090", "small", plans.__getitem__)
    small = evaluator.timing
    evaluator.load("large")
    assert evaluator.timing.row_us > 10 * small.row_us
    assert evaluator.timing.fixed_us > small.fixed_us


def test_multiplications_of_a_large_network_set_its_time() -> None:
    # 20 blocks of two 3x3 convolutions of 256 channels on 42 cells, and little beside them.
    flops = 2 * 20 * 2 * 9 * 256 * 256 * 42
    peak = simulated.UTILISATION * ACCELERATORS["h100"].teraflops * 1e12
    assert network_timing("h100", plan_of("20x256")).row_us == pytest.approx(
        1e6 * flops / peak, rel=0.05
    )


def test_faster_cards_are_faster_and_larger_batches_cheaper_a_row() -> None:
    plan = plan_of("10x128")
    times = [network_timing(name, plan) for name in ("h100", "rtx4090", "rtx3090")]
    assert sorted(t.row_us for t in times) == [t.row_us for t in times]
    for timing in times:
        per_row = [timing.batch_us(rows) / rows for rows in (1, 64, 4096)]
        assert per_row == sorted(per_row, reverse=True)


def test_copies_do_not_take_the_device() -> None:
    timing = Timing(fixed_us=10, row_us=2, copy_row_us=1)
    assert (timing.compute_us(5), timing.batch_us(5)) == (20, 25)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [("network", "network", "instant"), ("simulated:h100", "simulated", "h100"),
     ("simulated:curve:10+0.5", "simulated", "curve:10+0.5")],
)  # fmt: skip
def test_evaluator_is_parsed(text: str, kind: str, name: str) -> None:
    spec = EvaluatorSpec.parse(text, path="x")
    assert (spec.kind, spec.name, spec.path) == (kind, name, "x")


@pytest.mark.parametrize("text", ["", "cuda", "simulated", "simulated:", "network:h100"])
def test_evaluator_of_no_kind_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="simulated:NAME"):
        EvaluatorSpec.parse(text)


def test_spec_makes_the_device() -> None:
    evaluator = EvaluatorSpec.parse("simulated:curve:10+0.5").make(GAME, 8)
    assert evaluator.name == "simulated curve:10+0.5"
