"""Which back end a network runs on, chosen by measuring the candidates on this machine.

It takes some seconds, once for each network shape: the choice is remembered in a file of the
user's cache folder, by everything that it depends on. A file that cannot be read or written, or
a machine too busy to measure on, only means measuring again.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from engine.backends.group import BACKENDS, is_installed
from engine.backends.plan import Plan
from engine.backends.rates import BackendProcess
from engine.errors import EvaluatorError
from engine.process import cpu_count
from games.base import Game

if TYPE_CHECKING:
    from engine.backends.spec import EvaluatorSpec

__all__ = ["Choice", "candidates", "choose"]

log = logging.getLogger(__name__)

VERSION = 1
MEASURE_S = 0.3  # for each figure
BATCH = 64  # rows of a stream's batch when candidates are compared
BUSY = 0.15  # of the machine's time: more, and a measurement is not remembered
BATCHES = (8, 16, 32, 64, 128, 256)  # of the winner's curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen, and what was measured for it."""

    backend: str
    precision: str
    streams: int
    """Batches at once."""
    threads: int
    """Working on each."""
    rows_per_s: float
    """Of all streams together at their best batch."""
    curve: dict[int, float]
    """Rows/s of all streams together by the rows of a stream's batch."""
    rivals: dict[str, float]
    """Rows/s of every candidate; 0 of one that was refused."""

    @property
    def batch(self) -> int:
        """The smallest batch that is nearly as fast as the best: more rows only wait longer."""
        return min(rows for rows, rate in self.curve.items() if rate >= 0.95 * self.rows_per_s)

    def __str__(self) -> str:
        others = ", ".join(
            f"{name} {rate:,.0f}" if rate else f"{name} refused"
            for name, rate in sorted(self.rivals.items(), key=lambda item: -item[1])
        )
        return (
            f"{self.backend} {self.precision}, {self.streams} x {self.threads} threads: "
            f"{self.rows_per_s:,.0f} rows/s is the fastest here ({others})"
        )


def choose(
    game: Game,
    spec: "EvaluatorSpec",
    plan: Plan,
    *,
    streams: int = 0,
    say: Callable[[str], None] | None = None,
) -> Choice:
    """The fastest back end for `plan` on this machine's CPU, remembered or measured.

    Parameters
    ----------
    game
        Whose positions.
    spec
        Its back end and precision are kept where they are not "auto"; its path holds the weights.
    plan
        Of the weights.
    streams
        Batches at once; 0: as many as there are cores, or one with a thread on each core.
    say
        Told before and after a measurement, which takes seconds.

    Raises
    ------
    EvaluatorError
        If no candidate could be used.
    """
    key = _key(game, plan, spec.backend, spec.precision, streams)
    choice = _remembered(key)
    if choice is None:
        tell = say or log.info
        tell("measuring the back ends for this network: some seconds, then remembered")
        choice, busy = _measure(game, spec, streams)
        tell(str(choice))
        if busy > BUSY:
            tell(f"others used {busy:.0%} of the machine meanwhile: measured again next time")
        else:
            _remember(key, choice)
    return choice


def candidates(
    backend: str, precision: str, installed: Sequence[str], bf16: bool
) -> list[tuple[str, str]]:
    """Back ends and precisions worth a measurement, the likely winner first.

    Parameters
    ----------
    backend, precision
        What is asked for, or "auto".
    installed
        Names of the back ends that are there.
    bf16
        Whether the CPU multiplies in bf16; where it does not, fp32 takes its place.
    """
    backends = [name for name in installed if backend in ("auto", name)] or [backend]
    if precision != "auto":
        return [(n, precision) for n in backends if (n, precision) != ("torch", "int8")] or [
            (backends[0], precision)
        ]
    half = "bf16" if bf16 else "fp32"
    return [
        (name, kind)
        for name in backends
        for kind in ("int8", half)
        if (name, kind) != ("torch", "int8")
    ]


