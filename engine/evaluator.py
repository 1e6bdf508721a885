"""The seam between the pipeline and whatever gives a position its policy and value.

Shapes: ``n`` rows of a run, ``A`` actions.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Evaluator", "Run"]


class Run(NamedTuple):
    """Consecutive slots of one ring: views of the shared segment, not copies."""

    observations: npt.NDArray[np.uint8]
    """[n, observation_bytes] packed observations, to be read."""
    policy_logits: npt.NDArray[np.float32]
    """[n, A] to be written: logits of all actions, unmasked."""
    wdl_logits: npt.NDArray[np.float32]
    """[n, 3] to be written: logits of win, draw, loss for the player to move."""


class Evaluator(Protocol):
    """Evaluates positions in place. One thread uses one evaluator."""

    name: str
    """What is evaluating and how, for people: ``torch cpu bf16 fused``."""

    def evaluate(self, runs: Sequence[Run]) -> None:
        """Fill `policy_logits` and `wdl_logits` of every run, as one batch.

        Raises
        ------
        EvaluatorError
            If a result is not finite.
        """

    def load(self, path: str) -> None:
        """Take over the weights of the model file `path`; the old ones stay if it raises."""
