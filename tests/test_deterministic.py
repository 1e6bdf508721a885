"""Deterministic runs: the same games and weights, whoever plays and whatever is killed."""

import json
import os
import random
import signal
import sqlite3
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from factories import lively_network, random_record, random_run
from playing import FIELDS, UNIFORM, assert_same_records, network, serial_records
from running import here, is_alive, log_lines, offspring, options, ringzero, start, wait_for

import games
from engine.backends.group import Group
from engine.backends.torch_backend import FIXED, TorchEvaluator
from engine.errors import ConfigError
from engine.evaluator import Run
from engine.handout import Handout
from engine.pool import Pool, PoolConfig
from trainer.config import resolve
from trainer.learner import Learner
from trainer.network import load_plan, save_model
from trainer.replay import ReplayStore, is_validation
from trainer.reproducible import end_of_turn
from trainer.spending import Spending

TICTACTOE = games.make("tictactoe")
CONNECT4 = games.make("connect4")
GENERATIONS = 3


# -- one answer a position ------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [{}, {"channels": 48, "pool_every": 1}])
def test_a_fixed_shape_answers_to_the_bit_alike_in_every_batch(sizes) -> None:
    plan = lively_network(CONNECT4, **sizes).plan()
    evaluator = TorchEvaluator(CONNECT4, plan, precision="fp32", fixed_shape=True)
    assert evaluator.name == f"torch cpu fp32 fused in {FIXED}s"
    many = random_run(CONNECT4, 3 * FIXED + 5)
    evaluator.evaluate([many])
    rng = np.random.default_rng(1)
    for rows in (1, 2, FIXED, FIXED + 1, 2 * FIXED + 7):
        chosen = rng.permutation(len(many.observations))[:rows]
        found = Run.blank(many.observations[chosen], CONNECT4.num_actions)
        cut = rows // 3  # from several rings
        evaluator.evaluate([Run(*(part[:cut] for part in found)), Run(*(p[cut:] for p in found))])
        np.testing.assert_array_equal(found.policy_logits, many.policy_logits[chosen])
        np.testing.assert_array_equal(found.wdl_logits, many.wdl_logits[chosen])


def test_a_fixed_shape_is_refused_where_a_precision_is_guarded(tmp_path) -> None:
    path = str(tmp_path / "model.safetensors")
    save_model(path, lively_network(TICTACTOE), games.spec(TICTACTOE), {})
    with pytest.raises(ConfigError, match="fixed_shape needs backend torch and precision fp32"):
        Group(TICTACTOE, load_plan, path, backend="torch", precision="bf16", fixed_shape=True)


# -- which games ----------------------------------------------------------------------------


class Words:
    """The words of a segment that a `Handout` sets."""

    next_game = game_limit = 0

    def draw(self) -> int | None:
        """What a worker would play next."""
        if self.next_game >= self.game_limit:
            return None
        self.next_game += 1
        return self.next_game - 1


def test_handed_out_numbers_come_once_each_and_lost_ones_again() -> None:
    words, wanted, rng = Words(), {3, 4, 7, 8, 9, 11}, random.Random(1)
    handout = Handout(words, wanted)  # type: ignore[arg-type]
    drawn: list[int] = []
    lost: set[int] = {4, 11}
    while handout.missing:
        number = words.draw()
        if number is not None and number in lost:
            lost.remove(number)  # its worker died before it began the game
        elif number is not None:
            drawn.append(number)
            assert handout.came_back(number)
            assert not handout.came_back(rng.choice(drawn))
        handout.advance(none_in_progress=True)
    assert sorted(drawn) == sorted(wanted) and words.draw() is None and not lost


@pytest.mark.parametrize("serial", [True, False])
def test_a_pool_plays_the_games_that_it_is_asked_for(serial: bool) -> None:
    wanted = [5, 6, 9, 20, 21, 22]
    with Pool(
        TICTACTOE, [network()], [UNIFORM], PoolConfig(serial=serial, games_per_worker=4),
        seed=1, game_limit=0,
    ) as pool:  # fmt: skip
        assert not list(pool.games())
        for numbers in (wanted[:3], wanted[3:]):
            pool.hand_out(numbers)
            found = {record.number: record for record in pool.games(60.0)}
            everything = serial_records(TICTACTOE, [network()], 30)
            assert_same_records(found, {n: everything[n] for n in numbers})


def test_a_game_begun_anew_is_the_game_without_its_workers_death() -> None:
    player = network(60, reuse_tree=True, temperature_plies=4)
    expected = serial_records(CONNECT4, [player], 12)
    config = PoolConfig(workers=2, games_per_worker=4, begin_anew=True)
    with Pool(CONNECT4, [player], [UNIFORM], config, seed=1, game_limit=12) as pool:
        found = {}
        for record in pool.games(60.0):
            if len(found) in (1, 5):
                psutil.Process(pool.pids[f"worker-{len(found) // 5}"]).kill()
            found[record.number] = record
        assert pool.num_restarts
    assert_same_records(found, expected)