def _measure(game: Game, spec: "EvaluatorSpec", streams: int) -> tuple[Choice, float]:
    """The choice, and the share of the machine's time that others used meanwhile."""
    from engine.backends.torch_backend import cpu_has_bf16  # imports torch

    cores = cpu_count()
    many = (streams or cores, max(1, cores // streams) if streams else 1)
    installed = [name for name in BACKENDS if is_installed(name)]
    rivals: dict[str, float] = {}
    best: tuple[float, EvaluatorSpec, tuple[int, int]] | None = None
    refusals: list[str] = []
    with BackendProcess(game) as process, _Others() as others:

        def rate(candidate: "EvaluatorSpec", arrangement: tuple[int, int]) -> float:
            process.make(replace(candidate, threads=arrangement[1]), arrangement[0], BATCH)
            return process.rows_per_s(BATCH, MEASURE_S)

        for backend, precision in candidates(
            spec.backend, spec.precision, installed, cpu_has_bf16()
        ):
            candidate = replace(
                spec, backend=backend, precision=precision, insist=True, symmetric=False
            )
            name = f"{backend} {precision}"
            try:
                rivals[name] = rate(candidate, many)
            except EvaluatorError as error:
                rivals[name] = 0.0
                refusals.append(str(error))
                continue
            if best is None or rivals[name] > best[0]:
                best = rivals[name], candidate, many
        if best is None:
            raise EvaluatorError("no back end can be used: " + "; ".join(refusals))
        if not streams and cores > 1:
            together = rate(best[1], (1, cores))
            rivals[f"{best[1].backend} {best[1].precision} 1 x {cores}"] = together
            # Streams of one thread each are the better neighbours of the workers.
            if together > 1.05 * best[0]:
                best = together, best[1], (1, cores)
        _, winner, arrangement = best
        process.make(replace(winner, threads=arrangement[1]), arrangement[0], max(BATCHES))
        curve = {batch: process.rows_per_s(batch, MEASURE_S) for batch in BATCHES}
    choice = Choice(
        backend=winner.backend,
        precision=winner.precision,
        streams=arrangement[0],
        threads=arrangement[1],
        rows_per_s=max(curve.values()),
        curve=curve,
        rivals=rivals,
    )
    return choice, others.share


class _Others:
    """How much of the machine's time other programs use inside the `with`."""

    share = 0.0
    """Known at its end: of all cores' time."""

    def __enter__(self) -> "_Others":
        self._start, self._total, self._own = time.monotonic(), _busy_s(), _own_s()
        return self

    def __exit__(self, *_: object) -> None:
        elapsed = (time.monotonic() - self._start) * (os.cpu_count() or 1)
        others = _busy_s() - self._total - (_own_s() - self._own)
        self.share = max(0.0, others / max(elapsed, 1e-9))


def _busy_s() -> float:
    """Seconds that all cores together have worked since the machine started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def _own_s() -> float:
    """Seconds that this process and its children have worked."""
    total = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


# -- memory ---------------------------------------------------------------------------------


def _key(game: Game, plan: Plan, *request: object) -> str:
    versions = []
    for package in ("ringzero", "torch", "openvino"):
        try:
            versions.append(importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            versions.append("")
    facts = (VERSION, plan.sizes, game.observation_bytes, request, versions, _cpu(), cpu_count())
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


def _cpu() -> str:
    """What the kernel says of the first core, but for what changes from moment to moment."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return platform.processor()
    return re.sub(r"^(cpu MHz|bogomips)\b.*\n?", "", first, flags=re.MULTILINE)


def _file() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "ringzero" / "backends.json"


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_text())
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}


def _remembered(key: str) -> Choice | None:
    try:
        found = dict(_read()[key])
        found["curve"] = {int(rows): float(rate) for rows, rate in found["curve"].items()}
        return Choice(**found)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _remember(key: str, choice: Choice) -> None:
    try:
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({**_read(), key: asdict(choice)}, indent=1))
        draft.replace(file)
    except (OSError, RuntimeError) as error:
        log.info("the choice of a back end is not remembered: %s", error)
