"""Weights of one network carried over to a wider or deeper one, which then computes the same.

A new block is the identity: its second normalisation and its pooling bias are zero, and what it
adds to is never negative. A new channel is a copy of an old one, and whoever read the old one now
reads all copies, with shares that add up to the old weight (Net2Net: Chen, Goodfellow and Shlens,
arXiv:1511.05641, section 2.2). The shares are drawn anew for every weight, so that copies get
different gradients and part; no noise is needed, and the function stays.

On another board the convolutions and everything that reads pooled channels stay as they are. The
linear layers that read cells get, for each new cell, the weights of the old cell at the same place
in proportion; with `num_actions` they tell how actions lie on the board. That is a start, no more.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engine.errors import ConfigError
from trainer.network import ConvNorm, Network, ResidualBlock

__all__ = ["carry_over"]

LEAST_SHARE = 0.25
"""The smallest weight of a copy before the shares are scaled to add up to 1."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spread:
    """Where each new input or output of a layer comes from."""

    source: Indices
    """[new] index of the old one."""

    @classmethod
    def copies(cls, old: int, new: int, rng: np.random.Generator) -> "Spread":
        """All `old` ones, then copies of some: each is copied before any is copied twice."""
        rounds = [rng.permutation(old) for _ in range(old, new, old)]
        return cls(np.concatenate([np.arange(old), *rounds])[:new])

    def then(self, other: "Spread", offset: int) -> "Spread":
        """These, then those of `other`, whose old ones come behind `offset` old ones."""
        return Spread(np.concatenate([self.source, other.source + offset]))

    def __len__(self) -> int:
        return len(self.source)


def carry_over(source: Network, target: Network, *, seed: int = 0) -> bool:
    """Make `target` start from the weights of `source`.

    Parameters
    ----------
    source
        As wide and as deep as `target`, or less, with as many observation planes.
    target
        Overwritten; where nothing is to be carried over its own weights stay.

    Returns
    -------
    Whether `target` now computes what `source` does; it cannot on another board.

    Raises
    ------
    ConfigError
        If `target` is smaller in some respect, and in which; `target` is then unchanged.
    """
    _check(source, target)
    rng = np.random.default_rng(seed)
    old, new = source.config, target.config
    trunk = Spread.copies(old.channels, new.channels, rng)
    policy = Spread.copies(old.policy_channels, new.policy_channels, rng)
    value = Spread.copies(old.value_channels, new.value_channels, rng)
    hidden = Spread.copies(old.value_hidden, new.value_hidden, rng)
    board = trunk.then(trunk, old.channels)  # mean and maximum of each channel
    planes = Spread(np.arange(source.observation_shape[0]))
    same_board = source.observation_shape == target.observation_shape
    cells = _nearest_cells(source.observation_shape[1:], target.observation_shape[1:])
    with torch.no_grad():
        _convolution(source.stem, target.stem, trunk, planes, rng)
        for ours, theirs in zip(_blocks(source), _blocks(target), strict=False):
            _convolution(ours.first, theirs.first, trunk, trunk, rng)
            _convolution(ours.second, theirs.second, trunk, trunk, rng)
            if ours.pool is not None and theirs.pool is not None:
                _linear(ours.pool, theirs.pool, trunk, board, rng)
        for block in _blocks(target)[len(source.blocks) :]:
            nn.init.zeros_(block.second.norm.weight)
            nn.init.zeros_(block.second.norm.bias)
        heads = policy.then(value, old.policy_channels)
        _convolution(source.heads, target.heads, heads, trunk, rng)
        by_cell = _by_cell(cells, value, old.value_channels, source)
        _linear(source.hidden, target.hidden, hidden,
                by_cell.then(board, _size(source) * old.value_channels), rng)  # fmt: skip
        _linear(source.value, target.value, Spread(np.arange(3)), hidden, rng)
        actions = _actions(source, target, cells)
        if actions is not None:
            by_cell = _by_cell(cells, policy, old.policy_channels, source)
            _linear(source.policy, target.policy, actions,
                    by_cell.then(board, _size(source) * old.policy_channels), rng)  # fmt: skip
    return same_board and source.num_actions == target.num_actions


