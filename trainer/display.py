"""What a person sees while a run trains: a live screen, plain lines, or nothing.

The loop fills a `Progress` and hands it to a `Display`; nothing here asks the loop for anything.
Screens and lines go to stderr: stdout is for results.
"""

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from trainer.plots import bar, clock, count, plot, spark
from trainer.progress import Losses, Progress, Strength, Truth

__all__ = ["Display", "open_display", "render"]

TRAINING, VALIDATION = "cyan", "yellow"
NARROW = 72  # columns below which panels stand under each other
PLAIN_EVERY_S = 30.0
GIB, MIB = 2**30, 2**20


class Display(Protocol):
    """Where progress goes; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def update(self, progress: Progress) -> None:
        """Show `progress`; cheap enough for a few calls a second."""

    def message(self, text: str) -> None:
        """Show a line that stays."""


def open_display(
    *,
    quiet: bool = False,
    json: bool = False,
    no_progress: bool = False,
    console: Console | None = None,
) -> Display:
    """The display that fits the options and the terminal.

    Nothing is shown with `json` or `quiet`; plain lines with `no_progress`, or where there is no
    terminal that can move its cursor and draw; the live screen otherwise.
    """
    if json or quiet:
        return _Silent()
    console = console or Console(stderr=True, highlight=False)
    drawable = console.is_terminal and not console.is_dumb_terminal
    if no_progress or not drawable or not console.encoding.lower().startswith("utf"):
        return _Lines(console)
    return _Screen(console)


class _Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, progress: Progress) -> None:
        pass

    def message(self, text: str) -> None:
        pass


class _Screen(_Silent):
    """The live screen; its last state stays above the prompt."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def update(self, progress: Progress) -> None:
        self._live.update(render(progress, self._console.width), refresh=True)

    def message(self, text: str) -> None:
        self._console.print(text, markup=False, emoji=False, highlight=False)


class _Lines(_Silent):
    """A line now and then, at each new generation and at each measurement."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._now = now
        self._next = -math.inf
        self._seen: tuple[int, int, int] | None = None

    def update(self, progress: Progress) -> None:
        for found in progress.strength[self._seen[1] if self._seen else 0 :]:
            self.message(f"{clock(found.minutes * 60)} measured {_measured(found)}")
        for right in progress.truth[self._seen[2] if self._seen else 0 :]:
            self.message(f"{clock(right.minutes * 60)} measured mistakes: {_mistakes(right)}")
        seen = (len(progress.losses), len(progress.strength), len(progress.truth))
        if seen != self._seen or self._now() >= self._next:
            self._next = self._now() + PLAIN_EVERY_S
            self.message(_line(progress))
        self._seen = seen

    def message(self, text: str) -> None:
        self._console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _measured(found: Strength) -> str:
    elo = "" if math.isnan(found.elo) else f", Elo {_elo(found)}"
    return f"{found.label}: {found.score:.1%}{elo}"


def _mistakes(found: Truth) -> str:
    return f"{found.mistakes:.1%}, network alone {found.mistakes_network:.1%}"


def _elo(found: Strength) -> str:
    return f"{found.elo:+.0f} [{found.lo:+.0f}, {found.hi:+.0f}]"


def _line(progress: Progress) -> str:
    """`progress` in one line, for logs and pipes."""
    parts = [
        clock(progress.elapsed_s),
        f"generation {progress.generation}",
        progress.phase,
        f"games {progress.games}",
    ]
    if math.isfinite(progress.budget_s):
        parts[0] += f" of {clock(progress.budget_s)}"
    if math.isfinite(progress.evaluations_per_s):
        parts.append(
            f"{count(progress.games_per_s)} games/s {count(progress.simulations_per_s)} sims/s "
            f"{count(progress.evaluations_per_s)} evals/s batch {count(progress.mean_batch)}"
        )
        if math.isfinite(progress.cache_hit_rate):
            parts[-1] += f" cache hits {progress.cache_hit_rate:.0%}"
    if progress.losses:
        last = progress.losses[-1]
        parts.append(f"loss policy {last.policy:.3f} value {last.value:.3f}")
        if math.isfinite(last.validation_policy):
            parts[-1] += f" (held out {last.validation_policy:.3f} {last.validation_value:.3f})"
    if progress.statistics:
        parts.append(_statistics(progress))
    if progress.verdict:
        parts.append(progress.verdict)
    if progress.restarts:
        parts.append(f"restarts {progress.restarts}")
    return " | ".join(parts)


def _statistics(progress: Progress) -> str:
    """The last generation's searches and games in a few words."""
    known = {"search/depth": progress.depth, **progress.statistics}
    words = {
        "search/depth": "depth {:.1f}",
        "search/target_entropy": "entropy {:.2f}",
        "search/surprise": "surprise {:.2f}",
        "search/proven": "proven {:.0%}",
        "games/length": "{:.0f} plies",
        "games/distinct_positions": "distinct {:.0%}",
    }
    found = [(text, known.get(name, math.nan)) for name, text in words.items()]
    return ", ".join(text.format(value) for text, value in found if math.isfinite(value))


