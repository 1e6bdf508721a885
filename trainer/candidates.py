"""What a search thinks of a position, for the eye: a table of its moves, and bars."""

from collections.abc import Sequence

from rich.table import Table

from games.base import GameState
from trainer.plots import bar, count
from trainer.thinking import Line, Thought

__all__ = ["candidate_rows", "candidate_table", "headline", "variation_text"]

BAR = 16


def variation_text(state: GameState, actions: Sequence[int]) -> str:
    """A principal variation in the game's notation."""
    state, words = state.clone(), []
    for action in actions:
        words.append(state.action_to_move(action))
        state.apply_action(action)
    return " ".join(words)


def _value(line: Line) -> str:
    if line.proven is None:
        return f"{line.value:+.3f}"
    word = ("loses", "draws", "wins")[line.proven + 1]
    return f"{word} in {line.distance}" if line.proven and line.distance else word


def headline(thought: Thought) -> str:
    """The thought in a line."""
    return (
        f"value {thought.value:+.3f} for the player to move; {count(thought.visits)} visits, "
        f"{count(thought.rate)} simulations/s"
    )


def candidate_table(state: GameState, thought: Thought, most: int = 10) -> Table:
    """The best `most` moves: visits and their share as a bar, value, prior, what follows."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("move")
    table.add_column("visits", justify="right")
    table.add_column("", min_width=BAR)
    for name in ("share", "value", "prior"):
        table.add_column(name, justify="right")
    table.add_column("then", overflow="ellipsis", no_wrap=True)
    total = max(1, sum(line.visits for line in thought.lines))
    for rank, line in enumerate(thought.lines[:most]):
        share = line.visits / total
        table.add_row(
            state.action_to_move(line.action), str(line.visits), bar(share, BAR), f"{share:.1%}",
            _value(line) if line.visits or line.proven is not None else "", f"{line.prior:.1%}",
            variation_text(state, line.variation).partition(" ")[2],
            style="bold" if rank == 0 else "",
        )  # fmt: skip
    if len(thought.lines) > most:
        table.caption = f"and {len(thought.lines) - most} more moves"
        table.caption_justify = "left"
    return table


def candidate_rows(state: GameState, thought: Thought) -> dict[str, object]:
    """The same as plain values, all moves of it."""
    return {
        "position": state.to_text(),
        "value": thought.value,
        "visits": thought.visits,
        "simulations_per_s": thought.rate,
        "moves": [
            {
                "move": state.action_to_move(line.action),
                "visits": line.visits,
                "value": line.value,
                "winrate": line.winrate,
                "prior": line.prior,
                "proven": line.proven,
                "distance": line.distance,
                "variation": variation_text(state, line.variation).split(),
            }
            for line in thought.lines
        ],
    }
