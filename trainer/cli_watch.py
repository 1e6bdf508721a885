"""`ringzero profile`, `report` and `top`: where a run's time goes, and what it has come to."""

import signal
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from engine.errors import ConfigError
from trainer.cli_options import Json, Quiet, console, print_json

__all__ = ["profile", "report", "top"]


def profile(
    *target: str,
    seconds: float | None = None,
    rate: int = 100,
    out: Path | None = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """See what every process of a live run, or of a command, spends its time on.

    Example: ringzero profile runs/connect4 --seconds 20

    Example: ringzero profile -- ringzero selfplay connect4 --games 200

    Writes a flame graph (flame.html), the same for speedscope.app (speedscope.json), py-spy's
    stacks (stacks.txt) and the table (summary.json).

    Parameters
    ----------
    target
        A run's folder, or a command and its arguments after --.
    seconds
        How long: 20 for a run; a command is recorded to its end, or stopped after so long.
    rate
        Looks at every thread in a second.
    out
        Folder to write to; RUN/profiles/TIME or profiles/TIME unless told.
    """
    from trainer.profile import cost_line, profile_command, profile_run, summary_table
    from trainer.runs import RunFolder

    if not target:
        raise ConfigError("name a run's folder, or a command after --")
    if len(target) == 1 and Path(target[0]).is_dir():
        report = profile_run(RunFolder(target[0]), seconds or 20.0, rate, out)
    else:
        report = profile_command(target, seconds, rate, out, output=2 if as_json else 1)
    if as_json:
        print_json(report)
    elif not quiet:
        console().print(summary_table(report))
        print(cost_line(report))
        print(f"flame graph: {Path(report['folder']) / 'flame.html'}")
    return 0


def report(
    run: Path,
    /,
    *,
    curve: Annotated[str, Parameter(help="Only curves whose names hold this, drawn large.")] = "",
    as_json: Json = False,
) -> int:
    """Draw the curves of a run: mistakes, losses, searches, games, rates.

    Example: ringzero report runs/connect4 --curve truth

    Parameters
    ----------
    run
        The run's folder; it may be training.
    """
    from trainer import report as drawn

    found = drawn.curves(run, curve)
    if as_json:
        print_json(drawn.as_json(run, found))
    else:
        screen = console()
        screen.print(drawn.overview(found, screen.width))
    return 0


def top(
    run: Path,
    /,
    *,
    interval: Annotated[float, Parameter(help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, Parameter(negative=(), help="Look once and end.")] = False,
    as_json: Annotated[
        bool, Parameter(name="--json", negative=(), help="Print one JSON object a look.")
    ] = False,
) -> int:
    """Look on at a live run: what each of its processes does, waits for and holds.

    Example: ringzero top runs/connect4

    Ends with the run, or with Ctrl-C; the run does not notice.

    Parameters
    ----------
    run
        The run's folder.
    """
    from trainer.runs import RunFolder
    from trainer.top import look, watch_run

    # A shell starts its background jobs with SIGINT ignored; it is the one way to end this.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    folder = RunFolder(run)
    try:
        if not as_json:
            watch_run(folder, console(), interval, once)
            return 0
        for report in look(folder, interval):
            print_json(report)
            sys.stdout.flush()
            if once:
                break
    except KeyboardInterrupt:
        pass  # the usual way to leave it
    return 0
