"""The evaluator that knows nothing and costs nothing: the search and the pipeline by themselves."""

from collections.abc import Sequence

from engine.evaluator import Run

__all__ = ["UniformEvaluator"]


class UniformEvaluator:
    """Gives every action the same logit, and win, draw and loss too, so that the value is 0."""

    name = "uniform"

    def evaluate(self, runs: Sequence[Run]) -> None:
        """Zero the results of every run."""
        for run in runs:
            run.policy_logits[...] = 0.0
            run.wdl_logits[...] = 0.0

    def load(self, path: str) -> None:
        """Nothing to take over: there are no weights."""
