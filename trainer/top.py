"""`ringzero top`: the counters of a live run, read from its shared segment.

Everything is read from memory that the run's processes write anyway; they do not notice. Counters
are words of their own, so a figure may be a few rows older than the one beside it.
"""

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engine.errors import ConfigError, PoolError, StoreError
from engine.onlooker import Onlooker
from trainer.plots import LEVELS, count
from trainer.runs import RunFolder

__all__ = ["delay_quantile", "look", "watch_run"]

STALE_S = 5.0  # a heartbeat older than this is shown in red; children beat every 0.1 s


@dataclass(frozen=True, slots=True)
class Reading:
    """The raw state of one process at one moment."""

    counters: dict[str, int]
    delays: list[int]
    """Batches by queue delay, see `engine.segment.Segment.queue_delays`."""
    cpu_s: float
    """Processor time used since its start; nan if it is gone."""


def delay_quantile(buckets: Sequence[int], share: float) -> float:
    """Microseconds that `share` of the batches' oldest rows did not wait longer than.

    Inside a bucket the delays are taken to be spread evenly, so it is exact to a factor below 2;
    nan without batches.
    """
    wanted, below = share * sum(buckets), 0
    if not wanted:
        return math.nan
    for bucket, batches in enumerate(buckets):
        if batches and below + batches >= wanted:
            low, high = (0.0, 1.0) if bucket == 0 else (2.0 ** (bucket - 1), 2.0**bucket)
            return low + (high - low) * (wanted - below) / batches
        below += batches
    raise AssertionError("the shares of all buckets do not add up")


class _Pool:
    """What is remembered of a pool between two looks."""

    def __init__(self, onlooker: Onlooker) -> None:
        self.onlooker = onlooker
        self.before, self.at = self._read(), time.monotonic()

    def _read(self) -> list[Reading]:
        segment, readings = self.onlooker.segment, []
        for process in range(segment.spec.num_processes):
            cpu_s = _cpu_s(segment.pid(process))
            readings.append(
                Reading(segment.counters(process), segment.queue_delays(process), cpu_s)
            )
        return readings

    def figures(self) -> list[dict[str, Any]]:
        """Rates of every process since the last call."""
        after, now = self._read(), time.monotonic()
        seconds = max(now - self.at, 1e-9)
        rows = []
        for process, (old, new) in enumerate(zip(self.before, after, strict=True)):
            delta = {name: new.counters[name] - old.counters[name] for name in new.counters}
            row = self._process(process) | {"cpu": max(new.cpu_s - old.cpu_s, 0.0) / seconds}
            if process < self.onlooker.segment.spec.num_workers:
                row |= _worker(delta, seconds)
            else:
                delays = [b - a for a, b in zip(old.delays, new.delays, strict=True)]
                row |= _inference(delta, delays, seconds, self.onlooker.streams)
            rows.append(row)
        self.before, self.at = after, now
        return rows

    def _process(self, process: int) -> dict[str, Any]:
        segment = self.onlooker.segment
        pid = segment.pid(process)
        return {
            "name": self.onlooker.names[process],
            "pid": pid,
            "heartbeat_s": segment.heartbeat_age_s(process),
            "restarts": segment.num_restarts(process),
            **_memory(pid),
        }


def _worker(delta: dict[str, int], seconds: float) -> dict[str, Any]:
    return {
        "simulations_per_s": delta["simulations"] / seconds,
        "evaluations_per_s": delta["evaluations"] / seconds,
        "positions_per_s": delta["plies"] / seconds,
        "games_per_s": delta["games"] / seconds,
        # A wait is counted when it ends, so one interval can show the last one's.
        "wait": min(delta["wait_ns"] * 1e-9 / seconds, 1.0),
        "cache_hits": delta["cache_hits"] / delta["cache_lookups"]
        if delta["cache_lookups"]
        else math.nan,
    }


