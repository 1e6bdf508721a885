"""How the engine scales: by simulations a move, games a worker, workers, and memory.

    python -m profiling.bench_scaling --record

One command of less than three minutes; ``--seconds`` is the time of each point.
"""

import argparse
import datetime
import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from profiling.common import RESULTS
from trainer import bench

SIMULATIONS = (50, 100, 200, 400, 800, 1600, 3200, 6400)
GAMES = (16, 32, 64, 128, 256, 512)
WORKERS = (1, 2)
MEMORY_MB = (8, 32, 128, 512)

# In a process of its own, so that nothing else is in its resident size. Its first megabytes are
# not counted: a search of ten simulations has touched what every search touches.
RESIDENT = """
import sys, psutil, games
from engine.config import SearchConfig
from engine.local import LocalUniform
from engine.search import Search
game, budget = games.make(sys.argv[1]), float(sys.argv[2])
Search(game, SearchConfig(num_simulations=10)).run(LocalUniform())
me = psutil.Process()
before = me.memory_info().rss
search = Search(game, SearchConfig(num_simulations=10**6, memory_mb=budget))
search.run(LocalUniform())
search.play(search.candidates()[0]["action"])
search.run(LocalUniform())
print((me.memory_info().rss - before) / 1e6, search.num_full_stops)
"""


def by_simulations(game: str, seconds: float) -> list[dict[str, Any]]:
    """The search alone: simulations/s, and the arena, by simulations a move."""
    return [asdict(bench.tree(game, simulations=n, seconds=seconds)) for n in SIMULATIONS]


def by_games(game: str, seconds: float) -> list[dict[str, Any]]:
    """One worker and a server that answers at once, by games in progress."""
    return [asdict(_pipeline(game, seconds, games, 1)) for games in GAMES]


def by_workers(game: str, seconds: float) -> list[dict[str, Any]]:
    """The same with 128 games a worker, by workers."""
    return [asdict(_pipeline(game, seconds, 128, workers)) for workers in WORKERS]


def _pipeline(game: str, seconds: float, games: int, workers: int) -> bench.PipelineFigures:
    return bench.pipeline(
        game, "0x8", seconds=seconds, games_per_worker=games, workers=workers, streams=1,
        max_batch=256, evaluator="simulated:instant",
    )  # fmt: skip


def by_memory(game: str) -> list[dict[str, float]]:
    """Megabytes by which a process grows, by its search's budget."""
    rows = []
    for budget in MEMORY_MB:
        command = [sys.executable, "-c", RESIDENT, game, str(budget)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        resident, full_stops = map(float, done.stdout.split())
        rows.append({"memory_mb": budget, "resident_mb": resident, "full_stops": full_stops})
    return rows


def table(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Table:
    """`columns` of every row."""
    result = Table(*columns, title=title, title_justify="left")
    for column in result.columns:
        column.justify = "right"
    for row in rows:
        result.add_row(*(f"{row[name]:,.4g}" if abs(row[name]) < 1e3 else f"{row[name]:,.0f}"
                         for name in columns))  # fmt: skip
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--game", default="connect4")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each point")
    parser.add_argument("--record", action="store_true", help="write JSON into results/")
    parser.add_argument("--note", default="", help="a remark to keep in the record")
    args = parser.parse_args()
    record: dict[str, Any] = {
        "benchmark": "scaling", "machine": bench.machine(), "settings": vars(args),
    }  # fmt: skip
    console = Console()
    rates = ("rows_per_s", "worker_rows_per_cpu_s", "mean_batch", "worker_wait")
    for name, title, rows, columns in (
        ("by_simulations", "search alone", by_simulations(args.game, args.seconds),
         ("simulations", "simulations_per_s", "start_position_simulations_per_s",
          "bytes_per_node", "arena_mb")),
        ("by_games", "one worker, server at once", by_games(args.game, args.seconds),
         ("games_per_worker", *rates)),
        ("by_workers", "128 games a worker", by_workers(args.game, args.seconds),
         ("workers", *rates)),
        ("by_memory", "resident memory by --memory", by_memory(args.game),
         ("memory_mb", "resident_mb", "full_stops")),
    ):  # fmt: skip
        record[name] = rows
        console.print(table(title, rows, columns))
    if args.record:
        RESULTS.mkdir(exist_ok=True)
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        path = RESULTS / f"scaling-{stamp}.json"
        path.write_text(json.dumps(record, indent=1) + "\n")
        console.print(f"recorded in {path}")


if __name__ == "__main__":
    main()
