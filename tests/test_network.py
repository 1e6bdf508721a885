"""trainer.network: shapes, folding and the model file."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.torch
import torch
from factories import lively_network

import games
from engine.errors import StoreError
from trainer.config import NetworkConfig
from trainer.network import Network, load_model, load_plan, save_model

INFO = {"generation": 3, "steps": 70}


@pytest.mark.parametrize("config", [{}, {"blocks": 0}, {"pool_every": 0}, {"pool_every": 1}])
def test_outputs_have_the_documented_shapes(config):
    network = Network((3, 5, 4), 11, NetworkConfig(channels=8, **config))
    policy_logits, wdl_logits = network(torch.zeros(2, 3, 5, 4))
    assert policy_logits.shape == (2, 11) and wdl_logits.shape == (2, 3)
    assert policy_logits.dtype == wdl_logits.dtype == torch.float32


def test_a_new_network_is_nearly_uniform():
    network = Network((2, 6, 7), 7, NetworkConfig()).eval()
    policy_logits, wdl_logits = network(torch.rand(16, 2, 6, 7).round())
    assert policy_logits.abs().max() < 0.2 and wdl_logits.abs().max() < 0.2


def test_plan_computes_what_the_network_does():
    game = games.make("connect4")
    network = lively_network(game)
    plan = network.plan()
    relu = torch.nn.functional.relu

    def conv(x, layer):
        weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
        return torch.nn.functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    def linear(x, layer):
        return x @ torch.from_numpy(layer.weight).t() + torch.from_numpy(layer.bias)

    def pooled(x):
        return torch.cat((x.mean((2, 3)), x.amax((2, 3))), 1)

    x = torch.rand(5, *game.observation_shape).round()
    h = relu(conv(x, plan.stem))
    for block in plan.blocks:
        y = relu(conv(h, block.first))
        bias = 0 if block.pool is None else linear(pooled(y), block.pool)[:, :, None, None]
        h = relu(h + conv(y, block.second) + bias)
    heads = relu(conv(h, plan.heads)).permute(0, 2, 3, 1)
    split = plan.policy_channels
    policy = linear(torch.cat((heads[..., :split].flatten(1), pooled(h)), 1), plan.policy)
    hidden = linear(torch.cat((heads[..., split:].flatten(1), pooled(h)), 1), plan.hidden)
    expected_policy, expected_value = network(x)
    torch.testing.assert_close(policy, expected_policy, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(linear(relu(hidden), plan.value), expected_value, rtol=1e-4,
                               atol=1e-4)  # fmt: skip


def test_plan_does_not_follow_later_training():
    network = lively_network(games.make("tictactoe"))
    plan = network.plan()
    before = plan.policy.weight.copy()
    with torch.no_grad():
        network.policy.weight.add_(1)
    np.testing.assert_array_equal(plan.policy.weight, before)


def test_model_file_keeps_everything(tmp_path):
    game = games.make("connect4")
    network = lively_network(game)
    save_model(tmp_path / "m.safetensors", network, games.spec(game), INFO)
    loaded, metadata = load_model(tmp_path / "m.safetensors")
    assert not loaded.training
    assert metadata.game == games.spec(game) and metadata.info == INFO
    assert metadata.network == network.config
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    plan = load_plan(str(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(plan.stem.weight, network.plan().stem.weight)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_bad_model_files_are_named_with_a_remedy(tmp_path):
    game = games.make("tictactoe")
    path = tmp_path / "m.safetensors"
    network = lively_network(game)
    with pytest.raises(StoreError, match=r"m\.safetensors cannot be read.*name a model file"):
        load_model(path)
    save_model(path, network, games.spec(game), INFO)
    whole = path.read_bytes()
    for size in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(StoreError, match=r"truncated.*use another checkpoint"):
            load_model(path)
    path.write_bytes(safetensors.torch.save({"x": torch.zeros(1)}))
    with pytest.raises(StoreError, match="no ringzero model: its format is None"):
        load_model(path)
    metadata = {"format": "ringzero-model", "version": "2"}
    path.write_bytes(safetensors.torch.save({"x": torch.zeros(1)}, metadata))
    with pytest.raises(StoreError, match="version '2', this program reads up to 1; upgrade"):
        load_model(path)
    config = json.dumps(dataclasses.asdict(network.config))
    metadata = {"format": "ringzero-model", "version": "1", "network": config, "info": "{}",
                "shape": json.dumps([2, 3, 3, 9]), "game": "{}"}  # fmt: skip
    path.write_bytes(safetensors.torch.save({"x": torch.zeros(1)}, metadata))
    with pytest.raises(StoreError, match="contradicts itself"):
        load_model(path)


def test_a_failed_save_leaves_the_old_model(tmp_path, monkeypatch):
    game = games.make("tictactoe")
    path = tmp_path / "m.safetensors"
    save_model(path, lively_network(game), games.spec(game), INFO)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StoreError, match="No space left on device; free space"):
        save_model(path, lively_network(game, seed=1), games.spec(game), INFO)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
