"""`ringzero play`: a person at the terminal against a player."""

from collections.abc import Sequence
from typing import Any

from games.base import GameState
from trainer.arena.players import contestant, game_of
from trainer.compute import Compute
from trainer.play import Session, lines_from
from trainer.thinking import Limits, Thinker, Thought

__all__ = ["play_session"]


def play_session(
    player: str,
    simulations: int,
    side: int,
    position: str | None,
    game: str | None,
    compute: Compute,
    symmetric: bool,
    console: Any,
) -> None:
    """Play until the person has enough."""
    who = contestant(player, max(1, simulations), symmetric=symmetric, compute=compute)
    rules = game_of(who, game=game)
    if position is not None:
        rules.state_from_text(position)  # a wrong one is told before a network is loaded
    if who.kind == "rollout":
        simulations = who.search.num_simulations
    thinker = Thinker(who, rules)

    def think(first: GameState, line: Sequence[int], limits: Limits) -> Thought:
        thinker.set(line, first)
        return thinker.think(limits)

    Session(
        rules, think, console, lines_from(console), side="xo"[side], strength=simulations
    ).run(position)
