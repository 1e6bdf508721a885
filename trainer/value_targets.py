"""What each ply of a finished game is worth: its outcome, what was proven, what searches say.

Shapes: ``T`` plies.

A position that is proven needs no outcome. For those before it, what came after the proof says
nothing: a temperature, noise, or a search that had lost the proof may have played it away. So the
label of a ply is what the first proof from there on says, turned to the ply's player, and the
game's outcome where nothing was proven any more. Only the proven plies themselves are *exact*:
the plies between a position and its first proof may hold a mistake, as those of any game may.

Where the searches themselves show such a mistake, what came after it need not count either: a
*blunder* is a move after which the next search thinks less of its player by more than a threshold.
From there back the label is what the search before the blunder said. Watkins, "Learning from
delayed rewards" (1989), cuts Q(lambda) at moves that were not the best; Willemsen, Baier and
Kaisers, "Value targets in off-policy AlphaZero: a new greedy backup" (2020), found that to help
AlphaZero. Most mistakes of short searches were their best moves, so here the fall tells.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.records import Ending, GameRecord

__all__ = ["UNPROVEN", "ValueLabels", "blunders", "search_values", "value_labels"]

Floats = npt.NDArray[np.float32]

UNPROVEN = 2
"""In `GameRecord.results`."""


class ValueLabels(NamedTuple):
    """What the plies of a game are taken to be worth, each for its player."""

    outcomes: Floats
    """[T] in [-1, 1]."""
    exact: npt.NDArray[np.bool_]
    """[T] True where the ply's own search has proven it."""
    searched: npt.NDArray[np.bool_]
    """[T] True where the outcome is what a search said before a blunder."""


def blunders(record: GameRecord, drop: float) -> npt.NDArray[np.bool_]:
    """[T] the moves after which the next search, or at last the outcome, gives their player less by
    more than `drop`, in (0, 2); nowhere with 0. A reanalysis has no next search."""
    if drop == 0.0 or not record.num_plies or record.ending == Ending.REANALYSED:
        return np.zeros(record.num_plies, np.bool_)
    side = np.where(record.players == 0, 1.0, -1.0)
    values = np.append(record.root_values * side, record.returns[0])
    found: npt.NDArray[np.bool_] = side * (values[:-1] - values[1:]) > drop
    return found


def value_labels(
    record: GameRecord, *, proofs: bool = True, blunder_drop: float = 0.0
) -> ValueLabels:
    """The labels of `record`, proofs before outcomes; without `proofs` the outcomes alone.

    With a `blunder_drop`, see `blunders`, outcomes count as far back as there was none.
    """
    num, players = record.num_plies, record.players
    exact: npt.NDArray[np.bool_] = (record.results != UNPROVEN) & proofs
    # [T] the first ply from each on that is proven or a blunder; num: there is none.
    at = np.where(exact | blunders(record, blunder_drop), np.arange(num), num)
    at = np.minimum.accumulate(at[::-1])[::-1]
    first = np.minimum(at, num - 1)
    sign = np.where(players[first] == players, 1, -1)
    said = np.where(exact, record.results, record.root_values)
    outcomes = np.where(at < num, sign * said[first], record.returns[players])
    outcomes = outcomes.astype(np.float32) + np.float32(0.0)  # no -0.0: a draw is a draw
    return ValueLabels(outcomes, exact, (at < num) & ~exact[first])


def search_values(
    record: GameRecord, td_lambda: float = 0.0, *, blunder_drop: float = 0.0
) -> Floats:
    """[T] what the searches say of each ply, for its player, in [-1, 1].

    With ``td_lambda = 0`` a ply's own root value. Otherwise the average of its root value and the
    later ones, each as the ply's player sees it, the k-th later one with weight
    (1 - td_lambda) td_lambda^k; the outcome has what is left beyond the end. Those after a blunder,
    see `blunders`, are replaced by its own. A reanalysis has no later ones.

    References
    ----------
    Sutton and Barto, "Reinforcement Learning", 12.1, the lambda-return, without rewards on the
    way; KataGo trains on such averages under the name of short-term values (KataGoMethods.md).
    """
    if td_lambda == 0.0 or not record.num_plies or record.ending == Ending.REANALYSED:
        return record.root_values
    side = np.where(record.players == 0, 1.0, -1.0)
    values = record.root_values * side
    average = float(record.returns[0])
    averages = np.empty(record.num_plies)
    cut = blunders(record, blunder_drop)
    for ply in range(record.num_plies - 1, -1, -1):
        if cut[ply]:
            average = values[ply]
        average = (1 - td_lambda) * values[ply] + td_lambda * average
        averages[ply] = average
    return (averages * side).astype(np.float32)
