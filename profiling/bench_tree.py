"""The tree search alone: simulations/s on one core with the uniform evaluator."""

import argparse
from typing import Any

from profiling.common import run
from trainer import bench


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--game", default="connect4")
    parser.add_argument("--simulations", type=int, default=800, help="per move")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--seed", type=int, default=0)


def measure(args: argparse.Namespace) -> Any:
    """The tree search alone: simulations/s on one core with the uniform evaluator."""
    return bench.tree(args.game, simulations=args.simulations, seconds=args.seconds, seed=args.seed)


if __name__ == "__main__":
    run("tree", measure, options)