def test_a_turns_games_follow_from_the_games_before_it_alone(tmp_path) -> None:
    config = resolve("tictactoe", (), {
        "deterministic": True, "budget.max_generations": 5,
        "learner.min_rows": 100, "selfplay.rows_per_generation": 50,
    })  # fmt: skip
    records = [random_record(TICTACTOE, number) for number in range(60)]
    share = config.learner.validation_share

    def expected(begin: int) -> int:
        rows = sum(r.num_plies for r in records[:begin] if not is_validation(r.number, share))
        wanted = 100 - rows if rows < 100 else 50
        num = 1
        while num * rows < wanted * begin if begin else num * 9 < wanted:
            num += 1
        return begin + num

    with ReplayStore(tmp_path / "run.db", TICTACTOE, seed=0, validation_share=share) as store:
        store.add_games(records[:20])
        first = [end_of_turn(store, config, begin, 9) for begin in (0, 5, 20)]
        store.add_games(records[20:])
        assert [end_of_turn(store, config, begin, 9) for begin in (0, 5, 20)] == first
        assert first == [expected(begin) for begin in (0, 5, 20)]
        few = replace(config, budget=replace(config.budget, max_games=22))
        assert end_of_turn(store, few, 20, 9) == 22
        assert store.numbers(18, 21) == {18, 19, 20, 21}


def test_progress_is_of_what_ends_first_whatever_the_time(tmp_path) -> None:
    config = resolve("tictactoe", (), {"deterministic": True, "budget.max_generations": 4})
    both = replace(config, budget=replace(config.budget, max_games=1000))
    with ReplayStore(tmp_path / "run.db", TICTACTOE, seed=0) as store:
        began = time.monotonic() - 1e6  # long after the end of max_time
        assert Spending(config, store, began).learning_share(900, 1.5) == pytest.approx(0.375)
        assert Spending(both, store, began).learning_share(900, 1.5) == 0.9
        assert Spending(both, store, began).share(900, 1) == 0.9
        assert not Spending(both, store, began).is_over(900, 1)
        assert Spending(both, store, began).is_over(1000, 1)


# -- what is fixed, and what refused --------------------------------------------------------


def test_everything_that_is_measured_elsewhere_is_fixed() -> None:
    config = resolve("tictactoe", (), {
        "deterministic": True, "budget.max_games": 10, "learner.threads": 0,
        "selfplay.workers": 0, "selfplay.games_per_worker": 0,
    })  # fmt: skip
    selfplay = config.selfplay
    assert (selfplay.device, selfplay.backend, selfplay.precision) == ("cpu", "torch", "fp32")
    assert selfplay.workers and selfplay.games_per_worker and selfplay.streams
    assert config.learner.threads == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("budget.max_generations", 0),
        ("selfplay.backend", "openvino"),
        ("selfplay.device", "cuda"),
        ("selfplay.precision", "int8"),
        ("selfplay.memory_mb", 100),
        ("search.leaves_in_flight", 2),
    ],
)
def test_what_depends_on_time_or_load_is_refused_by_name(option, value) -> None:
    wanted = {"deterministic": True, "budget.max_generations": 3, option: value}
    name = option.split(".")[0] if option.startswith("budget") else option
    with pytest.raises(ConfigError, match=f"{name} must be .* in a deterministic run|{name} must"):
        resolve("tictactoe", (), wanted)


def test_a_run_cannot_become_deterministic_later(tiny_run, capfd) -> None:
    args = ("train", "tictactoe", "--run", tiny_run, "--deterministic")
    assert here(*args, "--budget.max_generations=2") == 2
    assert "deterministic cannot change in a run that has begun" in capfd.readouterr().err


def test_a_time_to_end_at_is_refused(tmp_path, capfd) -> None:
    args = ("train", "tictactoe", "--run", tmp_path / "run", "--deterministic")
    assert here(*args, "--budget.max_games=10", "--max-time", "5m") == 2
    assert "--max-time does not end a deterministic run" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


# -- whole runs -----------------------------------------------------------------------------


def typed(run: Path, workers: int) -> tuple[str | Path, ...]:
    """A small run: fast and full searches, kept trees, openings, validation games."""
    return ("train", "tictactoe", "--run", run, "--seed", "7", "--deterministic", *options(
        search__num_simulations=24, search__fast_simulations=6, search__full_fraction=0.5,
        selfplay__workers=workers, selfplay__streams=workers, selfplay__opening_plies=2,
        selfplay__games_per_worker=32 // workers, learner__window_rows=600,
        budget__max_generations=GENERATIONS, budget__max_time="1s",  # which does not end it
    ))  # fmt: skip


