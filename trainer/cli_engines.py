"""`ringzero gtp`, `uci`, `analysis` and `analyze`: players as engines, and their thoughts."""

import sys
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from engine.config import SearchConfig
from engine.errors import ConfigError

__all__ = ["analysis", "analyze", "gtp", "uci"]

Count = Annotated[int, Parameter(validator=Number(gte=0))]
Seconds = Annotated[float, Parameter(validator=Number(gte=0))]


def gtp(
    player: str,
    /,
    *,
    simulations: Count = 0,
    seconds: Seconds = 0.0,
    points: str = "gtp",
    game: str | None = None,
    leaves: Annotated[int, Parameter(validator=Number(gte=1))] = 8,
    memory: str = "512M",
    symmetric: Annotated[bool, Parameter(negative=())] = False,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
) -> int:
    """Play as a GTP engine; its help text stands in `trainer.cli`.

    Parameters
    ----------
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or mcts:1000.
    simulations
        Of a move while no clock runs; 0: what --seconds allows, or 800.
    seconds
        Of a move while no clock runs; 0: any time.
    points
        gtp: letters without i, rows from the bottom (Sabaki, GoGui); game: the game's own names
        (HexGui, Othello engines).
    game
        Of a baseline: a game with its options.
    leaves
        Of one tree in flight at once: more are faster and search slightly worse.
    memory
        Of the tree: 512M, 4G.
    symmetric
        Average networks over the board's symmetries: stronger, slower.
    device, backend, precision
        What the network runs on.
    """
    from trainer.config import megabytes
    from trainer.protocols.gtp import GtpServer
    from trainer.thinking import Thinker

    if points not in ("gtp", "game"):
        raise ConfigError(f"points must be gtp or game, got {points!r}")
    who, rules = _player(player, game, symmetric, device, backend, precision)
    size = megabytes(memory)
    GtpServer(
        lambda played: Thinker(who, played, leaves=leaves, memory_mb=size),
        rules,
        _limits(who, simulations, seconds),
        own_points=points == "game",
    ).run(sys.stdin, sys.stdout)
    return 0


def uci(
    player: str,
    /,
    *,
    simulations: Count = 0,
    seconds: Seconds = 0.0,
    game: str | None = None,
    leaves: Annotated[int, Parameter(validator=Number(gte=1))] = 8,
    symmetric: Annotated[bool, Parameter(negative=())] = False,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
) -> int:
    """Play as a UCI engine; its help text stands in `trainer.cli`.

    Parameters
    ----------
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or mcts:1000.
    simulations
        Of a go without limits; 0: what --seconds allows, or 800.
    seconds
        Of a go without limits; 0: any time.
    game
        Of a baseline: a game with its options.
    leaves
        Of one tree in flight at once: more are faster and search slightly worse.
    symmetric
        Average networks over the board's symmetries: stronger, slower.
    device, backend, precision
        What the network runs on.
    """
    from dataclasses import replace

    from games.base import Game
    from trainer.protocols.uci import UciServer
    from trainer.thinking import Thinker

    who, rules = _player(player, game, symmetric, device, backend, precision)

    def make(played: Game, search: SearchConfig, memory_mb: int) -> Thinker:
        return Thinker(replace(who, search=search), played, leaves=leaves, memory_mb=memory_mb)

    UciServer(make, rules, who.search, _limits(who, simulations, seconds)).run(
        sys.stdin, sys.stdout
    )
    return 0


