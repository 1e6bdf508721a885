"""The torch back end: a network's plan on a CPU or a CUDA device.

On a CPU the bits are unpacked straight into the input, convolution, bias, shortcut and ReLU are
one oneDNN primitive each with weights in oneDNN's own layout, and the last layers write into the
rings. On CUDA the packed bytes travel and the device unpacks them.

Start the process with ``OMP_NUM_THREADS=1`` and give each thread an evaluator of its own: two
such streams beat one with two threads, because no layer waits for its slower half.

Shapes: ``B`` rows of a chunk, ``C, H, W`` planes, ``A`` actions.
"""

import re
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from engine.backends.plan import Plan
from engine.backends.torch_layers import Layers, cell_view, eager, fused, has_fused, has_mkldnn
from engine.errors import ConfigError, EvaluatorError
from engine.evaluator import Run, check_finite
from engine.unpack import unpack_nhwc
from games.base import Game

__all__ = ["TorchEvaluator", "choose_device", "cpu_has_bf16"]

# A batch runs in chunks of at most CHUNK rows, the last one padded to one of BUCKETS. One thread
# is as fast on 64 rows as on 512 (Zen 5, 4x48 on 6x7: 14.8 k rows/s against 14.9 k), a chunk
# stays in the cache, and with a dozen shapes oneDNN's primitives and the memory stay the same
# however long the process runs.
CHUNK = 64
BUCKETS = (1, 2, 4, *range(8, CHUNK + 1, 8))


class TorchEvaluator:
    """Evaluates with torch.

    Parameters
    ----------
    game
        Whose packed observations are read.
    source
        A plan, or the path of a model file for `load_plan`.
    load_plan
        Reads a model file; needed for a path and for `load`.
    max_batch
        Rows that a CUDA device takes at once; larger batches run in parts. A CPU takes `CHUNK`.
    device
        "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".
    precision
        "auto" (bf16 where the device computes in it), "fp32" or "bf16". The last layers are
        always fp32.
    model
        What a plan is called in messages.

    Raises
    ------
    ConfigError
        For a device or precision that is unknown or not there.
    EvaluatorError
        If the network does not fit the game, or its weights give no finite logits.
    """

    def __init__(
        self,
        game: Game,
        source: Plan | str,
        *,
        load_plan: Callable[[str], Plan] | None = None,
        max_batch: int = 1024,
        device: str = "auto",
        precision: str = "auto",
        model: str = "the network",
    ) -> None:
        if max_batch < 1:
            raise ConfigError(f"max_batch must be >= 1, got {max_batch}")
        self._game = game
        self._load_plan = load_plan
        self._max_batch = max_batch
        self._device = choose_device(device)
        self._dtype = _choose_dtype(precision, self._device)
        self.model = model
        if isinstance(source, str):
            self.load(source)
        else:
            self._adopt(source)

    def evaluate(self, runs: Sequence[Run]) -> None:
        """Fill `policy_logits` and `wdl_logits` of every run; see `engine.evaluator`."""
        with torch.inference_mode():
            for parts in _chunks(runs, self._network.max_rows):
                self._network.evaluate(parts)
        check_finite(runs, self.model, self.name)

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
            self._adopt(self._load_plan(path))
        except BaseException:
            self.model = model
            raise

    def _adopt(self, plan: Plan) -> None:
        game = self._game
        plan.check_game(game, self.model)
        network: _Network
        if self._device.type == "cpu":
            network = _CpuNetwork(plan, game, self._dtype)
        else:
            network = _DeviceNetwork(plan, game, self._dtype, self._device, self._max_batch)
        precision = {torch.float32: "fp32", torch.bfloat16: "bf16"}[self._dtype]
        old, self._network = getattr(self, "_network", network), network
        self.name = f"torch {self._device.type} {precision} {network.kind}"
        try:
            self._warm_up()
        except BaseException:
            self._network = old
            raise

    def _warm_up(self) -> None:
        """Run every shape once: the first batches are then as fast as the later ones, and
        weights that give no number are refused before they play."""
        game = self._game
        for rows in BUCKETS:
            self.evaluate(
                [
                    Run(
                        np.zeros((rows, game.observation_bytes), np.uint8),
                        np.empty((rows, game.num_actions), np.float32),
                        np.empty((rows, 3), np.float32),
                    )
                ]
            )


