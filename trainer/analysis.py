"""One position, one tree, this process: what play shows and hints with."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.config import SearchConfig
from engine.local import LocalRollout
from engine.search import Search
from games.base import Game, GameState
from trainer.arena.players import Contestant, contestant, game_of
from trainer.compute import Compute
from trainer.play import Candidate, Session, lines_from

__all__ = ["analyser", "play_session"]

LEAVES_IN_FLIGHT = 8
"""Batches of one tree; each leaf in flight costs a little search quality (virtual loss)."""


def analyser(
    who: Contestant, game: Game
) -> Callable[[GameState, int], list[Candidate]]:
    """A function that searches a state with so many simulations and returns its candidates."""
    evaluator: Any
    config = who.search
    if who.kind == "network":
        evaluator = who.evaluator().resolved(game, 1)[0].make(game, LEAVES_IN_FLIGHT)
        config = replace(config, leaves_in_flight=LEAVES_IN_FLIGHT)
    else:
        evaluator = LocalRollout(game, secrets.randbits(32))

    def analyse(state: GameState, num_simulations: int) -> list[Candidate]:
        if who.kind == "random":
            legal = state.get_legal_actions()
            chosen = secrets.choice(legal)
            return [Candidate(a, int(a == chosen), 1 / len(legal), 0.0) for a in legal]
        search = _search(game, config, max(1, num_simulations))
        search.set_state(state)
        search.run(evaluator, max(1, num_simulations))
        seen = num_simulations > 0
        return [
            Candidate(
                c["action"],
                c["visits"] if seen else 0,
                c["prior"],
                c["value"] if c["value"] is not None and seen else search.value,
            )
            for c in search.candidates()
        ]

    return analyse


def _search(game: Game, config: SearchConfig, num_simulations: int) -> Search:
    config = replace(config, num_simulations=num_simulations)
    return Search(game, config, num_simulations + config.leaves_in_flight + 2)


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
    """`ringzero play`: a person at the terminal against `player`."""
    who = contestant(player, max(1, simulations), symmetric=symmetric, compute=compute)
    rules = game_of(who, game=game)
    if position is not None:
        rules.state_from_text(position)  # a wrong one is told before a network is loaded
    if who.kind == "rollout":
        simulations = who.search.num_simulations
    Session(
        rules,
        analyser(who, rules),
        console,
        lines_from(console),
        side="xo"[side],
        strength=simulations,
    ).run(position)
