"""The whole pipeline against its back end alone, measured in turns on the same machine."""

import tempfile
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import psutil

from engine.backends.rates import BackendProcess
from engine.backends.spec import EvaluatorSpec
from engine.batching import BatchPolicy
from engine.config import SearchConfig
from engine.errors import ConfigError
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.tuning import Load, verdict
from games.base import Game
from trainer.bench.common import as_game, fresh_model, network_config, refuse_debug_build
from trainer.compute import Compute
from trainer.config import NetworkConfig

__all__ = ["PipelineFigures", "pipeline"]

REPEATS = 5
WARM_UP_MOVES = 2  # of every game: then the games are no longer in step
SETTLE_S = 0.2  # waits that began in a pause are over
RATES = (
    "evaluations", "batches", "queue_ns", "stream_wait_ns",  # of the inference process
    # of the workers
    "asked", "simulations", "plies", "games", "wait_ns", "full_stops", "cache_lookups",
    "cache_hits",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFigures:
    """Figures of `pipeline`. The rates of rows and simulations are medians over the turns; the
    others are over all of them, since games move in waves."""

    game: str
    network: str
    backend: str
    workers: int
    games_per_worker: int
    streams: int
    max_batch: int
    simulations: int
    rows_per_s: float
    """Rows evaluated in self-play."""
    backend_rows_per_s: float
    """Rows that the same back end evaluates alone: as many streams, batches of `max_batch`."""
    efficiency: float
    """The median over the turns of self-play's rate by the back end's around it."""
    mean_batch: float
    """Rows of a batch."""
    simulations_per_s: float
    positions_per_s: float
    """Moves made."""
    games_per_s: float
    """Games finished while it was measured: 0 in runs shorter than the first games."""
    verdict: str
    """What bounds the pipeline."""
    cached_simulations_per_s: float
    """With the evaluation cache: so the other figures of this name, too."""
    cached_positions_per_s: float
    cached_games_per_s: float
    cache_hit_rate: float
    """Share of the leaves that the cache answered."""
    cache_gain: float
    """Simulations/s with the cache by those without: positions come in waves."""
    queue_delay_us: float
    """How long the oldest row of a batch had waited when its batch was assembled, on average."""
    worker_rows_per_cpu_s: float
    """Rows that workers ask for in a second of their own processor time: what a core of theirs
    delivers if nothing keeps it waiting. Other work on the machine moves it little."""
    full_stops_per_s: float
    """Searches that a full arena ended early."""
    worker_wait: float
    """Share of the time that workers waited for answers."""


def pipeline(
    game: Game | str = "connect4",
    network: NetworkConfig | str = "4x48",
    *,
    simulations: int = 100,
    seconds: float = 10.0,
    games_per_worker: int = 0,
    streams: int = 0,
    max_batch: int = 256,
    workers: int = 0,
    evaluator: str = "network",
    compute: Compute = Compute(),
    cache_mb: float = 64.0,
    seed: int = 0,
    memory_mb: float = 0.0,
) -> PipelineFigures:
    """Play with an untrained network, in turns with its back end alone.

    Parameters
    ----------
    game
        A game or its name.
    network
        Its shape, or blocks x channels.
    simulations
        Per move.
    seconds
        Time to measure self-play without the cache, in five turns; the back end alone takes half
        as long, self-play with the cache as long again. Before each, the games make two moves
        each, or play for `seconds`.
    games_per_worker, streams, max_batch, workers
        As in a run's ``[selfplay]``.
    evaluator
        "network", "uniform", or "simulated:NAME": "simulated:instant" measures the pipeline
        alone, "simulated:h100" what it makes of such a card; see `engine.backends.simulated`.
    compute
        What the network runs on.
    cache_mb
        Megabytes of the cache; 0: it is not measured.
    seed
        Of the games.
    memory_mb
        Megabytes of all search trees; 0: what the simulations need.
    """
    refuse_debug_build()
    game, network = as_game(game), network_config(network)
    if seconds <= 0:
        raise ConfigError(f"seconds must be > 0, got {seconds}")
    with tempfile.TemporaryDirectory(prefix="ringzero-bench-") as folder:
        path = Path(folder) / "model.safetensors"
        fresh_model(path, game, network)
        spec = EvaluatorSpec.parse(evaluator, path=str(path))
        if spec.kind == "network":
            spec = compute.evaluator(str(path))
        config = PoolConfig(
            workers=workers,
            games_per_worker=games_per_worker,
            streams=streams,
            batch=BatchPolicy(max_batch=max_batch, queue_delay_us=0),
            memory_mb=memory_mb,
            cache_mb=0,  # the network's rate is what is measured
            log_dir=str(Path(folder) / "logs"),
        )
        player = PlayerSpec(search=SearchConfig(num_simulations=simulations))
        with (
            Pool(game, [player], [spec], config, seed=seed) as pool,
            BackendProcess(game) as backend,
        ):
            config, spec, streams = pool.config, pool.evaluators[0], pool.streams(0)
            backend.make(spec, streams, max_batch)
            pool.wait_ready()
            _warm_up(pool, seconds)
            turns, alone = [], [_alone(pool, backend, max_batch, seconds / REPEATS / 2)]
            for _ in range(REPEATS):
                turns.append(_play(pool, seconds / REPEATS))
                alone.append(_alone(pool, backend, max_batch, seconds / REPEATS / 2))
            name = pool.segment.about(0)
        cached = _cached(game, player, spec, replace(config, cache_mb=cache_mb), seed, seconds)
    rows = [turn["evaluations"] for turn in turns]
    around = [(a + b) / 2 for a, b in pairwise(alone)]
    total = {name: sum(turn[name] for turn in turns) for name in turns[0]}
    batches = max(total["batches"], 1e-9)
    load = Load(
        rows_per_s=median(rows),
        device_rows_per_s=median(alone),
        worker_wait=total["wait_ns"] * 1e-9 / config.workers / REPEATS,
        stream_wait=total["stream_wait_ns"] * 1e-9 / streams / REPEATS,
    )
    return PipelineFigures(
        game=game.name,
        network=f"{network.blocks}x{network.channels}",
        backend=name,
        workers=config.workers,
        games_per_worker=config.games_per_worker,
        streams=streams,
        max_batch=max_batch,
        simulations=simulations,
        rows_per_s=median(rows),
        backend_rows_per_s=median(alone),
        efficiency=median(a / b for a, b in zip(rows, around, strict=True)),
        mean_batch=total["evaluations"] / batches,
        simulations_per_s=median(turn["simulations"] for turn in turns),
        positions_per_s=total["plies"] / REPEATS,
        games_per_s=total["games"] / REPEATS,
        queue_delay_us=total["queue_ns"] / batches * 1e-3,
        worker_rows_per_cpu_s=median(
            turn["asked"] / max(turn["cpu_s"], 1e-9) for turn in turns
        ),
        full_stops_per_s=total["full_stops"] / REPEATS,
        worker_wait=load.worker_wait,
        verdict=verdict(load),
        cached_simulations_per_s=cached["simulations"],
        cached_positions_per_s=cached["plies"],
        cached_games_per_s=cached["games"],
        cache_hit_rate=cached["cache_hits"] / max(cached["cache_lookups"], 1e-9),
        cache_gain=cached["simulations"] / max(total["simulations"] / REPEATS, 1e-9),
    )


def _cached(
    game: Game,
    player: PlayerSpec,
    spec: EvaluatorSpec,
    config: PoolConfig,
    seed: int,
    seconds: float,
) -> dict[str, float]:
    """Rates of self-play with the evaluation cache, from whole games."""
    if not config.cache_mb or spec.kind != "network":
        return dict.fromkeys(RATES, 0.0)
    with Pool(game, [player], [spec], config, seed=seed) as pool:
        pool.wait_ready()
        _warm_up(pool, seconds)
        return _play(pool, seconds)


def _alone(pool: Pool, backend: BackendProcess, batch: int, seconds: float) -> float:
    """Rows/s of the back end while self-play waits."""
    with pool.paused():
        return backend.rows_per_s(batch, seconds)


def _warm_up(pool: Pool, at_most_s: float) -> None:
    """Play some moves of every game."""
    moves = WARM_UP_MOVES * pool.config.games_per_worker * pool.config.workers
    deadline = time.perf_counter() + at_most_s
    while time.perf_counter() < deadline:
        pool.watch()
        pool.release(pool.finished(0.1))
        if sum(counters["plies"] for counters in pool.counters().values()) >= moves:
            return


def _play(pool: Pool, seconds: float) -> dict[str, float]:
    """Self-play for `seconds` after a moment to settle: the counters' rates. The inference
    process gives `evaluations`, `batches` and `queue_ns`, the workers together the others; `asked`
    is their evaluations, `cpu_s` their processor time."""
    time.sleep(SETTLE_S)
    before, start, cpu_s = pool.counters(), time.perf_counter(), _worker_cpu_s(pool)
    while (left := start + seconds - time.perf_counter()) > 0:
        pool.watch()
        pool.release(pool.finished(min(left, 0.1)))
    after, elapsed = pool.counters(), time.perf_counter() - start
    rates = {"cpu_s": (_worker_cpu_s(pool) - cpu_s) / elapsed, **dict.fromkeys(RATES, 0.0)}
    for process, counters in after.items():
        delta = {n: (counters[n] - before[process][n]) / elapsed for n in counters}
        if process.startswith("inference"):
            delta = {n: delta[n] for n in ("evaluations", "batches", "queue_ns", "wait_ns")}
            delta["stream_wait_ns"] = delta.pop("wait_ns")
        else:
            delta["asked"] = delta.pop("evaluations")
        for name in delta.keys() & rates.keys():
            rates[name] += delta[name]
    return rates


def _worker_cpu_s(pool: Pool) -> float:
    """Processor seconds of all workers so far."""
    pids = [pid for name, pid in pool.pids.items() if name.startswith("worker")]
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(t.user + t.system for t in times))
