"""The OpenVINO back end: the same answers as the network, in place, from every shape of batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_torch_backend import lively_network

import games
from engine.backends.group import Group, Strayed, strayed
from engine.backends.recent import Recent, random_positions
from engine.errors import ConfigError, EvaluatorError
from engine.evaluator import Evaluator, Run
from games.base import Game
from trainer.network import Network, ResidualBlock, load_plan, save_model

pytest.importorskip("openvino", reason="needs pip install 'ringzero[openvino]'")

GAMES = [games.make("tictactoe"), games.make("connect4"), games.make("connect4", rows=5, columns=9)]


def model_file(folder: Path, game: Game, network: Network, name: str = "m") -> str:
    path = folder / f"{name}.safetensors"
    save_model(path, network, games.spec(game), {})
    return str(path)


def answers(evaluator: Evaluator, game: Game, rows: int, seed: int = 1) -> Run:
    run = Run.blank(random_positions(game, rows, seed), game.num_actions)
    evaluator.evaluate([run])
    return run


def expected(network: Network, game: Game, run: Run) -> Run:
    with torch.inference_mode():
        policy, wdl = network(torch.from_numpy(game.unpack(run.observations)))
    return Run(run.observations, policy.numpy(), wdl.numpy())


@pytest.mark.parametrize("game", GAMES, ids=repr)
def test_fp32_answers_are_the_networks_own(game: Game, tmp_path: Path) -> None:
    network = lively_network(game)
    group = Group(
        game, load_plan, model_file(tmp_path, game, network), backend="openvino", precision="fp32"
    )
    for rows in (1, 31, 32, 33, 97):
        found = answers(group.evaluators[0], game, rows)
        exact = expected(network, game, found)
        np.testing.assert_allclose(found.policy_logits, exact.policy_logits, atol=1e-4)
        np.testing.assert_allclose(found.wdl_logits, exact.wdl_logits, atol=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_fast_precision_is_near_the_network(precision: str, tmp_path: Path) -> None:
    game = GAMES[1]
    network = lively_network(game)
    group = Group(
        game, load_plan, model_file(tmp_path, game, network), backend="openvino",
        precision=precision, insist=True,
    )  # fmt: skip
    found = answers(group.evaluators[0], game, 200)
    assert not strayed(found, expected(network, game, found)).is_too_far


def test_int8_differs_from_bf16(tmp_path: Path) -> None:
    game = GAMES[1]
    path = model_file(tmp_path, game, lively_network(game))
    int8, bf16 = (
        answers(
            Group(game, load_plan, path, backend="openvino", precision=precision).evaluators[0],
            game, 64,
        )
        for precision in ("int8", "bf16")
    )  # fmt: skip
    assert (int8.policy_logits != bf16.policy_logits).any(axis=1).mean() > 0.9


def test_results_land_in_the_given_rows_and_nowhere_else(tmp_path: Path) -> None:
    game = GAMES[1]
    path = model_file(tmp_path, game, lively_network(game))
    evaluator = Group(game, load_plan, path, backend="openvino", precision="fp32").evaluators[0]
    whole = answers(evaluator, game, 100)
    column = Run.blank(whole.observations, game.num_actions)
    column.policy_logits[:] = column.wdl_logits[:] = 7.0
    parts = [slice(3, 10), slice(20, 60), slice(99, 100)]
    evaluator.evaluate([Run(*(array[part] for array in column)) for part in parts])
    asked = np.zeros(100, np.bool_)
    for part in parts:
        asked[part] = True
    np.testing.assert_allclose(
        column.policy_logits[asked], whole.policy_logits[asked], rtol=1e-5, atol=1e-5
    )
    assert (column.policy_logits[~asked] == 7.0).all() and (column.wdl_logits[~asked] == 7.0).all()


def test_streams_take_over_new_weights_one_by_one(tmp_path: Path) -> None:
    game = GAMES[1]
    old = lively_network(game)
    new = Network(game.observation_shape, game.num_actions, old.config)
    paths = [model_file(tmp_path, game, network, str(i)) for i, network in enumerate((old, new))]
    group = Group(
        game, load_plan, paths[0], backend="openvino", precision="fp32", streams=2
    )
    first, second = group.evaluators
    first.load(paths[1])
    for evaluator, network in ((first, new), (second, old)):
        found = answers(evaluator, game, 40)
        exact = expected(network.eval(), game, found)
        np.testing.assert_allclose(found.policy_logits, exact.policy_logits, atol=1e-4)
    second.load(paths[1])
    np.testing.assert_array_equal(
        answers(first, game, 32).policy_logits, answers(second, game, 32).policy_logits
    )


def wild_network(game: Game) -> Network:
    """One that int8 cannot follow: a huge channel that nothing uses leaves no grid for the rest."""
    network = lively_network(game)
    with torch.no_grad():
        for block in network.blocks:
            assert isinstance(block, ResidualBlock)
            block.first.norm.bias[0] = 1e5
            block.second.conv.weight[:, 0] = 0.0
            if block.pool is not None:
                block.pool.weight[:, [0, network.config.channels]] = 0.0
    return network


def test_weights_that_stray_are_refused_or_run_more_exactly(tmp_path: Path) -> None:
    game = GAMES[1]
    path = model_file(tmp_path, game, wild_network(game))
    with pytest.raises(EvaluatorError, match=r"int8 refused: policy .* from fp32, bound"):
        Group(game, load_plan, path, backend="openvino", precision="int8", insist=True)
    group = Group(game, load_plan, path, backend="openvino", precision="int8")
    assert "int8 refused" in group.evaluators[0].name
    assert group.evaluators[0].name.startswith(("openvino bf16", "openvino fp32"))


def test_weights_without_a_finite_answer_are_refused_and_the_old_ones_stay(tmp_path: Path) -> None:
    game = GAMES[1]
    network = lively_network(game)
    good = model_file(tmp_path, game, network, "good")
    with torch.no_grad():
        network.policy.weight[0, 0] = torch.nan
    bad = model_file(tmp_path, game, network, "bad")
    evaluator = Group(game, load_plan, good, backend="openvino", precision="int8").evaluators[0]
    before = answers(evaluator, game, 16).policy_logits
    with pytest.raises(EvaluatorError, match=r"bad.*not finite"):
        evaluator.load(bad)
    np.testing.assert_array_equal(answers(evaluator, game, 16).policy_logits, before)


def test_an_unknown_back_end_or_precision_says_what_there_is(tmp_path: Path) -> None:
    game = GAMES[0]
    path = model_file(tmp_path, game, lively_network(game))
    with pytest.raises(ConfigError, match="backend must be one of openvino, torch, got 'onnx'"):
        Group(game, load_plan, path, backend="onnx", precision="fp32")
    with pytest.raises(ConfigError, match="torch has no precision 'int8'"):
        Group(game, load_plan, path, backend="torch", precision="int8")


def test_a_distance_that_is_no_number_is_too_far() -> None:
    assert Strayed(float("nan"), 0.0).is_too_far
    assert not Strayed(0.01, 0.01).is_too_far


def test_recent_positions_replace_the_random_ones() -> None:
    game = GAMES[1]
    recent = Recent(game, capacity=32)
    marked = Run.blank(np.full((40, game.observation_bytes), 9, np.uint8), game.num_actions)
    assert not (recent.rows() == 9).all(axis=1).any()
    for _ in range(32 * 4):
        recent.see([marked])
    assert (recent.rows() == 9).all()
