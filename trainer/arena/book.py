"""Opening suites: openings that are different and that neither side has won, in a file.

A line of the file is an opening, its moves in the game's notation; ``#`` begins a comment.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import ConfigError
from games.base import Game, GameState
from games.errors import IllegalActionError
from trainer.arena.openings import random_opening
from trainer.arena.players import Contestant
from trainer.evaluate import searched_answers

__all__ = ["balanced_openings", "read_book", "write_book"]

CHUNK = 64
TRIES = 40
"""Chunks without a new opening after which there are taken to be no more."""


def read_book(path: Path, game: Game) -> list[list[int]]:
    """The openings of a file.

    Raises
    ------
    ConfigError
        If it cannot be read, is empty, or a line is no opening of `game`; names the line.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"book {path} cannot be read: {error}") from error
    found: dict[int, tuple[int, list[int]]] = {}
    for number, text in enumerate(lines, 1):
        moves = text.partition("#")[0].split()
        if not moves:
            continue
        state, actions = game.initial_state(), list[int]()
        for move in moves:
            try:
                actions.append(state.move_to_action(move))
            except IllegalActionError as error:
                raise ConfigError(f"{path}, line {number}: {error}") from None
            state.apply_action(actions[-1])
            if state.is_terminal():
                raise ConfigError(f"{path}, line {number}: the game is over after {text!r}")
        earlier = found.setdefault(state.position_hash(), (number, actions))
        if earlier[0] != number:
            raise ConfigError(
                f"{path}, line {number}: the same position as line {earlier[0]}; remove one"
            )
    if not found:
        raise ConfigError(f"book {path} holds no opening of {game.name}")
    return [actions for _, actions in found.values()]


def write_book(path: Path, game: Game, book: Sequence[Sequence[int]], comment: str) -> None:
    """Write openings, below a comment on where they come from."""
    lines = [f"# {line}" for line in comment.splitlines()]
    for actions in book:
        state, moves = game.initial_state(), []
        for action in actions:
            moves.append(state.action_to_move(action))
            state.apply_action(action)
        lines.append(" ".join(moves))
    path.write_text("\n".join(lines) + "\n")


def balanced_openings(
    game: Game,
    judge: Contestant,
    num: int,
    plies: int,
    *,
    within: float = 0.4,
    seed: int = 0,
    on_progress: Callable[[int], bool | None] | None = None,
) -> list[list[int]]:
    """Up to `num` random openings whose position `judge` finds undecided.

    No two lead to the same position, nor to mirror images of it. A game may not have so many.

    Parameters
    ----------
    judge
        Searches each position with its simulations.
    within
        The value must lie in [-within, within], for the player to move.
    on_progress
        Told how many there are; a true answer ends the search with those.
    """
    rng = random.Random(f"book {game.name} {seed}")
    found: list[list[int]] = []
    seen: set[int] = set()
    tries = 0
    while len(found) < num and tries < TRIES:
        lines = []
        for _ in range(CHUNK):
            walk = random_opening(game, plies, rng)
            if walk is None or walk[0] in seen:
                continue
            seen.update(_images(game, walk[1]))
            lines.append(walk[1])
        tries += 1
        if not lines:
            continue
        answers = searched_answers(
            game, judge.player(0), judge.evaluator() if judge.model else None, lines, seed=seed
        )
        assert answers is not None  # nobody gives up
        fair = [line for line, value in zip(lines, answers[1], strict=True) if abs(value) <= within]
        if fair:
            tries = 0
        found += fair
        if on_progress is not None and on_progress(min(len(found), num)):
            break
    return found[:num]


def _images(game: Game, actions: Sequence[int]) -> list[int]:
    """Hashes of a line's last position and its mirror images."""
    hashes = []
    for row, moved in enumerate(game.symmetries()[1]):
        state: GameState = game.initial_image(row)
        for action in actions:
            state.apply_action(int(moved[action]))
        hashes.append(state.position_hash())
    return hashes
