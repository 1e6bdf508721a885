"""The ring alone: round trips and rows/s between two processes."""

import argparse
from typing import Any

from profiling.common import run
from trainer import bench


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--observation-bytes", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")


def measure(args: argparse.Namespace) -> Any:
    """The ring alone: round trips and rows/s between two processes."""
    return bench.ring(seconds=args.seconds, observation_bytes=args.observation_bytes)


if __name__ == "__main__":
    run("ring", measure, options)
