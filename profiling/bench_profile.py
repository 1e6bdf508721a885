"""What a recording costs: self-play with py-spy attached, beside self-play alone."""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

import games
from engine.batching import BatchPolicy
from engine.config import SearchConfig
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.server import EvaluatorSpec
from profiling.common import run
from trainer.bench.common import fresh_model, network_config
from trainer.profile import Recorder

TURNS = 3  # of each kind, alternating


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Rates are medians over the turns."""

    alone_rows_per_s: float
    recorded_rows_per_s: float
    slowdown: float
    """Share of the rows that the recording costs: 1 - recorded / alone."""
    alone_rows_per_cpu_s: float
    """Rows by the seconds of processor time that the pool's processes took: other work on the
    machine hardly changes it."""
    recorded_rows_per_cpu_s: float
    spy_cores: float
    """Cores that py-spy itself kept busy."""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--game", default="connect4")
    parser.add_argument("--network", default="4x48")
    parser.add_argument("--rate", type=int, default=100, help="looks a second")
    parser.add_argument("--seconds", type=int, default=5, help="of each turn")


def measure(args: argparse.Namespace) -> Any:
    """Rows/s of self-play with and without a py-spy recording of all its processes."""
    game = games.make(args.game)
    with tempfile.TemporaryDirectory(prefix="ringzero-bench-") as folder:
        model = Path(folder) / "model.safetensors"
        fresh_model(model, game, network_config(args.network))
        with Pool(
            game,
            [PlayerSpec(search=SearchConfig(num_simulations=100))],
            [EvaluatorSpec(path=str(model))],
            PoolConfig(
                games_per_worker=512, streams=2, cache_mb=0, log_dir=folder,
                batch=BatchPolicy(max_batch=256, queue_delay_us=0),
            ),
        ) as pool:  # fmt: skip
            pool.wait_ready()
            _play(pool, args.seconds)
            alone, recorded, spy = [], [], []
            for _ in range(TURNS):
                alone.append(_play(pool, args.seconds))
                target = ["--pid", str(psutil.Process().pid), "--duration", str(args.seconds + 4)]
                with Recorder(Path(folder), args.rate, target) as recorder:
                    time.sleep(2)  # py-spy reads the programs' symbols first
                    before = recorder.cpu_s()
                    recorded.append(_play(pool, args.seconds))
                    spy.append((recorder.cpu_s() - before) / args.seconds)
    rows, recorded_rows = (median(rate for rate, _ in turns) for turns in (alone, recorded))
    return Figures(
        alone_rows_per_s=rows,
        recorded_rows_per_s=recorded_rows,
        slowdown=1 - recorded_rows / rows,
        alone_rows_per_cpu_s=median(rate for _, rate in alone),
        recorded_rows_per_cpu_s=median(rate for _, rate in recorded),
        spy_cores=median(spy),
    )


def _play(pool: Pool, seconds: float) -> tuple[float, float]:
    """(rows/s, rows by second of the children's processor time) for so long."""
    rows, cpu_s, start = _rows(pool), _cpu_s(pool), time.perf_counter()
    while (left := start + seconds - time.perf_counter()) > 0:
        pool.watch()
        pool.release(pool.finished(min(left, 0.1)))
    made = _rows(pool) - rows
    return made / (time.perf_counter() - start), made / (_cpu_s(pool) - cpu_s)


def _rows(pool: Pool) -> int:
    return pool.counters()["inference-0"]["evaluations"]


def _cpu_s(pool: Pool) -> float:
    used = [psutil.Process(pid).cpu_times() for pid in pool.pids.values()]
    return sum(times.user + times.system for times in used)


if __name__ == "__main__":
    run("profile", measure, options)
