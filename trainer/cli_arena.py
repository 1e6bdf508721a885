"""`ringzero arena`, `evaluate` and `openings`: players judged."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from engine.errors import ConfigError
from trainer.cli_options import (
    AtLeastOne,
    Backend,
    Count,
    Device,
    Endgame,
    GameName,
    Json,
    LeafEndgame,
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

__all__ = ["arena", "evaluate", "openings"]


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
    leaf_endgame: LeafEndgame = 1_000,
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
        .solving_ends(endgame, leaf_endgame)
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
    leaf_endgame: LeafEndgame = 1_000,
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
    who = replace(who, search=replace(who.search, leaves_in_flight=leaves))
    who = who.solving_ends(endgame, leaf_endgame)
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
