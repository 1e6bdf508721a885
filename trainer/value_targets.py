"""What each ply of a finished game is trained towards.

Shapes: ``T`` plies.
"""

import numpy as np
import numpy.typing as npt

from engine.records import GameRecord

__all__ = ["outcomes", "search_values"]

Floats = npt.NDArray[np.float32]


def outcomes(record: GameRecord) -> Floats:
    """[T] what the game gave each ply's player, in [-1, 1]: the one place where it is decided."""
    given: Floats = record.returns[record.players]
    return given


def search_values(record: GameRecord, td_lambda: float = 0.0) -> Floats:
    """[T] what the searches say of each ply, for its player, in [-1, 1].

    With ``td_lambda = 0`` a ply's own root value. Otherwise the average of its root value and the
    later ones, each as the ply's player sees it, the k-th later one with weight
    (1 - td_lambda) td_lambda^k; the outcome has what is left beyond the end.

    References
    ----------
    Sutton and Barto, "Reinforcement Learning", 12.1, the lambda-return, without rewards on the
    way; KataGo trains on such averages under the name of short-term values (KataGoMethods.md).
    """
    if td_lambda == 0.0 or not record.num_plies:
        return record.root_values
    side = np.where(record.players == 0, 1.0, -1.0)
    values = record.root_values * side
    average = float(outcomes(record)[-1] * side[-1])
    averages = np.empty(record.num_plies)
    for ply in range(record.num_plies - 1, -1, -1):
        average = (1 - td_lambda) * values[ply] + td_lambda * average
        averages[ply] = average
    return (averages * side).astype(np.float32)
