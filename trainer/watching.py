"""A run while it goes on: how fast it is, what bounds it, and the screen that tells."""

import math
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil

from engine.pool import Pool
from engine.tuning import load_between, verdict
from trainer.display import Display
from trainer.progress import Progress
from trainer.stopping import Stop

__all__ = ["Watch"]

DISPLAY_EVERY_S = 0.25
RATE_WINDOW_S = 30.0
JUDGE_AFTER_S = 2.0


class Watch:
    """Shows what the pool does beside what the run has come to.

    Parameters
    ----------
    display
        Where it is shown.
    standing
        The run as far as it knows itself: games, generations, losses; the rest is filled in here.
    stop
        Told of once.
    """

    def __init__(self, display: Display, standing: Callable[[], Progress], stop: Stop) -> None:
        self._display, self._standing, self._stop = display, standing, stop
        self.pool: Pool | None = None
        """The one to look at, while there is one."""
        self._recent: deque[tuple[float, dict[str, float]]] = deque()
        self._turn: tuple[float, dict[str, dict[str, int]]] = (0.0, {})
        self._verdict = ""
        self._next_display = 0.0
        self._told = False  # that it is stopping

    def say(self, text: str) -> None:
        """Tell something once, and keep it on the screen."""
        self._display.message(text)

    def begin_turn(self) -> None:
        """Self-play's turn begins; `judge` is about it. The learner's turns do not count."""
        assert self.pool is not None, "there are no turns without a pool"
        self._turn = time.monotonic(), self.pool.counters()

    def judge(self) -> None:
        """Say what has bounded this turn of self-play so far, where a network plays."""
        began, before = self._turn
        seconds, pool = time.monotonic() - began, self.pool
        if pool is not None and pool.evaluators and seconds >= JUDGE_AFTER_S:
            choice = pool.choices[0]
            rate = choice.rows_per_s if choice is not None else 0.0
            self._verdict = verdict(
                load_between(before, pool.counters(), seconds, pool.streams(0), rate)
            )

    def rates(self) -> dict[str, float]:
        """Rates of the last seconds, from the counters of the pool's processes, by their names in
        `Progress`; none without a pool."""
        return self._rates(self._standing().games)

    def _rates(self, games: int) -> dict[str, float]:
        pool = self.pool
        if pool is None:
            return {}
        now = time.monotonic()
        sums = {"games": float(games)}
        for name, counters in pool.counters().items():
            side = "server" if name.startswith("inference") else "worker"
            for key, value in counters.items():
                sums[f"{side}.{key}"] = sums.get(f"{side}.{key}", 0.0) + value
        self._recent.append((now, sums))
        while len(self._recent) > 2 and now - self._recent[0][0] > RATE_WINDOW_S:
            self._recent.popleft()
        then, old = self._recent[0]
        seconds = max(now - then, 1e-9)
        delta = {key: value - old.get(key, 0.0) for key, value in sums.items()}
        batches = max(delta.get("server.batches", 0.0), 1.0)
        rows = delta.get("server.evaluations", 0.0)
        hits = delta.get("worker.cache_hits", 0.0) + delta.get("worker.shared", 0.0)
        lookups = max(delta.get("worker.cache_lookups", 0.0), 1.0)
        if pool.segment.spec.cache_entries == 0:
            lookups = math.nan
        return {
            "games_per_s": delta["games"] / seconds,
            "positions_per_s": delta.get("worker.plies", 0.0) / seconds,
            "simulations_per_s": delta.get("worker.simulations", 0.0) / seconds,
            "evaluations_per_s": rows / seconds,
            "mean_batch": rows / batches,
            "batch_fill": rows / max(delta.get("server.padded_rows", 0.0), 1.0),
            "queue_delay_us": delta.get("server.queue_ns", 0.0) / batches / 1e3,
            "latency_us": delta.get("server.busy_ns", 0.0) / batches / 1e3,
            "depth": delta.get("worker.depth", 0.0) / (delta.get("worker.simulations") or math.nan),
            "cache_hit_rate": hits / lookups,
        }

    def show(self, phase: str, done: float = math.nan, *, force: bool = False) -> None:
        """Show the run in `phase`, of which the share `done` is over; often enough is enough,
        unless `force` is given."""
        if self._stop and not self._told:
            self._told = True
            self._display.message("stopping: saving a checkpoint (again: stop at once)")
        now = time.monotonic()
        if not force and now < self._next_display:
            return
        self._next_display = now + DISPLAY_EVERY_S
        pool, progress = self.pool, self._standing()
        pids = pool.pids if pool is not None else {}
        rates: dict[str, Any] = self._rates(progress.games)
        self._display.update(
            replace(
                progress,
                phase=phase,
                phase_done=done,
                backend=pool.segment.about(0) if pool is not None else "",
                verdict=self._verdict,
                workers=pool.config.workers if pool is not None else 0,
                workers_alive=sum(name.startswith("worker") for name in pids),
                restarts=pool.num_restarts if pool is not None else 0,
                memory_bytes=_resident([os.getpid(), *pids.values()]),
                **rates,
            )
        )


def _resident(pids: list[int]) -> int:
    """Resident bytes of these processes; those just gone count nothing."""
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
