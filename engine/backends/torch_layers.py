"""A plan's layers as torch runs them, shared by the devices of the torch back end.

Shapes: ``B`` rows, ``C, H, W`` channels and board; tensors are channels-last.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from engine.backends.plan import Layer, Plan
from engine.pooling import add_bias, pool_cells

__all__ = ["Eager", "Layers", "cell_view", "fused", "has_fused", "has_mkldnn"]

# oneDNN lays out weights for batches of about this size.
TYPICAL_ROWS = 64

# relu(convolution(x) + shortcut); the shortcut may be overwritten.
Convolution = Callable[[Tensor, Tensor | None], Tensor]


class Layers:
    """A plan's layers on a device, and what of its arithmetic all devices share."""

    def __init__(
        self,
        plan: Plan,
        dtype: torch.dtype,
        device: torch.device,
        convolve: Callable[[Layer, tuple[int, int], torch.dtype, torch.device], Convolution],
    ) -> None:
        board_shape = plan.observation_shape[1:]
        # (weight, bias) in the order and shapes of `plan.layers()`; without those that `fused`
        # keeps in a layout of its own.
        self._tensors: list[tuple[Tensor, Tensor]] = []

        def convolution(layer: Layer) -> Convolution:
            made = convolve(layer, board_shape, dtype, device)
            if isinstance(made, Eager):
                self._tensors.append((made.weight, made.bias))
            return made

        def linear(layer: Layer) -> tuple[Tensor, Tensor]:
            weight, bias = (
                torch.from_numpy(a).to(device, copy=True) for a in (layer.weight, layer.bias)
            )
            self._tensors.append((weight, bias))
            return bias, weight.t()

        self.policy_channels = plan.policy_channels
        self.stem = convolution(plan.stem)
        self.blocks = [
            (
                convolution(block.first),
                convolution(block.second),
                None if block.pool is None else linear(block.pool),
            )
            for block in plan.blocks
        ]
        self.heads = convolution(plan.heads)
        self.policy = linear(plan.policy)
        self.hidden = linear(plan.hidden)
        self.value = linear(plan.value)

    def assign(self, plan: Plan) -> None:
        """Write the weights of a plan of the same sizes over these, in place: whoever holds
        their addresses goes on with the new ones. Only where all layers are `Eager`."""
        for (weight, bias), layer in zip(self._tensors, plan.layers(), strict=True):
            weight.copy_(torch.from_numpy(layer.weight))
            bias.copy_(torch.from_numpy(layer.bias))

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs of the policy's and of the value's last layer, float32, from `x` [B, C, H, W],
        which is channels-last."""
        h = self.stem(x, None)
        for first, second, pool in self.blocks:
            y = first(h, None)
            if pool is not None:
                h = with_bias(h, torch.addmm(pool[0], pooled(y), pool[1]))
            h = second(y, h)
        board, split = pooled(h), self.policy_channels
        heads = self.heads(h, None).permute(0, 2, 3, 1)
        policy = torch.cat((heads[..., :split].flatten(1).float(), board), 1)
        value = torch.cat((heads[..., split:].flatten(1).float(), board), 1)
        return policy, torch.addmm(self.hidden[0], value, self.hidden[1]).relu_()


def cell_view(x: Tensor) -> npt.NDArray[np.generic]:
    """A view of a channels-last CPU tensor [B, C, H, W] as [B, H * W, C]; bf16 as its bits."""
    flat = x.permute(0, 2, 3, 1).view(x.shape[0], -1, x.shape[1])
    bits = flat.view(torch.uint16) if flat.dtype == torch.bfloat16 else flat
    array: npt.NDArray[np.generic] = bits.numpy()
    return array


def pooled(x: Tensor) -> Tensor:
    """Mean and maximum over the cells: [B, C, H, W] -> [B, 2 * C] float32."""
    if not _has_kernels(x):
        return torch.cat((x.mean((2, 3), dtype=torch.float32), x.amax((2, 3)).float()), 1)
    out = torch.empty(x.shape[0], 2 * x.shape[1])
    pool_cells(cell_view(x), out.numpy())
    return out


def with_bias(x: Tensor, bias: Tensor) -> Tensor:
    """`x` [B, C, H, W] + `bias` [B, C], in place."""
    if not _has_kernels(x):
        return x.add_(bias[:, :, None, None])
    add_bias(cell_view(x), bias.numpy())
    return x


def _has_kernels(x: Tensor) -> bool:
    """True if the loops of `engine.pooling` can work on `x`."""
    return x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)


def has_fused() -> bool:
    """True if this build of torch has the oneDNN primitives that `fused` calls."""
    names = ("_convolution_pointwise", "_convolution_pointwise_", "_reorder_convolution_weight")
    return has_mkldnn() and all(hasattr(torch.ops.mkldnn, name) for name in names)


def fused_takes_bf16() -> bool:
    """True if the CPU has the instructions that those primitives need for bf16, emulated or not:
    AVX-512, or AVX-NE-CONVERT."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is None or bool(supported())


def fused(
    layer: Layer, board_shape: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> Convolution:
    """Convolution, bias, shortcut and ReLU as one oneDNN primitive."""
    ops = torch.ops.mkldnn
    bias = torch.from_numpy(layer.bias).to(dtype)
    ones, padding = [1, 1], [layer.weight.shape[-1] // 2] * 2
    # oneDNN picks the weights' layout for an input of this size. Told none, it picks one that
    # 48 channels do not run on, and reorders the weights at every call: four times slower.
    weight = ops._reorder_convolution_weight(
        torch.from_numpy(layer.weight).to(dtype),
        padding,
        ones,
        ones,
        1,
        [TYPICAL_ROWS, layer.weight.shape[1], *board_shape],
    )
    plain, add = ops._convolution_pointwise.default, ops._convolution_pointwise_.binary

    def run(x: Tensor, shortcut: Tensor | None) -> Tensor:
        result: Tensor
        if shortcut is None:
            result = plain(x, weight, bias, padding, ones, ones, 1, "relu", [], "")
        else:
            result = add(
                shortcut, x, weight, bias, padding, ones, ones, 1, "add", 1.0, "relu", [], ""
            )
        return result

    return run


class Eager:
    """The same with operations that every torch and every device has."""

    def __init__(
        self, layer: Layer, board_shape: tuple[int, int], dtype: torch.dtype, device: torch.device
    ) -> None:
        weight = torch.from_numpy(layer.weight)
        self.weight = weight.to(device, dtype, copy=True, memory_format=torch.channels_last)
        self.bias = torch.from_numpy(layer.bias).to(device, dtype, copy=True)
        self._padding = layer.weight.shape[-1] // 2

    def __call__(self, x: Tensor, shortcut: Tensor | None) -> Tensor:
        y = functional.conv2d(x, self.weight, self.bias, padding=self._padding)
        return functional.relu_(y if shortcut is None else y.add_(shortcut))


def has_mkldnn() -> bool:
    """True if this build of torch has oneDNN."""
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
