"""What an ablation found: Elo at equal time pooled over seeds, mistakes, time to equal strength."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from trainer.arena.ratings import Z95

__all__ = ["Pooled", "TimeRatio", "markdown", "mean_ratio", "pooled", "table", "time_ratio"]

Curve = Sequence[tuple[float, float]]
"""Minutes trained and strength, in the order of time."""


class Pooled(NamedTuple):
    """A difference over several seeds, with its 95 % interval."""

    elo: float
    lo: float
    hi: float


def pooled(estimates: Sequence[tuple[float, float, float]]) -> Pooled:
    """One difference from those of several seeds, each (elo, lo, hi).

    Training is drawn anew with each seed, so the seeds differ by more than their matches' noise.
    That excess is estimated and widens the interval (DerSimonian and Laird, "Meta-analysis in
    clinical trials", Controlled Clinical Trials 7, 1986, eq. 8). From two or three seeds it is
    itself a rough estimate.

    Raises
    ------
    ValueError
        Without estimates.
    """
    if not estimates:
        raise ValueError("estimates must hold at least one, got none")
    elos = [elo for elo, _, _ in estimates]
    variances = [((hi - lo) / (2 * Z95)) ** 2 for _, lo, hi in estimates]
    weights = [1 / v for v in variances]
    total = sum(weights)
    mean = sum(w * e for w, e in zip(weights, elos, strict=True)) / total
    spread = sum(w * (e - mean) ** 2 for w, e in zip(weights, elos, strict=True))
    free = total - sum(w * w for w in weights) / total
    between = max(0.0, (spread - (len(elos) - 1)) / free) if free > 0 else 0.0
    weights = [1 / (v + between) for v in variances]
    total = sum(weights)
    mean = sum(w * e for w, e in zip(weights, elos, strict=True)) / total
    half = Z95 / math.sqrt(total)
    return Pooled(mean, mean - half, mean + half)


class TimeRatio(NamedTuple):
    """How many times as long training takes without the switch, to the same strength."""

    ratio: float
    bound: str
    """``>`` or ``<`` where the faster side was that strong when it was first measured; ``~``
    where one seed says this and another that."""

    def __str__(self) -> str:
        return f"{self.bound}{self.ratio:.2f}"


def time_ratio(without: Curve, with_: Curve) -> TimeRatio | None:
    """Time to the greatest strength that both have reached, without the switch over with it.

    Noise makes measured curves fall at times: each is first replaced by its closest rising one,
    then read between measurements linearly. None where the curves cannot tell.
    """
    if len(without) < 2 or len(with_) < 2:
        return None
    slow, fast = _rising(without), _rising(with_)
    level = min(slow[-1][1], fast[-1][1])
    (first, first_exact), (second, second_exact) = _reaches(slow, level), _reaches(fast, level)
    if not first_exact and not second_exact:
        return None
    bound = "" if first_exact and second_exact else ">" if first_exact else "<"
    return TimeRatio(first / second, bound)


def mean_ratio(ratios: Sequence[TimeRatio]) -> TimeRatio:
    """The geometric mean over seeds, a bound if any of them is one."""
    mean = math.exp(math.fsum(math.log(r.ratio) for r in ratios) / len(ratios))
    bounds = {r.bound for r in ratios} - {""}
    return TimeRatio(mean, bounds.pop() if len(bounds) == 1 else "~" if bounds else "")


def _rising(curve: Curve) -> list[tuple[float, float]]:
    """The rising curve closest in squares: neighbours that fall are averaged (Barlow et al.,
    "Statistical inference under order restrictions", 1972: pool adjacent violators)."""
    blocks: list[tuple[float, int]] = []  # mean, points
    for _, value in curve:
        mean, size = value, 1
        while blocks and blocks[-1][0] > mean:
            before, points = blocks.pop()
            mean, size = (before * points + mean * size) / (points + size), points + size
        blocks.append((mean, size))
    levels = [mean for mean, size in blocks for _ in range(size)]
    return [(minutes, level) for (minutes, _), level in zip(curve, levels, strict=True)]


def _reaches(curve: Curve, level: float) -> tuple[float, bool]:
    """When a rising curve reaches `level`, and whether that is exact: at the first measurement
    it may have been earlier."""
    at = next(i for i, (_, value) in enumerate(curve) if value >= level)
    minutes, value = curve[at]
    if at == 0:
        return minutes, False
    before, below = curve[at - 1]
    return before + (minutes - before) * (level - below) / (value - below), True


# -- tables -----------------------------------------------------------------------------------

COLUMNS = (
    "switch", "Elo at equal time [95 %]", "by seed", "mistakes without", "mistakes with",
    "time without / with",
)  # fmt: skip


def _rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for found in report["switches"]:
        mistakes, ratios = found["mistakes"], found["time_ratio"]
        rows.append((
            found["switch"],
            f"{found['elo']:+.0f} [{found['lo']:+.0f}, {found['hi']:+.0f}]",
            " ".join(f"{seed['elo']:+.0f}" for seed in found["seeds"]),
            f"{mistakes['without']:.2%}" if mistakes else "-",
            f"{mistakes['with']:.2%}" if mistakes else "-",
            ", ".join(f"{label} {ratio['text']}" for label, ratio in ratios.items()) or "-",
        ))  # fmt: skip
    return rows


def _title(report: Mapping[str, Any]) -> str:
    seeds = ", ".join(map(str, report["seeds"]))
    return (
        f"{report['preset']}, {report['budget']} a run, seeds {seeds}; matches of "
        f"{report['games']} games at {report['simulations']} simulations"
    )


def table(report: Mapping[str, Any]) -> Table:
    """The report for a terminal, without the columns of what was not measured."""
    made = Table(title=_title(report), title_justify="left")
    rows = _rows(report)
    told = [i for i in range(len(COLUMNS)) if any(row[i] != "-" for row in rows)]
    for i in told:
        figure = COLUMNS[i].startswith("Elo")  # the one that shall not be broken
        made.add_column(
            COLUMNS[i], justify="left" if i == 0 else "right", overflow="fold", no_wrap=figure
        )
    for switch, *figures in rows:
        row = [switch.replace("+", "\n+ "), *figures]  # values tried together, a line each
        made.add_row(*(row[i] for i in told))
    return made


def markdown(report: Mapping[str, Any]) -> str:
    """The report for people who read the record: what, where, figures, and how to repeat it."""
    machine = report["machine"]
    lines = [
        f"# {report['name']}",
        "",
        f"{_title(report)}.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
        *("| " + " | ".join(row) + " |" for row in _rows(report)),
        "",
        "Elo of the run with the switch over the one without, both trained equally long, with the "
        "same search in the match; the interval counts the spread between seeds.",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, trained at commit "
        f"{', '.join(report['commits'])}, {report['started_at']}.",
        "",
        "```",
        *report["commands"],
        "```",
    ]
    return "\n".join(lines) + "\n"
