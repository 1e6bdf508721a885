"""Runs small enough for a test, started as a person starts them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from trainer.cli import main

ROOT = Path(__file__).resolve().parents[1]
CLI = [sys.executable, "-m", "trainer.cli"]
# One thread: other work on the machine must not stretch a tiny network's barriers.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

TINY = {
    "network.blocks": 1,
    "network.channels": 8,
    "network.value_hidden": 8,
    "search.num_simulations": 8,
    "selfplay.games_per_worker": 16,
    "selfplay.rows_per_generation": 200,
    "learner.min_rows": 200,
    "learner.batch_size": 32,
    "learner.threads": 1,
    "learner.validation_share": 0.1,
    "evaluation.baselines": "random",
    "evaluation.games": 4,
    "evaluation.simulations": 4,
    "evaluation.every_minutes": 0,
    "evaluation.truth": "off",
}
"""A network of one block and a few games a generation."""


def options(**changes: Any) -> list[str]:
    """`TINY` with `changes` (``budget__max_games=5``) as a command's arguments."""
    values = {**TINY, **{name.replace("__", "."): value for name, value in changes.items()}}
    return [f"--{name}={value}" for name, value in values.items()]


def start(*args: str | Path, **popen: Any) -> "subprocess.Popen[str]":
    """`ringzero ARGS` as a process, its output on pipes unless told otherwise."""
    usual = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT}
    command = [*CLI, *map(str, args)]
    return subprocess.Popen(command, text=True, **{**usual, **popen})


def ringzero(
    *args: str | Path, timeout_s: float = 60, **popen: Any
) -> "subprocess.CompletedProcess[str]":
    """`ringzero ARGS` to its end."""
    with start(*args, **popen) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def here(*args: str | Path) -> int:
    """The exit code of `ringzero ARGS` in this process."""
    try:
        main([str(arg) for arg in args])
    except SystemExit as end:
        assert end.code is None or isinstance(end.code, int)
        return end.code or 0
    raise AssertionError("the command did not end with an exit code")


def wait_for(condition: Callable[[], Any], deadline_s: float, what: str) -> Any:
    """The first true value of `condition`.

    Raises
    ------
    AssertionError
        If there is none within `deadline_s`.
    """
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {deadline_s} s for {what}"
        time.sleep(0.01)
    return value


def offspring(pid: int) -> list[psutil.Process]:
    """The living children of `pid`, and theirs."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    """False for the dead, also where nobody has collected them yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def log_lines(run: Path) -> list[dict[str, Any]]:
    """The events in the run's log; a line that is still being written is left out."""
    path = run / "logs" / "train.jsonl"
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` and its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
