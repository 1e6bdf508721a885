"""The CUDA back end: packed bits go to the device, logits come back into the slots.

A batch on its lane, which is one CUDA stream of one thread::

    slots ──observations, a copy a run──▶ packed ──graph: unpack, network──▶ logits
      ▲                                                                        │
      └────────── policy and wdl logits, two copies a run ─────────────────────┘ then one event

Where the slots are page-locked the device's copy engines read and write them directly; elsewhere
a page-locked staging buffer lies between. One graph a bucket is captured at the start; new
weights are written over the old ones, so the graphs stay valid.

Shapes: ``B`` rows of a bucket, ``C, H, W`` planes, ``A`` actions.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.backends.batches import bucket_for, buckets, split
from engine.backends.cuda_lane import Lane, PageLock
from engine.backends.plan import Plan
from engine.backends.plan_evaluator import PlanEvaluator
from engine.backends.torch_layers import Eager, Layers
from engine.errors import ConfigError
from engine.evaluator import Run, check_finite_sum
from games.base import Game

__all__ = ["CudaEvaluator"]

COMPILATIONS = 256  # at most, by all streams and for all buckets
DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


class CudaEvaluator(PlanEvaluator):
    """Evaluates on a lane of a device.

    Parameters
    ----------
    game
        Whose packed observations are read.
    source
        A plan, or the path of a model file for `load_plan`.
    lane
        Its own: one evaluator a thread and a lane.
    load_plan
        Reads a model file; needed for a path and for `load`.
    max_batch
        Rows that the device takes at once; larger batches run in parts.
    precision
        "auto" (what the lane says), "fp32", "tf32", "bf16" or "fp16". The last layers are always
        fp32, computed in TF32 for "tf32" only; that switch is the whole process's.
    compile
        Let torch.compile fuse what lies between the convolutions.
    slots
        The lock on the memory in which runs usually lie.

    Raises
    ------
    ConfigError
        For an unknown precision.
    EvaluatorError
        If the network does not fit the game, or its weights give no finite logits.
    """

    def __init__(
        self,
        game: Game,
        source: Plan | str,
        *,
        lane: Lane,
        load_plan: Callable[[str], Plan] | None = None,
        max_batch: int = 1024,
        precision: str = "auto",
        compile: bool = False,
        slots: PageLock | None = None,
    ) -> None:
        super().__init__(game, load_plan)
        if max_batch < 1:
            raise ConfigError(f"max_batch must be >= 1, got {max_batch}")
        if precision != "auto" and precision not in DTYPES:
            raise ConfigError(
                f"precision on a GPU must be auto or one of {', '.join(DTYPES)}, got {precision!r}"
            )
        self._precision = lane.precision if precision == "auto" else precision
        tf32 = self._precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        self._lane, self._compile, self._slots = lane, compile, slots
        self._buckets = buckets(max_batch)
        kinds = (lane.kind, "compiled" if compile else "", "" if slots else "staged")
        self.name = " ".join(("torch", str(lane.device), self._precision, *filter(None, kinds)))
        with torch.inference_mode(), lane.scope():
            # [max_batch, ...] of packed observations, policy and wdl logits.
            self._staging = (
                lane.host_buffer((max_batch, game.observation_bytes), torch.uint8),
                lane.host_buffer((max_batch, game.num_actions), torch.float32),
                lane.host_buffer((max_batch, 3), torch.float32),
            )
            self._columns = tuple(
                torch.zeros_like(buffer, device=lane.device) for buffer in self._staging
            )
            self._host_total = lane.host_buffer((1,), torch.float32)
            self._total = torch.zeros_like(self._host_total, device=lane.device)
        self._ready: _Ready | None = None
        self._start(source)

    def evaluate(self, runs: Sequence[Run]) -> None:
        """Fill `policy_logits` and `wdl_logits` of every run; see `engine.evaluator`."""
        with torch.inference_mode():
            for parts in split(runs, self._buckets[-1]):
                if self._slots is not None and all(
                    self._slots.covers(column) for part in parts for column in part
                ):
                    self._compute([_tensors(part) for part in parts])
                else:
                    self._compute_staged(parts)

    def _compute(self, parts: Sequence[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Evaluate runs whose memory the device reaches, at most `max_batch` rows together."""
        assert self._ready is not None
        sizes = [len(observations) for observations, _, _ in parts]
        # A part of the device's columns for each run.
        own = [
            tuple(column[start:stop] for column in self._columns)
            for start, stop in pairwise(accumulate(sizes, initial=0))
        ]
        with self._lane.scope():
            for (observations, _, _), (packed, _, _) in zip(parts, own, strict=True):
                packed.copy_(observations, non_blocking=True)
            # Rows behind the last hold older positions: they cost time, and change nothing.
            self._ready.repeat[bucket_for(sum(sizes), self._buckets)]()
            for (_, policy, wdl), (_, own_policy, own_wdl) in zip(parts, own, strict=True):
                policy.copy_(own_policy, non_blocking=True)
                wdl.copy_(own_wdl, non_blocking=True)
            self._host_total.copy_(self._total, non_blocking=True)
            self._lane.wait()
        check_finite_sum(self._host_total.item(), self.model, self.name)

    def _compute_staged(self, parts: Sequence[Run]) -> None:
        """The same by way of page-locked buffers, for runs whose memory is not."""
        rows = sum(len(part.observations) for part in parts)
        staging = Run(*(buffer[:rows].numpy() for buffer in self._staging))
        np.concatenate([part.observations for part in parts], out=staging.observations)
        self._compute([_tensors(staging)])
        start = 0
        for part in parts:
            stop = start + len(part.observations)
            part.policy_logits[...] = staging.policy_logits[start:stop]
            part.wdl_logits[...] = staging.wdl_logits[start:stop]
            start = stop

    def _adopt(self, plan: Plan) -> None:
        with torch.inference_mode(), self._lane.scope():
            old = self._ready
            if old is not None and plan.sizes == old.plan.sizes:
                # Milliseconds; capturing anew would hold the games up.
                old.network.assign(plan)
                self._ready = old._replace(plan=plan)
            else:
                self._ready = self._prepare(plan)
            try:
                self._check()
            except BaseException:
                self._ready = old
                if old is not None:
                    old.network.assign(old.plan)
                raise

    def _prepare(self, plan: Plan) -> "_Ready":
        """A network of sizes not seen before, recorded once a bucket."""
        network = PackedNetwork(plan, self._game, DTYPES[self._precision], self._lane.device)
        forward: Forward = network.forward
        if self._compile:
            # Once a bucket: of symbolic rows, torch's shape reasoning makes minutes. The limit
            # is on all evaluators of the process together; behind it torch stops compiling.
            torch._dynamo.config.recompile_limit = COMPILATIONS
            forward = torch.compile(forward, dynamic=False)
        # The largest first: the others then find room in its memory.
        repeat = {rows: self._record(forward, rows) for rows in reversed(self._buckets)}
        return _Ready(plan, network, forward, repeat)

    def _record(self, forward: "Forward", rows: int) -> Callable[[], None]:
        packed, *outputs = (column[:rows] for column in self._columns)

        def work() -> None:
            logits = forward(packed)
            for out, values in zip(outputs, logits, strict=True):
                out.copy_(values)
            self._total.copy_(logits[0].sum() + logits[1].sum())

        return self._lane.record(work)

    def _check(self) -> None:
        """Refuse weights that give no number before they play."""
        game = self._game
        run = Run(
            np.zeros((1, game.observation_bytes), np.uint8),
            np.empty((1, game.num_actions), np.float32),
            np.empty((1, 3), np.float32),
        )
        self._compute_staged([run])