def trained(run: Path, workers: int, *more: str) -> dict[str, Any]:
    done = ringzero(*typed(run, workers), "--json", *more, timeout_s=120)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    assert outcome["reason"] == "budget" and outcome["generation"] == GENERATIONS
    return outcome


def assert_same_run(found: Path, expected: Path) -> None:
    """The same games, weights and optimiser, to the bit."""
    stores = [ReplayStore(run / "run.db", TICTACTOE) for run in (found, expected)]
    with stores[0], stores[1]:
        records = [list(store.games()) for store in stores]
    assert [r.number for r in records[0]] == list(range(len(records[1])))
    for one, other in zip(*records, strict=True):
        for field in ("generation", *FIELDS):
            np.testing.assert_array_equal(
                getattr(one, field), getattr(other, field), f"{field} of game {one.number}"
            )
    metas = [newest_meta(run) for run in (found, expected)]
    for key in ("weights", "learner"):
        assert metas[0][key] == metas[1][key]
    # Raw weights and moments too; this file holds no times.
    assert (metas[0]["sha256"]["training.safetensors"]
            == metas[1]["sha256"]["training.safetensors"])  # fmt: skip


def newest_meta(run: Path) -> dict[str, Any]:
    newest = max((run / "checkpoints").iterdir())
    meta: dict[str, Any] = json.loads((newest / "meta.json").read_text())
    return meta


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one worker makes of it, never interrupted."""
    run = tmp_path_factory.mktemp("deterministic") / "run"
    outcome = trained(run, 1)
    assert outcome["weights"] == newest_meta(run)["weights"] and outcome["games"] > 60
    return run


@pytest.mark.slow
def test_two_workers_make_the_run_that_one_makes(expected, tmp_path) -> None:
    trained(tmp_path / "run", 2)
    assert_same_run(tmp_path / "run", expected)


@pytest.mark.slow
def test_one_process_makes_the_same_run_and_names_its_weights(expected, tmp_path) -> None:
    done = ringzero(*typed(tmp_path / "run", 1), "--serial", "--no-progress", timeout_s=120)
    assert done.returncode == 0, done.stderr
    assert_same_run(tmp_path / "run", expected)
    assert f"weights {newest_meta(expected)['weights'][:12]}" in done.stdout


def num_games(run: Path) -> int:
    """Games in the store, 0 before there is one."""
    try:
        db = sqlite3.connect(f"file:{run / 'run.db'}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return 0
    try:
        return int(db.execute("SELECT count(*) FROM games").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        db.close()


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_killed_the_run_ends_the_same(expected, tmp_path, seed: int) -> None:
    run, rng = tmp_path / "run", random.Random(seed)
    total = num_games(expected)
    victims = ["worker", "inference", "parent", "parent", "worker"]
    rng.shuffle(victims)
    moments = sorted(rng.sample(range(1, total - 1), len(victims)))
    process, num_killed = start(*typed(run, 2), "--quiet"), 0

    def has_come(moment: int) -> bool:
        if moment == 0:  # the learner has done its turn, and is about to save a checkpoint
            return any(line["event"] == "generation" for line in log_lines(run))
        return num_games(run) >= moment or process.poll() is not None

    try:
        for victim, moment in zip(["parent", *victims], [0, *moments], strict=True):
            wait_for(partial(has_come, moment), 120, f"{moment} games")
            if process.poll() is not None:
                break
            if victim == "parent":
                children = offspring(process.pid)
                process.kill()
                process.communicate()
                wait_for(lambda c=children: not any(map(is_alive, c)), 10, "the children's end")
                process = start(*typed(run, 2), "--quiet")
            else:
                for child in offspring(process.pid):
                    if child.name().startswith(victim):
                        child.kill()
            num_killed += 1
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    assert num_killed >= 3
    assert_same_run(run, expected)


@pytest.mark.slow
def test_a_signal_in_the_learners_turn_changes_nothing(expected, tmp_path, monkeypatch) -> None:
    # The parent dies of a signal right after the first step of the second turn.
    run = tmp_path / "run"
    step = Learner._train_step
    steps = int(newest_meta(expected)["learner"]["step"]) // GENERATIONS + 3

    def and_signal(learner: Learner, *args: Any) -> Any:
        result = step(learner, *args)
        if learner.step == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    before = torch.are_deterministic_algorithms_enabled()
    monkeypatch.setattr(Learner, "_train_step", and_signal)
    assert here(*typed(run, 1), "--quiet", "--serial") == 128 + signal.SIGTERM
    assert torch.are_deterministic_algorithms_enabled() == before
    monkeypatch.undo()
    assert len(log_lines(run)) >= 1
    trained(run, 1)
    assert_same_run(run, expected)
