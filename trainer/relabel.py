"""Value labels of a finished game, given what its searches have proven.

Shapes: ``T`` plies.

A position that is proven needs no outcome. For those before it, what came after the proof says
nothing: a temperature, noise, or a search that had lost the proof may have played it away. So the
label of a ply is what the first proof from there on says, turned to the ply's player, and the
game's outcome where nothing was proven any more. Only the proven plies themselves are *exact*:
the plies between a position and its first proof may hold a mistake, as those of any game may.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.records import GameRecord

__all__ = ["UNPROVEN", "ValueLabels", "value_labels"]

UNPROVEN = 2
"""In `GameRecord.results`."""


class ValueLabels(NamedTuple):
    """What the plies of a game are taken to be worth, each for its player."""

    outcomes: npt.NDArray[np.float32]
    """[T] in [-1, 1]."""
    exact: npt.NDArray[np.bool_]
    """[T] True where the ply's own search has proven it."""


def value_labels(record: GameRecord) -> ValueLabels:
    """The labels of `record`, proofs before outcomes."""
    num, players = record.num_plies, record.players
    exact: npt.NDArray[np.bool_] = record.results != UNPROVEN
    # [T] the first proven ply from each on; num: there is none.
    at = np.where(exact, np.arange(num), num)
    at = np.minimum.accumulate(at[::-1])[::-1]
    proof = np.minimum(at, num - 1)
    sign = np.where(players[proof] == players, 1, -1)
    outcomes = np.where(at < num, sign * record.results[proof], record.returns[players])
    return ValueLabels(outcomes.astype(np.float32), exact)
