"""Two runs trained at the same time, each on its half of the cores.

The machine under them may slow down for minutes, and what only one of them met would pass for a
difference between them: decisive moves in Hex 7x7 came to -279 Elo one after the other, and to
+84 and -66 side by side.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

from engine.errors import EngineError

__all__ = ["AblationError", "Side", "halves", "train_side_by_side"]

# The child dies with its parent, however that ends, and keeps to its cores.
BOUND = """
import os, sys
from engine.process import die_with
die_with(int(sys.argv.pop(1)))
if cores := sys.argv.pop(1):
    os.sched_setaffinity(0, map(int, cores.split(",")))
"""
RINGZERO = """
from trainer.cli import main
sys.argv.append("--json")
main()
"""
POLL_S = 0.5


class AblationError(EngineError):
    """A run of an ablation failed."""


class Side(NamedTuple):
    """One of the runs."""

    command: Sequence[str]
    """What trains it, as arguments of ringzero; its outcome is asked for as JSON."""
    log: Path
    """Where its messages go."""
    cores: frozenset[int]
    """That it may use; empty: all."""


def halves() -> tuple[frozenset[int], frozenset[int]]:
    """This process's cores in two equal parts; an odd one rests. Empty ones where the system binds
    nobody to cores, or there is one core to share."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset(), frozenset()
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    return frozenset(cores[:half]), frozenset(cores[half : 2 * half])


def train_side_by_side(
    sides: Sequence[Side],
    on_poll: Callable[[float], object],
    asked: Callable[[], int],
    *,
    program: str = RINGZERO,
) -> list[dict[str, Any]] | None:
    """Train all sides at once, each in a process of its own, and return their outcomes.

    Parameters
    ----------
    on_poll
        Told the seconds since they began, twice a second.
    asked
        The signal that has asked to stop, or 0: the runs are then told to stop, and there are
        no outcomes.
    program
        What a command is typed to: Python text, run once the process is bound to its cores.

    Raises
    ------
    AblationError
        If one fails, with its last words; the others are stopped then.
    """
    begun, told = time.monotonic(), False
    with ExitStack() as stack:
        children = []
        for side in sides:
            side.log.parent.mkdir(parents=True, exist_ok=True)
            errors = stack.enter_context(open(side.log, "w+"))
            out = stack.enter_context(open(side.log.with_suffix(".json"), "w+"))
            children.append(_Child(side, program, out, errors))
            stack.callback(children[-1].end)
        while any(child.process.poll() is None for child in children):
            failed = [child for child in children if child.process.poll()]
            if (asked() or failed) and not told:
                told = True
                for child in children:
                    child.stop()
            _wait_for_any(children)
            on_poll(time.monotonic() - begun)
        if asked():
            return None
        for child in children:
            if child.process.returncode and not child.stopped:
                raise AblationError(child.last_words())
        return [child.outcome() for child in children]


class _Child:
    def __init__(self, side: Side, program: str, out: IO[str], errors: IO[str]) -> None:
        self._side, self._out, self._errors = side, out, errors
        self.stopped = False
        """Whether it was told to stop: its exit code says so, too."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", BOUND + program, str(os.getpid()),
             ",".join(map(str, side.cores)), *side.command],
            stdout=out, stderr=errors,
            process_group=0,  # Ctrl-C comes from the parent, once
        )  # fmt: skip

    def stop(self) -> None:
        if self.process.poll() is None:
            self.stopped = True
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Whatever happened, it is gone afterwards."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def last_words(self) -> str:
        self._errors.seek(0)
        return (
            f"ringzero {shlex.join(self._side.command)} failed with exit code "
            f"{self.process.returncode}: {self._errors.read().strip()[-2000:]}"
        )

    def outcome(self) -> dict[str, Any]:
        self._out.seek(0)
        found: dict[str, Any] = json.load(self._out)
        return found


def _wait_for_any(children: Sequence[_Child]) -> None:
    """Until one of those that are running ends, or for a moment."""
    for child in children:
        if child.process.poll() is None:
            try:
                child.process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                return
