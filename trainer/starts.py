"""Search control: which positions of finished games are worth another game.

Self-play visits again and again what it plays well. A share of the games that begins where the
network was wrong puts the effort where there is something to learn. The idea of games from an
archive of visited positions is Go-Exploit's (Trudeau and Bowling, arXiv:2302.12359); there they
are drawn uniformly, here the worst misjudgement of each game competes with those of others.

With the measure "opening" only the position behind a game's opening competes. A start whose games
go on to contradict the network comes back again and again, until it is judged as it turns out, and
then makes room: prioritized level replay (Jiang et al., arXiv:2010.03934), with openings for levels
and the error of the value for a score.

Shapes: ``T`` plies.
"""

from collections import deque
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from engine.records import Ending, GameRecord
from trainer.value_targets import value_labels

__all__ = ["NUM_OFFERED", "RECENT_GAMES", "StartArchive", "misjudgements"]

RECENT_GAMES = 4096  # whose positions compete: older errors have been learned from
NUM_OFFERED = 1024


def misjudgements(record: GameRecord, measure: str) -> npt.NDArray[np.float32]:
    """[T] how wrong the evaluator was about each ply's position, >= 0; 0 where nothing was
    searched.

    By "value": the difference between its value and what the next proof says, or else the
    outcome. By "opening": the same, of the position behind the opening alone. By "surprise": the
    divergence of the search's policy from its own.
    """
    if measure == "surprise":
        return record.surprises.copy()
    truth = value_labels(record).outcomes
    searched = np.diff(record.policy_offsets) > 0
    if measure == "opening":
        searched &= np.arange(record.num_plies) == record.num_opening
    wrong: npt.NDArray[np.float32] = np.abs(record.prior_values - truth) * searched
    return wrong.astype(np.float32)


class StartArchive:
    """The worst misjudged position of each of the newest games.

    Parameters
    ----------
    measure
        "value", "opening" or "surprise": see `misjudgements`.
    games
        How many games are remembered.
    """

    def __init__(self, measure: str = "value", games: int = RECENT_GAMES) -> None:
        self._measure = measure
        self._worst: deque[tuple[float, int, tuple[int, ...]]] = deque(maxlen=games)

    def add(self, records: Iterable[GameRecord]) -> None:
        """Remember what `records` tell; the oldest games are forgotten. Reanalyses tell nothing:
        their games are here."""
        for record in records:
            if record.ending == Ending.REANALYSED:
                continue
            wrong = misjudgements(record, self._measure)
            wrong[:1] = 0  # games enough begin at the first position
            ply = int(np.argmax(wrong)) if len(wrong) else 0
            if ply:
                start = tuple(record.actions[:ply].tolist())
                self._worst.append((float(wrong[ply]), record.number, start))

    def best(self, num: int = NUM_OFFERED) -> list[list[int]]:
        """At most `num` different starts, lists of actions, the worst misjudged first; of equals
        those of the newer game."""
        ranked = (start for _, _, start in sorted(self._worst, reverse=True))
        return [list(start) for start in list(dict.fromkeys(ranked))[:num]]