def choose_device(device: str) -> torch.device:
    """The device that `device` names; auto is a CUDA device where there is one.

    Raises
    ------
    ConfigError
        If this machine has none such.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:N, got {device!r}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device must be auto or cpu here, got {device!r}: torch sees "
            f"{torch.cuda.device_count()} CUDA devices"
        )
    return chosen


def _choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision not in ("auto", "fp32", "bf16"):
        raise ConfigError(f"precision must be auto, fp32 or bf16, got {precision!r}")
    if precision == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_has_bf16()
        precision = "bf16" if fast else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def cpu_has_bf16() -> bool:
    """True where the CPU multiplies in bf16; elsewhere it is emulated and slower than fp32."""
    if not has_mkldnn():
        return False
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


def _chunks(runs: Sequence[Run], max_rows: int) -> list[list[Run]]:
    """`runs` cut into lists of at most `max_rows` rows; all but the last are full."""
    chunks: list[list[Run]] = []
    room = 0
    for run in runs:
        start = 0
        while start < len(run.observations):
            if room == 0:
                chunks.append([])
                room = max_rows
            stop = min(start + room, len(run.observations))
            chunks[-1].append(
                Run(
                    run.observations[start:stop],
                    run.policy_logits[start:stop],
                    run.wdl_logits[start:stop],
                )
            )
            room -= stop - start
            start = stop
    return chunks


class _Network(Protocol):
    kind: str
    max_rows: int

    def evaluate(self, parts: Sequence[Run]) -> None:
        """Fill the results of `parts`, at most `max_rows` rows together."""


class _CpuNetwork:
    """On the CPU: unpacks into its input, writes into the rings."""

    def __init__(self, plan: Plan, game: Game, dtype: torch.dtype) -> None:
        primitives = has_fused()
        self.kind = "fused" if primitives else "eager"
        self.max_rows = CHUNK
        self._planes, self._scalars = game.num_planes, game.num_scalars
        self._layers = Layers(plan, dtype, torch.device("cpu"), fused if primitives else eager)
        channels, height, width = plan.observation_shape
        rows = torch.zeros(CHUNK, height, width, channels, dtype=dtype)
        self._input = rows.permute(0, 3, 1, 2)
        self._cells = cell_view(self._input)

    def evaluate(self, parts: Sequence[Run]) -> None:
        filled = 0
        for part in parts:
            out = self._cells[filled:]
            unpack_nhwc(part.observations, self._planes, self._scalars, out)
            filled += len(part.observations)
        # Rows behind `filled` hold older positions: they cost time, and change nothing.
        rows = next(bucket for bucket in BUCKETS if bucket >= filled)
        policy, value = self._layers.features(self._input[:rows])
        start = 0
        for part in parts:
            stop = start + len(part.observations)
            for features, (bias, weight), out in (
                (policy, self._layers.policy, part.policy_logits),
                (value, self._layers.value, part.wdl_logits),
            ):
                torch.addmm(bias, features[start:stop], weight, out=torch.from_numpy(out))
            start = stop


class _DeviceNetwork:
    """On another device: packed bytes go there in one copy, logits come back in another."""

    kind = "eager"

    def __init__(
        self, plan: Plan, game: Game, dtype: torch.dtype, device: torch.device, max_rows: int
    ) -> None:
        self.max_rows = max_rows
        self._game, self._dtype, self._device = game, dtype, device
        self._layers = Layers(plan, dtype, device, eager)
        pinned = device.type == "cuda"
        self._packed = torch.zeros(
            max_rows, game.observation_bytes, dtype=torch.uint8, pin_memory=pinned
        )
        self._logits = torch.zeros(max_rows, plan.num_actions + 3, pin_memory=pinned)

    def evaluate(self, parts: Sequence[Run]) -> None:
        packed, filled = self._packed.numpy(), 0
        for part in parts:
            stop = filled + len(part.observations)
            packed[filled:stop] = part.observations
            filled = stop
        # Powers of two: few shapes, so that cuDNN's choices and the allocator settle.
        rows = min(1 << (filled - 1).bit_length(), self.max_rows)
        x = self._unpack(self._packed[:rows].to(self._device, non_blocking=True))
        policy, value = self._layers.features(x)
        logits = torch.cat(
            (
                torch.addmm(self._layers.policy[0], policy, self._layers.policy[1]),
                torch.addmm(self._layers.value[0], value, self._layers.value[1]),
            ),
            1,
        )
        self._logits[:rows].copy_(logits)  # waits for the device
        results, start = self._logits.numpy(), 0
        for part in parts:
            stop = start + len(part.observations)
            part.policy_logits[...] = results[start:stop, :-3]
            part.wdl_logits[...] = results[start:stop, -3:]
            start = stop

    def _unpack(self, packed: Tensor) -> Tensor:
        """[B, observation_bytes] uint8 -> [B, C, H, W], channels-last."""
        game = self._game
        cells = game.rows * game.columns
        plane_bytes = 8 * game.num_planes * game.words_per_plane
        shifts = torch.arange(8, dtype=torch.uint8, device=packed.device)
        bits = packed[:, :plane_bytes, None].bitwise_right_shift(shifts).bitwise_and_(1)
        x = bits.view(len(packed), game.num_planes, -1)[:, :, :cells].to(self._dtype)
        if game.num_scalars:
            scalars = packed[:, plane_bytes:].contiguous().view(torch.float32)
            planes = scalars[:, : game.num_scalars, None].to(self._dtype).expand(-1, -1, cells)
            x = torch.cat((x, planes), 1)
        return x.view(len(packed), -1, game.rows, game.columns).contiguous(
            memory_format=torch.channels_last
        )
