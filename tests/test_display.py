"""The screen at several widths, the plain lines, and who gets which."""

import dataclasses
import io
import math

import pytest
from rich.console import Console

from trainer.display import _Lines, open_display, render
from trainer.plots import bar, clock, count, plot, spark
from trainer.progress import Losses, Progress, Strength, Truth

FULL = Progress(
    run="runs/connect4",
    game="connect4",
    elapsed_s=372.0,
    budget_s=900.0,
    generation=18,
    phase="self-play",
    phase_done=0.43,
    games=12873,
    samples=201933,
    steps=1834,
    learning_rate=2e-3,
    games_per_s=31.2,
    positions_per_s=910.0,
    simulations_per_s=61234.0,
    evaluations_per_s=18700.0,
    batch_fill=0.93,
    mean_batch=238.0,
    queue_delay_us=812.0,
    losses=[
        Losses(
            policy=1.0 + 1 / (i + 1),
            value=0.6 + 0.4 / (i + 1),
            validation_policy=1.1 + 1 / (i + 1),
            validation_value=0.7 + 0.3 / (i + 1),
        )
        for i in range(18)
    ],
    strength=[
        Strength(minutes=3.0, label="mcts:1000", score=0.4, elo=-70.4, lo=-150.0, hi=10.0),
        Strength(minutes=6.0, label="mcts:1000", score=0.7, elo=147.0, lo=60.0, hi=250.0),
        Strength(minutes=6.0, label="positions", score=0.941),
    ],
    workers=2,
    workers_alive=2,
    memory_bytes=1503238553,
)
EMPTY = Progress(run="runs/new", game="tictactoe", elapsed_s=0.0)


KNOWN = dataclasses.replace(
    FULL,
    cache_hit_rate=0.31,
    latency_us=1800.0,
    depth=6.2,
    backend="openvino int8",
    truth=[
        Truth(minutes=m, positions=300, simulations=100, mistakes=x, mistakes_network=2 * x)
        for m, x in ((3.0, 0.12), (6.0, 0.031))
    ],
    statistics={
        "search/target_entropy": 1.31,
        "search/surprise": 0.21,
        "search/proven": 0.12,
        "games/length": 28.4,
        "games/distinct_positions": 0.77,
    },
)


def screen(progress: Progress, width: int) -> list[str]:
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(render(progress, console.width))
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("progress", [FULL, EMPTY, KNOWN], ids=["full", "empty", "known"])
def test_screen_fits_its_width(progress: Progress, width: int) -> None:
    lines = screen(progress, width)
    assert max(len(line) for line in lines) <= min(width, 120)
    if width >= 80:
        assert len(lines) <= 24


@pytest.mark.parametrize("width", [80, 120])
def test_screen_shows_what_matters_uncut(width: int) -> None:
    text = "\n".join(screen(FULL, width))
    for part in (
        "connect4 · generation 18",
        "6m 12s trained · 8m 48s left",
        "self-play 43%",
        "12,873 games · 201,933 samples · 1,834 steps",
        "runs/connect4",
        "31 │",
        "61.2k",
        "18.7k",
        "238 93% full",
        "812 µs",
        "2 of 2",
        "1.40 GiB",
        "learning rate 2.0e-03",
        "trained 1.056 0.622   held out 1.156 0.717",
        "strength after 6.0 min",
        "70.0%",
        "Elo +147 [+60, +250]",
        "94.1%",
    ):
        assert part in text
    assert "…" not in text


def test_panels_side_by_side_end_together() -> None:
    for hits in (math.nan, 0.31):
        lines = screen(dataclasses.replace(FULL, cache_hit_rate=hits), 80)
        assert sum("╯╰" in line for line in lines) == 1
    assert any("31%" in line for line in lines)


def test_screen_tells_mistakes_and_the_searches_in_a_line() -> None:
    lines = screen(KNOWN, 80)
    text = "\n".join(lines)
    searches = "depth 6.2, entropy 1.31, surprise 0.21, proven 12%, 28 plies, distinct 77%"
    for part in (searches, "3.1%", "network alone 6.2%", "batch takes", "1.8 ms"):
        assert part in text
    assert sum("╯╰" in line for line in lines) == 1


def test_lines_tell_each_count_of_mistakes_once() -> None:
    out = io.StringIO()
    lines = _Lines(Console(file=out, width=80), now=lambda: 0.0)
    lines.update(dataclasses.replace(KNOWN, truth=KNOWN.truth[:1]))
    lines.update(KNOWN)
    lines.update(KNOWN)
    told = [line for line in out.getvalue().splitlines() if "mistakes" in line]
    assert told == [
        "3m 00s measured mistakes: 12.0%, network alone 24.0%",
        "6m 00s measured mistakes: 3.1%, network alone 6.2%",
    ]


def test_missing_numbers_are_dashes_not_nan() -> None:
    text = "\n".join(screen(EMPTY, 80))
    assert "nan" not in text
    assert "not measured yet" in text
    assert "no time limit" in text


def test_run_past_its_budget_is_full_not_more() -> None:
    lines = screen(dataclasses.replace(FULL, elapsed_s=950.0), 80)
    assert any("0s left" in line and "█" in line for line in lines)


# -- plain lines --------------------------------------------------------------------------------


