"""`ringzero arena`, `evaluate` and what belongs to matches: openings, lists, ratings, exports."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from engine.errors import ConfigError, StoreError
from trainer.cli_options import (
    AtLeastOne,
    Backend,
    Count,
    Device,
    Endgame,
    GameName,
    Json,
    Precision,
    Quiet,
    Seconds,
    Seed,
    Symmetric,
    console,
    print_json,
    progress_bar,
)
from trainer.compute import Compute

__all__ = ["arena", "evaluate", "export", "ladder", "matches", "openings", "ratings"]


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
    at_once: AtLeastOne = 256,
    game: GameName = None,
    seed: Seed = 0,
    sprt: str | None = None,
    sprt_scale: str = "logistic",
    store: Path | None = None,
    fresh: Annotated[bool, Parameter(negative=())] = False,
    resign: Annotated[float, Parameter(validator=Number(gte=-1, lte=0))] = 0.0,
    end_proven: Annotated[bool, Parameter(negative=())] = False,
    endgame: Endgame = 0,
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
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, a baseline (random, mcts:1000), or a
        program: "gtp:/usr/games/gnugo --mode gtp", "uci:/usr/games/stockfish; go nodes 1000".
    opponent
        Another one.
    games
        How many, rounded up to pairs.
    simulations
        Of a network player's move.
    opponent_simulations
        Of the opponent's, if it shall differ.
    seconds
        Of a move, in place of simulations; 0: no clock. Programs have their own words for it.
    opponent_seconds
        Of the opponent's, if it shall differ.
    opponent_precision
        Of the opponent's network, if it shall differ.
    opening_plies
        Random plies before each pair.
    book
        Openings to play instead, a line each: see ringzero openings.
    at_once
        Most games in progress; programs and clocks take a table each, one per core.
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
        replace(who, seconds=0.0 if who.kind in ("external", "random") else limit)
        .ending_early(resign=resign, proven=end_proven)
        .solving_ends(endgame)
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
            rules, one, two, games, opening_plies=opening_plies, book=suite, at_once=at_once,
            seed=seed, on_game=lambda done, _: advance(done), known=kept.games(match),
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


def evaluate(
    player: str,
    /,
    *,
    positions: Path,
    simulations: Count = 100,
    leaves: AtLeastOne = 1,
    endgame: Endgame = 0,
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
    leaves
        Of a network's tree in flight at once: what more of them cost it.
    """
    from trainer.arena.players import contestant, game_of
    from trainer.evaluate import grade, grade_policy, read_positions

    compute = Compute(device, backend, precision)
    who = contestant(player, max(1, simulations), symmetric=symmetric, compute=compute)
    who = replace(who, search=replace(who.search, leaves_in_flight=leaves)).solving_ends(endgame)
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


def matches(store: Path = Path("runs/arena.db"), /, *, as_json: Json = False) -> int:
    """List the matches of a store, interrupted ones too.

    Example: ringzero matches runs/connect4

    Parameters
    ----------
    store
        A database of matches, or a run.
    """
    from rich.table import Table

    from trainer.arena.standings import player_name

    rows = []
    for _, opened in _opened((store,)):
        for match in opened.matches():
            one, two = (player_name(player) for player in match.settings["players"])
            points = [game.points() for game in opened.games(match.id).values()]
            rows.append({
                "match": match.id, "player": one, "opponent": two, "games": match.games,
                "of": match.settings["games"], "points": sum(points),
                "game": match.settings["game"]["name"], "seed": match.settings["seed"],
            })  # fmt: skip
    if as_json:
        print(json.dumps({"matches": rows}))
        return 0
    table = Table()
    for column in ("match", "game", "player", "opponent", "games", "points"):
        table.add_column(column, justify="right" if column in ("match", "games") else "left")
    for row in rows:
        share = f"{row['points']:g} ({row['points'] / row['games']:.1%})" if row["games"] else ""
        table.add_row(
            str(row["match"]), row["game"], row["player"], row["opponent"],
            f"{row['games']} of {row['of']}", share,
        )  # fmt: skip
    console().print(table)
    return 0


