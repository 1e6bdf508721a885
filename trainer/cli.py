"""The command line. Nothing heavy is imported until a verb needs it.

Exit codes: 0 done; 1 failure; 2 a wrong option, file or position; 3 a run, checkpoint or database
that cannot be used; 130 and 143 stopped by SIGINT and SIGTERM.
"""

import json
import os
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter
from cyclopts.validators import Number

from engine.errors import ConfigError, EngineError, StoreError
from trainer.cli_options import (
    Backend,
    Count,
    Device,
    GameName,
    Json,
    Memory,
    Out,
    Precision,
    Quiet,
    Seconds,
    Seed,
    Symmetric,
    console,
    finite,
    print_json,
    progress_bar,
)
from trainer.compute import Compute
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
bench = cyclopts.App(name="bench", help="Measure the engine's parts on this machine.")
app.command(bench)
app.command(
    "trainer.cli_ablate:ablate",
    # The function is only imported when it is called: its docstring is not seen here.
    help="Measure what a switch is worth: equal time with and without it, then a match.\n\n"
    "Example: ringzero ablate connect4 --switch search.solver=false --budget 20m\n\n"
    "Typed again, it goes on where it stopped. --section.key value changes both sides.",
)

app.command(
    "trainer.cli_engines:play",
    help="Play against a run, a checkpoint or a baseline, in the terminal.\n\n"
    "Example: ringzero play runs/connect4 --simulations 200 --side 2",
)
app.command(
    "trainer.cli_engines:gtp",
    help="Play as a GTP engine: Sabaki, GoGui and others show any game.\n\n"
    "Example: ringzero gtp runs/go --seconds 5\n\n"
    "Knows kata-analyze, gogui-rules and time settings; a line ends a running analysis.",
)
app.command(
    "trainer.cli_engines:uci",
    help="Play as a UCI engine: chess, and Connect Four as cutechess knows it.\n\n"
    "Example: ringzero uci runs/chess",
)
app.command(
    "trainer.cli_engines:analysis",
    help="Analyse positions: JSON lines in and out, as KataGo's analysis engine.\n\n"
    "Example: ringzero analysis runs/go --simulations 1000 < queries.jsonl",
)

