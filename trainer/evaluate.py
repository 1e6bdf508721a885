"""Grading a player against positions whose right answers are known.

A positions file holds one JSON object a line with ``moves`` (from the first position, in the
game's notation, run together where a move is one character), ``scores`` (for each action the
exact result for the side to move, null where illegal), ``value`` and ``best`` (the actions of the
best score). Scores and best moves may be named by their moves instead: ``{"d3": 4}``, ``["d3"]``.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.backends.spec import EvaluatorSpec
from engine.batching import BatchPolicy
from engine.errors import ConfigError
from engine.evaluator import Run
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.process import cpu_count
from games.base import Game, GameState
from games.errors import GameError
from trainer.arena.players import Contestant

__all__ = [
    "Position",
    "grade",
    "grade_policy",
    "policy_answers",
    "read_positions",
    "searched_answers",
]

PLIES_PER_BUCKET = 5
MAX_BATCH = 128


@dataclass(frozen=True, slots=True)
class Position:
    """A position and what is right there."""

    actions: tuple[int, ...]
    """That lead to it."""
    scores: tuple[float | None, ...]
    """[A] result for the side to move, None where illegal."""
    value: float
    best: frozenset[int]

    def is_perfect(self, action: int) -> bool:
        """Whether `action` reaches the best score."""
        return action in self.best

    def keeps_outcome(self, action: int) -> bool:
        """Whether `action` keeps the win, draw or loss."""
        score = self.scores[action]
        return score is not None and bool(np.sign(score) == np.sign(self.value))


def read_positions(path: Path | str, game: Game) -> list[Position]:
    """The positions of a file: JSON lines with ``moves`` and either ``scores``, ``value`` and
    ``best``, or ``size`` and ``winning_moves``, of which other sizes than the game's and positions
    without a winning move are left out.

    Raises
    ------
    ConfigError
        If it cannot be read, or a line is not a position of `game`; names the line.
    """
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"positions file {path} cannot be read: {error}") from error
    positions = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if "winning_moves" not in row:
                positions.append(_position(row, game))
            elif row["size"] == game.rows and row["winning_moves"]:
                positions.append(_won_position(row, game))
        except (GameError, ValueError, KeyError, TypeError) as error:
            detail = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ConfigError(
                f"{path}, line {number}: no position of {game.name} with known scores: {detail}"
            ) from error
    if not positions:
        raise ConfigError(f"positions file {path} has no position of {game!r}")
    return positions


def _won_position(row: dict[str, Any], game: Game) -> Position:
    """Of a file whose rows name the moves that win; it may hold boards of several sizes."""
    state: GameState = game.initial_state()
    actions = []
    for move in row["moves"].split():
        actions.append(state.move_to_action(move))
        state.apply_action(actions[-1])
    best = frozenset(state.move_to_action(move) for move in row["winning_moves"])
    legal = set(state.get_legal_actions())
    scores = tuple(
        None if a not in legal else 1.0 if a in best else -1.0 for a in range(game.num_actions)
    )
    return Position(tuple(actions), scores, 1.0, best)


def _position(row: dict[str, Any], game: Game) -> Position:
    state: GameState = game.initial_state()
    text = row["moves"]
    actions = []
    for move in text.split() if " " in text else text:
        action = state.move_to_action(move)
        state.apply_action(action)
        actions.append(action)
    if state.is_terminal():
        raise ValueError(f"the game is over after {text!r}")
    scores, best = row["scores"], row["best"]
    if isinstance(scores, dict):
        named = {state.move_to_action(move): score for move, score in scores.items()}
        scores = [named.get(action) for action in range(game.num_actions)]
        best = map(state.move_to_action, best)
    if len(scores) != game.num_actions:
        raise ValueError(f"scores must have {game.num_actions} entries, got {len(scores)}")
    legal = set(state.get_legal_actions())
    if {a for a, score in enumerate(scores) if score is not None} != legal:
        raise ValueError(f"scores must be null exactly where a move is illegal after {text!r}")
    return Position(tuple(actions), tuple(scores), row["value"], frozenset(best))


def grade(
    player: Contestant,
    game: Game,
    positions: Sequence[Position],
    *,
    seed: int = 0,
    on_progress: Callable[[int], bool | None] | None = None,
) -> dict[str, Any] | None:
    """How often the player is right.

    `grade_policy` is what the command line calls for ``--simulations 0``.

    Parameters
    ----------
    on_progress
        Called with the count of positions done; a true answer gives up, and there is no report.

    Returns
    -------
    ``positions``; ``perfect`` and ``outcome_perfect``, shares of the positions whose move has
    the best score or keeps the outcome; ``value_sign``, share of decided positions whose search
    value is on the right side; ``by_ply``, the shares by plies played.
    """
    found = searched_answers(
        game,
        player.player(0),
        player.evaluator() if player.model else None,
        [position.actions for position in positions],
        seed=seed,
        on_progress=on_progress,
    )
    return None if found is None else _report(positions, *found)


def grade_policy(
    player: Contestant, game: Game, positions: Sequence[Position]
) -> dict[str, Any]:
    """The same for a network player's own policy and value, without any search."""
    spec = player.evaluator().resolved(game, 1)[0]
    return _report(positions, *policy_answers(game, spec, [p.actions for p in positions]))