def ratings(
    *stores: Path,
    game: Annotated[str | None, Parameter(help="Only its matches.")] = None,
    anchor: str | None = None,
    elo: float = 0.0,
    as_json: Json = False,
) -> int:
    """Rate all players of stored matches: Elo with intervals, cross table, chart.

    Example: ringzero ratings runs/arena.db runs/connect4 --anchor mcts:1000

    Parameters
    ----------
    stores
        Databases of matches, or runs; runs/arena.db unless told.
    anchor
        A player whose rating is --elo; without one the mean is 0.
    elo
        Of the anchor.
    """
    from trainer.arena.ladder import rate
    from trainer.arena.standings import (
        cross_table,
        ladder_chart,
        ladder_table,
        names_among,
        results_of,
    )

    found, rules = [], set()
    for path, opened in _opened(stores or (Path("runs/arena.db"),)):
        for match in opened.matches():
            if game in (None, match.settings["game"]["name"]):
                rules.add(json.dumps(match.settings["game"], sort_keys=True))
                found.append((str(path), match, opened.games(match.id)))
    if len(rules) > 1:
        raise ConfigError(
            f"these matches are of different games: {'; '.join(sorted(rules))}; name one by --game"
        )
    names = names_among(match for _, match, _ in found)
    results = [
        row._replace(pair=(path, row.pair))
        for path, match, played in found
        for row in results_of(match, played, names)
    ]
    if not results:
        of_game = f" of {game}" if game else ""
        raise ConfigError(f"there are no finished games{of_game}; ringzero arena plays some")
    try:
        ladder = rate(results, anchor=None if anchor is None else (anchor, elo))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if as_json:
        print(json.dumps(ladder.as_json()))
        return 0
    out = console()
    out.print(ladder_table(ladder))
    out.print(cross_table(ladder, results))
    for line in ladder_chart(ladder):
        out.print(line)
    return 0


