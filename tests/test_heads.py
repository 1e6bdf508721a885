"""Auxiliary heads and accumulation in the learner."""

import copy

import numpy as np
import pytest
import torch
from factories import random_record

import games
from trainer.checkpoint import CheckpointStore
from trainer.config import LearnerConfig, NetworkConfig
from trainer.heads import AuxiliaryHeads
from trainer.learner import Learner
from trainer.network import Network, load_model
from trainer.samples import SampleWindow
from trainer.targets import UNKNOWN

GAME = games.make("tictactoe")
ALL = {"reply_weight": 0.15, "ownership_weight": 0.5, "plies_left_weight": 0.2,
       "winning_line_weight": 0.3}  # fmt: skip


def make_learner(**options):
    torch.manual_seed(0)
    network = Network(
        GAME.observation_shape, GAME.num_actions,
        NetworkConfig(blocks=1, channels=16, pool_every=1, value_hidden=16),
    )  # fmt: skip
    defaults = {"batch_size": 32, "threads": 1, "warmup_steps": 4, "ema_decay": 0.9,
                "precision": "fp32", "min_rows": 1}  # fmt: skip
    return Learner(network, LearnerConfig(**{**defaults, **options}), seed=5, device="cpu")


def make_window(learner, num_games=4):
    window = SampleWindow(GAME, 1000, auxiliary=list(learner.config.auxiliary))
    window.add(random_record(GAME, n) for n in range(num_games))
    return window


def test_every_head_learns_its_target():
    learner = make_learner(**ALL, learning_rate=1e-2, symmetries=False)
    window = make_window(learner, 2)
    learner.train(5, window)
    before = learner.auxiliary_losses
    learner.train(80, window)
    learner.train(5, window)
    assert list(before) == ["reply", "ownership", "plies_left", "winning_line"]
    after = learner.auxiliary_losses
    assert after["ownership"] < 0.5 * before["ownership"]
    assert after["winning_line"] < 0.5 * before["winning_line"]
    assert after["plies_left"] < 0.1 * before["plies_left"]
    assert after["reply"] < 0.9 * before["reply"]  # its targets have an entropy of their own


def test_losses_are_those_of_the_textbook():
    logits, target = torch.tensor([[[0.5, -1.0], [2.0, 0.0]]] * 2), torch.tensor(
        [[1, -1], [UNKNOWN, UNKNOWN]], dtype=torch.int8
    )  # fmt: skip
    p = torch.sigmoid(logits[0])
    own = -torch.log(p[0, 0]) - torch.log(1 - p[0, 1])
    other = -torch.log(1 - p[1, 0]) - torch.log(p[1, 1])
    loss = AuxiliaryHeads.loss("ownership", logits, target)
    assert loss.item() == pytest.approx((own + other).item() / 2)
    numbers = AuxiliaryHeads.loss("score", torch.tensor([0.5, 3.0, 7.0]),
                                  torch.tensor([0.0, 0.0, torch.nan]))  # fmt: skip
    assert numbers.item() == pytest.approx(0.125 + 2.5)
    target = torch.tensor([[0.5, 0.5, 0, 0], [0] * 4])
    reply = AuxiliaryHeads.loss("reply", torch.zeros(2, 4), target)
    assert reply.item() == pytest.approx(np.log(4))


def test_a_batch_without_any_target_trains_without_the_head():
    learner = make_learner(ownership_weight=1.0)
    window = make_window(learner)
    window._targets._columns["ownership"][:] = UNKNOWN
    assert learner.train(2, window).loss > 0
    assert learner.auxiliary_losses == {"ownership": 0.0}


def test_heads_change_the_trunk_and_not_what_plays():
    plain, taught = make_learner(), make_learner(**ALL)
    assert plain.average.state_dict().keys() == taught.average.state_dict().keys()
    for learner in (plain, taught):
        learner.train(3, make_window(learner))
    assert not torch.equal(plain.network.stem.conv.weight, taught.network.stem.conv.weight)


def test_checkpoints_keep_the_heads_and_models_do_not(tmp_path):
    learner = make_learner(**ALL)
    window = make_window(learner)
    learner.train(4, window)
    store = CheckpointStore(tmp_path)
    path = store.save(learner, games.spec(GAME), {"generation": 1})
    model, _ = load_model(path / "model.safetensors")
    assert not [name for name in model.state_dict() if "heads.by" in name or "reply" in name]
    again = make_learner(**ALL)
    store.load(4, again)
    for each in (learner, again):
        each.train(3, window)
    for name, tensor in learner.state()[0].items():
        assert torch.equal(tensor, again.state()[0][name]), name


def test_a_run_can_go_on_with_other_heads(tmp_path):
    learner = make_learner(ownership_weight=0.3)
    learner.train(3, make_window(learner))
    store = CheckpointStore(tmp_path)
    store.save(learner, games.spec(GAME), {"generation": 1})
    for options in ({}, {"reply_weight": 0.2}, ALL):
        other = make_learner(**options)
        store.load(3, other)
        assert other.step == 3
        other.train(1, make_window(other))


# -- accumulation ---------------------------------------------------------------------------


def one_step(learner, window):
    learner.train(1, window)
    return {n: p.grad.clone() for n, p in learner._named_parameters().items()}


def freeze_norms(learner):
    """Normalise by running statistics, which do not depend on the part."""
    for module in learner.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def test_parts_of_a_batch_give_the_gradient_of_the_whole():
    grads = []
    for parts in (1, 4):
        learner = make_learner(**ALL, accumulate=parts, max_grad_norm=1e9)
        freeze_norms(learner)
        # Rows without a policy or a reply target lie unevenly in the parts.
        names = list(learner.config.auxiliary)
        window = SampleWindow(GAME, 1000, train_on_fast=True, auxiliary=names)
        window.add(random_record(GAME, n, fast=0.5) for n in range(4))
        grads.append(one_step(learner, window))
    for name, whole in grads[0].items():
        torch.testing.assert_close(grads[1][name], whole, rtol=1e-4, atol=1e-6, msg=name)


def test_each_part_is_normalised_by_itself():
    learner = make_learner(accumulate=2, max_grad_norm=1e9)
    reference = copy.deepcopy(learner.network)
    window = make_window(learner)
    batch = window.sample(32, np.random.default_rng((5, 0)))
    for half in (slice(0, 16), slice(16, 32)):
        policy, value = reference(torch.from_numpy(batch.observations[half]))
        target, wdl = torch.from_numpy(batch.policy[half]), torch.from_numpy(batch.wdl[half])
        loss = -(target * policy.log_softmax(1)).sum(1).mean() - (
            wdl * value.log_softmax(1)
        ).sum(1).mean()
        (loss / 2).backward()
    for name, grad in one_step(learner, window).items():
        expected = dict(reference.named_parameters())[name].grad
        torch.testing.assert_close(grad, expected, rtol=1e-4, atol=1e-6, msg=name)


def test_metrics_are_of_the_whole_batch():
    found = []
    for parts in (1, 8):
        learner = make_learner(accumulate=parts)
        freeze_norms(learner)
        found.append(learner.train(1, make_window(learner)))
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-5)
    assert found[0].policy_loss == pytest.approx(found[1].policy_loss, rel=1e-5)
