"""What every child process does first, and how it is started.

Children are spawned, never forked (a fork after torch's threads have run hangs), share nothing
but the segment's descriptor, and end with their parent however it ends.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

__all__ = ["Child", "cpu_count", "die_with", "spawn"]

# Read by OpenMP and BLAS when they load: one thread a stream, and no spinning on busy cores.
THREAD_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

Child = BaseProcess


def cpu_count() -> int:
    """Cores that this process may use; containers and taskset are respected."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spawn(
    name: str, target: Callable[..., None], args: tuple[Any, ...], log: str | None, nice: int = 0
) -> Child:
    """Start `target(*args)` in a fresh process, from the parent's main thread.

    `name` shows in messages, in top and in profilers; `log` is a file that gets the child's
    stderr; `nice` is added to the parent's niceness.
    """
    process = multiprocessing.get_context("spawn").Process(
        target=_main, args=(target, args, os.getpid(), name, log, nice), name=name, daemon=False
    )
    with _environment(THREAD_ENVIRONMENT):
        process.start()
    return process


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _main(
    target: Callable[..., None],
    args: tuple[Any, ...],
    parent: int,
    name: str,
    log: str | None,
    nice: int,
) -> None:
    # Ctrl-C reaches the whole foreground group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with(parent)
    os.nice(nice)
    if sys.platform == "linux":
        # What top, ps and py-spy show; the kernel keeps 15 bytes.
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    if log is not None:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        sys.stderr.flush()
        os.dup2(fd, 2)
        os.close(fd)
    target(*args)


def die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies, and see whether it has already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
