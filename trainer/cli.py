"""The command line. Nothing heavy is imported until a verb needs it.

Exit codes: 0 done; 1 failure; 2 a wrong option, file or position; 3 a run, checkpoint or database
that cannot be used; 130 and 143 stopped by SIGINT and SIGTERM.
"""

import json
import math
import os
import re
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter
from cyclopts.validators import Number

from engine.errors import ConfigError, EngineError, StoreError

__all__ = ["app", "main"]

VERSION = "0.1.0"
USAGE, DAMAGED = 2, 3

app = cyclopts.App(
    name="ringzero",
    help="Train, profile and judge AlphaZero players on one machine.",
    version=VERSION,
    help_format="plaintext",
)
bench = cyclopts.App(name="bench", help="Measure the engine's parts on this machine.")
app.command(bench)

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print one JSON object.")]
Quiet = Annotated[bool, Parameter(negative=(), help="Print nothing but errors and results.")]
GameName = Annotated[str | None, Parameter(name="--game", help="A game; see ringzero games.")]
Seed = Annotated[int, Parameter(help="Keys every random draw.", validator=Number(gte=0))]
Count = Annotated[int, Parameter(validator=Number(gte=0))]
Device = Annotated[str, Parameter(help="auto, cpu, cuda or cuda:N.")]
Symmetric = Annotated[
    bool,
    Parameter(negative=(), help="Average networks over the board's symmetries: stronger, slower."),
]
Precision = Annotated[str, Parameter(help="auto, fp32 or bf16.")]


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    args = list(sys.argv[1:] if argv is None else argv)
    # OpenMP reads it when torch loads. Threads that spin for each other make training many times
    # slower as soon as anything else wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        args, overrides = split_overrides(args)
        if overrides and args[:1] not in (["train"], ["selfplay"]):
            raise ConfigError(
                f"--{next(iter(overrides))}: only train and selfplay take --section.key options"
            )
        _overrides.clear()
        _overrides.update(overrides)
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


_overrides: dict[str, Any] = {}


def split_overrides(args: list[str]) -> tuple[list[str], dict[str, str]]:
    """Take ``--section.key value`` and ``--section.key=value`` out of `args`."""
    rest: list[str] = []
    overrides: dict[str, str] = {}
    waiting = iter(args)
    for arg in waiting:
        found = re.fullmatch(r"--([\w-]+(?:\.[\w-]+)+)(?:=(.*))?", arg, re.DOTALL)
        if found is None:
            rest.append(arg)
            continue
        key, value = found[1].replace("-", "_"), found[2]
        if value is None:
            value = next(waiting, None)
        if value is None:
            raise ConfigError(f"--{key} needs a value, for example --{key} 1")
        overrides[key] = value
    return rest, overrides


def _fail(message: str, code: int, hint: str = "") -> None:
    print(f"ringzero: {message}", file=sys.stderr)
    if hint:
        print(hint, file=sys.stderr)
    sys.exit(code)


def _help_hint(args: list[str]) -> str:
    verb = next((a for a in args if not a.startswith("-")), "")
    known = verb in app
    return f"Type: ringzero {verb + ' ' if known else ''}--help"


def _print_json(data: dict[str, Any]) -> None:
    print(json.dumps(_finite(data), default=float, allow_nan=False))


