"""What all evaluators that run a network's plan have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from engine.backends.plan import Plan
from engine.errors import EvaluatorError
from engine.evaluator import Run
from games.base import Game

__all__ = ["PlanEvaluator"]


class PlanEvaluator(ABC):
    """An `engine.evaluator.Evaluator` of a network.

    A subclass sets itself up and then calls `_start`.

    Parameters
    ----------
    game
        Whose packed observations are read.
    load_plan
        Reads a model file; needed for a path and for `load`.
    model
        What a plan is called in messages.
    """

    name: str

    def __init__(
        self, game: Game, load_plan: Callable[[str], Plan] | None, model: str = "the network"
    ) -> None:
        self._game = game
        self._load_plan = load_plan
        self.model = model

    @abstractmethod
    def evaluate(self, runs: Sequence[Run]) -> None:
        """Fill `policy_logits` and `wdl_logits` of every run; see `engine.evaluator`."""

    @abstractmethod
    def _adopt(self, plan: Plan) -> None:
        """Take over a plan that fits the game; the old one stays if it raises."""

    def load(self, path: str) -> None:
        """Take over the weights of the model file `path`; the old ones stay if it raises.

        Raises
        ------
        EngineError
            What `load_plan` raises, or an EvaluatorError if the model does not fit the game or
            gives no finite logits.
        """
        if self._load_plan is None:
            raise EvaluatorError(f"cannot load {path}: the evaluator was made without load_plan")
        model, self.model = self.model, f"model {path}"
        try:
            self._take(self._load_plan(path))
        except BaseException:
            self.model = model
            raise

    def _start(self, source: Plan | str) -> None:
        """Begin with a plan or a model file."""
        if isinstance(source, str):
            self.load(source)
        else:
            self._take(source)

    def _take(self, plan: Plan) -> None:
        plan.check_game(self._game, self.model)
        self._adopt(plan)
