"""The seam between the pipeline and whatever gives a position its policy and value.

Shapes: ``n`` rows of a run, ``A`` actions.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from engine.errors import EvaluatorError

__all__ = ["Evaluator", "Run", "check_finite", "check_finite_sum"]


class Run(NamedTuple):
    """Consecutive slots of one ring: views of the shared segment, not copies."""

    observations: npt.NDArray[np.uint8]
    """[n, observation_bytes] packed observations, to be read."""
    policy_logits: npt.NDArray[np.float32]
    """[n, A] to be written: logits of all actions, unmasked."""
    wdl_logits: npt.NDArray[np.float32]
    """[n, 3] to be written: logits of win, draw, loss for the player to move."""

    @classmethod
    def blank(cls, observations: npt.NDArray[np.uint8], num_actions: int) -> "Run":
        """Observations of one's own, and room for their results."""
        rows = len(observations)
        return cls(
            observations,
            np.zeros((rows, num_actions), np.float32),
            np.zeros((rows, 3), np.float32),
        )


class Evaluator(Protocol):
    """Evaluates positions in place. One thread uses one evaluator."""

    @property
    def name(self) -> str:
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


def check_finite(runs: Sequence[Run], model: str, name: str) -> None:
    """Raise an EvaluatorError if evaluator `name` gave results for `model` that are no numbers."""
    for run in runs:
        check_finite_sum(float(run.policy_logits.sum() + run.wdl_logits.sum()), model, name)


def check_finite_sum(total: float, model: str, name: str) -> None:
    """The same by the sum of all logits, which is finite only if all of them are."""
    if not math.isfinite(total):
        raise EvaluatorError(
            f"{model} gave logits that are not finite ({name}); "
            "go back to an older checkpoint, or try --precision fp32"
        )