def _finite(value: Any) -> Any:
    """`value` with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False)


# -- training ---------------------------------------------------------------------------------


@app.command
def train(
    preset: str,
    /,
    *,
    run: Path | None = None,
    max_time: str | None = None,
    seed: int | None = None,
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

    Any key of the configuration is an option: --section.key value. See --print-config.

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
    from trainer.config import to_toml
    from trainer.display import open_display
    from trainer.logs import log_to_file, log_to_stderr
    from trainer.runs import RunFolder

    overrides = dict(_overrides)
    if max_time is not None:
        overrides["budget.max_time"] = max_time
    if seed is not None:
        overrides["seed"] = str(seed)
    folder = RunFolder(run or Path("runs") / Path(preset).stem)
    if folder.exists and not resume:
        raise StoreError(f"{folder.path} holds a run; leave --no-resume out, or choose another")
    resolved = folder.open_config(preset, list(config), overrides)
    if print_config:
        print(to_toml(resolved), end="")
        return 0
    log_to_stderr("error")
    with folder:
        folder.save_config(resolved)
        log_to_file(folder.logs / "train.jsonl")
        with open_display(quiet=quiet, json=as_json, no_progress=not progress) as display:
            from trainer.loop import Trainer  # imports torch

            outcome = Trainer(folder, resolved, display, serial=serial).run()
    if as_json:
        _print_json(asdict(outcome))
    elif not quiet:
        from trainer.verdict import verdict

        print(verdict(outcome, folder.path, preset))
    return 128 + outcome.signal if outcome.signal else 0


@app.command
def selfplay(
    preset: str,
    /,
    *,
    games: int = 100,
    model: str | None = None,
    out: Path | None = None,
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
    from trainer.selfplay import play_games

    report = play_games(
        preset, dict(_overrides), games, model=model, out=out, seed=seed, serial=serial
    )
    if as_json:
        _print_json(report)
    else:
        print(
            f"{report['games']} games, {report['plies']} plies in {report['seconds']:.1f} s: "
            f"{report['games_per_s']:.1f} games/s, "
            f"{report['simulations_per_s']:,.0f} simulations/s; "
            f"first player {report['wins']} won, {report['draws']} drawn, "
            f"{report['losses']} lost"
        )
    return 0


# -- judging ----------------------------------------------------------------------------------


@app.command
def arena(
    player: str,
    opponent: str,
    /,
    *,
    games: int = 100,
    simulations: Count = 100,
    opponent_simulations: Count | None = None,
    opening_plies: Count = 4,
    game: GameName = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    symmetric: Symmetric = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Play a match: paired games from random openings, seats changed, Elo with its interval.

    Example: ringzero arena runs/connect4 mcts:1000 --games 200

    Parameters
    ----------
    player, opponent
        A run, a checkpoint, a model file, or a baseline: random, mcts:1000.
    games
        How many, rounded up to pairs.
    simulations
        Of a network player's move.
    opponent_simulations
        Of the opponent's, if it shall differ.
    opening_plies
        Random plies before each pair.
    """
    from trainer.arena.match import play_match
    from trainer.arena.players import contestant, game_of

    if games < 2:
        raise ConfigError(f"games must be >= 2, got {games}")
    one = contestant(player, simulations, symmetric=symmetric)
    two = contestant(opponent, opponent_simulations or simulations, symmetric=symmetric)
    rules = game_of(one, two, game=game)
    with _progress_bar(f"{one.name} vs {two.name}", games, quiet or as_json) as advance:
        result = play_match(
            rules, one, two, games, opening_plies=opening_plies, seed=seed, device=device,
            precision=precision, on_game=lambda done, _: advance(done),
        )  # fmt: skip
    assert result is not None  # nothing here gives a match up
    if as_json:
        _print_json(result.as_json())
    else:
        from trainer.verdict import match_table

        _console().print(match_table(result))
    return 0


