"""What a command says at its end: the run's verdict, tables of matches, grades and benchmarks."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from trainer.plots import clock

if TYPE_CHECKING:
    from trainer.arena.match import MatchResult
    from trainer.progress import Outcome

__all__ = ["grade_table", "match_table", "plan_table", "report_table", "verdict"]

MOST_FAULTS = 10


def verdict(outcome: "Outcome", run: Path, preset: str, *, by_time: bool = True) -> str:
    """Whether the run is learning, and what to type next; `by_time` says what ends the run."""
    lines = [
        f"{outcome.games} games and {outcome.generation} generations in "
        f"{clock(outcome.elapsed_s)}; newest checkpoint {outcome.model}, weights "
        f"{outcome.weights[:12]}"
    ]
    last = max((s.minutes for s in outcome.strength), default=None)
    for found in outcome.strength:
        if found.minutes != last:
            continue
        earlier = next(s for s in outcome.strength if s.label == found.label)
        text = f"against {found.label}: {found.score:.1%} of the points"
        if found.label == "positions":
            text = f"known positions: {found.score:.1%} answered without losing the outcome"
        if not math.isnan(found.elo):
            text += f", Elo {found.elo:+.0f} [{found.lo:+.0f}, {found.hi:+.0f}]"
        if earlier is not found:
            text += f" (first measured, after {clock(earlier.minutes * 60)}: {earlier.score:.1%})"
        lines.append(text)
    if outcome.truth:
        now, before = outcome.truth[-1], outcome.truth[0]
        text = (
            f"mistakes on {now.positions} known positions: {now.mistakes:.1%} at {now.simulations} "
            f"simulations, {now.mistakes_network:.1%} by the network alone"
        )
        if before is not now:
            text += (
                f" (first measured, after {clock(before.minutes * 60)}: {before.mistakes:.1%}, "
                f"{before.mistakes_network:.1%})"
            )
        lines.append(text)
    if outcome.reason == "stopped":
        lines.append(f"Stopped. To go on, type: ringzero train {preset} --run {run}")
    else:
        lines.append(f"The budget is spent. To play, type:  ringzero play {run}")
        more = f"--max-time {2 * max(1, round(outcome.elapsed_s / 60))}m"
        if not by_time:
            more = "--budget.max_games 0 --budget.max_generations "
            more += str(2 * max(1, outcome.generation))
        lines.append(f"To train on, type:              ringzero train {preset} --run {run} {more}")
    return "\n".join(lines)


def match_table(result: "MatchResult") -> Table:
    """A match on one screen."""
    table = Table(title=f"{result.player} vs {result.opponent}", title_justify="left")
    for column in ("games", "won", "drawn", "lost", "score", "Elo [95 %]", "distinct", "games/s"):
        table.add_column(column, justify="right")
    table.add_row(
        str(result.games), str(result.wins), str(result.draws), str(result.losses),
        f"{result.score:.1%}", str(result.elo), str(result.distinct_games),
        "-" if result.games_per_s is None else f"{result.games_per_s:.1f}",
    )  # fmt: skip
    notes = []
    if again := result.repeated_games:
        notes.append(
            f"{again} of the games {'repeat others' if again > 1 else 'repeats another'} "
            "move by move and say nothing new: more --opening-plies"
        )
    if (alike := result.games - again - result.distinct_games) > 0:
        notes.append(f"{alike} of the openings led to the same game from both seats")
    notes += result.faults[:MOST_FAULTS]
    if len(result.faults) > MOST_FAULTS:
        notes.append(f"... and {len(result.faults) - MOST_FAULTS} more")
    if notes:
        table.caption, table.caption_justify = "\n".join(notes), "left"
    return table


def grade_table(report: dict[str, Any]) -> Table:
    """Grades by plies played."""
    table = Table(
        title=f"{report['player']}, {report['simulations']} simulations", title_justify="left"
    )
    for column in ("plies", "positions", "perfect", "keeps the outcome"):
        table.add_column(column, justify="right")
    for plies, row in report["by_ply"].items():
        table.add_row(
            plies, str(row["positions"]), f"{row['perfect']:.1%}", f"{row['outcome_perfect']:.1%}"
        )
    table.add_section()
    table.add_row(
        "all", str(report["positions"]), f"{report['perfect']:.1%}",
        f"{report['outcome_perfect']:.1%}",
    )  # fmt: skip
    return table


def report_table(report: dict[str, Any]) -> Table:
    """Any benchmark's figures, nested ones flattened."""
    table = Table("figure", "value")
    table.columns[1].justify = "right"
    for name, value in _flat(report):
        if isinstance(value, float):
            value = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        elif isinstance(value, int) and not isinstance(value, bool):
            value = f"{value:,}"
        table.add_row(name, str(value))
    return table


def plan_table(report: dict[str, Any]) -> Table:
    """What each accelerator would need."""
    table = Table(
        title=f"{report['game']}: a worker core here delivers "
        f"{report['worker_rows_per_s']:,.0f} rows/s; devices are simulated",
        title_justify="left",
    )
    for column in ("network", "device", "batch", "batch us", "k rows/s", "workers", "wait us",
                   "games"):  # fmt: skip
        table.add_column(column, justify="left" if column in ("network", "device") else "right")
    for row in report["rows"]:
        table.add_row(
            row["network"], row["device"], f"{row['batch']:,}", f"{row['batch_us']:,.0f}",
            f"{row['rows_per_s'] / 1e3:,.0f}", f"{row['workers']:.2f}", f"{row['latency_us']:,.0f}",
            f"{row['games']:,}",
        )  # fmt: skip
    return table


def _flat(report: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows = []
    for name, value in report.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name} ")
        else:
            rows.append((f"{prefix}{name}", value))
    return rows
