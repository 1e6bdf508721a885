"""Repeat a measurement, show its least, median and greatest figure, and keep a record."""

import argparse
import dataclasses
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from trainer.bench import machine

RESULTS = Path(__file__).parent / "results"


def run(
    name: str,
    measure: Callable[[argparse.Namespace], Any],
    options: Callable[[argparse.ArgumentParser], None] = lambda _: None,
) -> None:
    """Parse the command line, measure `--repeats` times after one warm-up, report.

    Parameters
    ----------
    name
        Of the benchmark and its records.
    measure
        One measurement, from the parsed options to its figures, a dataclass.
    options
        Adds the benchmark's own options to the parser.
    """
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="measurements that count")
    parser.add_argument("--record", action="store_true", help="write JSON into results/")
    parser.add_argument("--note", default="", help="a remark to keep in the record")
    options(parser)
    args = parser.parse_args()
    console = Console()
    before = machine()
    repeats = []
    for k in range(args.repeats + 1):
        figures = flat(dataclasses.asdict(measure(args)))
        if k:  # the first one warms up caches, clocks and page tables
            repeats.append(figures)
            console.print(f"[dim]{name}: {k} of {args.repeats}")
    numbers = [key for key, value in repeats[0].items() if isinstance(value, int | float)]
    columns = {key: [r[key] for r in repeats if key in r] for key in numbers}
    table = Table("figure", "least", "median", "greatest", title=f"{name}, {before['cpu']}")
    for column in table.columns[1:]:
        column.justify = "right"
    for key, values in columns.items():
        table.add_row(
            key,
            *(
                f"{f(values):,.4g}" if abs(f(values)) < 1e4 else f"{f(values):,.0f}"
                for f in (min, median, max)
            ),
        )
    console.print(table)
    if args.record:
        settings = {k: v for k, v in vars(args).items() if k not in ("record", "note")}
        record = {
            "benchmark": name,
            "machine": before,
            "settings": settings,
            "note": args.note,
            "median": {key: median(values) for key, values in columns.items()},
            "least": {key: min(values) for key, values in columns.items()},
            "greatest": {key: max(values) for key, values in columns.items()},
            "repeats": repeats,
        }
        RESULTS.mkdir(exist_ok=True)
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        path = RESULTS / f"{name}-{stamp}.json"
        path.write_text(json.dumps(record, indent=1) + "\n")
        console.print(f"recorded in {path}")


def flat(figures: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested figures under names joined by ``/``."""
    result: dict[str, Any] = {}
    for key, value in figures.items():
        if isinstance(value, dict):
            result |= flat(value, f"{prefix}{key}/")
        else:
            result[f"{prefix}{key}"] = value
    return result