def openings(
    judge: str,
    /,
    *,
    out: Path,
    count: AtLeastOne = 100,
    plies: AtLeastOne = 6,
    within: Annotated[float, Parameter(validator=Number(gt=0, lte=1))] = 0.4,
    simulations: AtLeastOne = 200,
    game: GameName = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> int:
    """Make a suite of openings: all different, none decided.

    Example: ringzero openings runs/othello --plies 8 --count 200 --out othello.book

    Parameters
    ----------
    judge
        Who finds a position undecided: a run, a checkpoint, a model file, or mcts:1000.
    out
        File for ringzero arena --book.
    count
        Openings wanted.
    plies
        Random plies of each.
    within
        Largest value, either way, that counts as undecided.
    simulations
        Of a network's search of each position.
    """
    from trainer.arena.book import balanced_openings, write_book
    from trainer.arena.players import contestant, game_of

    who = contestant(judge, simulations)
    rules = game_of(who, game=game)
    with progress_bar(f"openings of {rules.name}", count, quiet) as advance:
        found = balanced_openings(
            rules, who, count, plies, within=within, seed=seed, on_progress=advance
        )
    if not found:
        raise ConfigError(
            f"no opening of {plies} plies is within {within}; allow more, or another judge"
        )
    strength = f"{who.name} with {who.search.num_simulations} simulations"
    comment = f"""{rules.name}, {plies} random plies, seed {seed}; none decided:
{strength} says at most {within} for either side"""
    write_book(out, rules, found, comment)
    print(f"{len(found)} openings written to {out}")
    return 0


def ladder(
    run: Path,
    /,
    *,
    checkpoints: Annotated[int, Parameter(validator=Number(gte=2))] = 6,
    baselines: str = "mcts:200,mcts:1000",
    games: Annotated[int, Parameter(validator=Number(gte=2))] = 40,
    simulations: AtLeastOne = 100,
    opening_plies: Count = 4,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Rate a run's checkpoints against each other and fixed baselines, over time.

    Example: ringzero ladder runs/connect4 --games 100

    Games are kept in the run: typed again, it goes on where it stopped.

    Parameters
    ----------
    run
        The folder.
    checkpoints
        How many, evenly over what has been kept.
    baselines
        Opponents that stay the same; the first has Elo 0.
    games
        Of each match: every checkpoint with the next one and with each baseline.
    simulations
        Of a network's move.
    opening_plies
        Random plies before each pair.
    """
    from rich.text import Text

    from trainer.arena.climb import climb, climb_matches
    from trainer.arena.standings import ladder_table
    from trainer.arena.store import ArenaStore
    from trainer.plots import plot

    plan = climb_matches(run, checkpoints, [name for name in baselines.split(",") if name],
                         simulations)  # fmt: skip
    with (
        ArenaStore(run / "run.db") as store,
        progress_bar(f"ladder of {run}", games * len(plan.pairs), quiet or as_json) as advance,
    ):
        found = climb(
            plan, store, games, opening_plies=opening_plies, seed=seed, on_progress=advance
        )
    if as_json:
        print(json.dumps({"steps": found.as_json(), **found.ladder.as_json()}))
        return 0
    out = console()
    out.print(ladder_table(found.ladder))
    lines, low, high = plot([(found.curve(60), "green")], 60, 8)
    out.print(Text(f"Elo over minutes of training, {low:+.0f} to {high:+.0f}"))
    for line in lines:
        out.print(line)
    out.print(Text(f"0{found.minutes[-1]:>55.0f} min"))
    return 0


def export(
    store: Path = Path("runs/arena.db"),
    /,
    *,
    match: int | None = None,
    form: Annotated[str, Parameter(name="--format")] = "auto",
    out: Path | None = None,
) -> int:
    """Write stored games as PGN, SGF or text.

    Example: ringzero export runs/chess --out games.pgn

    Parameters
    ----------
    store
        A database of matches, or a run.
    match
        One match's number, see ringzero matches; all of them unless told.
    form
        auto (pgn for chess, sgf for Go, Hex, Gomoku and Othello), pgn, sgf or text.
    out
        A file; printed unless told.
    """
    import games
    from trainer.arena.record import EXTENSIONS, as_pgn, as_sgf, as_text, native_format
    from trainer.arena.standings import player_name

    writers: dict[str, Any] = {"pgn": as_pgn, "sgf": as_sgf, "text": as_text}
    if form not in ("auto", *EXTENSIONS):
        raise ConfigError(f"format must be auto, {', '.join(EXTENSIONS)}, got {form!r}")
    texts = []
    for path, opened in _opened((store,)):
        found = [row for row in opened.matches() if match in (None, row.id)]
        if not found:
            raise ConfigError(f"{path} holds no match {match}; ringzero matches lists them")
        for row in found:
            game = games.from_spec(row.settings["game"])
            kind = native_format(game) if form == "auto" else form
            if kind not in (native_format(game), "text"):
                raise ConfigError(f"{game.name} cannot be written as {kind}; text always can")
            players = [player_name(player) for player in row.settings["players"]]
            texts += [
                writers[kind](game, played, players, row.time)
                for played in opened.games(row.id).values()
            ]
    text = "\n".join(texts)
    if out is None:
        print(text, end="")
    else:
        out.write_text(text)
        print(f"{len(texts)} games written to {out}")
    return 0


def _opened(stores: tuple[Path, ...]) -> Any:
    """Each store that is there, opened while it is looked at."""
    from trainer.arena.store import ArenaStore

    for store in stores:
        path = store / "run.db" if store.is_dir() else store
        if not path.exists():
            raise StoreError(f"{path} is not there: ringzero arena makes it, or name another store")
        with ArenaStore(path) as opened:
            yield path, opened