# -- the screen ---------------------------------------------------------------------------------


def render(progress: Progress, width: int) -> RenderableType:
    """The screen for `progress`, `width` columns wide and at most 24 lines high."""
    width = min(width, 120)
    if width < NARROW:
        panels = [_speed(progress), _learning(progress, width - 4, height=2)]
        return Group(_head(progress, width), *panels, _strength(progress, width))
    left = 31
    middle = Table.grid()
    middle.add_column(width=left)
    middle.add_column(width=width - left)
    # As high as the panel beside it: a legend, a line between the curves, and the curves.
    height, odd = divmod(len(_rates(progress)) - 2, 2)
    middle.add_row(_speed(progress), _learning(progress, width - left - 4, height, bool(odd)))
    return Group(_head(progress, width), middle, _strength(progress, width))


def _head(progress: Progress, width: int) -> RenderableType:
    inner = width - 4
    known = math.isfinite(progress.budget_s)
    left = f"{clock(progress.budget_s - progress.elapsed_s)} left" if known else "no time limit"
    time_line = Text.assemble((clock(progress.elapsed_s), "bold"), f" trained · {left}")
    # A run without a limit has no bar: it would promise an end.
    if known and progress.budget_s > 0:
        space = max(inner - time_line.cell_len - 2, 0)
        filled = bar(progress.elapsed_s / progress.budget_s, space)
        time_line.append("  ").append(filled, "green on grey23")
    phase = Text.assemble((progress.phase, "bold magenta"))
    if math.isfinite(progress.phase_done):
        phase.append(f" {min(progress.phase_done, 1.0):.0%}")
    if progress.verdict:
        phase.append(f" · {progress.verdict}", "dim")
    short = count if width < NARROW else "{:,}".format
    counts = (
        f"{short(progress.games)} games · {short(progress.samples)} samples · "
        f"{short(progress.steps)} steps"
    )
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True, justify="right", overflow="ellipsis")
    grid.add_row(phase, Text(counts, "dim"))
    lines: list[RenderableType] = [time_line, grid]
    if progress.statistics:
        lines.append(Text(_statistics(progress), "dim", no_wrap=True, overflow="ellipsis"))
    title = Text.assemble(
        ("ringzero ", "bold"), f"{progress.game} · generation {progress.generation}"
    )
    return Panel(
        Group(*lines),
        title=title,
        title_align="left",
        subtitle=Text(progress.run, "dim"),
        subtitle_align="right",
        width=width,
        border_style="blue",
    )


def _rates(progress: Progress) -> list[tuple[str, str]]:
    rows = [
        ("games/s", count(progress.games_per_s)),
        ("positions/s", count(progress.positions_per_s)),
        ("simulations/s", count(progress.simulations_per_s)),
        ("evaluations/s", count(progress.evaluations_per_s)),
        ("batch", _batch(progress)),
        ("queue delay", _delay(progress.queue_delay_us)),
    ]
    if math.isfinite(progress.latency_us):
        rows.append(("batch takes", _delay(progress.latency_us)))
    if math.isfinite(progress.cache_hit_rate):
        rows.append(("cache hits", f"{progress.cache_hit_rate:.0%}"))
    if progress.backend:
        rows.append(("back end", progress.backend.partition(" (")[0]))
    rows.append(("workers", _workers(progress)))
    rows.append(("memory", _memory(progress.memory_bytes)))
    return rows


def _speed(progress: Progress) -> RenderableType:
    table = Table.grid(expand=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True, justify="right")
    for name, value in _rates(progress):
        short = name == "workers" and progress.workers_alive < progress.workers
        table.add_row(name, Text(value, "bold red" if short else "bold"))
    return Panel(table, title="speed", title_align="left", border_style="blue")


