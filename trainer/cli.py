"""The command line. Nothing heavy is imported until a verb needs it.

Exit codes: 0 done; 1 failure; 2 a wrong option, file or position; 3 a run, checkpoint or database
that cannot be used; 130 and 143 stopped by SIGINT and SIGTERM.
"""

import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter
from cyclopts.validators import Number

from engine.errors import ConfigError, EngineError, StoreError
from trainer.cli_ablate import ablate
from trainer.cli_arena import arena, evaluate, openings
from trainer.cli_bench import bench
from trainer.cli_engines import analysis, analyze, gtp, play, uci
from trainer.cli_matches import export, ladder, matches, ratings
from trainer.cli_options import Json, Memory, Quiet, Seed, console, print_json, progress_bar
from trainer.cli_watch import profile, report, top
from trainer.overrides import split_overrides, typed

__all__ = ["app", "main"]

VERSION = "0.1.0"
USAGE, DAMAGED = 2, 3

app = cyclopts.App(
    name="ringzero",
    help="Train, profile and judge AlphaZero players on one machine.",
    version=VERSION,
    help_format="plaintext",
)
app.command(bench)
for verb in (arena, evaluate, play, analyze, matches, ratings, ladder, openings, export, gtp, uci,
             analysis, ablate, profile, report, top):  # fmt: skip
    app.command(verb)


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    args = list(sys.argv[1:] if argv is None else argv)
    # OpenMP reads it when torch loads. Threads that spin for each other make training many times
    # slower as soon as anything else wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        args, overrides = split_overrides(args)
        if overrides and args[:1] not in (["train"], ["selfplay"], ["ablate"]):
            raise ConfigError(
                f"--{next(iter(overrides))}: only train, selfplay and ablate take --section.key "
                "options"
            )
        typed.clear()
        typed.update(overrides)
        if args[:1] == ["train"] and {"--help", "-h"} & set(args):
            app["train"].help_epilogue = _keys()
        sys.exit(app(args, exit_on_error=False, print_error=False, result_action="return_value"))
    except cyclopts.CycloptsError as error:
        _fail(str(error), USAGE, hint=_help_hint(args))
    except StoreError as error:
        _fail(str(error), DAMAGED)
    except EngineError as error:
        _fail(str(error), USAGE if isinstance(error, ConfigError) else 1)
    except ValueError as error:
        from games.errors import GameError

        if not isinstance(error, GameError):
            raise
        _fail(str(error), USAGE)
    except OSError as error:
        _fail(f"{error.filename or 'input/output'}: {error.strerror}", 1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _fail(message: str, code: int, hint: str = "") -> None:
    print(f"ringzero: {message}", file=sys.stderr)
    if hint:
        print(hint, file=sys.stderr)
    sys.exit(code)


def _keys() -> str:
    """Every key of the configuration for a person to read, made only when asked for."""
    from trainer.config import RunConfig, options_text

    keys = options_text(RunConfig(), min(console().width, 100))
    return f"Keys, each with the value that it has where no preset sets it:\n\n{keys}"


def _help_hint(args: list[str]) -> str:
    verb = next((a for a in args if not a.startswith("-")), "")
    known = verb in app
    return f"Type: ringzero {verb + ' ' if known else ''}--help"


# -- training ---------------------------------------------------------------------------------


@app.command
def train(
    preset: str,
    /,
    *,
    run: Path | None = None,
    max_time: str | None = None,
    seed: int | None = None,
    start_from: Annotated[str | None, Parameter(name="--from")] = None,
    deterministic: Annotated[bool, Parameter(negative=())] = False,
    memory: Memory | None = None,
    config: tuple[Path, ...] = (),
    resume: bool = True,
    serial: Annotated[bool, Parameter(negative=())] = False,
    progress: bool = True,
    quiet: Quiet = False,
    as_json: Json = False,
    print_config: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Train a player; typed again, go on where it stopped.

    Example: ringzero train connect4 --max-time 20m --search.num_simulations 64

    Any key of the configuration, listed below, is an option: --section.key value.

    Parameters
    ----------
    preset
        A preset (connect4, tictactoe), a .toml file, a game's name or a plain-Python game file.
    run
        The run's folder; runs/PRESET unless told.
    max_time
        Time to train, over all sessions: 90s, 20m, 1h30m.
    seed
        Keys every random draw.
    start_from
        A run, checkpoint or model whose weights a new run begins with.
    deterministic
        The same games and weights every time, to the bit; needs --budget.max_generations or
        --budget.max_games, since time does not end it.
    config
        TOML files laid over the preset.
    resume
        Go on with a run that is there; --no-resume makes it an error.
    serial
        Everything in one process, for debugging.
    progress
        The live screen on a terminal; --no-progress prints plain lines.
    print_config
        Print the resolved configuration and stop.
    """
    began = time.monotonic()  # what is imported from here on is part of the time to train
    from trainer.config import megabytes, to_toml
    from trainer.display import open_display
    from trainer.logs import log_to_file, log_to_stderr
    from trainer.runs import RunFolder

    overrides: dict[str, Any] = dict(typed)
    if max_time is not None:
        overrides["budget.max_time"] = max_time
    if seed is not None:
        overrides["seed"] = str(seed)
    if start_from is not None:
        overrides["learner.start_from"] = start_from
    if deterministic:
        overrides["deterministic"] = "true"
    if memory is not None:
        overrides["selfplay.memory_mb"] = megabytes(memory)
    folder = RunFolder(run or Path("runs") / Path(preset).stem)
    if folder.exists and not resume:
        raise StoreError(f"{folder.path} holds a run; leave --no-resume out, or choose another")
    resolved = folder.open_config(preset, list(config), overrides)
    if resolved.deterministic and max_time is not None:
        raise ConfigError(
            "--max-time does not end a deterministic run; give --budget.max_generations or "
            "--budget.max_games instead"
        )
    if print_config:
        print(to_toml(resolved), end="")
        return 0
    log_to_stderr("error")
    with folder:
        folder.save_config(resolved)
        log_to_file(folder.logs / "train.jsonl")
        with open_display(quiet=quiet, json=as_json, no_progress=not progress) as display:
            from trainer.loop import Trainer  # imports torch

            outcome = Trainer(folder, resolved, display, serial=serial, began=began).run()
    if as_json:
        print_json(asdict(outcome))
    elif not quiet:
        from trainer.verdict import verdict

        print(verdict(outcome, folder.path, preset, by_time=not resolved.deterministic))
    return 128 + outcome.signal if outcome.signal else 0


@app.command
def selfplay(
    preset: str,
    /,
    *,
    games: int = 100,
    model: str | None = None,
    out: Path | None = None,
    memory: Memory | None = None,
    seed: Seed = 0,
    serial: Annotated[bool, Parameter(negative=())] = False,
    as_json: Json = False,
) -> int:
    """Play games against itself, with a model or without one, and say how fast.

    Example: ringzero selfplay connect4 --games 200 --model runs/connect4

    Parameters
    ----------
    preset
        A preset, a .toml file, a game's name or a plain-Python game file.
    games
        How many.
    model
        A run, checkpoint or model file; without one, positions are worth nothing to the search.
    out
        A database to add the games to.
    serial
        Everything in one process, for debugging.
    """
    from trainer.config import megabytes
    from trainer.selfplay import play_games

    overrides: dict[str, Any] = dict(typed)
    if memory is not None:
        overrides["selfplay.memory_mb"] = megabytes(memory)
    report = play_games(preset, overrides, games, model=model, out=out, seed=seed, serial=serial)
    if as_json:
        print_json(report)
    else:
        print(
            f"{report['games']} games, {report['plies']} plies in {report['seconds']:.1f} s: "
            f"{report['games_per_s']:.1f} games/s, "
            f"{report['simulations_per_s']:,.0f} simulations/s; "
            f"first player {report['wins']} won, {report['draws']} drawn, "
            f"{report['losses']} lost; "
            f"{report['full_stops']:,} searches ended early by their memory"
        )
    return 0


# -- games ------------------------------------------------------------------------------------


@app.command(name="games")
def list_games(*, as_json: Json = False) -> int:
    """List the games that can be trained and played.

    Example: ringzero games
    """
    import games

    rows: list[dict[str, Any]] = []
    for name in games.names():
        made = games.make(name)
        rows.append({
            "name": name, "options": made.options, "board": list(made.board_shape),
            "actions": made.num_actions, "planes": list(made.observation_shape),
            "symmetries": len(made.symmetries()[0]), "max_plies": made.max_game_length,
        })  # fmt: skip
    if as_json:
        print_json({"games": rows})
        return 0
    from rich.table import Table

    table = Table("game", "options", "board", "actions", "symmetries", "longest game")
    for row in rows:
        options = " ".join(f"{k}={v}" for k, v in row["options"].items())
        table.add_row(
            row["name"], options, "x".join(map(str, row["board"])), str(row["actions"]),
            str(row["symmetries"]), f"{row['max_plies']} plies",
        )  # fmt: skip
    console().print(table)
    return 0


@app.command(name="check-game")
def check_game(
    game: str, /, *, games: Annotated[int, Parameter(validator=Number(gte=1))] = 50,
    seconds: Annotated[float | None, Parameter(validator=Number(gt=0))] = None, seed: Seed = 0,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Check that a game keeps its contract, by playing it at random and with bad intent.

    Example: ringzero check-game docs/examples/nim.py

    Parameters
    ----------
    games
        Games to play.
    seconds
        Begin no more games after so long.
    """
    from games.contract import PROMISES, ContractError
    from games.contract import check_game as check

    try:
        with progress_bar("games", games, as_json) as progress:
            report = check(game, num_games=games, seed=seed, seconds=seconds, progress=progress)
    except ContractError as broken:
        if as_json:
            found = {"kept": False, "game": game}
            for name in ("promise", "rule", "moves", "others", "board"):
                found[name] = getattr(broken, name)
            print_json(found)
        else:
            console().print(f"[red]✗[/red] {PROMISES[broken.promise]}")
            print(broken)
        return 1
    if as_json:
        print_json({"kept": True, **asdict(report)})
        return 0
    from rich.table import Table

    table = Table("", "promise", "checked", box=None)
    for name, promise in PROMISES.items():
        table.add_row("[green]✓[/green]", promise, f"{report.checked[name]:,}")
    console().print(table)
    print(
        f"{report.game}: kept every promise in {report.num_games} games and "
        f"{report.num_positions:,} different positions; the longest had {report.longest} plies, "
        f"the widest position {report.most_legal} moves"
    )
    return 0


if __name__ == "__main__":
    main()
