"""The training loop: tiny runs that stop, go on, and leave what people and tools read."""

import json
import math
import os
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from running import ROOT, TINY, is_alive, log_lines, offspring, options, ringzero, start, wait_for

import games
from trainer.arena.players import find_model
from trainer.display import open_display
from trainer.learner import Learner
from trainer.loop import Trainer
from trainer.network import load_model
from trainer.replay import ReplayStore, is_validation
from trainer.runs import RunFolder
from trainer.selfplay import GIVE_WAY


def trained(run: Path, *args: str, preset: str = "tictactoe", **changes: Any) -> dict[str, Any]:
    """What `train --json` prints at the end of a session in one process."""
    done = ringzero(
        *("train", preset, "--run", run, "--serial", "--json", *args), *options(**changes)
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run: two generations of tic-tac-toe."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def test_a_resumed_run_goes_on_with_the_next_game_generation_and_step(run) -> None:
    with ReplayStore(run / "run.db", games.make("tictactoe")) as store:
        before = [record.actions.tobytes() for record in store.games()]
        numbers = {record.number for record in store.games()}
        rows = store.num_rows(validation=False)
    steps = sorted(int(p.name) for p in (run / "checkpoints").iterdir())
    newest = run / "checkpoints" / f"{steps[-1]:08d}" / "meta.json"
    elapsed = json.loads(newest.read_text())["info"]["elapsed_s"]
    outcome = trained(run, budget__max_generations=4, checkpoints__keep=3)
    assert outcome["reason"] == "budget" and outcome["signal"] == 0
    assert outcome["generation"] == 4 and outcome["elapsed_s"] > elapsed
    with ReplayStore(run / "run.db", games.make("tictactoe")) as store:
        records = list(store.games())
        assert len(records) == outcome["games"] > len(before)
        assert [r.actions.tobytes() for r in records[: len(before)]] == before
        assert min({r.number for r in records} - numbers) == max(numbers) + 1
        assert [row["generation"] for row in store.generations()] == [1, 2, 3, 4]
        assert [row["step"] for row in store.generations()][1] == steps[-1]
        # The rows of all four generations have been paid for, no row twice.
        samples = 32 * store.generations()[-1]["step"]
        learned = json.loads((Path(outcome["model"]) / "meta.json").read_text())["info"]["rows"]
        assert rows < learned <= store.num_rows(validation=False)
        assert samples == pytest.approx(6 * learned, abs=32)  # the preset's passes_per_row
        assert {r.generation for r in records} == {0, 1, 2, 3}
        for record in records:
            held_out = is_validation(record.number, 0.1)
            query = "SELECT validation FROM games WHERE number = ?"
            assert store._db.execute(query, (record.number,)).fetchone() == (int(held_out),)
    kept = sorted(int(p.name) for p in (run / "checkpoints").iterdir())
    assert len(kept) == 4 and kept[0] == 0 and kept[-1] == int(Path(outcome["model"]).name)
    generations = [line["number"] for line in log_lines(run) if line["event"] == "generation"]
    assert generations == [1, 2, 3, 4]


def test_a_generation_without_its_checkpoint_comes_again(run) -> None:
    newest = max((run / "checkpoints").iterdir())
    shutil.rmtree(newest)  # as if the trainer had died after the turn and before the checkpoint
    outcome = trained(run, budget__max_generations=2)
    assert outcome["generation"] == 2
    with ReplayStore(run / "run.db", games.make("tictactoe")) as store:
        assert [row["generation"] for row in store.generations()] == [1, 2]
    assert int(Path(outcome["model"]).name) >= int(newest.name)


def test_a_spent_budget_ends_at_once_with_the_verdict(run, tmp_path) -> None:
    positions = tmp_path / "positions.jsonl"
    row = {"moves": "013524", "scores": [None] * 6 + [1, 0, -1], "value": 1, "best": [6]}
    positions.write_text(json.dumps(row) + "\n")
    typed = ("train", "tictactoe", "--run", run, "--serial", "--no-progress",
             "--evaluation.positions", positions)  # fmt: skip
    done = ringzero(*typed)
    assert done.returncode == 0, done.stderr
    assert "2 generations" in done.stdout and f"ringzero play {run}" in done.stdout
    assert "against random: " in done.stdout and "Elo" in done.stdout
    assert "known positions: " in done.stdout
    assert "self-play" not in done.stderr and "measured random" in done.stderr
    again = ringzero(*typed)  # by then there is nothing left to measure
    assert again.returncode == 0 and "measured" not in again.stderr
    assert again.stdout.splitlines()[1:] == done.stdout.splitlines()[1:]


def test_what_was_measured_is_readable_by_others(tiny_run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tiny_run / "tensorboard"))
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"loss/policy", "loss/value", "strength/random", "learner/learning_rate"} <= scalars
    assert {"loss/policy_validation", "loss/value_validation"} <= scalars
    assert [point.step for point in events.Scalars("loss/policy")] == sorted(
        int(p.name) for p in (tiny_run / "checkpoints").iterdir() if int(p.name)
    )
    assert events.Tags()["tensors"]  # the configuration
    db = sqlite3.connect(f"file:{tiny_run / 'run.db'}?mode=ro", uri=True)
    try:
        metrics = dict(db.execute("SELECT name, count(*) FROM metrics GROUP BY name"))
        (matches,) = db.execute("SELECT count(*) FROM matches").fetchone()
    finally:
        db.close()
    assert metrics["loss/policy"] == 2 and matches == 1
    log = log_lines(tiny_run)
    assert {line["process"] for line in log} and all(line["message"] for line in log)
    assert [line["number"] for line in log if line["event"] == "generation"] == [1, 2]
    model, metadata = load_model(find_model(tiny_run))
    assert metadata.info["generation"] == 2 and model.config.blocks == 1


