"""The torch back end on a CPU.

The bits are unpacked straight into the input, convolution, bias, shortcut and ReLU are one oneDNN
primitive each with weights in oneDNN's own layout, and the last layers write into the rings.

Start the process with ``OMP_NUM_THREADS=1`` and give each thread an evaluator of its own: two
such streams beat one with two threads, because no layer waits for its slower half.

Shapes: ``B`` rows of a chunk, ``C, H, W`` planes, ``A`` actions.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.backends.batches import bucket_for, split
from engine.backends.plan import Plan
from engine.backends.plan_evaluator import PlanEvaluator
from engine.backends.torch_layers import (
    Eager,
    Layers,
    cell_view,
    fused,
    fused_takes_bf16,
    has_fused,
    has_mkldnn,
)
from engine.errors import ConfigError, EvaluatorError
from engine.evaluator import Run, check_finite
from engine.unpack import unpack_nhwc
from games.base import Game

__all__ = ["TorchEvaluator", "cpu_has_bf16"]

# A batch runs in chunks of at most CHUNK rows, the last one padded to one of BUCKETS. One thread
# is as fast on 64 rows as on 512 (Zen 4, 4x48 on 6x7: 14.8 k rows/s against 14.9 k), a chunk
# stays in the cache, and with a dozen shapes oneDNN's primitives and the memory stay the same
# however long the process runs.
CHUNK = 64
BUCKETS = (1, 2, 4, *range(8, CHUNK + 1, 8))

# Rows of the one shape there is with `fixed_shape`. A batch of any size is then padded by half of
# them on average, and 16 rows run at 0.8 (4x48) and 0.66 (2x24) of the speed of 64.
FIXED = 16


class TorchEvaluator(PlanEvaluator):
    """Evaluates with torch on a CPU.

    Parameters
    ----------
    game
        Whose packed observations are read.
    source
        A plan, or the path of a model file for `load_plan`.
    load_plan
        Reads a model file; needed for a path and for `load`.
    precision
        "auto" (bf16 where the CPU computes in it), "fp32" or "bf16". The last layers are always
        fp32.
    model
        What a plan is called in messages.
    fixed_shape
        Run everything in chunks of `FIXED` rows: kernels are chosen, and sums are ordered, by the
        shape, so that a row's answer is then the same, to the bit, in every batch. New weights
        are tried in every place of the chunk before they play.

    Raises
    ------
    ConfigError
        For an unknown precision.
    EvaluatorError
        If the network does not fit the game, its weights give no finite logits, the CPU lacks what
        bf16 needs, or, with `fixed_shape`, an answer depends on its place.
    """

    def __init__(
        self,
        game: Game,
        source: Plan | str,
        *,
        load_plan: Callable[[str], Plan] | None = None,
        precision: str = "auto",
        model: str = "the network",
        fixed_shape: bool = False,
    ) -> None:
        super().__init__(game, load_plan, model)
        if precision not in ("auto", "fp32", "bf16"):
            raise ConfigError(f"precision on a CPU must be auto, fp32 or bf16, got {precision!r}")
        if precision == "bf16" and has_fused() and not fused_takes_bf16():
            raise EvaluatorError(
                f"precision bf16 of {model} needs a CPU with AVX-512, which this one has not; "
                "ask for fp32 or auto"
            )
        if precision == "auto":
            precision = "bf16" if cpu_has_bf16() else "fp32"
        self._precision = precision
        self._fixed_shape = fixed_shape
        self._buckets = (FIXED,) if fixed_shape else BUCKETS
        self._network: _CpuNetwork | None = None
        self._start(source)

    def evaluate(self, runs: Sequence[Run]) -> None:
        """Fill `policy_logits` and `wdl_logits` of every run; see `engine.evaluator`."""
        assert self._network is not None
        with torch.inference_mode():
            for parts in split(runs, self._buckets[-1]):
                self._network.evaluate(parts)
        check_finite(runs, self.model, self.name)

    def _adopt(self, plan: Plan) -> None:
        dtype = torch.bfloat16 if self._precision == "bf16" else torch.float32
        old, self._network = self._network, _CpuNetwork(plan, self._game, dtype, self._buckets)
        self.name = f"torch cpu {self._precision} {self._network.kind}"
        if self._fixed_shape:
            self.name += f" in {FIXED}s"
        try:
            self._warm_up()
            if self._fixed_shape:
                self._check_places()
        except BaseException:
            self._network = old
            raise

    def _warm_up(self) -> None:
        """Run every shape once: the first batches are then as fast as the later ones, and
        weights that give no number are refused before they play."""
        game = self._game
        for rows in self._buckets:
            self.evaluate(
                [
                    Run.blank(np.zeros((rows, game.observation_bytes), np.uint8), game.num_actions)
                ]
            )

    def _check_places(self) -> None:
        """Positions must be answered alike in every place, whatever their neighbours.

        Moved by one, every place is compared with the next; moved by half, with other neighbours.
        """
        observations = _first_positions(self._game, FIXED)
        expected = Run.blank(observations, self._game.num_actions)
        self.evaluate([expected])
        for shift in (1, FIXED // 2):
            found = Run.blank(np.roll(observations, shift, 0), self._game.num_actions)
            found.observations[:shift] = 0
            self.evaluate([found])
            for got, wanted in zip(found[1:], expected[1:], strict=True):
                if not np.array_equal(got[shift:], wanted[:-shift]):
                    raise EvaluatorError(
                        f"{self.model} answers a position otherwise in another place of the batch "
                        f"({self.name}): this machine's torch cannot play reproducible games; "
                        "leave --deterministic out, or use another build of torch"
                    )


def _first_positions(game: Game, num: int) -> npt.NDArray[np.uint8]:
    """[num, observation_bytes] of positions that random games begin with."""
    rng, state = np.random.default_rng(0), game.initial_state()
    rows: list[npt.NDArray[np.uint8]] = []
    while len(rows) < num:
        if state.is_terminal():
            state = game.initial_state()
        rows.append(state.packed_observation())
        state.apply_action(int(rng.choice(state.get_legal_actions())))
    return np.array(rows, np.uint8)


def cpu_has_bf16() -> bool:
    """True where the CPU multiplies in bf16; elsewhere it is emulated and slower than fp32."""
    if not has_mkldnn():
        return False
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


class _CpuNetwork:
    """On the CPU: unpacks into its input, writes into the rings."""

    def __init__(
        self, plan: Plan, game: Game, dtype: torch.dtype, sizes: Sequence[int]
    ) -> None:
        primitives = has_fused()
        self.kind = "fused" if primitives else "eager"
        self._planes, self._scalars = game.num_planes, game.num_scalars
        self._layers = Layers(plan, dtype, torch.device("cpu"), fused if primitives else Eager)
        channels, height, width = plan.observation_shape
        self._sizes = sizes
        rows = torch.zeros(sizes[-1], height, width, channels, dtype=dtype)
        self._input = rows.permute(0, 3, 1, 2)
        self._cells = cell_view(self._input)

    def evaluate(self, parts: Sequence[Run]) -> None:
        filled = 0
        for part in parts:
            out = self._cells[filled:]
            unpack_nhwc(part.observations, self._planes, self._scalars, out)
            filled += len(part.observations)
        # Rows behind `filled` hold older positions: they cost time, and change nothing.
        rows = bucket_for(filled, self._sizes)
        policy, value = self._layers.features(self._input[:rows])
        if len(self._sizes) == 1:
            self._answer_in_one_shape(parts, policy, value)
            return
        start = 0
        for part in parts:
            stop = start + len(part.observations)
            for features, (bias, weight), out in (
                (policy, self._layers.policy, part.policy_logits),
                (value, self._layers.value, part.wdl_logits),
            ):
                torch.addmm(bias, features[start:stop], weight, out=torch.from_numpy(out))
            start = stop

    def _answer_in_one_shape(self, parts: Sequence[Run], policy: Tensor, value: Tensor) -> None:
        """The last layers of all rows at once: parts begin and end where they like."""
        layers, start = self._layers, 0
        policy_logits = torch.addmm(layers.policy[0], policy, layers.policy[1]).numpy()
        wdl_logits = torch.addmm(layers.value[0], value, layers.value[1]).numpy()
        for part in parts:
            stop = start + len(part.observations)
            part.policy_logits[:] = policy_logits[start:stop]
            part.wdl_logits[:] = wdl_logits[start:stop]
            start = stop
