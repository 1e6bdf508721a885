"""`ringzero bench`: the engine's parts on this machine."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cyclopts

from trainer.cli_options import (
    Backend,
    Count,
    Device,
    Json,
    Memory,
    Out,
    Precision,
    Seed,
    console,
    finite,
    print_json,
)
from trainer.compute import Compute

__all__ = ["bench"]

bench = cyclopts.App(name="bench", help="Measure the engine's parts on this machine.")


@bench.command(name="tree")
def bench_tree(
    *, game: str = "connect4", simulations: int = 800, seconds: float = 5.0, seed: Seed = 0,
    memory: Memory = "0", as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """Search alone: simulations/s on one core with an evaluator that costs nothing.

    Example: ringzero bench tree --game connect4 --simulations 800
    """
    import games
    from trainer import bench as measure
    from trainer.config import megabytes

    made = games.make(game)
    figures = measure.tree(
        made, simulations=simulations, seconds=seconds, seed=seed, memory_mb=megabytes(memory)
    )
    return _bench("tree", asdict(figures), as_json, out)


@bench.command(name="playouts")
def bench_playouts(
    *, game: str = "connect4", seconds: float = 3.0, seed: Seed = 0, as_json: Json = False,
    out: Out = None,
) -> int:  # fmt: skip
    """Rules alone: random games a second on one core.

    Example: ringzero bench playouts --game go
    """
    import games
    from trainer import bench as measure

    figures = measure.playouts(games.make(game), seconds=seconds, seed=seed)
    return _bench("playouts", asdict(figures), as_json, out)


@bench.command(name="ring")
def bench_ring(*, seconds: float = 2.0, as_json: Json = False, out: Out = None) -> int:
    """The ring alone: round trip and rows/s between two processes.

    Example: ringzero bench ring
    """
    from trainer import bench as measure

    return _bench("ring", asdict(measure.ring(seconds=seconds)), as_json, out)


@bench.command(name="net")
def bench_net(
    *, game: str = "connect4", network: str = "4x48", seconds: float = 1.0, as_json: Json = False,
    out: Out = None,
) -> int:  # fmt: skip
    """The network alone: rows/s by back end and batch.

    Example: ringzero bench net --network 5x64
    """
    import games
    from trainer import bench as measure

    shape = measure.network_config(network)
    figures = measure.net(games.make(game), shape, seconds=seconds)
    return _bench("net", asdict(figures), as_json, out)


@bench.command(name="cache")
def bench_cache(
    *, game: str = "connect4", seconds: float = 2.0, cache_mb: float = 64.0,
    as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """The evaluation cache alone: lookups and stores, by one process and by two that contend.

    Example: ringzero bench cache
    """
    import games
    from trainer import bench as measure

    figures = measure.cache(games.make(game), seconds=seconds, cache_mb=cache_mb)
    return _bench("cache", asdict(figures), as_json, out)


@bench.command(name="plan")
def bench_plan(
    *, game: str = "connect4", networks: tuple[str, ...] = ("4x48", "10x128", "20x256"),
    seconds: float = 5.0, as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """How many worker cores like this machine's feed a card, by batch: a model of the card.

    Example: ringzero bench plan --networks 10x128
    """
    import games
    from trainer import bench as measure

    figures = asdict(measure.plan(games.make(game), networks=networks, seconds=seconds))
    if not as_json and out is None:
        from trainer.verdict import plan_table

        console().print(plan_table(figures))
        return 0
    return _bench("plan", figures, as_json, out)


@bench.command(name="all")
def bench_all(
    *, game: str = "connect4", network: str = "4x48", seconds: float = 3.0,
    as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """Every part, a few seconds each, as one record that names the machine.

    Example: ringzero bench all --out machine.json
    """
    import games
    from trainer import bench as measure

    record = measure.measure_all(games.make(game), network, seconds=seconds)
    return _bench("all", record, as_json, out)


@bench.command(name="pipeline")
def bench_pipeline(
    *, game: str = "connect4", network: str = "4x48", simulations: int = 100,
    seconds: float = 10.0, workers: Count = 0, games_per_worker: Count = 0, streams: Count = 0,
    max_batch: int = 256, evaluator: str = "network", device: Device = "auto",
    backend: Backend = "auto", precision: Precision = "auto", cache_mb: float = 64.0,
    memory: Memory = "0", as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """Self-play through workers, rings and network, beside the network's own best rate.

    Example: ringzero bench pipeline --network 5x64 --precision bf16

    Parameters
    ----------
    workers
        0: as measured.
    games_per_worker
        0: as measured.
    streams
        0: as measured.
    evaluator
        network, uniform, simulated:instant, simulated:h100 or another simulated device.
    cache_mb
        Of the evaluation cache, whose figures are measured apart; 0: they are not.
    """
    from trainer import bench as measure
    from trainer.config import megabytes

    figures = measure.pipeline(
        game, network, simulations=simulations, seconds=seconds, workers=workers,
        games_per_worker=games_per_worker, streams=streams, max_batch=max_batch,
        evaluator=evaluator, compute=Compute(device, backend, precision), cache_mb=cache_mb,
        memory_mb=megabytes(memory),
    )  # fmt: skip
    return _bench("pipeline", asdict(figures), as_json, out)


def _bench(name: str, report: dict[str, Any], as_json: bool, out: Path | None) -> int:
    if out is not None:
        from trainer import bench as measure

        record = {"benchmark": name, "machine": measure.machine(), "figures": report}
        out.write_text(json.dumps(finite(record if name != "all" else report), indent=1) + "\n")
    if as_json:
        print_json(report)
        return 0
    from trainer.verdict import report_table

    console().print(report_table(report))
    return 0