@app.command
def evaluate(
    player: str,
    /,
    *,
    positions: Path,
    simulations: Count = 100,
    game: GameName = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    symmetric: Symmetric = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Grade a player against positions with known answers.

    Example: ringzero evaluate runs/connect4 --positions positions.jsonl --simulations 100

    Parameters
    ----------
    player
        A run, a checkpoint, a model file, or a baseline: random, mcts:1000.
    positions
        JSON lines: moves, scores of every action, value, best.
    simulations
        Of a move; 0 grades the network's own policy.
    """
    from trainer.arena.players import contestant, game_of
    from trainer.evaluate import grade, grade_policy, read_positions

    who = contestant(player, max(1, simulations), symmetric=symmetric)
    rules = game_of(who, game=game)
    known = read_positions(positions, rules)
    report: dict[str, Any] | None
    if simulations == 0 and who.model is not None:
        report = grade_policy(who, rules, known, device=device, precision=precision)
    else:
        with _progress_bar(f"grading {who.name}", len(known), quiet or as_json) as advance:
            report = grade(
                who, rules, known, seed=seed, device=device, precision=precision,
                on_progress=advance,
            )  # fmt: skip
            assert report is not None  # nothing here gives up
    report = {"player": who.name, "game": rules.name, "simulations": simulations, **report}
    if as_json:
        _print_json(report)
    else:
        from trainer.verdict import grade_table

        _console().print(grade_table(report))
    return 0


@app.command
def play(
    player: str,
    /,
    *,
    simulations: Count = 400,
    side: int = 1,
    position: str | None = None,
    game: GameName = None,
    device: Device = "auto",
    symmetric: Symmetric = False,
) -> int:
    """Play against a run, a checkpoint or a baseline, in the terminal.

    Example: ringzero play runs/connect4 --simulations 200 --side 2

    Parameters
    ----------
    player
        A run, a checkpoint, a model file, or a baseline: random, mcts:1000.
    simulations
        Of its move; more is stronger.
    side
        Which side you take: 1 moves first.
    position
        Start from this position or these moves.
    """
    from trainer.analysis import play_session

    if side not in (1, 2):
        raise ConfigError(f"side must be 1 or 2, got {side}")
    play_session(
        player, simulations, side - 1, position, game, device, symmetric, _console()
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
        _print_json({"games": rows})
        return 0
    from rich.table import Table

    table = Table("game", "options", "board", "actions", "symmetries", "longest game")
    for row in rows:
        options = " ".join(f"{k}={v}" for k, v in row["options"].items())
        table.add_row(
            row["name"], options, "x".join(map(str, row["board"])), str(row["actions"]),
            str(row["symmetries"]), f"{row['max_plies']} plies",
        )  # fmt: skip
    _console().print(table)
    return 0


@app.command(name="check-game")
def check_game(game: str, /, *, games: int = 50, seed: Seed = 0) -> int:
    """Check that a game keeps its contract, by random play.

    Example: ringzero check-game docs/examples/nim.py
    """
    from games.contract import check_game as check

    check(game, num_games=games, seed=seed)
    print(f"{game}: kept every promise in {games} random games")
    return 0


# -- measuring --------------------------------------------------------------------------------


@bench.command(name="tree")
def bench_tree(
    *, game: str = "connect4", simulations: int = 800, seconds: float = 5.0, seed: Seed = 0,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Search alone: simulations/s on one core with an evaluator that costs nothing.

    Example: ringzero bench tree --game connect4 --simulations 800
    """
    import games
    from trainer import bench as measure

    made = games.make(game)
    return _bench(measure.tree(made, simulations=simulations, seconds=seconds, seed=seed), as_json)


@bench.command(name="playouts")
def bench_playouts(
    *, game: str = "connect4", seconds: float = 3.0, seed: Seed = 0, as_json: Json = False
) -> int:
    """Rules alone: random games a second on one core.

    Example: ringzero bench playouts --game go
    """
    import games
    from trainer import bench as measure

    return _bench(measure.playouts(games.make(game), seconds=seconds, seed=seed), as_json)


@bench.command(name="ring")
def bench_ring(*, seconds: float = 2.0, as_json: Json = False) -> int:
    """The ring alone: round trip and rows/s between two processes.

    Example: ringzero bench ring
    """
    from trainer import bench as measure

    return _bench(measure.ring(seconds=seconds), as_json)


@bench.command(name="net")
def bench_net(
    *, game: str = "connect4", network: str = "4x48", seconds: float = 1.0, as_json: Json = False
) -> int:
    """The network alone: rows/s by back end and batch.

    Example: ringzero bench net --network 5x64
    """
    import games
    from trainer import bench as measure

    shape = measure.network_config(network)
    return _bench(measure.net(games.make(game), shape, seconds=seconds), as_json)


@bench.command(name="pipeline")
def bench_pipeline(
    *, game: str = "connect4", network: str = "4x48", simulations: int = 100,
    seconds: float = 10.0, as_json: Json = False,
) -> int:  # fmt: skip
    """Self-play through workers, rings and network, beside the network's own best rate.

    Example: ringzero bench pipeline --game connect4
    """
    import games
    from trainer import bench as measure

    shape = measure.network_config(network)
    return _bench(
        measure.pipeline(games.make(game), shape, simulations=simulations, seconds=seconds),
        as_json,
    )


def _bench(figures: Any, as_json: bool) -> int:
    report = asdict(figures)
    if as_json:
        _print_json(report)
        return 0
    from trainer.verdict import report_table

    _console().print(report_table(report))
    return 0


class _progress_bar:
    """A bar on stderr where that is a terminal, nothing elsewhere."""

    def __init__(self, label: str, total: int, silent: bool) -> None:
        self._label, self._total = label, total
        self._silent = silent or not sys.stderr.isatty() or "NO_COLOR" in os.environ
        self._bar: Any = None

    def __enter__(self) -> Any:
        if self._silent:
            return lambda done: None
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._bar.start()
        task = self._bar.add_task(self._label, total=self._total)
        return lambda done: self._bar.update(task, completed=done)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()


if __name__ == "__main__":
    main()
