"""`ringzero report`: the curves of a run, read from its database and drawn in the terminal."""

import math
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import games
from engine.errors import ConfigError, StoreError
from trainer.config import resolve
from trainer.plots import plot
from trainer.replay import ReplayStore
from trainer.runs import RunFolder

__all__ = ["Curve", "as_json", "curves", "overview"]

STYLE = "cyan"
LARGE = 3  # curves, at most, that are drawn large

Curve = list[tuple[float, int, float]]
"""Points: minutes trained, training step, value."""


def curves(path: Path, wanted: str = "") -> dict[str, Curve]:
    """A run's curves by name, with the groups in the order in which they say most about it.

    Parameters
    ----------
    wanted
        Only curves whose names hold this.

    Raises
    ------
    StoreError
        If there is no run.
    ConfigError
        If it has no such curve; names those that it has.
    """
    folder = RunFolder(path)
    if not folder.database.exists():
        raise StoreError(f"{path} holds no run (no run.db); name a run's folder")
    config = resolve(str(folder.config_path))
    with ReplayStore(
        folder.database, games.make(config.game.name, **config.game.options)
    ) as store:
        minutes = {row["generation"]: row["elapsed_s"] / 60 for row in store.generations()}
        found: dict[str, Curve] = {}
        for metric in store.metrics():
            at = minutes.get(metric.generation, math.nan)
            found.setdefault(metric.name, []).append((at, metric.step, metric.value))
    order = ("truth", "loss", "validation", "search", "games", "learner", "selfplay", "inference")
    names = sorted(
        (name for name in found if wanted in name),
        key=lambda name: (*(name.partition("/")[0] != group for group in order), name),
    )
    if wanted and not names:
        raise ConfigError(f"{path} has no curve {wanted!r}; it has {', '.join(sorted(found))}")
    return {name: found[name] for name in names}


def overview(found: dict[str, Curve], width: int) -> RenderableType:
    """All of the curves in a table, or a few of them large."""
    if not found:
        return Text("no curves yet: they begin after the first training", "dim italic")
    if len(found) <= LARGE:
        return Group(*(_large(name, curve, width) for name, curve in found.items()))
    table = Table(box=None, padding=(0, 1))
    for column in ("curve", "first", "last", "lowest", "highest"):
        table.add_column(column, justify="left" if column == "curve" else "right", no_wrap=True)
    table.add_column("", no_wrap=True)
    group = ""
    for name, curve in found.items():
        if group not in ("", name.partition("/")[0]):
            table.add_section()
            table.add_row()
        group = name.partition("/")[0]
        values = [value for _, _, value in curve]
        (line,), low, high = plot([(values, STYLE)], max(width - 76, 12), 1)
        table.add_row(name, *(_number(v) for v in (values[0], values[-1], low, high)), line)
    return table


def _large(name: str, curve: Curve, width: int) -> RenderableType:
    lines, low, high = plot([([value for _, _, value in curve], STYLE)], width - 11, 10)
    axis = [_number(high), *[""] * (len(lines) - 2), _number(low)]
    shown = [
        Text(f"{label:>9}  ", "dim").append_text(line)
        for label, line in zip(axis, lines, strict=True)
    ]
    first, last = (f"{curve[i][0]:.1f} min" for i in (0, -1))
    times = " " * 11 + first + last.rjust(max(width - 11 - len(first), 0))
    return Group(Text(name, "bold"), *shown, Text(times, "dim"))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def as_json(path: Path, found: dict[str, Curve]) -> dict[str, Any]:
    """For other tools: the points of every curve."""
    return {
        "run": str(path),
        "curves": {
            name: [{"minutes": at, "step": step, "value": v} for at, step, v in curve]
            for name, curve in found.items()
        },
    }
