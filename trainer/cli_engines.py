"""`ringzero play`, `gtp`, `uci`, `analysis` and `analyze`: one player, one position at a time."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from engine.errors import ConfigError
from trainer.cli_options import AtLeastOne, Json, Thinking, console

if TYPE_CHECKING:
    from engine.config import SearchConfig
    from games.base import Game, GameState
    from trainer.thinking import Limits, Thinker, Thought

__all__ = ["analysis", "analyze", "gtp", "play", "uci"]


DEFAULTS = Thinking()


def play(
    player: str,
    /,
    *,
    side: int = 1,
    position: str | None = None,
    thinking: Thinking = DEFAULTS,
) -> int:
    """Play against a run, a checkpoint or a baseline, in the terminal.

    Example: ringzero play runs/connect4 --simulations 200 --side 2

    Parameters
    ----------
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or a baseline: random, mcts:1000.
    side
        Which side you take: 1 moves first.
    position
        Start from this position or these moves.
    """
    from trainer.play import Session, lines_from

    if side not in (1, 2):
        raise ConfigError(f"side must be 1 or 2, got {side}")
    who, rules = thinking.player(player)
    if position is not None:
        rules.state_from_text(position)  # a wrong one is told before a network is loaded
    thinker = thinking.thinker(who, rules)

    def think(first: "GameState", line: Sequence[int], limits: "Limits") -> "Thought":
        thinker.set(line, first)
        return thinker.think(limits)

    out = console()
    Session(rules, think, out, lines_from(out), "xo"[side - 1], thinking.limits(who)).run(position)
    return 0


def gtp(
    player: str,
    /,
    *,
    points: str = "gtp",
    ponder: Annotated[bool, Parameter(negative=())] = False,
    thinking: Thinking = DEFAULTS,
) -> int:
    """Play as a GTP engine: Sabaki, GoGui and others show any game.

    Example: ringzero gtp runs/go --seconds 5

    Knows kata-analyze, gogui-rules and time settings; a line ends a running analysis.

    Parameters
    ----------
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or mcts:1000.
    points
        gtp: letters without i, rows from the bottom (Sabaki, GoGui); game: the game's own names
        (HexGui, Othello engines).
    ponder
        Think on while the other side thinks.
    """
    from trainer.protocols.gtp import GtpServer

    _serve(partial(GtpServer, ponder=ponder), player, points, thinking)
    return 0


def uci(player: str, /, *, thinking: Thinking = DEFAULTS) -> int:
    """Play as a UCI engine: chess, and Connect Four as cutechess knows it.

    Example: ringzero uci runs/chess

    Parameters
    ----------
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or mcts:1000.
    """
    from trainer.protocols.uci import UciServer

    who, rules = thinking.player(player)

    def make(played: "Game", search: "SearchConfig", memory_mb: int) -> "Thinker":
        return thinking.thinker(replace(who, search=search), played, memory_mb)

    server = UciServer(make, rules, who.search, thinking.limits(who), int(thinking.memory_mb))
    server.run(sys.stdin, sys.stdout)
    return 0


def analysis(player: str, /, *, points: str = "gtp", thinking: Thinking = DEFAULTS) -> int:
    """Analyse positions: JSON lines in and out, as KataGo's analysis engine.

    Example: ringzero analysis runs/go --simulations 1000 < queries.jsonl

    Parameters
    ----------
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or mcts:1000.
    points
        gtp: letters without i, rows from the bottom; game: the game's own names.
    """
    from trainer.protocols.analysis import AnalysisServer

    _serve(AnalysisServer, player, points, thinking)
    return 0


def analyze(
    player: str,
    position: str = "",
    /,
    *,
    moves: str = "",
    top: AtLeastOne = 10,
    thinking: Thinking = DEFAULTS,
    as_json: Json = False,
) -> int:
    """Show what a player thinks of a position: moves, visits, values, what follows.

    Example: ringzero analyze runs/connect4 --moves "4 4 3" --simulations 2000

    Parameters
    ----------
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or mcts:1000.
    position
        As a text, see ringzero play's command position; the first position unless told.
    moves
        Played from there on: "d3 c5".
    top
        Moves shown.
    """
    from trainer.candidates import candidate_rows, candidate_table, headline

    who, rules = thinking.player(player)
    first = rules.state_from_text(position) if position else rules.initial_state()
    state, line = first.clone(), []
    for move in moves.split():
        line.append(state.move_to_action(move))
        state.apply_action(line[-1])
    if state.is_terminal():
        raise ConfigError(f"the game is over in {state.to_text()!r}: nothing to analyse")
    thinker = thinking.thinker(who, rules)
    thinker.set(line, first)
    # All moves are of interest here, not only which of them is best.
    thought = thinker.think(replace(thinking.limits(who), decided=False))
    if as_json:
        print(json.dumps(candidate_rows(state, thought)))
        return 0
    out = console()
    out.print(str(state), highlight=False)
    out.print()
    out.print(headline(thought))
    out.print(candidate_table(state, thought, top))
    return 0


def _serve(server: Callable[..., Any], player: str, points: str, thinking: Thinking) -> None:
    """Answer on stdin and stdout until the other side has enough."""
    if points not in ("gtp", "game"):
        raise ConfigError(f"points must be gtp or game, got {points!r}")
    who, rules = thinking.player(player)
    server(
        lambda game: thinking.thinker(who, game), rules, thinking.limits(who),
        own_points=points == "game",
    ).run(sys.stdin, sys.stdout)  # fmt: skip
