"""Watch the resident memory of a live run's processes.

    python profiling/memory.py runs/connect4 --minutes 2 10

Prints a table of each process's resident size at the given minutes after this script's start and
the growth between the first and the last; ``--record`` keeps it under profiling/results/.
"""

import argparse
import json
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from trainer.bench import machine

RESULTS = Path(__file__).parent / "results"


def resident(parent: psutil.Process) -> dict[str, int]:
    """Resident bytes of the run's processes by name."""
    sizes = {"trainer": parent.memory_info().rss}
    for child in parent.children():
        if child.name().startswith(("worker", "inference")):
            sizes[child.name()] = child.memory_info().rss
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[2.0, 10.0])
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    parent = psutil.Process(int((options.run / "run.lock").read_text()))
    start = time.monotonic()
    samples: list[tuple[float, dict[str, int]]] = []
    for minutes in sorted(options.minutes):
        time.sleep(max(0.0, start + 60 * minutes - time.monotonic()))
        samples.append((minutes, resident(parent)))
    table = Table("process", *(f"{minutes:g} min, MB" for minutes, _ in samples), "growth")
    growth = {}
    for name, first in samples[0][1].items():
        sizes = [sample.get(name, 0) for _, sample in samples]
        growth[name] = sizes[-1] / first - 1
        table.add_row(name, *(f"{size / 1e6:.1f}" for size in sizes), f"{growth[name]:+.2%}")
    Console().print(table)
    if options.record:
        record = {"benchmark": "memory", **machine(), "samples": samples, "growth": growth}
        path = RESULTS / f"memory-{time.strftime('%Y%m%d-%H%M%S')}.json"
        path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
