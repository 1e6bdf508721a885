"""SIGKILL at random moments, of anything: no finished game and no checkpoint is lost.

The trainer is started with a wrapper that writes the numbers of games to a file of its own as
soon as the store has said that they are kept. What this file says is compared with the database.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from running import ENVIRONMENT, is_alive, log_lines, offspring, options, ringzero, wait_for

import games
from engine.records import Ending
from trainer.checkpoint import CheckpointStore
from trainer.config import resolve
from trainer.learner import Learner
from trainer.network import Network
from trainer.replay import ReplayStore

KILLS = {"worker": 10, "inference": 6, "parent": 3}
"""At random moments; the twentieth is the parent's, once it has learned."""
MOST_GAMES = 60
"""A kill comes after at most so many more games."""

TRAINER = """
import sys
from trainer.cli import main
from trainer.replay import ReplayStore

add_games = ReplayStore.add_games
def add_and_report(store, records):
    records = list(records)
    new = add_games(store, records)
    with open(sys.argv[1], "a") as report:
        report.write("".join(f"{record.number}\\n" for record in records))
        if new != len(records):
            report.write("TWICE\\n")
    return new
ReplayStore.add_games = add_and_report
main(sys.argv[2:])
"""


class Victims:
    """The run's processes, of every incarnation."""

    def __init__(self, run: Path, report: Path) -> None:
        self.run, self.report, self.seen = run, report, set[psutil.Process]()
        self.restart()

    def restart(self) -> None:
        """Type the command (again)."""
        typed = ("train", "connect4", "--run", str(self.run), "--max-time", "1h", *options(
            search__fast_simulations=4, selfplay__rows_per_generation=500,
            selfplay__games_per_worker=16, selfplay__workers=2, learner__passes_per_row=1,
            checkpoints__keep=3, search__solver="true", search__end_when_proven="true",
            search__resign_value=-0.5, search__resign_plies=2,
        ))  # fmt: skip
        with open(self.report.with_suffix(".err"), "a") as log:
            self.parent = subprocess.Popen(
                [sys.executable, "-c", TRAINER, self.report, *typed, "--no-progress"],
                env=ENVIRONMENT, stdout=log, stderr=log,
            )  # fmt: skip
        self.look()

    def look(self) -> dict[str, psutil.Process]:
        """The pool's processes by their names' first word."""
        children = [psutil.Process(self.parent.pid), *offspring(self.parent.pid)]
        self.seen |= set(children)
        return {p.name().partition("-")[0]: p for p in children if is_alive(p)}

    def reported(self) -> list[str]:
        """What the file says, whole lines only."""
        text = self.report.read_text() if self.report.exists() else ""
        return text[: text.rfind("\n") + 1].split()

    def kill(self, victim: str) -> None:
        """Kill one of them; after the parent's death, none may live on."""
        if victim != "parent":
            found = wait_for(lambda: self.look().get(victim), 30, f"a {victim} to kill")
            found.kill()
            wait_for(lambda: not is_alive(found), 10, "its death")
            return
        self.look()
        self.parent.kill()
        self.parent.wait()
        wait_for(lambda: not any(map(is_alive, self.seen)), 10, "the children's end")
        self.restart()

    def stop(self) -> None:
        """Nothing outlives the test."""
        if self.parent.poll() is None:
            self.look()
            self.parent.kill()
            self.parent.wait()


@pytest.mark.chaos
def test_twenty_kills_lose_nothing(tmp_path) -> None:
    rng = random.Random(int(os.environ.get("RINGZERO_CHAOS_SEED", "20")))
    order = [victim for victim, num in KILLS.items() for _ in range(num)]
    rng.shuffle(order)
    shared_memory = set(os.listdir("/dev/shm"))
    run, victims = tmp_path / "run", Victims(tmp_path / "run", tmp_path / "report")
    try:
        for victim in order:
            before = len(victims.reported())
            wanted = before + rng.choice([0, rng.randint(1, MOST_GAMES)])  # 0: at once
            wait_for(
                lambda wanted=wanted: len(victims.reported()) >= wanted
                or victims.parent.poll() is not None,
                60, f"the run to go on after {before} games",
            )  # fmt: skip
            assert victims.parent.poll() is None, victims.report.with_suffix(".err").read_text()
            victims.kill(victim)
        # It still learns, before and after one more death, and ends as a person would ask for it.
        for last in (False, True):
            learned = generations(run)
            wait_for(lambda learned=learned: generations(run) > learned, 60, "another generation")
            if not last:
                victims.kill("parent")
        victims.look()
        victims.parent.send_signal(signal.SIGTERM)
        assert victims.parent.wait(10) == 128 + signal.SIGTERM
    finally:
        victims.stop()
    wait_for(lambda: not any(map(is_alive, victims.seen)), 10, "every process's end")
    done = ringzero("train", "connect4", "--run", run, "--budget.max_games=1", "--quiet")
    assert done.returncode == 0, done.stderr

    assert set(os.listdir("/dev/shm")) <= shared_memory
    assert not [p for p in run.rglob("*") if p.name.startswith(".") or p.suffix == ".tmp"]
    check_games(run, victims.reported())
    check_checkpoints(run)
    log = log_lines(run)
    restarts = [line for line in log if line["event"] == "restart"]
    # Not of those whose parent died before it had seen it. And nothing died by itself.
    assert restarts and all("was killed by signal 9" in line["message"] for line in restarts)
    numbers = [line["number"] for line in log if line["event"] == "generation"]
    assert set(range(1, max(numbers) + 1)) == set(numbers)


def generations(run: Path) -> int:
    """How many the run's log tells of."""
    return sum(line["event"] == "generation" for line in log_lines(run))


def check_games(run: Path, reported: list[str]) -> None:
    """Every reported game is stored exactly once, and every stored one is a legal game."""
    assert "TWICE" not in reported and len(reported) == len(set(reported)) > 20
    db = sqlite3.connect(run / "run.db")
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = [number for (number,) in db.execute("SELECT number FROM games")]
    finally:
        db.close()
    assert len(stored) == len(set(stored)) and set(map(int, reported)) <= set(stored)
    game = games.make("connect4")
    with ReplayStore(run / "run.db", game) as store:
        for record in store.games():
            state = game.initial_state()
            for ply in range(record.num_plies):
                assert not state.is_terminal(), record.number
                assert state.get_current_player() == record.players[ply]
                assert np.array_equal(state.packed_observation(), record.observations[ply])
                state.apply_action(int(record.actions[ply]))  # raises if it is not legal
            if record.ending == Ending.RULES:
                assert state.is_terminal() and list(state.returns()) == record.returns.tolist()
            else:
                proven = record.ending == Ending.PROVEN
                assert record.returns[record.players[-1]] == (record.results[-1] if proven else -1)
                assert proven or record.resign_ply == record.num_plies - 1
            assert record.policy_offsets[-1] == len(record.policy_weights) > 0


def check_checkpoints(run: Path) -> None:
    """Every checkpoint loads."""
    config, game = resolve(str(run / "config.toml")), games.make("connect4")
    network = Network(game.observation_shape, game.num_actions, config.network)
    learner = Learner(network, config.learner, device="cpu")
    store = CheckpointStore(run / "checkpoints")
    assert store.steps()
    for step in store.steps():
        store.check(step)
        info = store.load(step, learner)
        assert learner.step == step and info["generation"] >= 0
