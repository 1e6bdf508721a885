"""What a ring costs: two processes that do nothing but hand rows back and forth."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from engine.errors import ConfigError, PoolError
from engine.pool import SegmentHandle
from engine.process import spawn
from engine.ringbench import bare_loop, server_loop, worker_loop
from engine.segment import Segment, SegmentSpec
from trainer.bench.common import refuse_debug_build

__all__ = ["RingFigures", "ring"]

# Far longer than a round trip. A side that waits for longer sleeps: the other is off its core.
SPIN_US = 50.0
ENDLESS = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class RingFigures:
    """Figures of `ring`: medians over many short stretches, which a busy machine disturbs less
    than a mean."""

    round_trip_us: float
    """One row there and its answer back, both sides spinning."""
    round_trip_asleep_us: float
    """The same, each side asleep in the kernel when the other is done."""
    rows_per_s: float
    """Two rounds of 256 rows in flight, both sides spinning."""
    bare_round_trip_us: float
    """A yardstick: one word there and back, both sides spinning."""
    bare_round_trip_asleep_us: float
    """The same through two bare futexes."""
    best_round_trip_us: float
    """The best stretch of `round_trip_us`."""
    observation_bytes: int
    """Of each row; all are written, read and checked."""


def ring(*, seconds: float = 2.0, observation_bytes: int = 1024) -> RingFigures:
    """Measure the ring between this process and another one.

    Each has a core of its own where there are two; meanwhile the calling thread is bound to one.

    Parameters
    ----------
    seconds
        Time to spend, a fifth of it on each figure.
    observation_bytes
        Bytes of an observation, a multiple of 8.
    """
    refuse_debug_build()
    if seconds <= 0 or observation_bytes < 8 or observation_bytes % 8:
        raise ConfigError(
            "seconds must be > 0 and observation_bytes a multiple of 8, got "
            f"{seconds} and {observation_bytes}"
        )
    spec = SegmentSpec(
        num_workers=1,
        num_models=1,
        num_slots=1024,
        observation_bytes=observation_bytes,
        num_actions=8,
        journals_per_worker=1,
        max_plies=1,
        journal_entries=1,
    )
    share = seconds / 5

    def worker(rounds: int, rows: int, spin_us: float, depth: int) -> Callable[[Segment, int], int]:
        return lambda segment, _: worker_loop(
            segment, 0, 0, rounds, rows, rounds_in_flight=depth, spin_us=spin_us
        )

    def bare(rounds: int, asleep: bool) -> Callable[[Segment, int], int]:
        return lambda segment, k: bare_loop(segment, False, rounds, asleep, first=k * rounds)

    def measure(
        peer: str, spin_us: float, units: int, once: Callable[[Segment, int], int]
    ) -> list[float]:
        """Nanoseconds a unit of every stretch."""
        with _peer(spec, peer, spin_us) as segment:
            once(segment, 0)
            times: list[float] = []
            deadline = time.perf_counter() + share
            while not times or time.perf_counter() < deadline:
                times.append(once(segment, len(times) + 1) / units)
        return times

    awake = measure("ring", SPIN_US, 500, worker(500, 1, SPIN_US, 1))
    asleep = measure("ring", 0.0, 100, worker(100, 1, 0.0, 1))
    stream = measure("ring", SPIN_US, 64 * 256, worker(64, 256, SPIN_US, 2))
    bare_awake = measure("bare", SPIN_US, 500, bare(500, False))
    bare_asleep = measure("bare", 0.0, 100, bare(100, True))
    return RingFigures(
        round_trip_us=median(awake) * 1e-3,
        round_trip_asleep_us=median(asleep) * 1e-3,
        rows_per_s=1e9 / median(stream),
        bare_round_trip_us=median(bare_awake) * 1e-3,
        bare_round_trip_asleep_us=median(bare_asleep) * 1e-3,
        best_round_trip_us=min(awake) * 1e-3,
        observation_bytes=observation_bytes,
    )


@contextlib.contextmanager
def _peer(spec: SegmentSpec, kind: str, spin_us: float) -> Iterator[Segment]:
    """A new segment, and a process that answers on it."""
    segment = Segment(spec)
    handle: Any = SegmentHandle(segment.fd)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    # Left alone, the system likes to put two that wake each other on one core.
    theirs = cores[1] if len(cores) > 1 else None
    child = spawn("bench-ring", _answer, (handle, spec, kind, spin_us, theirs), None)
    if theirs is not None:
        os.sched_setaffinity(0, cores[:1])
    try:
        yield segment
    finally:
        if theirs is not None:
            os.sched_setaffinity(0, cores)
        segment.stop()
        child.join(10)
        if child.is_alive():
            child.kill()
            child.join()
        code = child.exitcode
        child.close()
    if code != 0:
        raise PoolError(f"the benchmark's other process ended with exit code {code}")


def _answer(fd: int, spec: SegmentSpec, kind: str, spin_us: float, core: int | None) -> None:
    """What the other process runs."""
    if core is not None:
        os.sched_setaffinity(0, [core])
    segment = Segment(spec, fd)
    if kind == "bare":
        bare_loop(segment, True, ENDLESS, spin_us == 0)
    else:
        server_loop(segment, 0, ENDLESS, spin_us=spin_us)