Forward = Callable[[Tensor], tuple[Tensor, Tensor]]


class PackedNetwork:
    """A plan as a function of packed observations."""

    def __init__(self, plan: Plan, game: Game, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype = dtype
        self._board = game.rows, game.columns
        self._planes, self._scalars = game.num_planes, game.num_scalars
        self._plane_bytes = 8 * game.num_planes * game.words_per_plane
        self._shifts = torch.arange(8, dtype=torch.uint8, device=device)
        self._layers = Layers(plan, dtype, device, Eager)

    def assign(self, plan: Plan) -> None:
        """Write the weights of a plan of the same sizes over these."""
        self._layers.assign(plan)

    def forward(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """Policy logits [B, A] and wdl logits [B, 3], float32, of `packed` uint8
        [B, observation_bytes]."""
        layers = self._layers
        policy, value = layers.features(self.unpack(packed))
        return (
            torch.addmm(layers.policy[0], policy, layers.policy[1]),
            torch.addmm(layers.value[0], value, layers.value[1]),
        )

    def unpack(self, packed: Tensor) -> Tensor:
        """[B, observation_bytes] uint8 -> [B, C, H, W], channels-last; see games/base.pyx."""
        rows, columns = self._board
        bits = packed[:, : self._plane_bytes, None].bitwise_right_shift(self._shifts)
        planes = bits.bitwise_and_(1).view(len(packed), self._planes, -1)
        x = planes[:, :, : rows * columns].to(self._dtype)
        if self._scalars:
            scalars = packed[:, self._plane_bytes :].contiguous().view(torch.float32)
            values = scalars[:, : self._scalars, None].to(self._dtype)
            x = torch.cat((x, values.expand(-1, -1, rows * columns)), 1)
        x = x.view(len(packed), -1, rows, columns)
        return x.contiguous(memory_format=torch.channels_last)


class _Ready(NamedTuple):
    """What evaluates; a graph needs the memory of all of it."""

    plan: Plan
    network: PackedNetwork
    forward: Forward
    repeat: dict[int, Callable[[], None]]
    """By bucket: from the device's packed observations to its logits."""


def _tensors(run: Run) -> tuple[Tensor, Tensor, Tensor]:
    observations, policy, wdl = (torch.from_numpy(column) for column in run)
    return observations, policy, wdl