def _inference(
    delta: dict[str, int], delays: list[int], seconds: float, streams: int
) -> dict[str, Any]:
    batches = delta["batches"]
    return {
        "evaluations_per_s": delta["evaluations"] / seconds,
        "batches_per_s": batches / seconds,
        "mean_batch": delta["evaluations"] / batches if batches else math.nan,
        "batch_fill": delta["evaluations"] / delta["padded_rows"] if batches else math.nan,
        "busy": min(delta["busy_ns"] * 1e-9 / seconds / streams, 1.0),
        "wait": min(delta["wait_ns"] * 1e-9 / seconds / streams, 1.0),
        "queue_delay_us": {
            **{f"p{p}": delay_quantile(delays, p / 100) for p in (50, 90, 99)},
            "batches": delays,
        },
    }


def _cpu_s(pid: int) -> float:
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return math.nan
    return float(used.user + used.system)


def _memory(pid: int) -> dict[str, float]:
    """Resident bytes, and with shared pages divided among their users."""
    try:
        full = psutil.Process(pid).memory_full_info()
    except psutil.Error:
        return {"rss_bytes": math.nan, "pss_bytes": math.nan}
    return {"rss_bytes": full.rss, "pss_bytes": getattr(full, "pss", math.nan)}


# -- a run ------------------------------------------------------------------------------------


def look(folder: RunFolder, interval_s: float = 1.0) -> Iterator[dict[str, Any]]:
    """The figures of a live run, once an interval until it ends.

    Raises
    ------
    StoreError
        At the first look, if nobody trains there.
    ConfigError
        If the interval is no time.
    """
    if not interval_s > 0:
        raise ConfigError(f"interval must be > 0 seconds, got {interval_s}")
    pid = folder.trainer_pid()
    pool: _Pool | None = None
    cpu_s = _cpu_s(pid)
    while True:
        pool = _attached(folder, pid, pool)
        began = time.monotonic()
        time.sleep(interval_s)
        try:
            if folder.trainer_pid() != pid:
                return
        except StoreError:
            return
        used, cpu_s = _cpu_s(pid) - cpu_s, _cpu_s(pid)
        seconds = time.monotonic() - began
        yield _report(folder, pid, pool, used / seconds, seconds)


def _attached(folder: RunFolder, pid: int, pool: _Pool | None) -> _Pool | None:
    """The run's pool, or None where it has not started one yet or has ended it."""
    if pool is not None and not pool.onlooker.segment.stopping:
        return pool
    try:
        onlooker = Onlooker.open(folder.pool_file)
    except PoolError:
        if folder.pool_file.exists() and pool is None:
            raise
        return None
    return _Pool(onlooker) if onlooker.pid == pid else None


def _report(
    folder: RunFolder, pid: int, pool: _Pool | None, cpu: float, seconds: float
) -> dict[str, Any]:
    rows = pool.figures() if pool is not None else []
    trainer = {"name": "trainer", "pid": pid, "cpu": cpu, **_memory(pid)}
    workers = [row for row in rows if "simulations_per_s" in row]
    servers = [row for row in rows if "mean_batch" in row]
    report: dict[str, Any] = {
        "run": str(folder.path),
        "state": "no pool",
        "seconds": seconds,
        "total": {
            "games_per_s": sum(row["games_per_s"] for row in workers),
            "positions_per_s": sum(row["positions_per_s"] for row in workers),
            "simulations_per_s": sum(row["simulations_per_s"] for row in workers),
            "evaluations_per_s": sum(row["evaluations_per_s"] for row in servers),
            # Shared pages are counted once; in serial mode all processes are one.
            "pss_bytes": sum({row["pid"]: row["pss_bytes"] for row in (trainer, *rows)}.values()),
        },
        "processes": [trainer, *rows],
    }
    if pool is not None:
        segment = pool.onlooker.segment
        mailboxes = range(segment.spec.num_servers)
        ready = not servers or all(segment.ready(s) for s in mailboxes)
        paused = any(segment.is_paused(s) for s in mailboxes)
        report["state"] = "paused" if paused else "playing" if ready else "starting"
        report["generation"] = segment.loaded(0)
        report["next_game"] = segment.next_game
    return report