def _batch(progress: Progress) -> str:
    if not math.isfinite(progress.mean_batch):
        return "-"
    if not math.isfinite(progress.batch_fill):
        return count(progress.mean_batch)
    return f"{count(progress.mean_batch)} {progress.batch_fill:.0%} full"


def _delay(us: float) -> str:
    if not math.isfinite(us):
        return "-"
    return f"{us:.0f} µs" if us < 1000 else f"{us / 1000:.1f} ms"


def _workers(progress: Progress) -> str:
    alive = f"{progress.workers_alive} of {progress.workers}"
    return f"{alive}, {progress.restarts} restarted" if progress.restarts else alive


def _memory(size: int) -> str:
    if not size:
        return "-"
    return f"{size / GIB:.2f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"


def _learning(
    progress: Progress, width: int, height: int, odd: bool = False
) -> RenderableType:
    """Policy and value losses as curves of `height` lines, training and held out; `odd`: with one
    line more between them."""
    losses = progress.losses
    title = "losses"
    lines = [Text() for _ in range(2 * height + 2)]
    if losses:
        policy = [x.policy for x in losses], [x.validation_policy for x in losses]
        value = [x.value for x in losses], [x.validation_value for x in losses]
        lines[:height] = _curve("policy", *policy, width, height)
        lines[height + 1 : -1] = _curve("value", *value, width, height)
        lines[-1] = _legend(losses[-1])
        if math.isfinite(progress.learning_rate):
            title += f" · learning rate {progress.learning_rate:.1e}"
    else:
        lines[height] = Text("the curves begin after the first training", "dim italic")
        lines[height].justify = "center"
    if odd:
        lines.insert(height, Text())
    return Panel(Group(*lines), title=title, title_align="left", border_style="blue")


def _curve(
    name: str, training: list[float], held_out: list[float], width: int, height: int
) -> list[Text]:
    label = 8
    lines, low, high = plot(
        [(training, TRAINING), (held_out, VALIDATION)], max(width - label, 1), height
    )
    texts = [_axis(high), f"{name:<{label}}", *[" " * label] * (height - 3), _axis(low)]
    if height < 3:
        texts = [f"{name:<{label}}", _axis(low)]
    return [Text(text, "dim").append_text(line) for text, line in zip(texts, lines, strict=True)]


def _axis(value: float) -> str:
    return f"{value:6.3f}  " if math.isfinite(value) else " " * 8


def _legend(last: Losses) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"trained {last.policy:.3f} {last.value:.3f}", TRAINING)
    if math.isfinite(last.validation_policy):
        held_out = f"held out {last.validation_policy:.3f} {last.validation_value:.3f}"
        line.append("   ").append(held_out, VALIDATION)
    return line


def _strength(progress: Progress, width: int) -> RenderableType:
    """The newest measurement of every label, and how the scores developed."""
    by_label: dict[str, list[Strength]] = {}
    for found in progress.strength:
        by_label.setdefault(found.label, []).append(found)
    measured = [*(x.minutes for x in progress.strength), *(x.minutes for x in progress.truth)]
    if not measured:
        body: RenderableType = Text("not measured yet", "dim italic")
    else:
        table = Table.grid(padding=(0, 2))
        for justify in ("left", "right", "right", "left"):
            table.add_column(justify=justify, no_wrap=True)
        rows = 3 if progress.truth else 4
        for label, history in list(by_label.items())[-rows:]:
            last = history[-1]
            elo = "" if math.isnan(last.elo) else f"Elo {_elo(last)}"
            trend = spark([found.score for found in history], max(width - 58, 6))
            table.add_row(label, Text(f"{last.score:.1%}", "bold"), elo, Text(trend, "green"))
        if progress.truth:
            right = progress.truth[-1]
            alone = f"network alone {right.mistakes_network:.1%}"
            # Twelve mistakes in a hundred fill the height: what is left of them is seen.
            trend = spark([8 * found.mistakes for found in progress.truth], max(width - 58, 6))
            table.add_row("mistakes", Text(f"{right.mistakes:.1%}", "bold"), alone,
                          Text(trend, "yellow"))  # fmt: skip
        body = table
    when = f" after {max(measured):.1f} min" if measured else ""
    return Panel(
        body, title=f"strength{when}", title_align="left", border_style="blue", width=width
    )

