"""trainer.transfer: a bigger network computes what the smaller one did."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from factories import lively_network, random_run

import games
from engine.errors import ConfigError
from trainer.config import NetworkConfig
from trainer.network import Network
from trainer.transfer import carry_over

SMALL = {"blocks": 2, "channels": 16, "policy_channels": 4, "value_channels": 3,
         "value_hidden": 8}  # fmt: skip


def fresh(game, **sizes):
    torch.manual_seed(1)
    config = NetworkConfig(**{**SMALL, **sizes})
    return Network(game.observation_shape, game.num_actions, config).eval()


def answers(network, game):
    packed = random_run(game, 64).observations
    with torch.no_grad():
        return network(torch.from_numpy(game.unpack(packed)))


@pytest.mark.parametrize(
    "sizes",
    [{}, {"blocks": 5}, {"channels": 24}, {"channels": 50}, {"policy_channels": 7},
     {"value_channels": 9}, {"value_hidden": 20}, {"pool_every": 1},
     {"blocks": 4, "channels": 40, "policy_channels": 8, "value_channels": 8, "value_hidden": 32}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("name", ["connect4", "othello"])
def test_deeper_and_wider_networks_compute_the_same(name, sizes):
    game = games.make(name)
    small, big = lively_network(game, **SMALL), fresh(game, **sizes)
    assert carry_over(small, big)
    for before, after in zip(answers(small, game), answers(big, game), strict=True):
        assert before.std() > 0.05  # there is something to keep
        assert (before - after).abs().max() < 1e-4


def test_a_wider_network_computes_the_same_in_training_too():
    game = games.make("connect4")
    small, big = lively_network(game, **SMALL).train(), fresh(game, channels=32).train()
    carry_over(small, big)
    for before, after in zip(answers(small, game), answers(big, game), strict=True):
        assert (before - after).abs().max() < 1e-4


def test_copies_of_a_channel_learn_different_things():
    game = games.make("connect4")
    big = fresh(game, channels=32)
    carry_over(lively_network(game, **SMALL), big)
    big.train()
    policy, _ = big(torch.from_numpy(game.unpack(random_run(game, 64).observations)))
    policy[:, 0].sum().backward()
    first = big.blocks[0].first
    gradient, scale = first.conv.weight.grad.flatten(1), first.norm.weight
    pairs = [(i, j) for i in range(16) for j in range(16, 32) if scale[i] == scale[j]]
    assert len(pairs) == 16
    for i, j in pairs:
        assert torch.cosine_similarity(gradient[i], gradient[j], dim=0) < 0.999


@pytest.mark.parametrize("name", ["hex", "connect4", "go"])
def test_another_board_keeps_the_trunk_and_fits_the_heads_to_the_cells(name):
    small_options, big_options = {
        "hex": ({"size": 4}, {"size": 7}),
        "connect4": ({"rows": 5, "columns": 5}, {"rows": 6, "columns": 7}),
        "go": ({"size": 5}, {"size": 7}),
    }[name]
    small_game, big_game = games.make(name, **small_options), games.make(name, **big_options)
    small, big = lively_network(small_game, **SMALL), fresh(big_game)
    assert not carry_over(small, big)
    for before, after in zip(
        small.blocks.state_dict().values(), big.blocks.state_dict().values(), strict=True
    ):
        assert torch.equal(before, after)
    # An observation that is the same everywhere has the same pooled part, and each head adds up
    # the same cells: the values agree but for the border's share.
    blank = torch.zeros(1, small_game.observation_shape[0], 1, 1)
    for network in (small, big):
        for module in network.modules():  # without 3x3 borders, so that all cells are alike
            if isinstance(module, torch.nn.Conv2d) and module.padding == (1, 1):
                module.padding_mode, module._reversed_padding_repeated_twice = "replicate", [1] * 4
    with torch.no_grad():
        before = small(blank.expand(-1, -1, *small_game.board_shape))
        after = big(blank.expand(-1, -1, *big_game.board_shape))
    torch.testing.assert_close(before[1], after[1], atol=1e-4, rtol=1e-4)
    # Corners stay corners, in whatever order the actions are.
    rows = small_game.rows * small_game.columns
    if small_game.num_actions >= rows:
        corner = before[0][0, [0, rows - 1]]
        last = big_game.rows * big_game.columns - 1
        torch.testing.assert_close(corner, after[0][0, [0, last]], atol=1e-4, rtol=1e-4)
    else:
        torch.testing.assert_close(before[0][0, [0, -1]], after[0][0, [0, -1]], atol=1e-4,
                                   rtol=1e-4)  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "complaint"),
    [
        ({"channels": 8}, "network.channels must be >= 16 .* got 8"),
        ({"blocks": 1}, "network.blocks must be >= 2"),
        ({"pool_every": 0}, "network.pool_every must be 2 .* block 1 has a pooling bias, got 0"),
    ],
)
def test_a_smaller_network_is_refused_and_left_alone(sizes, complaint):
    game = games.make("tictactoe")
    big = fresh(game, **sizes)
    before = [t.clone() for t in big.state_dict().values()]
    with pytest.raises(ConfigError, match=complaint):
        carry_over(lively_network(game, **SMALL), big)
    assert all(
        torch.equal(a, b) for a, b in zip(before, big.state_dict().values(), strict=True)
    )


def test_another_observation_is_refused():
    small = lively_network(games.make("tictactoe"), **SMALL)
    with pytest.raises(ConfigError, match="2 observation planes cannot start one of 3"):
        carry_over(small, fresh(games.make("othello")))


def test_growing_step_by_step_keeps_the_function():
    game = games.make("tictactoe")
    steps = [lively_network(game, **SMALL), fresh(game, channels=20), fresh(game, channels=20,
             blocks=3), fresh(game, channels=64, blocks=6)]  # fmt: skip
    for before, after in pairwise(steps):
        assert carry_over(before, after, seed=3)
    first, last = answers(steps[0], game), answers(steps[-1], game)
    for before, after in zip(first, last, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-4)
