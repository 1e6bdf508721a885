"""`ringzero ablate`: the command line of `trainer.ablation`."""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from engine.errors import ConfigError
from trainer.cli_options import Count, Json, Quiet
from trainer.overrides import typed

__all__ = ["ablate"]


def ablate(
    preset: str,
    /,
    *,
    switch: str,
    budget: str,
    seeds: str = "1,2",
    games: int = 200,
    simulations: Count = 0,
    positions: Path | None = None,
    config: tuple[Path, ...] = (),
    runs: Path | None = None,
    out: Path = Path("profiling/results/ablations"),
    serial: Annotated[bool, Parameter(negative=())] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Measure what a switch is worth: equal time with and without it, side by side, then a match.

    Example: ringzero ablate connect4 --switch search.solver=false --budget 20m

    Typed again, it goes on where it stopped. --section.key value changes both sides.

    Parameters
    ----------
    preset
        A preset, a .toml file, a game's name or a plain-Python game file.
    switch
        section.key=value, several by commas; a plus joins values tried together; or a group:
        plain, or a .toml file.
    budget
        Time to train each run: 90s, 20m, 1h30m; a pair trains at once, half of the cores each.
    seeds
        Each is trained with and without the switch.
    games
        Of the match of each seed's pair.
    simulations
        Of a move in matches and grades; 0: as in the preset's evaluation.
    positions
        Known positions to count mistakes in; evaluation.positions unless told.
    config
        TOML files laid over the preset.
    runs
        Folder of the runs; runs/ablations/NAME unless told.
    out
        Folder of the record.
    serial
        Everything in one process, for debugging.
    """
    from rich.console import Console

    from trainer.ablation import Ablation, Stopped
    from trainer.ablation_figures import table
    from trainer.logs import log_to_stderr
    from trainer.switch import read_switches

    log_to_stderr("error")
    try:
        numbers = tuple(int(seed) for seed in seeds.split(","))
    except ValueError:
        raise ConfigError(f"seeds must be integers with commas between, got {seeds!r}") from None
    work = Ablation(
        preset, read_switches(switch), budget, numbers, games, simulations,
        str(positions or ""), config, dict(typed), runs, serial,
    )  # fmt: skip
    try:
        with _Bar(silent=quiet or as_json) as bar:
            report = work.run(bar.tell)
    except Stopped as stopped:
        if not quiet and not as_json:
            Console(stderr=True).print(str(stopped), highlight=False)
        return 128 + stopped.number
    data, text = work.write_record(report, out)
    if as_json:
        print(json.dumps(report, allow_nan=False))
    else:
        console = Console(highlight=False)
        console.print(table(report))
        console.print(f"record: {data} and {text}", soft_wrap=True)
    return 0


class _Bar:
    """The part in hand: a bar where stderr is a terminal, else a line as each begins."""

    def __init__(self, silent: bool) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, quiet=silent)
        self._progress: Any = None
        self._told = ""

    def tell(self, part: str, share: float, left_s: float) -> None:
        """Show that `part` is done to a `share`, and how long training still takes."""
        from trainer.plots import clock

        left = f"{clock(left_s)} of training left" if left_s >= 1 else ""
        if self._progress is not None:
            self._progress.update(self._task, description=part, completed=share, left=left)
        elif part != self._told:
            line = f"{part} | {left}" if left else part
            self._console.print(line, markup=False, soft_wrap=True)
        self._told = part

    def __enter__(self) -> "_Bar":
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(),
                TaskProgressColumn(), TextColumn("{task.fields[left]}", markup=False),
                console=self._console, transient=True,
            )  # fmt: skip
            self._task = self._progress.add_task("", total=1.0, left="")
            self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._progress is not None:
            self._progress.stop()