def policy_answers(
    game: Game, evaluator: EvaluatorSpec, lines: Sequence[Sequence[int]]
) -> tuple[list[int], list[float]]:
    """The move that the network likes best after each line of actions, and its value for the
    player to move there."""
    num = len(lines)
    run = Run.blank(np.zeros((num, game.observation_bytes), np.uint8), game.num_actions)
    legal = np.zeros((num, game.num_actions), np.bool_)
    for i, line in enumerate(lines):
        state = game.initial_state()
        for action in line:
            state.apply_action(action)
        run.observations[i] = state.packed_observation()
        legal[i, state.get_legal_actions()] = True
    evaluator.make(game, MAX_BATCH).evaluate([run])
    moves = np.where(legal, run.policy_logits, -np.inf).argmax(1).tolist()
    wdl = np.exp(run.wdl_logits - run.wdl_logits.max(1, keepdims=True))
    return moves, ((wdl[:, 0] - wdl[:, 2]) / wdl.sum(1)).tolist()


def searched_answers(
    game: Game,
    player: PlayerSpec,
    evaluator: EvaluatorSpec | None,
    lines: Sequence[Sequence[int]],
    *,
    seed: int = 0,
    serial: bool = False,
    on_progress: Callable[[int], bool | None] | None = None,
) -> tuple[list[int], list[float]] | None:
    """The move and the value of a search after each line of actions: games of one ply.

    Parameters
    ----------
    evaluator
        Of a player with a network.
    lines
        Hundreds of them are searched at once.
    serial
        In this process: no others need to start, and one core works.
    on_progress
        Called with the count of answers; a true result gives up, and there are none.
    """
    num, workers = len(lines), 1 if evaluator or serial else cpu_count()
    config = PoolConfig(
        workers=workers,
        games_per_worker=min(512, -(-num // workers)),
        streams=0,
        batch=BatchPolicy(max_batch=MAX_BATCH, queue_delay_us=0),
        serial=serial,
    )
    moves, values = [0] * num, [0.0] * num
    with Pool(
        game,
        [player],
        [evaluator] if evaluator else [],
        config,
        seed=seed,
        game_limit=num,
        openings=lines,
        plies_per_game=1,
    ) as pool:
        for done, record in enumerate(pool.games(), 1):
            moves[record.number] = int(record.actions[-1])
            values[record.number] = float(record.root_values[-1])
            if on_progress is not None and on_progress(done):
                return None
    return moves, values


def _report(
    positions: Sequence[Position], moves: Sequence[int], values: Sequence[float]
) -> dict[str, Any]:
    perfect = np.array([p.is_perfect(m) for p, m in zip(positions, moves, strict=True)])
    kept = np.array([p.keeps_outcome(m) for p, m in zip(positions, moves, strict=True)])
    signs = np.sign([p.value for p in positions])
    sided = np.sign(values) == signs
    plies = np.array([len(p.actions) for p in positions])
    by_ply = {}
    for first in range(0, int(plies.max()) + 1, PLIES_PER_BUCKET):
        rows = (plies >= first) & (plies < first + PLIES_PER_BUCKET)
        if rows.any():
            by_ply[f"{first}-{first + PLIES_PER_BUCKET - 1}"] = {
                "positions": int(rows.sum()),
                "perfect": float(perfect[rows].mean()),
                "outcome_perfect": float(kept[rows].mean()),
            }
    decided = signs != 0
    return {
        "positions": len(positions),
        "perfect": float(perfect.mean()),
        "outcome_perfect": float(kept.mean()),
        "value_sign": float(sided[decided].mean()) if decided.any() else None,
        "by_ply": by_ply,
    }