def test_lines_appear_now_and_then_and_for_news() -> None:
    out, clock_s = io.StringIO(), [0.0]
    lines = _Lines(Console(file=out, width=80), now=lambda: clock_s[0])
    early = dataclasses.replace(FULL, losses=FULL.losses[:1], strength=())
    lines.update(early)
    lines.update(early)  # nothing new
    assert out.getvalue().count("\n") == 1
    clock_s[0] = 31.0
    lines.update(early)  # half a minute later
    lines.update(dataclasses.replace(early, losses=FULL.losses[:2]))  # a new generation
    assert out.getvalue().count("\n") == 3
    lines.update(dataclasses.replace(early, losses=FULL.losses[:2], strength=FULL.strength[:2]))
    assert "6m 00s measured mcts:1000: 70.0%, Elo +147 [+60, +250]\n" in out.getvalue()
    assert out.getvalue().count("\n") == 6
    assert "\x1b" not in out.getvalue()


def test_line_has_the_numbers_and_is_one_line() -> None:
    out = io.StringIO()
    progress = dataclasses.replace(FULL, strength=(), restarts=2, cache_hit_rate=0.31)
    _Lines(Console(file=out, width=40)).update(progress)
    assert out.getvalue() == (
        "6m 12s of 15m 00s | generation 18 | self-play | games 12873 | 31 games/s 61.2k sims/s "
        "18.7k evals/s batch 238 cache hits 31% | loss policy 1.056 value 0.622 "
        "(held out 1.156 0.717) | restarts 2\n"
    )


def test_json_and_quiet_show_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for options in ({"json": True}, {"quiet": True}):
        with open_display(**options) as display:
            display.update(FULL)
            display.message("hello")
    assert capsys.readouterr() == ("", "")


def terminal(**options: object) -> Console:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    return Console(file=out, force_terminal=True, width=80, height=30, **options)  # type: ignore[arg-type]


def written(console: Console) -> str:
    return console.file.buffer.getvalue().decode()  # type: ignore[attr-defined]


def test_terminal_gets_the_live_screen_and_keeps_messages() -> None:
    console = terminal(_environ={"TERM": "xterm"})
    with open_display(console=console) as display:
        display.update(EMPTY)
        display.message("checkpoint [saved]")
        display.update(FULL)
    text = written(console)
    assert "╭" in text
    assert "\x1b[2K" in text  # it was redrawn in place
    assert "checkpoint [saved]" in text


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_environment_is_respected(environment: dict[str, str]) -> None:
    console = terminal(_environ=environment)
    with open_display(console=console) as display:
        display.update(FULL)
    text = written(console)
    if environment["TERM"] == "dumb":
        assert "╭" not in text
    else:
        assert "\x1b[32m" not in text
        assert "\x1b[36m" not in text


def test_no_progress_gives_lines_on_a_terminal() -> None:
    console = terminal(_environ={"TERM": "xterm"})
    with open_display(console=console, no_progress=True) as display:
        display.update(FULL)
    assert "| generation 18 |" in written(console)


def test_a_stream_that_is_no_terminal_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display() as display:
        display.update(EMPTY)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "0s | generation 0 | starting | games 0\n"


# -- plots --------------------------------------------------------------------------------------


def test_plot_of_a_line_goes_from_corner_to_corner() -> None:
    lines, low, high = plot([([0.0, 1.0], "red")], width=4, height=2)
    assert (low, high) == (0.0, 1.0)
    assert lines[0].plain[-1] != " "
    assert lines[0].plain[0] == " "
    assert lines[1].plain[0] != " "
    assert lines[1].plain[-1] == " "


def test_plot_survives_empty_constant_and_broken_series() -> None:
    empty, low, _ = plot([([], ""), ([math.nan], "")], 5, 2)
    assert [line.plain for line in empty] == [" " * 5] * 2
    assert math.isnan(low)
    constant, low, high = plot([([2.0] * 300, "")], 5, 2)
    assert low == high == 2.0
    assert any(line.plain.strip() for line in constant)
    gaps, _, _ = plot([([1.0, math.nan, 3.0, math.inf], "")], 5, 2)
    assert all(line.cell_len == 5 for line in gaps)


def test_plot_averages_what_is_too_long() -> None:
    values = [float(i % 2) for i in range(4000)]
    lines, _, _ = plot([(values, "")], 10, 3)
    assert len({char for line in lines for char in line.plain if char != " "}) == 1


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (7.4, "7.4"), (7, "7"), (9.97, "10"), (31.2, "31"), (999.4, "999"), (999.6, "1.00k"),
     (1234, "1.23k"), (12_345, "12.3k"), (999_400, "999k"), (1.25e6, "1.25M"), (3e9, "3.00G"),
     (5e12, "5000G"), (math.nan, "-"), (math.inf, "-")],
)
def test_counts_have_about_three_figures(number: float, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (42, "42s"), (59.6, "1m 00s"), (372, "6m 12s"), (7500, "2h 05m"),
     (273_600, "3d 04h"), (-3, "0s"), (math.inf, "-")],
)
def test_clock_names_two_units(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_bar_and_spark_stay_in_their_frame() -> None:
    assert bar(0.5, 4) == "██  "
    assert bar(0.53, 4) == "██▏ "
    assert bar(7.0, 3) == "███"
    assert bar(-1.0, 3) == "   "
    assert spark([0.0, 0.5, 1.0], 2) == "▅█"