def _check(source: Network, target: Network) -> None:
    """Raise a ConfigError unless all of `source` has a place in `target`."""
    old, new = source.config, target.config
    for name in ("blocks", "channels", "policy_channels", "value_channels", "value_hidden"):
        least, got = getattr(old, name), getattr(new, name)
        if got < least:
            raise ConfigError(
                f"network.{name} must be >= {least} to start from a network that has so many, "
                f"got {got}"
            )
    if source.observation_shape[0] != target.observation_shape[0]:
        raise ConfigError(
            f"a network of {source.observation_shape[0]} observation planes cannot start one of "
            f"{target.observation_shape[0]}; choose a model of the same game"
        )
    for number, (ours, theirs) in enumerate(zip(_blocks(source), _blocks(target), strict=False)):
        if ours.pool is not None and theirs.pool is None:
            raise ConfigError(
                f"network.pool_every must be {old.pool_every} to start from a network whose block "
                f"{number} has a pooling bias, got {new.pool_every}"
            )


def _blocks(network: Network) -> list[ResidualBlock]:
    return [block for block in network.blocks if isinstance(block, ResidualBlock)]


def _size(network: Network) -> int:
    return network.observation_shape[1] * network.observation_shape[2]


def _nearest_cells(old: tuple[int, int], new: tuple[int, int]) -> Indices:
    """[new cells] the old cell at the same place in proportion; edges stay edges."""
    rows, columns = (
        np.rint(np.linspace(0, before - 1, after)).astype(np.int64)
        for before, after in zip(old, new, strict=True)
    )
    return (rows[:, None] * old[1] + columns).ravel()


def _by_cell(cells: Indices, channels: Spread, num_channels: int, source: Network) -> Spread:
    """Inputs of a layer that reads all channels of cell 0, then those of cell 1, and so on."""
    assert cells.max() < _size(source)
    return Spread((cells[:, None] * num_channels + channels.source).ravel())


def _actions(source: Network, target: Network, cells: Indices) -> Spread | None:
    """Which old action each new one is like; None if that cannot be told.

    Actions are told to be the cells, with as many others behind them on both boards, or the
    columns.
    """
    extra = source.num_actions - _size(source)
    if source.observation_shape == target.observation_shape:
        same = source.num_actions == target.num_actions
        return Spread(np.arange(source.num_actions)) if same else None
    if 0 <= extra <= 1 and target.num_actions - _size(target) == extra:
        return Spread(np.concatenate([cells, _size(source) + np.arange(extra)]))
    before, after = source.observation_shape[2], target.observation_shape[2]
    if (source.num_actions, target.num_actions) == (before, after):
        return Spread(_nearest_cells((1, before), (1, after)))
    return None


def _spread(weight: Tensor, outputs: Spread, inputs: Spread, rng: np.random.Generator) -> Tensor:
    """`weight` [outputs, inputs, ...] with copied outputs, and inputs that share it.

    The copies of one old input get shares that add up to 1, others for each output.
    """
    wide = weight.double()[outputs.source][:, inputs.source]
    shares = rng.uniform(LEAST_SHARE, 1.0, (len(outputs), len(inputs)))
    totals = np.zeros((int(inputs.source.max()) + 1, len(outputs)))
    np.add.at(totals, inputs.source, shares.T)
    shares = shares / totals[inputs.source].T  # exactly 1 for an input without copies
    return wide * torch.from_numpy(shares).to(wide.device).reshape(
        *shares.shape, *[1] * (weight.ndim - 2)
    )


def _convolution(
    source: ConvNorm, target: ConvNorm, outputs: Spread, inputs: Spread, rng: np.random.Generator
) -> None:
    target.conv.weight.copy_(_spread(source.conv.weight, outputs, inputs, rng))
    for name, tensor in target.norm.state_dict().items():
        old = source.norm.state_dict()[name]
        tensor.copy_(old[outputs.source] if old.ndim else old)


def _linear(
    source: nn.Linear, target: nn.Linear, outputs: Spread, inputs: Spread, rng: np.random.Generator
) -> None:
    target.weight.copy_(_spread(source.weight, outputs, inputs, rng))
    target.bias.copy_(source.bias[outputs.source])