app.command(
    "trainer.cli_engines:analyze",
    help="Show what a player thinks of a position: moves, visits, values, what follows.\n\n"
    'Example: ringzero analyze runs/connect4 --moves "4 4 3" --simulations 2000',
)
app.command(
    "trainer.cli_arena:matches",
    help="List the matches of a store, interrupted ones too.\n\n"
    "Example: ringzero matches runs/connect4",
)
app.command(
    "trainer.cli_arena:ratings",
    help="Rate all players of stored matches: Elo with intervals, cross table, chart.\n\n"
    "Example: ringzero ratings runs/arena.db runs/connect4 --anchor mcts:1000",
)
app.command(
    "trainer.cli_arena:ladder",
    help="Rate a run's checkpoints against each other and fixed baselines, over time.\n\n"
    "Example: ringzero ladder runs/connect4 --games 100\n\n"
    "Games are kept in the run: typed again, it goes on where it stopped.",
)
app.command(
    "trainer.cli_arena:openings",
    help="Make a suite of openings: all different, none decided.\n\n"
    "Example: ringzero openings runs/othello --plies 8 --count 200 --out othello.book",
)
app.command(
    "trainer.cli_arena:export",
    help="Write stored games as PGN, SGF or text.\n\n"
    "Example: ringzero export runs/chess --out games.pgn",
)


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
    seconds: Seconds = 0.0,
    opponent_seconds: Seconds | None = None,
    opening_plies: Count = 4,
    book: Path | None = None,
    game: GameName = None,
    seed: Seed = 0,
    sprt: str | None = None,
    sprt_scale: str = "logistic",
    store: Path | None = None,
    fresh: Annotated[bool, Parameter(negative=())] = False,
    resign: Annotated[float, Parameter(validator=Number(gte=-1, lte=0))] = 0.0,
    end_proven: Annotated[bool, Parameter(negative=())] = False,
    device: Device = "auto",
    backend: Backend = "auto",
    precision: Precision = "auto",
    opponent_precision: Precision | None = None,
    symmetric: Symmetric = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Play a match: paired games from random openings, seats changed, Elo with its interval.

    Example: ringzero arena runs/connect4 mcts:1000 --games 200

    Typed again, an interrupted match goes on, and one that is over is told once more.

    Parameters
    ----------
    player, opponent
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, a baseline (random, mcts:1000), or a
        program: "gtp:/usr/games/gnugo --mode gtp", "uci:/usr/games/stockfish; go nodes 1000".
    games
        How many, rounded up to pairs.
    simulations
        Of a network player's move.
    opponent_simulations
        Of the opponent's, if it shall differ.
    seconds, opponent_seconds
        Of a move of ours in place of simulations; 0: no clock. A program has its own words for it.
    opponent_precision
        Of the opponent's network, if it shall differ.
    opening_plies
        Random plies before each pair.
    book
        Openings to play instead, a line each: see ringzero openings.
    sprt
        Two Elo differences, "0,10": end the match as soon as a sequential test tells whether the
        player is stronger by the second, or by no more than the first (5 % errors).
    sprt_scale
        logistic: Elo of the score; normalised: Elo per deviation of a game's score.
    store
        Database that keeps the games; that of the first run, or runs/arena.db.
    fresh
        Play all games, whatever the store holds.
    resign
        Our players give up once their searches' values of three moves running are at or below
        this, such as -0.98; 0: never.
    end_proven
        Games that a network's search has proven end there, with what it proved.
    """
    from trainer.arena.book import read_book
    from trainer.arena.identity import default_store, match_settings
    from trainer.arena.match import play_match
    from trainer.arena.players import contestant, game_of
    from trainer.arena.sequential import Tally
    from trainer.arena.store import ArenaStore

    if games < 2:
        raise ConfigError(f"games must be >= 2, got {games}")
    tally = None if sprt is None else Tally(_sprt(sprt, sprt_scale))
    compute = Compute(device, backend, precision)
    one = contestant(player, simulations, symmetric=symmetric, compute=compute)
    two = contestant(
        opponent, opponent_simulations or simulations, symmetric=symmetric,
        compute=replace(compute, precision=opponent_precision or precision),
    )  # fmt: skip
    limits = seconds, seconds if opponent_seconds is None else opponent_seconds
    one, two = (
        replace(who, seconds=0.0 if who.kind in ("external", "random") else limit).ending_early(
            resign=resign, proven=end_proven
        )
        for who, limit in zip((one, two), limits, strict=True)
    )
    rules = game_of(one, two, game=game)
    suite = None if book is None else read_book(book, rules)[: -(-games // 2)]
    if suite is not None:
        games = min(games, 2 * len(suite))
    settings = match_settings(rules, (one, two), games, opening_plies, seed, suite)
    if fresh:
        settings["time"] = time.time()
    with (
        ArenaStore(store or default_store((one, two))) as kept,
        progress_bar(f"{one.name} vs {two.name}", games, quiet or as_json) as advance,
    ):
        match = kept.open(settings)
        result = play_match(
            rules, one, two, games, opening_plies=opening_plies, book=suite, seed=seed,
            on_game=lambda done, _: advance(done), known=kept.games(match),
            keep=lambda game: kept.add(match, game), enough=None if tally is None else tally.add,
        )  # fmt: skip
    assert result is not None  # nothing here gives a match up
    if as_json:
        test = {} if tally is None else {"sprt": tally.standing.as_json(), "pairs": tally.counts}
        print_json({**result.as_json(), **test})
    else:
        from trainer.verdict import match_table

        console().print(match_table(result))
        if tally is not None:
            console().print(f"SPRT of {sprt}: {tally.standing}; pairs {tally.counts}")
    return 0


def _sprt(text: str, scale: str) -> Any:
    from trainer.arena.sprt import Sprt

    try:
        elo0, elo1 = (float(part) for part in text.split(","))
        return Sprt(elo0=elo0, elo1=elo1, scale=scale)  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"--sprt {text} {scale}: {error}; write --sprt 0,10") from None


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
    backend: Backend = "auto",
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
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or a baseline: random, mcts:1000.
    positions
        JSON lines: moves, scores of every action, value, best.
    simulations
        Of a move; 0 grades the network's own policy.
    """
    from trainer.arena.players import contestant, game_of
    from trainer.evaluate import grade, grade_policy, read_positions

    compute = Compute(device, backend, precision)
    who = contestant(player, max(1, simulations), symmetric=symmetric, compute=compute)
    rules = game_of(who, game=game)
    known = read_positions(positions, rules)
    report: dict[str, Any] | None
    if simulations == 0 and who.model is not None:
        report = grade_policy(who, rules, known)
    else:
        with progress_bar(f"grading {who.name}", len(known), quiet or as_json) as advance:
            report = grade(
                who, rules, known, seed=seed, on_progress=advance,
            )  # fmt: skip
            assert report is not None  # nothing here gives up
    report = {"player": who.name, "game": rules.name, "simulations": simulations, **report}
    if as_json:
        print_json(report)
    else:
        from trainer.verdict import grade_table

        console().print(grade_table(report))
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


# -- measuring --------------------------------------------------------------------------------


@app.command
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


@app.command
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


@app.command
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