def test_a_run_in_processes_learns_and_ends_everything(tmp_path) -> None:
    run = tmp_path / "run"
    args = ("train", "tictactoe", "--run", run, "--no-progress", *options(
        budget__max_generations=2, selfplay__workers=2, evaluation__every_minutes=0.001,
    ))  # fmt: skip
    with start(*args) as process:
        children = wait_for(lambda: offspring(process.pid), 30, "the children")
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    wait_for(lambda: not any(map(is_alive, children)), 5, "the children's end")
    assert "Traceback" not in out + err and "measured random" in err and "\x1b" not in out + err
    with ReplayStore(run / "run.db", games.make("tictactoe")) as store:
        assert [row["generation"] for row in store.generations()] == [1, 2]
        assert store.last_number() < store.num_games() + 32  # few were given up at the end
        losses = [row["losses"] for row in store.generations()]
        assert all(math.isfinite(row["policy"]) for row in losses)
        assert len(store.matches()) >= 2 and store.matches()[-1]["final"] is True
    for log in (run / "logs").rglob("*.log"):
        assert "Traceback" not in log.read_text(), log


@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGINT, "games"), (signal.SIGTERM, "start")],
)
def test_a_signal_ends_the_run_in_time_with_a_checkpoint(tmp_path, number, moment) -> None:
    run = tmp_path / "run"
    args = ("train", "tictactoe", "--run", run, "--no-progress", *options())
    with start(*args) as process:
        if moment == "start":
            wait_for(lambda: offspring(process.pid), 30, "the children")
        else:
            wait_for(lambda: log_lines(run), 60, "a generation")
        children = offspring(process.pid)
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number, err
    assert time.monotonic() - began < 10
    wait_for(lambda: not any(map(is_alive, children)), 5, "the children's end")
    assert "stopping" in err and "Traceback" not in err
    assert f"To go on, type: ringzero train tictactoe --run {run}" in out
    newest = load_model(find_model(run))[1].info["generation"]
    with ReplayStore(run / "run.db", games.make("tictactoe")) as store:
        assert len(store.generations()) == newest
        assert (newest > 0) == (moment == "games")


def test_a_game_in_plain_python_is_trained_by_the_same_command(tmp_path) -> None:
    run = tmp_path / "nim"
    nim = str(ROOT / "docs" / "examples" / "nim.py")
    outcome = trained(run, preset=nim, budget__max_generations=1)
    assert outcome["generation"] == 1 and outcome["games"] > 5
    with ReplayStore(run / "run.db", games.make(nim)) as store:
        for record in store.games(last=20):
            state = games.make(nim).initial_state()
            for action in record.actions:
                state.apply_action(int(action))
            assert state.is_terminal() and list(state.returns()) == record.returns.tolist()


@pytest.mark.parametrize("beside", [True, False])
def test_a_resumed_run_plays_in_processes_as_a_new_one_does(run: Path, beside: bool) -> None:
    done = ringzero(
        "train", "tictactoe", "--run", run, "--json",
        *options(selfplay__workers=1, budget__max_generations=4, learner__beside_selfplay=beside),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["generation"] == 4


@pytest.mark.parametrize("beside", [True, False])
def test_selfplay_goes_on_beside_the_learner_or_waits_for_it(
    beside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {**TINY, "selfplay.workers": 1, "budget.max_generations": 3,
              "learner.beside_selfplay": beside}  # fmt: skip
    folder = RunFolder(tmp_path / "run")
    config = folder.open_config("tictactoe", [], values)
    turns: list[list[tuple[int, bool]]] = []  # of each step: rows not learned from yet, paused?
    niceness = set[int]()
    train = Learner.train

    def watched(learner, steps, window, on_step):
        turns.append([])
        niceness.update(child.nice() for child in psutil.Process().children())

        def look(metrics):
            answer = on_step(metrics)
            paused = trainer.watch.pool.segment.is_paused(0)
            turns[-1].append((trainer.harvest.unlearned, paused))
            return answer

        return train(learner, steps, window, look)

    monkeypatch.setattr(Learner, "train", watched)
    with folder, open_display(quiet=True) as display:
        folder.save_config(config)
        trainer = Trainer(folder, config, display)
        trainer.run()
    wanted = config.selfplay.rows_per_generation
    assert max(niceness) == min(19, os.nice(0) + (GIVE_WAY if beside else 0))
    assert len(turns) == 3
    for turn in turns:
        # Paused as soon as the next generation has its rows, and then until the turn is over.
        assert [paused for _, paused in turn] == [
            not beside or any(rows >= wanted for rows, _ in turn[: i + 1])
            for i in range(len(turn))
        ]  # fmt: skip
