"""How many of what, from measured rates; and what bounds a pipeline that runs. Pure functions,
but for `seconds_per_simulation`, which takes the time of a few searches."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from engine.config import SearchConfig
from engine.local import LocalUniform
from engine.search import Search
from games.base import Game

__all__ = ["Load", "Settings", "load_between", "seconds_per_simulation", "settings", "verdict"]

Counters = Mapping[str, Mapping[str, int]]

RING_S = 0.5e-6
"""What a row costs a worker besides the tree: observation, slot, softmax, bookkeeping."""
MIN_GAMES, MAX_GAMES = 32, 2048


@dataclass(frozen=True, slots=True)
class Settings:
    """What a pool is started with."""

    workers: int
    games_per_worker: int


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured of a pipeline over some seconds."""

    rows_per_s: float
    """Evaluated."""
    device_rows_per_s: float
    """What the back end evaluates alone; 0 if unknown."""
    worker_wait: float
    """Share of the workers' time spent waiting for answers."""
    stream_wait: float
    """Share of the streams' time spent waiting for rows."""


def settings(
    rows_per_s: float,
    streams: int,
    batch: int,
    seconds_per_row: float,
    cores: int,
    *,
    shares_cores: bool,
) -> Settings:
    """Workers and games that keep a back end busy.

    Parameters
    ----------
    rows_per_s
        What the back end evaluates alone, on all cores if it shares them.
    streams, batch
        Batches at once, and the rows of each from which on more gain nothing.
    seconds_per_row
        What a row costs a worker, its share of the tree included.
    cores
        That may be used.
    shares_cores
        Whether the back end computes on the same cores as the workers.

    A core's time goes to rows on both sides in proportion to their cost, so the workers need
    that share of the cores. Half of a worker's games are searched while the other half waits:
    each half should fill every stream twice, so that none runs dry while workers are late.
    """
    if shares_cores:
        cost = cores / rows_per_s
        workers = math.ceil(cores * seconds_per_row / (seconds_per_row + cost))
    else:
        workers = min(max(1, cores - streams), math.ceil(rows_per_s * seconds_per_row))
    workers = max(1, workers)
    games = math.ceil(4 * streams * batch / workers)
    return Settings(workers, min(MAX_GAMES, max(MIN_GAMES, games)))


def seconds_per_simulation(game: Game, simulations: int = 100) -> float:
    """What a simulation costs a worker without a network, from the first position."""
    search = Search(game, SearchConfig(num_simulations=simulations))
    evaluator = LocalUniform()
    best = math.inf
    for _ in range(3):
        search.set_state(game.initial_state())
        start = time.perf_counter()
        search.run(evaluator)
        best = min(best, (time.perf_counter() - start) / simulations)
    return best


def load_between(
    before: Counters, after: Counters, seconds: float, streams: int, device_rows_per_s: float
) -> Load:
    """The load between two readings of `Pool.counters`, `seconds` apart, of one model's pool."""
    rows = stream_wait = worker_wait = 0
    workers = 0
    for process, counters in after.items():
        # A process that was replaced meanwhile began again at 0.
        delta = {n: max(0, value - before[process][n]) for n, value in counters.items()}
        if process.startswith("inference"):
            rows += delta["evaluations"]
            stream_wait += delta["wait_ns"]
        else:
            workers += 1
            worker_wait += delta["wait_ns"]
    return Load(
        rows_per_s=rows / seconds,
        device_rows_per_s=device_rows_per_s,
        worker_wait=worker_wait * 1e-9 / seconds / max(1, workers),
        stream_wait=stream_wait * 1e-9 / seconds / max(1, streams),
    )


def verdict(load: Load) -> str:
    """One line: what bounds the pipeline, and what would help.

    The thresholds are coarse on purpose: the advice should not change with the noise.
    """
    if load.rows_per_s <= 0:
        return "nothing was evaluated"
    share = load.rows_per_s / load.device_rows_per_s if load.device_rows_per_s else 0.0
    of_rate = f"{share:.0%} of the device's own rate" if share else "its own rate is not known"
    if share >= 0.85:
        return f"network-bound: {of_rate}"
    if load.stream_wait < 0.1 and load.worker_wait > 0.5:
        # The streams never wait and yet are slower than alone.
        others = "; the trainer and other programs share its cores" if share else ""
        return f"network-bound: {of_rate}{others}"
    if load.worker_wait < 0.2:
        return f"tree-bound: {of_rate}; add workers if cores are free"
    if load.stream_wait > 0.2 and load.worker_wait > 0.2:
        return f"waiting-bound: {of_rate}; more games per worker would fill the gaps"
    return f"balanced: {of_rate}; workers and network share the cores"
