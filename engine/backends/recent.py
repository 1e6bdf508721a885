"""Positions that a back end has lately been asked about: what it is calibrated and checked on.

Shapes: ``n`` rows.
"""

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.evaluator import Run
from games.base import Game

__all__ = ["Recent", "random_positions"]

EVERY = 32  # batches between two looks
FEW = 16  # rows taken at each, at most


class Recent:
    """The last packed observations of a stream of batches, a few out of many.

    Until enough have passed, the rest is positions of random games. Several threads may call
    `see`: a row that two of them write at once is one of the two.
    """

    def __init__(self, game: Game, capacity: int = 256) -> None:
        self._rows = random_positions(game, capacity)
        self._next = self._batches = 0

    def see(self, runs: Sequence[Run]) -> None:
        """Keep a few rows of a batch now and then."""
        self._batches += 1
        if self._batches % EVERY or not runs:
            return
        seen = runs[self._batches // EVERY % len(runs)].observations[:FEW]
        start = self._next % len(self._rows)
        count = min(len(seen), len(self._rows) - start)
        self._rows[start : start + count] = seen[:count]
        self._next = start + count

    def rows(self) -> npt.NDArray[np.uint8]:
        """A copy of them, [capacity, observation_bytes]."""
        return self._rows.copy()


def random_positions(game: Game, rows: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Packed observations of random games, [rows, observation_bytes]."""
    rng = random.Random(seed)
    observations = np.zeros((rows, game.observation_bytes), np.uint8)
    state = game.initial_state()
    for row in range(rows):
        observations[row] = state.packed_observation()
        state.apply_action(rng.choice(state.get_legal_actions()))
        if state.is_terminal():
            state = game.initial_state()
    return observations