def analysis(
    player: str,
    /,
    *,
    simulations: Count = 0,
    seconds: Seconds = 0.0,
    points: str = "gtp",
    game: str | None = None,
    leaves: Annotated[int, Parameter(validator=Number(gte=1))] = 16,
    memory: str = "512M",
    symmetric: Annotated[bool, Parameter(negative=())] = False,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
) -> int:
    """Analyse positions, JSON lines in and out; its help text stands in `trainer.cli`.

    Parameters
    ----------
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or mcts:1000.
    simulations
        Of a position whose query says nothing; 0: what --seconds allows, or 800.
    seconds
        Of a position whose query says nothing; 0: any time.
    points
        gtp: letters without i, rows from the bottom; game: the game's own names.
    game
        Of a baseline: a game with its options.
    leaves
        Of one tree in flight at once: more are faster and search slightly worse.
    memory
        Of the tree: 512M, 4G.
    symmetric
        Average networks over the board's symmetries: stronger, slower.
    device, backend, precision
        What the network runs on.
    """
    from trainer.config import megabytes
    from trainer.protocols.analysis import AnalysisServer
    from trainer.thinking import Thinker

    if points not in ("gtp", "game"):
        raise ConfigError(f"points must be gtp or game, got {points!r}")
    who, rules = _player(player, game, symmetric, device, backend, precision)
    size = megabytes(memory)
    AnalysisServer(
        lambda played: Thinker(who, played, leaves=leaves, memory_mb=size),
        rules,
        _limits(who, simulations, seconds),
        own_points=points == "game",
    ).run(sys.stdin, sys.stdout)
    return 0


def analyze(
    player: str,
    position: str = "",
    /,
    *,
    moves: str = "",
    simulations: Count = 0,
    seconds: Seconds = 0.0,
    top: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    game: str | None = None,
    leaves: Annotated[int, Parameter(validator=Number(gte=1))] = 16,
    memory: str = "512M",
    symmetric: Annotated[bool, Parameter(negative=())] = False,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
    as_json: Annotated[
        bool, Parameter(name="--json", negative=(), help="Print one JSON object.")
    ] = False,
) -> int:
    """Show what a player thinks of a position; its help text stands in `trainer.cli`.

    Parameters
    ----------
    player
        A run, RUN:best, RUN:STEP, a checkpoint, a model file, or mcts:1000.
    position
        As a text, see ringzero play's command position; the first position unless told.
    moves
        Played from there on: "d3 c5".
    simulations
        How many; 0: what --seconds allows, or 800.
    seconds
        How long; 0: any time.
    top
        Moves shown.
    game
        Of a baseline: a game with its options.
    leaves
        Of one tree in flight at once: more are faster and search slightly worse.
    memory
        Of the tree: 512M, 4G.
    symmetric
        Average networks over the board's symmetries: stronger, slower.
    device, backend, precision
        What the network runs on.
    """
    import json
    from dataclasses import replace

    from trainer.candidates import candidate_rows, candidate_table, headline
    from trainer.cli import _console
    from trainer.config import megabytes
    from trainer.thinking import Thinker

    who, rules = _player(player, game, symmetric, device, backend, precision)
    first = rules.state_from_text(position) if position else rules.initial_state()
    state, line = first.clone(), []
    for move in moves.split():
        line.append(state.move_to_action(move))
        state.apply_action(line[-1])
    if state.is_terminal():
        raise ConfigError(f"the game is over in {state.to_text()!r}: nothing to analyse")
    thinker = Thinker(who, rules, leaves=leaves, memory_mb=megabytes(memory))
    thinker.set(line, first)
    # All moves are of interest here, not only which of them is best.
    thought = thinker.think(replace(_limits(who, simulations, seconds), decided=False))
    if as_json:
        print(json.dumps(candidate_rows(state, thought)))
        return 0
    console = _console()
    console.print(str(state), highlight=False)
    console.print()
    console.print(headline(thought))
    console.print(candidate_table(state, thought, top))
    return 0


def _player(
    player: str, game: str | None, symmetric: bool, device: str, backend: str, precision: str
) -> tuple[Any, Any]:
    """The contestant and its game."""
    from trainer.arena.players import contestant, game_of
    from trainer.compute import Compute

    compute = Compute(device, backend, precision)
    who = contestant(player, 1, symmetric=symmetric, compute=compute)
    return who, game_of(who, game=game)


def _limits(who: Any, simulations: int, seconds: float) -> Any:
    from trainer.thinking import Limits

    if not simulations and not seconds:
        simulations = who.search.num_simulations if who.kind == "rollout" else 800
    return Limits(simulations=simulations, seconds=seconds)
