"""Tables and a plot of many players' ratings."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from trainer.arena.ladder import Ladder, Result
from trainer.arena.players import LEAF_NODES
from trainer.arena.store import Played, StoredMatch
from trainer.plots import bar

__all__ = [
    "cross_table", "ladder_chart", "ladder_table", "names_among", "player_name", "results_of",
]  # fmt: skip

Names = Callable[[Mapping[str, object]], str]
"""What a player of a match's settings is called."""

MOST_COLUMNS = 12
LONGEST_LABEL = 40


def results_of(
    match: StoredMatch, found: Mapping[int, Played], names: Names | None = None
) -> list[Result]:
    """The games of a stored match as results; `names`, by default `player_name`, tells its players
    from others."""
    one, two = ((names or player_name)(player) for player in match.settings["players"])
    rows = []
    for number, game in found.items():
        first, second = (one, two) if number % 2 == 0 else (two, one)
        rows.append(Result(first, second, (1 + game.result) / 2, (match.id, number // 2)))
    return rows


def player_name(player: Mapping[str, object]) -> str:
    """A player of a match's settings as a person would tell it from others."""
    name = str(player["name"])
    search = player["search"]
    if player.get("seconds"):
        name += f" @{player['seconds']:g}s"
    elif player["kind"] == "network" and isinstance(search, dict):
        name += f" @{search['num_simulations']}"
    if isinstance(search, dict) and search.get("endgame_nodes"):
        name += " exact ends"
    if isinstance(search, dict) and player["kind"] == "network":
        nodes = search.get("leaf_endgame_nodes", LEAF_NODES)
        name += "" if nodes == LEAF_NODES else f" leaves {nodes}"
    return name + (" symmetric" if player.get("symmetric") else "")


def names_among(matches: Iterable[StoredMatch]) -> Names:
    """As `player_name`, with the weights' hash where a name stands for several networks: a run's
    newest checkpoint is another one tomorrow."""
    weights: dict[str, set[object]] = {}
    for match in matches:
        for player in match.settings["players"]:
            weights.setdefault(player_name(player), set()).add(player["weights"])

    def name(player: Mapping[str, object]) -> str:
        known = player_name(player)
        return known if len(weights[known]) == 1 else f"{known} {str(player['weights'])[:6]}"

    return name


def ladder_table(ladder: Ladder) -> Table:
    """Ratings with intervals, and how likely each player is stronger than the next."""
    table = Table(title="Ratings", title_justify="left")
    table.add_column("player", overflow="fold")
    for column in ("Elo", "± 95 %", "games", "score", "better than next"):
        table.add_column(column, justify="right")
    for i, name in enumerate(ladder.names):
        after = ladder.names[i + 1] if i + 1 < len(ladder.names) else None
        table.add_row(
            name, _signed(ladder.elo[i]), f"{ladder.half_width(name):.0f}",
            str(ladder.games[i]), f"{ladder.scores[i]:.1%}",
            "" if after is None else f"{ladder.superiority(name, after):.1%}",
        )  # fmt: skip
    advantage, deviation = ladder.first_advantage
    notes = [f"moving first is worth {_signed(advantage)} ± {1.96 * deviation:.0f}"]
    if len(ladder.islands) > 1:
        groups = "; ".join(", ".join(island) for island in ladder.islands)
        notes.append(
            f"{len(ladder.islands)} groups have never met, so nothing compares them: {groups}. "
            "Let one of each play one of another"
        )
    table.caption, table.caption_justify = "\n".join(notes), "left"
    return table


def cross_table(ladder: Ladder, results: Sequence[Result]) -> Table:
    """Who scored how much against whom, the strongest first."""
    shown = ladder.names[:MOST_COLUMNS]
    table = Table(title="Points against each other", title_justify="left")
    table.add_column("player", overflow="fold")
    for number in range(1, len(shown) + 1):
        table.add_column(str(number), justify="right")
    points: dict[tuple[str, str], list[float]] = {}
    for first, second, score, _ in results:
        points.setdefault((first, second), []).append(score)
        points.setdefault((second, first), []).append(1 - score)
    for number, name in enumerate(ladder.names, 1):
        cells = []
        for other in shown:
            own = points.get((name, other))
            cells.append("·" if name == other else "" if own is None
                         else f"{sum(own):g}/{len(own)}")  # fmt: skip
        table.add_row(f"{number} {name}", *cells)
    return table


def ladder_chart(ladder: Ladder, width: int = 40) -> list[Text]:
    """Bars from the weakest player's rating up."""
    low, high = float(ladder.elo.min()), float(ladder.elo.max())
    shown = [_shortened(name) for name in ladder.names]
    space = max(map(len, shown))
    lines = []
    for name, label, elo in zip(ladder.names, shown, ladder.elo, strict=True):
        share = (float(elo) - low) / (high - low) if high > low else 1.0
        line = Text(f"{label:<{space}} ")
        line.append(bar(share, width), "green")
        line.append(f" {_signed(elo)} ± {ladder.half_width(name):.0f}")
        lines.append(line)
    return lines


def _shortened(name: str) -> str:
    """`name` with its middle left out where it is long: what tells players apart is at the ends."""
    return name if len(name) <= LONGEST_LABEL else f"{name[:20]}…{name[21 - LONGEST_LABEL :]}"


def _signed(elo: float) -> str:
    """In whole points; never "-0"."""
    return f"{round(elo) + 0:+d}"
