"""The OpenVINO back end: a network's plan as one compiled graph for the CPU's vector units.

The graph is built straight from the plan: no file format lies between. All streams share the
compiled graph and its weights; each has a request of its own. Bits are unpacked straight into a
request's input, and its outputs are bound to the slots of the rings, run by run.

int8 quantises the inputs and weights of the trunk's convolutions, which is where the time goes:
activations (never negative, since each follows a ReLU) to 0 .. 255 by their largest value on
given positions, weights symmetrically to -127 .. 127 by the largest of each output channel.
Clipping the activations at their 0.999 quantile instead took the policy of a trained network ten
times as far from fp32: the rare large ones matter.

Shapes: ``B`` rows, ``C, H, W`` planes, ``A`` actions.

References
----------
Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", arXiv:1712.05877, for the affine quantisation.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from engine.backends.plan import Layer, Plan
from engine.errors import ConfigError, EvaluatorError
from engine.evaluator import Run, check_finite
from engine.unpack import unpack_nhwc
from games.base import Game

__all__ = ["OpenvinoEvaluator", "openvino_evaluators"]

# Rows of a full chunk, compiled for this very shape; the rest of a run takes a graph for any
# shape. int8, 5x64 on 6x7, two Zen 4 cores, rows/s by chunk: 16 23.1 k, 32 25.2 k, 64 25.9 k,
# 128 26.5 k, 256 26.5 k; but the rests grow with it.
CHUNK = 64

Node = Any  # openvino's own stubs type a graph's nodes no closer


def openvino_evaluators(
    game: Game,
    plan: Plan,
    *,
    precision: str,
    streams: int = 1,
    threads: int = 1,
    positions: npt.NDArray[np.uint8] | None = None,
    model: str = "the network",
) -> "list[OpenvinoEvaluator]":
    """Compile `plan` once, and make an evaluator for each stream.

    Parameters
    ----------
    game
        Whose packed observations are read.
    precision
        "fp32", "bf16" or "int8". The parts that int8 leaves alone compute in bf16 where the CPU
        does, else in fp32.
    streams, threads
        Batches at once, and the threads that work on each.
    positions : [n, observation_bytes]
        Packed observations that int8 takes its ranges from; needed for it.
    model
        What the plan is called in messages.

    Raises
    ------
    ConfigError
        If the precision is unknown, or positions are missing.
    """
    core = ov.Core()
    ranges: list[float] | None = None
    if precision == "int8":
        if positions is None or not len(positions):
            raise ConfigError("precision int8 needs positions to take its ranges from")
        ranges = _activation_ranges(core, game, plan, positions)
    elif precision not in ("fp32", "bf16"):
        raise ConfigError(f"precision must be fp32, bf16 or int8, got {precision!r}")
    bf16 = precision != "fp32" and cpu_has_bf16(core)
    config = {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams * threads,
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        # The workers run on the same cores, so that a thread must be free to move.
        "ENABLE_CPU_PINNING": False,
    }
    full, any_rows = (
        core.compile_model(_graph(plan, rows, ranges), "CPU", config) for rows in (CHUNK, -1)
    )
    name = f"openvino {precision}"
    return [OpenvinoEvaluator(game, full, any_rows, name, model) for _ in range(streams)]


def cpu_has_bf16(core: Any = None) -> bool:
    """True where the CPU multiplies in bf16."""
    return "BF16" in (core or ov.Core()).get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenvinoEvaluator:
    """One stream of a compiled plan; made by `openvino_evaluators`."""

    def __init__(self, game: Game, full: Any, any_rows: Any, name: str, model: str) -> None:
        self.name = name
        self._model = model
        self._planes, self._scalars = game.num_planes, game.num_scalars
        channels, height, width = game.observation_shape
        self._input = np.zeros((CHUNK, height, width, channels), np.float32)
        self._cells = self._input.reshape(CHUNK, height * width, channels)
        self._full, self._any = full.create_infer_request(), any_rows.create_infer_request()
        self._full.set_input_tensor(_tensor(self._input))
        self._tails = [_tensor(self._input[:rows]) for rows in range(CHUNK)]

    def evaluate(self, runs: Sequence[Run]) -> None:
        """Fill `policy_logits` and `wdl_logits` of every run; see `engine.evaluator`."""
        for run in runs:
            for start in range(0, len(run.observations), CHUNK):
                part = slice(start, start + CHUNK)
                observations = run.observations[part]
                unpack_nhwc(observations, self._planes, self._scalars, self._cells)
                if len(observations) == CHUNK:
                    request = self._full
                else:
                    request = self._any
                    request.set_input_tensor(self._tails[len(observations)])
                request.set_output_tensor(0, _tensor(run.policy_logits[part]))
                request.set_output_tensor(1, _tensor(run.wdl_logits[part]))
                # On this very thread: a request handed to one of OpenVINO's wakes it up, and
                # is waited for by another wake-up, 60 us each in a virtual machine.
                request.infer(share_outputs=True)
        check_finite(runs, self._model, self.name)

    def load(self, path: str) -> None:
        """Weights are compiled in: `engine.backends.group` makes new evaluators instead."""
        raise EvaluatorError(f"cannot load {path}: an OpenVINO evaluator keeps its weights")


def _tensor(array: npt.NDArray[np.float32]) -> Any:
    """`array` itself as a tensor, not a copy of it."""
    return ov.Tensor(array, shared_memory=True)


def _activation_ranges(
    core: Any, game: Game, plan: Plan, positions: npt.NDArray[np.uint8]
) -> list[float]:
    """The largest value of each tensor that int8 quantises, on `positions` in fp32."""
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    request = core.compile_model(
        _graph(plan, -1, None, tap=True), "CPU", config
    ).create_infer_request()
    x = np.ascontiguousarray(game.unpack(positions).transpose(0, 2, 3, 1))
    request.set_input_tensor(_tensor(x))
    request.infer()
    outputs = range(2, len(request.model_outputs))
    # An activation that is never above 0 still needs a range.
    return [max(float(request.get_output_tensor(i).data.max()), 1e-6) for i in outputs]


def _graph(plan: Plan, rows: int, ranges: list[float] | None, *, tap: bool = False) -> Any:
    """`plan` as a graph for `rows` rows, -1 for any number.

    The input is [B, H, W, C] float32; the outputs are policy logits [B, A] and win/draw/loss
    logits [B, 3]. With `ranges` the convolutions behind the stem compute in int8; with `tap` the
    tensors that would be quantised are further outputs, each reduced to its maximum.
    """
    builder = _Builder(None if ranges is None else iter(ranges))
    channels, height, width = plan.observation_shape
    cells = height * width
    x = ops.parameter([rows, height, width, channels], dtype=np.float32)
    h = builder.convolution(ops.transpose(x, _indices(0, 3, 1, 2)), plan.stem)
    h = ops.relu(h)
    for block in plan.blocks:
        y = ops.relu(builder.convolution(builder.quantised(h), block.first, builder.weight))
        second = builder.convolution(builder.quantised(y), block.second, builder.weight)
        if block.pool is not None:
            bias = builder.linear(_pooled(y), block.pool)
            second = ops.add(second, ops.unsqueeze(bias, _indices(2, 3)))
        h = ops.relu(ops.add(second, h))
    heads = builder.convolution(builder.quantised(h), plan.heads, builder.weight)
    features = ops.transpose(ops.relu(heads), _indices(0, 2, 3, 1))
    board = _pooled(h)
    widths = (plan.policy_channels, len(plan.heads.bias) - plan.policy_channels)
    split = ops.variadic_split(features, _indices(3), _indices(*widths))
    policy, value = (
        ops.concat([ops.reshape(split.output(i), _indices(-1, cells * n), False), board], 1)
        for i, n in enumerate(widths)
    )
    hidden = ops.relu(builder.linear(value, plan.hidden))
    outputs = [builder.linear(policy, plan.policy), builder.linear(hidden, plan.value)]
    if tap:
        outputs += [ops.reduce_max(t, _indices(0, 1, 2, 3), False) for t in builder.taps]
    return ov.Model([ops.result(output) for output in outputs], [x], "plan")


class _Builder:
    """Makes a graph's affine layers, quantised or not."""

    def __init__(self, ranges: Iterator[float] | None) -> None:
        self._ranges = ranges
        self.taps: list[Node] = []

    def quantised(self, x: Node) -> Node:
        """`x`, on the grid of its next range if there are ranges."""
        self.taps.append(x)
        if self._ranges is None:
            return x
        low, high = _number(0.0), _number(next(self._ranges))
        return ops.fake_quantize(x, low, high, low, high, 256)

    def weight(self, weight: npt.NDArray[np.float32]) -> Node:
        """A convolution's weights, on the grid of each output channel if there are ranges."""
        if self._ranges is None:
            return _number(weight)
        largest = np.abs(weight).max(axis=(1, 2, 3), keepdims=True)
        high = _number(np.maximum(largest, 1e-12))
        low = _number(-np.maximum(largest, 1e-12))
        return ops.fake_quantize(_number(weight), low, high, low, high, 255)

    def convolution(self, x: Node, layer: Layer, weight: Any = None) -> Node:
        """A convolution that keeps the board's size, and its bias."""
        padding = [layer.weight.shape[-1] // 2] * 2
        kernel = (weight or _number)(layer.weight)
        y = ops.convolution(x, kernel, [1, 1], padding, padding, [1, 1])
        return ops.add(y, _number(layer.bias.reshape(1, -1, 1, 1)))

    def linear(self, x: Node, layer: Layer) -> Node:
        """A matrix product and its bias."""
        return ops.add(ops.matmul(x, _number(layer.weight), False, True), _number(layer.bias))


def _pooled(x: Node) -> Node:
    """Mean over the cells, then maximum, of every channel: [B, C, H, W] -> [B, 2 * C]."""
    cells = _indices(2, 3)
    return ops.concat([ops.reduce_mean(x, cells, False), ops.reduce_max(x, cells, False)], 1)


def _number(value: Any) -> Node:
    return ops.constant(np.ascontiguousarray(value, np.float32))


def _indices(*values: int) -> Node:
    return ops.constant(np.array(values if len(values) > 1 else values[0], np.int64))
