"""A wrapper that asks about a position's mirror images, too, and averages the answers.

Shapes: ``n`` rows of a run, ``S`` symmetries, ``A`` actions.
"""

from collections.abc import Sequence

import numpy as np

from engine.evaluator import Evaluator, Run
from games.base import Game

__all__ = ["SymmetricEvaluator"]


class SymmetricEvaluator:
    """Averages an evaluator's logits over the symmetries of the board.

    A network that has not quite learned a symmetry is two or eight slightly different judges;
    together they err less. It costs S times the rows, so it is meant for judging and playing.

    Parameters
    ----------
    evaluator
        What is asked.
    game
        Whose symmetries.
    """

    def __init__(self, evaluator: Evaluator, game: Game) -> None:
        self._evaluator, self._game = evaluator, game
        self._cells, self._actions = game.symmetries()
        self._plane_bytes = 8 * game.num_planes * game.words_per_plane

    @property
    def name(self) -> str:
        """What is asked, and how often."""
        return f"{self._evaluator.name}, {len(self._cells)} symmetries"

    def evaluate(self, runs: Sequence[Run]) -> None:
        """Fill the results of every run; see `engine.evaluator`."""
        packed = np.concatenate([run.observations for run in runs])
        policy, wdl = self._average(packed)
        start = 0
        for run in runs:
            stop = start + len(run.observations)
            run.policy_logits[:] = policy[start:stop]
            run.wdl_logits[:] = wdl[start:stop]
            start = stop

    def load(self, path: str) -> None:
        """Take over the weights of the model file `path`."""
        self._evaluator.load(path)

    def _average(
        self, packed: "np.ndarray[tuple[int, int], np.dtype[np.uint8]]"
    ) -> tuple["np.ndarray[tuple[int, int], np.dtype[np.float32]]", ...]:
        game, num = self._game, len(packed)
        bits = np.unpackbits(packed[:, : self._plane_bytes], axis=1, bitorder="little")
        planes = bits.reshape(num, game.num_planes, -1)
        policy = np.zeros((num, game.num_actions), np.float32)
        wdl = np.zeros((num, 3), np.float32)
        asked = Run(packed.copy(), np.empty_like(policy), np.empty_like(wdl))
        for cells, actions in zip(self._cells, self._actions, strict=True):
            turned = planes.copy()
            turned[:, :, : len(cells)] = planes[:, :, cells]
            asked.observations[:, : self._plane_bytes] = np.packbits(
                turned.reshape(num, -1), axis=1, bitorder="little"
            )
            self._evaluator.evaluate([asked])
            # Action i of the turned position is what `actions[i]` was.
            policy[:, actions] += asked.policy_logits / len(self._cells)
            wdl += asked.wdl_logits / len(self._cells)
        return policy, wdl