def watch_run(folder: RunFolder, console: Console, interval_s: float, once: bool) -> None:
    """Show `look` on a console: in place on a terminal, one table after another elsewhere."""
    reports = itertools.islice(look(folder, interval_s), 1 if once else None)
    if once or not console.is_terminal or console.is_dumb_terminal:
        for report in reports:
            console.print(render(report))
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for report in reports:
            live.update(render(report), refresh=True)
    console.print(f"{folder.path} is not being trained any more", highlight=False)


def render(report: dict[str, Any]) -> RenderableType:
    """A report as tables, 80 columns wide or less."""
    total = report["total"]
    head = Text.assemble(
        (str(report["run"]), "bold"),
        f" · {report['state']}",
        f" · generation {report['generation']}" if "generation" in report else "",
        f"\n{count(total['games_per_s'])} games/s · "
        f"{count(total['positions_per_s'])} positions/s · "
        f"{count(total['simulations_per_s'])} simulations/s · "
        f"{count(total['evaluations_per_s'])} evaluations/s",
    )
    parts: list[RenderableType] = [head, _processes(report["processes"])]
    workers = [row for row in report["processes"] if "simulations_per_s" in row]
    servers = [row for row in report["processes"] if "mean_batch" in row]
    if workers:
        parts.append(_table(
            ("worker", "sims/s", "rows/s", "moves/s", "games/s", "wait", "cache hits"),
            [
                (
                    row["name"], count(row["simulations_per_s"]), count(row["evaluations_per_s"]),
                    count(row["positions_per_s"]), count(row["games_per_s"]), _share(row["wait"]),
                    _share(row["cache_hits"]),
                )
                for row in workers
            ],
        ))  # fmt: skip
    if servers:
        parts.append(_table(
            ("inference", "rows/s", "batches/s", "batch", "fill", "busy", "wait"),
            [
                (
                    row["name"], count(row["evaluations_per_s"]), count(row["batches_per_s"]),
                    count(row["mean_batch"]), _share(row["batch_fill"]), _share(row["busy"]),
                    _share(row["wait"]),
                )
                for row in servers
            ],
        ))  # fmt: skip
        parts.append(_table(
            ("queue delay", "p50", "p90", "p99", "1 µs ... 1 s, by doubling"),
            [
                (
                    row["name"], *(_delay(row["queue_delay_us"][p]) for p in ("p50", "p90", "p99")),
                    _histogram(row["queue_delay_us"]["batches"]),
                )
                for row in servers
            ],
        ))  # fmt: skip
    return Group(*parts)


def _processes(rows: list[dict[str, Any]]) -> Table:
    cells = []
    for row in rows:
        age = row.get("heartbeat_s")
        alive = "-" if age is None else f"{age:.1f} s"
        cells.append((
            row["name"], str(row["pid"]), _share(row["cpu"]), _mib(row["rss_bytes"]),
            _mib(row["pss_bytes"]),
            Text(alive, "bold red") if age is not None and age > STALE_S else alive,
            str(row.get("restarts", "-")),
        ))  # fmt: skip
    header = ("process", "pid", "cpu", "RSS MiB", "PSS MiB", "heartbeat", "restarts")
    return _table(header, cells)


def _table(header: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    table = Table(*header, box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def _share(share: float) -> str:
    return f"{share:.0%}" if math.isfinite(share) else "-"


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f}" if math.isfinite(size) else "-"


def _delay(us: float) -> str:
    if not math.isfinite(us):
        return "-"
    return f"{us:.0f} µs" if us < 1000 else f"{us / 1000:.1f} ms"


def _histogram(buckets: Sequence[int]) -> str:
    """One character a bucket up to a second; an empty one is blank."""
    shown, most = buckets[:21], max(max(buckets), 1)
    return "".join(LEVELS[min(8 * n // most, 7)] if n else " " for n in shown).ljust(21)
