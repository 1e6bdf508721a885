"""What self-play hands on: one finished game, ply by ply.

Shapes: ``T`` plies, ``N`` entries of all plies' policy targets together.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

__all__ = ["Ending", "GameRecord"]


class Ending(IntEnum):
    """How a game came to its end; `engine/ending.pxd` has the same numbers."""

    RULES = 0
    """The rules ended it."""
    PROVEN = 1
    """Its result was proven, and credited at once."""
    RESIGNED = 2
    """The player of the last ply gave up: nobody knows whether rightly."""
    CUT_OFF = 3
    """No more plies were wanted: both returns are 0."""
    REANALYSED = 4
    """It is no game: the position of a stored one, searched again. The plies up to it are given,
    the last ply is the search, and the returns are what the stored game says of its position."""


@dataclass(frozen=True, slots=True, eq=False)
class GameRecord:
    """One finished game."""

    number: int
    """Counts the run's games; with the run's seed it determines every random draw of the game."""
    seed: int
    """The run's seed."""
    generation: int
    """Generation of the weights that the game was started with."""
    returns: npt.NDArray[np.float32]
    """[2] result of player 0 and of player 1, in [-1, 1]."""
    actions: npt.NDArray[np.int32]
    """[T] actions played."""
    players: npt.NDArray[np.int8]
    """[T] who played them."""
    full_search: npt.NDArray[np.bool_]
    """[T] True where the search was a full one, which leaves a policy target."""
    root_values: npt.NDArray[np.float32]
    """[T] value of the position after its search, for the player to move there."""
    prior_values: npt.NDArray[np.float32]
    """[T] the evaluator's own value of it, for the same player; 0 where nothing was searched."""
    surprises: npt.NDArray[np.float32]
    """[T] Kullback-Leibler divergence of the policy target from the evaluator's policy (before
    noise), in nats, >= 0; 0 where nothing was searched."""
    results: npt.NDArray[np.int8]
    """[T] what the search has proven for the player to move: 1 won, 0 drawn, -1 lost, 2 nothing."""
    distances: npt.NDArray[np.int16]
    """[T] plies within which the proven side can end the game, this one counted, and of a draw
    the plies of the longest proven line; 0 where nothing is proven."""
    observations: npt.NDArray[np.uint8]
    """[T, observation_bytes] packed, for the player to move."""
    policy_offsets: npt.NDArray[np.int32]
    """[T+1] ply t's policy target is entries policy_offsets[t] .. policy_offsets[t+1]."""
    policy_actions: npt.NDArray[np.int32]
    """[N] actions that have weight in the target."""
    policy_weights: npt.NDArray[np.float32]
    """[N] their weights, > 0: visits, or what the search makes of them. They need not sum to 1."""
    num_opening: int = 0
    """The first plies that were given, not searched."""
    ending: Ending = Ending.RULES
    """What the returns rest on."""
    resign_ply: int = -1
    """The ply whose player resigned, or would have in a game that was played on; -1: none."""

    @property
    def num_plies(self) -> int:
        """T."""
        return len(self.actions)
