"""`ringzero matches`, `ratings`, `ladder` and `export`: what stored games say."""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from engine.errors import ConfigError, StoreError
from trainer.cli_options import (
    AtLeastOne,
    Count,
    Json,
    Quiet,
    Seed,
    console,
    progress_bar,
)

__all__ = ["export", "ladder", "matches", "ratings"]


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
