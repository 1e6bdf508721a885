"""engine.backends.torch_backend against the network itself, and the uniform evaluator."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from factories import lively_network, random_run

import games
from engine.backends import torch_backend
from engine.backends.torch_backend import TorchEvaluator, cpu_has_bf16
from engine.backends.uniform import UniformEvaluator
from engine.errors import ConfigError, EvaluatorError
from engine.evaluator import Run
from trainer.network import load_plan, save_model

GAME = games.make("connect4")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def check(evaluator, network, runs, tolerance):
    evaluator.evaluate(runs)
    for run in runs:
        if not len(run.observations):
            continue
        with torch.inference_mode():
            policy, value = network(torch.from_numpy(GAME.unpack(run.observations)))
        for got, expected in ((run.policy_logits, policy), (run.wdl_logits, value)):
            atol = tolerance * max(1.0, expected.abs().max().item())
            np.testing.assert_allclose(got, expected.numpy(), atol=atol)


PRECISIONS = [("fp32", 5e-6)] + ([("bf16", 0.02)] if cpu_has_bf16() else [])


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("sizes", [{}, {"channels": 48, "pool_every": 1}, {"blocks": 0}])
def test_agrees_with_the_network(precision, tolerance, sizes):
    network = lively_network(GAME, **sizes)
    evaluator = TorchEvaluator(GAME, network.plan(), precision=precision)
    assert evaluator.name == f"torch cpu {precision} fused"
    for rows in ([1], [5], [64], [65], [1, 70, 3, 130], [0, 9, 0]):
        runs = [random_run(GAME, n, seed=i) for i, n in enumerate(rows)]
        check(evaluator, network, runs, tolerance)


def test_bf16_is_refused_where_the_cpu_cannot_emulate_it(monkeypatch):
    monkeypatch.setattr(torch_backend, "fused_takes_bf16", lambda: False)
    plan = lively_network(GAME).plan()
    with pytest.raises(EvaluatorError, match="bf16 of the network needs a CPU with AVX-512"):
        TorchEvaluator(GAME, plan, precision="bf16")
    TorchEvaluator(GAME, plan, precision="auto")


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
def test_without_the_fused_primitives_it_is_right_too(precision, tolerance, monkeypatch):
    monkeypatch.setattr(torch_backend, "has_fused", lambda: False)
    network = lively_network(GAME)
    evaluator = TorchEvaluator(GAME, network.plan(), precision=precision)
    assert evaluator.name == f"torch cpu {precision} eager"
    check(evaluator, network, [random_run(GAME, 21), random_run(GAME, 50)], tolerance)


def test_results_do_not_depend_on_what_else_is_in_the_batch():
    evaluator = TorchEvaluator(GAME, lively_network(GAME).plan())
    many, one = random_run(GAME, 100), random_run(GAME, 1)
    evaluator.evaluate([many])
    for row in (0, 17, 99):
        one.observations[0] = many.observations[row]
        evaluator.evaluate([one])
        np.testing.assert_allclose(one.policy_logits[0], many.policy_logits[row], atol=2e-5)


def test_writes_into_slots_in_the_middle_of_a_column_only():
    evaluator = TorchEvaluator(GAME, lively_network(GAME).plan())
    column = random_run(GAME, 30)
    evaluator.evaluate([Run(*(part[10:20] for part in column))])
    for part in (column.policy_logits, column.wdl_logits):
        assert np.isfinite(part[10:20]).all()
        assert np.isnan(part[:10]).all() and np.isnan(part[20:]).all()


def test_streams_in_threads_do_not_disturb_each_other():
    plan = lively_network(GAME).plan()
    expected = random_run(GAME, 90)
    TorchEvaluator(GAME, plan).evaluate([expected])
    results = [random_run(GAME, 90) for _ in range(2)]

    def stream(run):
        evaluator = TorchEvaluator(GAME, plan)
        for _ in range(5):
            evaluator.evaluate([run])

    threads = [threading.Thread(target=stream, args=(run,)) for run in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in results:
        np.testing.assert_allclose(run.policy_logits, expected.policy_logits, atol=2e-5)


def test_load_swaps_the_weights_and_a_bad_file_does_not(tmp_path):
    paths = [str(tmp_path / f"{i}.safetensors") for i in range(3)]
    networks = [lively_network(GAME, seed=i) for i in range(3)]
    with torch.no_grad():
        networks[2].policy.weight[0, 0] = float("nan")
    for path, network in zip(paths, networks, strict=True):
        save_model(path, network, games.spec(GAME), {})
    evaluator = TorchEvaluator(GAME, paths[0], load_plan=load_plan, precision="fp32")
    run = random_run(GAME, 10)
    check(evaluator, networks[0], [run], 5e-6)
    evaluator.load(paths[1])
    check(evaluator, networks[1], [run], 5e-6)
    with pytest.raises(EvaluatorError, match=r"2\.safetensors gave logits that are not finite"):
        evaluator.load(paths[2])
    check(evaluator, networks[1], [run], 5e-6)
    assert evaluator.model == f"model {paths[1]}"


def test_what_cannot_work_is_refused():
    plan = lively_network(GAME).plan()
    with pytest.raises(EvaluatorError, match="choose a model of this game"):
        TorchEvaluator(games.make("tictactoe"), plan)
    with pytest.raises(ConfigError, match="precision on a CPU must be"):
        TorchEvaluator(GAME, plan, precision="fp16")
    with pytest.raises(EvaluatorError, match="without load_plan"):
        TorchEvaluator(GAME, plan).load("x")


def test_uniform_evaluator_gives_zeros_and_needs_no_torch():
    run = random_run(GAME, 3)
    UniformEvaluator().evaluate([run])
    assert not run.policy_logits.any() and not run.wdl_logits.any()
    code = "import sys, engine.backends.uniform; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