@bench.command(name="tree")
def bench_tree(
    *, game: str = "connect4", simulations: int = 800, seconds: float = 5.0, seed: Seed = 0,
    memory: Memory = "0", as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """Search alone: simulations/s on one core with an evaluator that costs nothing.

    Example: ringzero bench tree --game connect4 --simulations 800
    """
    import games
    from trainer import bench as measure
    from trainer.config import megabytes

    made = games.make(game)
    figures = measure.tree(
        made, simulations=simulations, seconds=seconds, seed=seed, memory_mb=megabytes(memory)
    )
    return _bench("tree", asdict(figures), as_json, out)


@bench.command(name="playouts")
def bench_playouts(
    *, game: str = "connect4", seconds: float = 3.0, seed: Seed = 0, as_json: Json = False,
    out: Out = None,
) -> int:  # fmt: skip
    """Rules alone: random games a second on one core.

    Example: ringzero bench playouts --game go
    """
    import games
    from trainer import bench as measure

    figures = measure.playouts(games.make(game), seconds=seconds, seed=seed)
    return _bench("playouts", asdict(figures), as_json, out)


@bench.command(name="ring")
def bench_ring(*, seconds: float = 2.0, as_json: Json = False, out: Out = None) -> int:
    """The ring alone: round trip and rows/s between two processes.

    Example: ringzero bench ring
    """
    from trainer import bench as measure

    return _bench("ring", asdict(measure.ring(seconds=seconds)), as_json, out)


@bench.command(name="net")
def bench_net(
    *, game: str = "connect4", network: str = "4x48", seconds: float = 1.0, as_json: Json = False,
    out: Out = None,
) -> int:  # fmt: skip
    """The network alone: rows/s by back end and batch.

    Example: ringzero bench net --network 5x64
    """
    import games
    from trainer import bench as measure

    shape = measure.network_config(network)
    figures = measure.net(games.make(game), shape, seconds=seconds)
    return _bench("net", asdict(figures), as_json, out)


@bench.command(name="cache")
def bench_cache(
    *, game: str = "connect4", seconds: float = 2.0, cache_mb: float = 64.0,
    as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """The evaluation cache alone: lookups and stores, by one process and by two that contend.

    Example: ringzero bench cache
    """
    import games
    from trainer import bench as measure

    figures = measure.cache(games.make(game), seconds=seconds, cache_mb=cache_mb)
    return _bench("cache", asdict(figures), as_json, out)


@bench.command(name="plan")
def bench_plan(
    *, game: str = "connect4", networks: tuple[str, ...] = ("4x48", "10x128", "20x256"),
    seconds: float = 5.0, as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """How many worker cores like this machine's feed a card, by batch: a model of the card.

    Example: ringzero bench plan --networks 10x128
    """
    import games
    from trainer import bench as measure

    figures = asdict(measure.plan(games.make(game), networks=networks, seconds=seconds))
    if not as_json and out is None:
        from trainer.verdict import plan_table

        console().print(plan_table(figures))
        return 0
    return _bench("plan", figures, as_json, out)


@bench.command(name="all")
def bench_all(
    *, game: str = "connect4", network: str = "4x48", seconds: float = 3.0,
    as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """Every part, a few seconds each, as one record that names the machine.

    Example: ringzero bench all --out machine.json
    """
    import games
    from trainer import bench as measure

    record = measure.measure_all(games.make(game), network, seconds=seconds)
    return _bench("all", record, as_json, out)


@bench.command(name="pipeline")
def bench_pipeline(
    *, game: str = "connect4", network: str = "4x48", simulations: int = 100,
    seconds: float = 10.0, workers: Count = 0, games_per_worker: Count = 0, streams: Count = 0,
    max_batch: int = 256, evaluator: str = "network", device: Device = "auto",
    backend: Backend = "auto", precision: Precision = "auto", cache_mb: float = 64.0,
    memory: Memory = "0", as_json: Json = False, out: Out = None,
) -> int:  # fmt: skip
    """Self-play through workers, rings and network, beside the network's own best rate.

    Example: ringzero bench pipeline --network 5x64 --precision bf16

    Parameters
    ----------
    workers, games_per_worker, streams
        0: as measured.
    evaluator
        network, uniform, simulated:instant, simulated:h100 or another simulated device.
    cache_mb
        Of the evaluation cache, whose figures are measured apart; 0: they are not.
    """
    from trainer import bench as measure
    from trainer.config import megabytes

    figures = measure.pipeline(
        game, network, simulations=simulations, seconds=seconds, workers=workers,
        games_per_worker=games_per_worker, streams=streams, max_batch=max_batch,
        evaluator=evaluator, compute=Compute(device, backend, precision), cache_mb=cache_mb,
        memory_mb=megabytes(memory),
    )  # fmt: skip
    return _bench("pipeline", asdict(figures), as_json, out)


def _bench(name: str, report: dict[str, Any], as_json: bool, out: Path | None) -> int:
    if out is not None:
        from trainer import bench as measure

        record = {"benchmark": name, "machine": measure.machine(), "figures": report}
        out.write_text(json.dumps(finite(record if name != "all" else report), indent=1) + "\n")
    if as_json:
        print_json(report)
        return 0
    from trainer.verdict import report_table

    console().print(report_table(report))
    return 0


if __name__ == "__main__":
    main()
