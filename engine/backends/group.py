"""The evaluators of an inference process on a CPU: made together, checked together.

New weights are compiled once for all streams, by the stream that first hears of them, while the
others go on with the old ones; each changes over between two of its batches. Before weights play,
their answers in the fast precision are compared with those in fp32 on recent positions: a
precision that strays is refused.

Shapes: ``n`` positions, ``A`` actions.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.backends.plan import Plan
from engine.backends.recent import Recent
from engine.errors import ConfigError, EvaluatorError
from engine.evaluator import Evaluator, Run
from games.base import Game

__all__ = ["BACKENDS", "Group", "Strayed", "fastest_installed", "is_installed", "strayed"]

log = logging.getLogger(__name__)

BACKENDS = ("openvino", "torch")
LESS_EXACT_FIRST = ("int8", "bf16", "fp32")

# How far a precision may be from fp32 on average. int8 of a trained Connect Four network is 0.006
# and 0.005 away, bf16 0.003 and 0.002; a network whose ranges are wrong is away by 0.05 and more.
MAX_POLICY = 0.03
MAX_VALUE = 0.03


@dataclass(frozen=True, slots=True)
class Strayed:
    """Mean distance of an evaluator's answers from fp32's."""

    policy: float
    """Total variation of the softmax over all actions, in [0, 1]."""
    value: float
    """Difference of win minus loss, in [0, 2]."""

    @property
    def is_too_far(self) -> bool:
        """Beyond the bound."""
        # Written so that a distance that is no number is too far.
        return not (self.policy <= MAX_POLICY and self.value <= MAX_VALUE)

    def __str__(self) -> str:
        return (
            f"policy {self.policy:.4f} and value {self.value:.4f} from fp32, bound "
            f"{MAX_POLICY} and {MAX_VALUE}"
        )


class Group:
    """An evaluator for each of `streams`, in `evaluators`.

    Parameters
    ----------
    game
        Whose positions.
    load_plan
        Reads a model file.
    path
        Of the first weights.
    backend, precision
        "openvino" or "torch"; "int8" (openvino only), "bf16" or "fp32".
    streams, threads
        Batches at once, and the threads that work on each.
    insist
        Refuse weights that stray in this precision; else the next more exact one is taken, and
        the streams' names say so.
    fixed_shape
        See `engine.backends.torch_backend.TorchEvaluator`; torch in fp32 only: the choice of
        another precision rests on what was asked lately.

    Raises
    ------
    ConfigError
        If the back end is unknown, not installed, or has no such precision.
    EvaluatorError
        If the network does not fit the game, its answers are not finite, or it strays.
    """

    def __init__(
        self,
        game: Game,
        load_plan: Callable[[str], Plan],
        path: str,
        *,
        backend: str,
        precision: str,
        streams: int = 1,
        threads: int = 1,
        insist: bool = False,
        fixed_shape: bool = False,
    ) -> None:
        if backend not in BACKENDS:
            raise ConfigError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
        if not is_installed(backend):
            raise ConfigError(
                f"backend {backend} is not installed; type: pip install 'ringzero[{backend}]'"
            )
        if precision not in LESS_EXACT_FIRST or (backend, precision) == ("torch", "int8"):
            raise ConfigError(f"backend {backend} has no precision {precision!r}")
        if fixed_shape and (backend, precision) != ("torch", "fp32"):
            raise ConfigError(
                f"fixed_shape needs backend torch and precision fp32, got {backend} and {precision}"
            )
        self._game, self._load_plan = game, load_plan
        self._backend, self._precision = backend, precision
        self._num_streams, self._threads = streams, threads
        self._fixed_shape = fixed_shape
        self._recent = Recent(game)
        self._lock = threading.Lock()
        self._note = ""
        self._path = path
        self._made = self._make(path, insist)
        self.evaluators: list[Evaluator] = [
            _Stream(self, evaluator, self._recent) for evaluator in self._made
        ]

    @property
    def note(self) -> str:
        """What was refused of the weights that play, and why; "" if nothing was."""
        return self._note

    def take(self, path: str, stream: "_Stream") -> Evaluator:
        """The evaluator for `stream` with the weights at `path`."""
        with self._lock:
            if path != self._path:
                self._made, self._path = self._make(path, insist=False), path
            return self._made[self.evaluators.index(stream)]

    def _make(self, path: str, insist: bool) -> list[Evaluator]:
        plan, model, positions = self._load_plan(path), f"model {path}", self._recent.rows()
        plan.check_game(self._game, model)
        exact = self._build(plan, "torch", "fp32", 1, positions, model)[0]
        expected = Run.blank(positions, plan.num_actions)
        exact.evaluate([expected])
        note = ""
        for precision in LESS_EXACT_FIRST[LESS_EXACT_FIRST.index(self._precision) :]:
            made = self._build(
                plan, self._backend, precision, self._num_streams, positions, model
            )
            found = Run.blank(positions, plan.num_actions)
            made[0].evaluate([found])
            distance = strayed(found, expected)
            if not distance.is_too_far:
                break
            note = f"{made[0].name} refused: {distance}"
            if insist:
                raise EvaluatorError(f"{model}: {note}; choose another --precision")
            log.warning("%s: %s", model, note)
        self._note = note
        return made

    def _build(
        self,
        plan: Plan,
        backend: str,
        precision: str,
        streams: int,
        positions: npt.NDArray[np.uint8],
        model: str,
    ) -> list[Evaluator]:
        game = self._game
        if backend == "openvino":
            from engine.backends.openvino_backend import openvino_evaluators

            made = openvino_evaluators(
                game, plan, precision=precision, streams=streams, threads=self._threads,
                positions=positions, model=model,
            )  # fmt: skip
            return list(made)
        import torch

        from engine.backends.torch_backend import TorchEvaluator

        torch.set_num_threads(self._threads)
        return [
            TorchEvaluator(
                game, plan, precision=precision, model=model, fixed_shape=self._fixed_shape
            )
            for _ in range(streams)
        ]


class _Stream:
    """A stream's place in the group."""

    def __init__(self, group: Group, evaluator: Evaluator, recent: Recent) -> None:
        self._group, self._evaluator, self._recent = group, evaluator, recent

    @property
    def name(self) -> str:
        """What evaluates now, and what was refused for it."""
        note = self._group.note
        return self._evaluator.name + (f" ({note})" if note else "")

    def evaluate(self, runs: Sequence[Run]) -> None:
        """Fill the results of every run; see `engine.evaluator`."""
        self._evaluator.evaluate(runs)
        self._recent.see(runs)

    def load(self, path: str) -> None:
        """Take over the weights of the model file `path`; the old ones stay if it raises."""
        self._evaluator = self._group.take(path, self)


def fastest_installed() -> str:
    """The back end that is likely to be the fastest of those that are there."""
    return next(backend for backend in BACKENDS if is_installed(backend))


def is_installed(backend: str) -> bool:
    """Whether a back end's package can be imported."""
    if backend != "openvino":
        return True
    try:
        import openvino  # noqa: F401 - the one way to know that it loads on this machine
    except ImportError:
        return False
    return True


def strayed(found: Run, exact: Run) -> Strayed:
    """How far the results of `found` are from those of `exact`, for the same positions."""
    policy = np.abs(_softmax(found.policy_logits) - _softmax(exact.policy_logits)).sum(1) / 2
    wdl = _softmax(found.wdl_logits) - _softmax(exact.wdl_logits)
    return Strayed(float(policy.mean()), float(np.abs(wdl[:, 0] - wdl[:, 2]).mean()))


def _softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    result: npt.NDArray[np.float32] = powers / powers.sum(1, keepdims=True)
    return result
