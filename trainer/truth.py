"""Positions whose right moves are known, and how often a network goes wrong there.

Tic-tac-toe is solved here to the end. For Connect Four, Othello and small Hex answers come along
in ``known/`` (see the README there); endings of random games, solved here, stand in for the
board sizes that have none. Known positions are only ever asked about, never trained on.
"""

import random
from collections.abc import Callable, Sequence
from importlib import resources

import numpy as np

from engine.backends.spec import EvaluatorSpec
from engine.config import SearchConfig
from engine.errors import ConfigError
from engine.player import PlayerSpec
from games.base import Game, GameState
from trainer.evaluate import Position, policy_answers, read_positions, searched_answers

__all__ = ["endings", "every_position", "known_positions", "mistakes"]

FILES = ("connect4", "hex", "othello")
ENDINGS = ("hex", "othello")
"""Games in which no position comes twice, and whose random games stay open to their last plies."""
MAX_NODES = 1_000
"""Positions that the solution of one ending may take: some milliseconds."""
MOST_ENDINGS = 150
MAX_MISSES = 50
"""Games in a row without a new ending: then there are hardly more."""

Solved = dict[int, int]
"""Results (1, 0, -1 for the player to move) by position hash."""


def known_positions(game: Game, most: int) -> list[Position]:
    """Up to `most` positions of `game` with known answers, the same ones each time, spread evenly
    over all that there are; none where nothing is known of the game."""
    found: list[Position] = []
    if game.name == "tictactoe":
        found = every_position(game)
    elif game.name in FILES and not game.options.get("swap"):
        with resources.as_file(resources.files("trainer") / "known" / f"{game.name}.jsonl") as file:
            found = _of_its_size(file, game)
    if not found and game.name in ENDINGS:
        found = endings(game, min(most, MOST_ENDINGS))
    num = min(most, len(found))
    return [found[i * len(found) // num] for i in range(num)]


def _of_its_size(file: object, game: Game) -> list[Position]:
    if game.name == "othello" and game.rows != 8:
        return []
    try:
        return read_positions(str(file), game)
    except ConfigError:
        if game.name == "hex":
            return []  # no board of this size is in the file
        raise


def every_position(game: Game) -> list[Position]:
    """Every position of a small game in which there is a move to make, once, solved; in the order
    of the plies played."""
    solved: Solved = {}
    found: dict[int, Position] = {}
    lines: list[tuple[int, ...]] = [()]
    for line in lines:  # it grows: breadth first
        state = _after(game, line)
        if state.is_terminal() or state.position_hash() in found:
            continue
        found[state.position_hash()] = _solved_position(state, line, solved, 0)
        lines += [(*line, action) for action in state.get_legal_actions()]
    return list(found.values())


def endings(game: Game, num: int, seed: int = 0) -> list[Position]:
    """Up to `num` positions near the end of random games, as far from it as can be solved with
    `MAX_NODES` positions, in which some move is a mistake and some is not."""
    rng = random.Random(f"endings {game.name} {seed}")
    found: dict[int, Position] = {}
    misses = 0
    while len(found) < num and misses < MAX_MISSES:
        line: list[int] = []
        state = game.initial_state()
        while not state.is_terminal():
            line.append(rng.choice(state.get_legal_actions()))
            state.apply_action(line[-1])
        solved: Solved = {}
        best: tuple[int, Position] | None = None
        for length in range(len(line) - 1, -1, -1):
            state = _after(game, line[:length])
            try:
                position = _solved_position(state, tuple(line[:length]), solved, MAX_NODES)
            except _TooLarge:
                break
            if len({score for score in position.scores if score is not None}) > 1:
                best = state.position_hash(), position
        if best is None or best[0] in found:
            misses += 1
            continue
        misses = 0
        found.setdefault(*best)
    return sorted(found.values(), key=lambda position: len(position.actions))


class _TooLarge(Exception):
    """The solution takes more positions than allowed."""


def _after(game: Game, line: Sequence[int]) -> GameState:
    state = game.initial_state()
    for action in line:
        state.apply_action(action)
    return state


def _solved_position(
    state: GameState, line: tuple[int, ...], solved: Solved, max_nodes: int
) -> Position:
    """The result of every move; `max_nodes` of 0 is no limit."""
    scores: list[float | None] = [None] * state.game.num_actions
    for action in state.get_legal_actions():
        scores[action] = float(_played(state, action, solved, max_nodes))
    value = max(score for score in scores if score is not None)
    best = frozenset(action for action, score in enumerate(scores) if score == value)
    return Position(line, tuple(scores), value, best)


def _played(state: GameState, action: int, solved: Solved, max_nodes: int) -> int:
    """The result of `action` with perfect play, for the player who makes it."""
    after = state.clone()
    after.apply_action(action)
    result = _solve(after, solved, max_nodes)
    return result if after.get_current_player() == state.get_current_player() else -result


def _solve(state: GameState, solved: Solved, max_nodes: int) -> int:
    """The result of perfect play, for the player to move; a win ends the search of a node."""
    key = state.position_hash()
    if key in solved:
        return solved[key]
    if max_nodes and len(solved) >= max_nodes:
        raise _TooLarge
    if state.is_terminal():
        solved[key] = int(np.sign(state.returns()[state.get_current_player()]))
        return solved[key]
    best = -1
    for action in state.get_legal_actions():
        best = max(best, _played(state, action, solved, max_nodes))
        if best == 1:
            break
    solved[key] = best
    return best


def mistakes(
    game: Game,
    evaluator: EvaluatorSpec,
    search: SearchConfig,
    positions: Sequence[Position],
    *,
    seed: int = 0,
    on_progress: Callable[[int], bool | None] | None = None,
) -> tuple[float, float] | None:
    """Shares of `positions` in which the move does not keep the outcome.

    Parameters
    ----------
    evaluator
        The network, with nothing left to be measured: it is made in this process, so that asking
        costs no start of others.
    search
        How it searches when it does.
    on_progress
        Called with the count of positions searched; a true answer gives up, and there are none.

    Returns
    -------
    after a search, and of the network's own policy
    """
    lines = [position.actions for position in positions]
    alone, _ = policy_answers(game, evaluator, lines)
    player = PlayerSpec(kind="network", search=search)
    found = searched_answers(
        game, player, evaluator, lines, seed=seed, serial=True, on_progress=on_progress
    )
    if found is None:
        return None
    return _wrong(positions, found[0]), _wrong(positions, alone)


def _wrong(positions: Sequence[Position], moves: Sequence[int]) -> float:
    kept = [p.keeps_outcome(move) for p, move in zip(positions, moves, strict=True)]
    return 1.0 - sum(kept) / len(kept)
