"""The network alone: rows/s by back end and batch."""

import argparse
from typing import Any

from profiling.common import run
from trainer import bench


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--game", default="connect4")
    parser.add_argument("--network", default="4x48", help="blocks x channels")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64, 256])
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.5, help="of each figure")


def measure(args: argparse.Namespace) -> Any:
    """The network alone: rows/s by back end and batch."""
    return bench.net(
        args.game, args.network, batches=args.batches, streams=args.streams, seconds=args.seconds
    )


if __name__ == "__main__":
    run("net", measure, options)
