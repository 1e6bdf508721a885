"""What the tree search and the rules cost by themselves: one core, no network, no ring."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from engine.config import SearchConfig
from engine.errors import ConfigError
from engine.local import LocalUniform
from engine.search import Search
from games.base import Game, GameState
from games.twins import playouts as play_out
from trainer.bench.common import as_game, refuse_debug_build

__all__ = ["PlayoutFigures", "TreeFigures", "playouts", "tree"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFigures:
    """Figures of `tree`."""

    game: str
    simulations: int
    """Asked for, per move."""
    simulations_per_s: float
    """Over whole games, a fresh tree each move; the time between two searches not counted."""
    start_position_simulations_per_s: float
    """The same, always from the first position: the median search."""
    games: int
    """Finished games."""
    moves: int
    """Searched moves."""
    nodes: int
    """Of the tree of the first position."""
    bytes_per_node: float
    """Of the arena, its edges included."""
    arena_mb: float
    """Megabytes (1e6 bytes) of the arenas: the tree's and the spare one."""
    full_stops: int
    """Searches that a full arena ended early: the memory was less than they needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutFigures:
    """Figures of `playouts`."""

    game: str
    playouts_per_s: float
    """Random games from the first position to the end, by processor time; the median batch."""
    plies_per_s: float
    """Each lists the legal actions, draws one and plays it."""
    plies_per_playout: float
    playouts: int
    """All that were played."""


def tree(
    game: Game | str = "connect4",
    *,
    simulations: int = 800,
    seconds: float = 3.0,
    seed: int = 0,
    memory_mb: float = 0.0,
) -> TreeFigures:
    """Search whole games with the uniform evaluator, each move drawn by its visits.

    Parameters
    ----------
    game
        A game or its name.
    simulations
        Per move, each from a fresh tree.
    seconds
        Time to spend, a third of it on the first position. The games last until it is over.
    seed
        Of the moves drawn; the uniform search itself draws nothing.
    memory_mb
        Megabytes of the arenas; 0: what the simulations need.
    """
    refuse_debug_build()
    game = as_game(game)
    if simulations < 1 or seconds <= 0:
        raise ConfigError(
            f"simulations must be >= 1 and seconds > 0, got {simulations} and {seconds}"
        )
    config = SearchConfig(num_simulations=simulations, memory_mb=memory_mb)
    search = Search(game, config, None if memory_mb else simulations + 2)
    evaluator = LocalUniform()
    rng = random.Random(seed)
    actions = range(game.num_actions)

    def timed(state: GameState) -> float:
        start = time.perf_counter()
        search.set_state(state)
        search.run(evaluator)
        return time.perf_counter() - start

    first = game.initial_state()
    timed(first)  # touches the arena's pages
    start_times = _repeat(lambda: timed(first), seconds / 3)
    start_nodes, start_simulations = search.num_nodes, int(search.root_visits().sum())
    before, spent, moves, finished = search.num_simulations, 0.0, 0, 0
    state = game.initial_state()
    deadline = time.perf_counter() + seconds * 2 / 3
    while time.perf_counter() < deadline:
        spent += timed(state)
        moves += 1
        state.apply_action(rng.choices(actions, search.root_visits().tolist())[0])
        if state.is_terminal():
            finished += 1
            state = game.initial_state()
    return TreeFigures(
        game=game.name,
        simulations=simulations,
        simulations_per_s=(search.num_simulations - before) / spent,
        start_position_simulations_per_s=start_simulations / median(start_times),
        games=finished,
        moves=moves,
        nodes=start_nodes,
        bytes_per_node=search.num_bytes / search.node_capacity,
        arena_mb=2 * search.num_bytes / 1e6,
        full_stops=search.num_full_stops,
    )


def playouts(
    game: Game | str = "connect4", *, seconds: float = 3.0, seed: int = 0
) -> PlayoutFigures:
    """Play random games with the rules alone.

    Parameters
    ----------
    game
        A game or its name.
    seconds
        Time to spend.
    seed
        Of the moves drawn.
    """
    refuse_debug_build()
    game = as_game(game)
    if seconds <= 0:
        raise ConfigError(f"seconds must be > 0, got {seconds}")
    first = game.initial_state()
    plies: list[int] = []

    def timed(num_games: int) -> float:
        # The thread's own time: other processes of a busy machine do not count.
        start = time.thread_time()
        plies.append(play_out(first, num_games, seed + len(plies))[0])
        return time.thread_time() - start

    # Batches of about a hundredth of the time: enough of them for a median.
    batch = 1
    while timed(batch) < seconds / 200 and batch < 2**20:
        batch *= 2
    plies.clear()
    times = _repeat(lambda: timed(batch), seconds)
    mean = sum(plies) / (len(plies) * batch)
    rate = batch / median(times)
    return PlayoutFigures(
        game=game.name,
        playouts_per_s=rate,
        plies_per_s=rate * mean,
        plies_per_playout=mean,
        playouts=len(plies) * batch,
    )


def _repeat(once: Callable[[], float], seconds: float) -> list[float]:
    """What `once` returns, called again and again for `seconds`."""
    results: list[float] = []
    deadline = time.perf_counter() + seconds
    while not results or time.perf_counter() < deadline:
        results.append(once())
    return results
