"""A network as a back end runs it: a residual trunk and two heads, in plain arrays.

Batch normalisation is already folded into the convolutions, so that a back end needs neither
the training framework nor the trainer. The arithmetic, with ``B`` batch, ``C, H, W`` planes::

    h = relu(stem(observation))                              [B, trunk, H, W]
    for each block:
        y = relu(block.first(h))
        bias = block.pool(pooled(y)) if block.pool else 0    [B, trunk], the same at every cell
        h = relu(h + block.second(y) + bias)
    f = relu(heads(h))                                       [B, policy + value channels, H, W]
    policy_logits = policy([cells(f[:policy_channels]), pooled(h)])             [B, A]
    wdl_logits = value(relu(hidden([cells(f[policy_channels:]), pooled(h)])))   [B, 3]

`pooled` is the mean over the cells of every channel, then their maxima. `cells` flattens cell by
cell: all channels of cell 0 first. Convolutions keep the board's size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import EvaluatorError
from games.base import Game

__all__ = ["Block", "Layer", "Plan"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """An affine map."""

    weight: Array
    """[outputs, inputs, K, K] of a convolution, [outputs, inputs] of a linear layer."""
    bias: Array
    """[outputs]."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One residual block."""

    first: Layer
    second: Layer
    pool: Layer | None
    """[trunk, 2 * trunk] global-pooling bias, or None."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All that a back end has to know of a network."""

    observation_shape: tuple[int, int, int]
    """(C, H, W)."""
    num_actions: int
    policy_channels: int
    """The first channels of `heads`; the others are the value's."""
    stem: Layer
    blocks: tuple[Block, ...]
    heads: Layer
    policy: Layer
    hidden: Layer
    value: Layer

    def check_game(self, game: Game, model: str) -> None:
        """Raise an EvaluatorError unless the network, called `model`, is one for `game`."""
        if (self.observation_shape, self.num_actions) != (game.observation_shape, game.num_actions):
            raise EvaluatorError(
                f"{model} takes observations {self.observation_shape} and gives "
                f"{self.num_actions} actions; {game!r} has {game.observation_shape} and "
                f"{game.num_actions}; choose a model of this game"
            )

    def layers(self) -> Iterator[Layer]:
        """Every layer, in the order of the fields."""
        yield self.stem
        for block in self.blocks:
            yield from (block.first, block.second)
            if block.pool is not None:
                yield block.pool
        yield from (self.heads, self.policy, self.hidden, self.value)

    @property
    def sizes(self) -> tuple[object, ...]:
        """Equal for plans that differ in nothing but their weights."""
        shapes = tuple(layer.weight.shape for layer in self.layers())
        return self.observation_shape, self.num_actions, self.policy_channels, shapes
