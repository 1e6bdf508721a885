"""Random openings, so that matches between deterministic players differ.

A match plays each opening twice, with the sides changed: whoever it favours, it favours once.
"""

import itertools
import logging
import random

from games.base import Game

__all__ = ["openings", "random_opening", "varied_starts"]

logger = logging.getLogger(__name__)


def openings(game: Game, num: int, plies: int, seed: int) -> list[list[int]]:
    """`num` openings that lead to different positions, none of them the end of a game.

    A game may have fewer such positions than asked for. Then shorter openings fill up, and, if
    even these are too few, the same ones come again, in the same order; a warning is logged.

    Parameters
    ----------
    game
        The rules.
    num
        Openings wanted, >= 1.
    plies
        Random legal actions of each, >= 0.
    seed
        The same seed gives the same openings.

    Returns
    -------
    Lists of actions from the first position.
    """
    if num < 1:
        raise ValueError(f"num must be >= 1, got {num}")
    if plies < 0:
        raise ValueError(f"plies must be >= 0, got {plies}")
    rng = random.Random(f"openings {game.name} {seed}")
    found: dict[int, list[int]] = {}  # by position
    for length in range(plies, -1, -1):
        # Enough tries that a position as likely as the others is hardly ever missed.
        for _ in range(50 + 20 * num):
            if len(found) == num:
                return list(found.values())
            walk = random_opening(game, length, rng)
            if walk is not None:
                found.setdefault(*walk)
        if length == plies and len(found) < num:
            logger.warning(
                "openings_few game=%s wanted=%d plies=%d distinct=%d",
                *(game.name, num, plies, len(found)),
            )
    return [list(actions) for actions in itertools.islice(itertools.cycle(found.values()), num)]


def varied_starts(game: Game, num: int, plies: int, seed: int) -> list[list[int]]:
    """`num` random starts for self-play: 0 to `plies` random plies each, never a finished game.

    Unlike `openings` they may repeat: the empty one is one of them.
    """
    rng = random.Random(seed)
    starts: list[list[int]] = []
    while len(starts) < num:
        walk = random_opening(game, rng.randint(0, plies), rng)
        if walk is not None:
            starts.append(walk[1])
    return starts


def random_opening(game: Game, length: int, rng: random.Random) -> tuple[int, list[int]] | None:
    """The position's hash and the actions of a random walk; None if the game ended on it."""
    state, actions = game.initial_state(), []
    for _ in range(length):
        if state.is_terminal():
            return None
        actions.append(rng.choice(state.get_legal_actions()))
        state.apply_action(actions[-1])
    return None if state.is_terminal() else (state.position_hash(), actions)
