"""Self-play through workers, rings and network, beside the network's own best rate."""

import argparse
from typing import Any

from profiling.common import run
from trainer import bench
from trainer.compute import Compute


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--game", default="connect4")
    parser.add_argument("--network", default="4x48", help="blocks x channels")
    parser.add_argument("--simulations", type=int, default=100, help="per move")
    parser.add_argument("--seconds", type=float, default=10.0, help="of self-play each time")
    parser.add_argument("--workers", type=int, default=0, help="0: as measured; so below")
    parser.add_argument("--games-per-worker", type=int, default=0)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--max-batch", type=int, default=256)
    parser.add_argument("--evaluator", default="network", help="or uniform, simulated:instant ...")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--cache-mb", type=float, default=64.0)


def measure(args: argparse.Namespace) -> Any:
    """Self-play through workers, rings and network, beside the network's own best rate."""
    return bench.pipeline(
        args.game,
        args.network,
        simulations=args.simulations,
        seconds=args.seconds,
        workers=args.workers,
        games_per_worker=args.games_per_worker,
        streams=args.streams,
        max_batch=args.max_batch,
        evaluator=args.evaluator,
        compute=Compute(backend=args.backend, precision=args.precision),
        cache_mb=args.cache_mb,
    )


if __name__ == "__main__":
    run("pipeline", measure, options)
