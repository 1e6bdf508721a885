"""trainer.learner: it learns, keeps its books, and stops at the right things."""

import numpy as np
import pytest
import torch
from factories import random_record

import games
from engine.errors import EngineError
from trainer.config import LearnerConfig, NetworkConfig
from trainer.learner import Learner
from trainer.network import Network
from trainer.samples import SampleWindow

GAME = games.make("tictactoe")


def make_learner(**options) -> Learner:
    torch.manual_seed(0)
    network = Network(
        GAME.observation_shape,
        GAME.num_actions,
        NetworkConfig(blocks=1, channels=16, pool_every=1, value_hidden=16),
    )
    defaults = {"batch_size": 32, "threads": 1, "warmup_steps": 4, "ema_decay": 0.9,
                "precision": "fp32", "min_rows": 1}  # fmt: skip
    return Learner(network, LearnerConfig(**{**defaults, **options}), seed=5, device="cpu")


def make_window(num_games: int = 6, **options) -> SampleWindow:
    window = SampleWindow(GAME, 1000, **options)
    window.add(random_record(GAME, n) for n in range(num_games))
    return window


def same_weights(a: Learner, b: Learner) -> bool:
    return all(
        torch.equal(t, getattr(b, which).state_dict()[name])
        for which in ("network", "average")
        for name, t in getattr(a, which).state_dict().items()
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_overfits_a_few_games(precision):
    learner = make_learner(learning_rate=5e-3, precision=precision, symmetries=False)
    window = make_window(2)
    before = learner.validate(window)
    learner.train(200, window)
    after = learner.validate(window)
    # The targets' own entropy stays: visits are spread over the legal moves.
    target = np.concatenate([b.policy for b in window.batches(64)])
    entropy = -(target * np.log(np.maximum(target, 1e-9))).sum(1).mean()
    assert before["policy_loss"] > entropy + 0.3
    assert after["policy_loss"] < entropy + 0.1
    assert after["value_loss"] < 0.15 < before["value_loss"]
    # Some moves have nearly as many visits as the best, and the first position was won and lost.
    assert after["policy_top1"] > 0.7 and after["value_sign"] > 0.9


def test_rows_pay_for_steps_and_fractions_are_kept():
    learner = make_learner(batch_size=100, passes_per_row=3.0)
    assert [learner.steps_due(10) for _ in range(3)] == [0, 0, 0]
    assert learner.steps_due(10) == 1
    learner.train(1, make_window())
    assert learner.steps_due(60) == 2  # 0.2 left over, and 1.8 more


def test_a_turn_can_be_ended_and_the_rest_stays_due():
    learner = make_learner(passes_per_row=1.0)
    due = learner.steps_due(5 * 32)
    seen = []

    def stop_at_two(metrics):
        seen.append(metrics.step)
        return len(seen) == 2

    mean = learner.train(due, make_window(), stop_at_two)
    assert seen == [1, 2] and learner.step == 2 and mean.step == 2
    assert learner.samples == 64
    assert learner.steps_due(0) == 3
    assert learner.train(0, make_window()) is None


def test_learning_rate_warms_up_and_falls_at_the_end_of_a_budget():
    learner = make_learner(learning_rate=1.0, warmup_steps=3, drop_start=0.5,
                           final_lr_fraction=0.1)  # fmt: skip
    rates = []
    for learner.step in range(5):
        rates.append(learner.learning_rate())
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0]
    for progress, rate in ((0.0, 1.0), (0.5, 1.0), (0.75, 0.55), (1.0, 0.1), (1.5, 0.1)):
        learner.set_progress(progress)
        assert learner.learning_rate() == pytest.approx(rate)
    learner.set_progress(None)
    assert learner.learning_rate() == 1.0


def test_average_follows_the_weights_and_their_statistics():
    learner = make_learner(ema_decay=0.5)
    learner.train(1, make_window())
    first = {name: t.clone() for name, t in learner.average.state_dict().items()}
    learner.train(1, make_window())
    raw = learner.network.state_dict()
    decay = 3 / 12  # a young average is short: (1 + step) / (10 + step)
    for name, tensor in learner.average.state_dict().items():
        if tensor.is_floating_point():
            expected = decay * first[name] + (1 - decay) * raw[name]
            torch.testing.assert_close(tensor, expected)
        else:
            assert tensor == raw[name]
    assert not learner.average.training and learner.network.training


def test_without_averaging_the_raw_weights_play():
    learner = make_learner(ema_decay=0.0)
    learner.train(3, make_window())
    for name, tensor in learner.average.state_dict().items():
        assert torch.equal(tensor, learner.network.state_dict()[name])


def test_training_is_the_same_every_time():
    a, b = make_learner(), make_learner()
    for learner in (a, b):
        learner.train(5, make_window())
    assert same_weights(a, b)


def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_weights():
    learner = make_learner()
    window = make_window()
    learner.train(2, window)
    window._columns["value"][:] = np.nan
    window._value_mix = 0.5
    before = learner.network.policy.weight.detach().clone()
    with pytest.raises(EngineError, match="training step 3 has loss nan"):
        learner.train(1, window)
    assert torch.equal(before, learner.network.policy.weight) and learner.step == 2


def test_rows_without_policy_target_do_not_train_the_policy():
    records = [random_record(GAME, n, fast=1.0) for n in range(3)]
    window = SampleWindow(GAME, 100, train_on_fast=True)
    window.add(records)
    learner = make_learner()
    weight = learner.network.policy.weight.detach().clone()
    metrics = learner.train(1, window)
    assert metrics.policy_loss == 0 and metrics.value_loss > 0
    # Only the weight decay touched it.
    torch.testing.assert_close(learner.network.policy.weight.detach(), weight, rtol=1e-5, atol=0)


def test_validation_of_nothing_is_nothing():
    assert make_learner().validate(SampleWindow(GAME, 10)) == {}


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    make_learner(threads=1).train(1, make_window())
    assert torch.get_num_threads() == before
