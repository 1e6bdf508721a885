"""The network that is trained, and the model file that plays.

Shapes: ``B`` batch, ``A`` actions, ``C, H, W`` observation planes. A residual trunk (He et al.,
arXiv:1512.03385) with global-pooling biases (KataGo: Wu, arXiv:1902.10565, section 3.3), a policy
head and a win/draw/loss head. `Network.plan` folds it into what back ends run.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.backends.plan import Block, Layer, Plan
from engine.errors import StoreError
from trainer.config import NetworkConfig
from trainer.files import write_atomically

__all__ = ["Metadata", "Network", "load_model", "load_plan", "save_model"]

FORMAT = "ringzero-model"
VERSION = 1


class Metadata(NamedTuple):
    """What a model file says about itself."""

    game: dict[str, Any]
    """``{"name": ..., "options": {...}}``."""
    network: NetworkConfig
    info: dict[str, Any]
    """Generation, steps, samples, seconds and the like."""


def pooled(x: Tensor) -> Tensor:
    """Mean over the cells, then maximum, of every channel: [B, C, H, W] -> [B, 2 * C]."""
    # `max` over one axis sends its gradient to one cell; `amax` shares it among equals, which on
    # a CPU takes ten times as long: 10 % of a training step of a 4x48 network.
    return torch.cat((x.mean((2, 3)), x.permute(0, 2, 3, 1).flatten(1, 2).max(1).values), 1)


def cells(x: Tensor) -> Tensor:
    """Flatten cell by cell: [B, C, H, W] -> [B, H * W * C]; free for channels-last tensors."""
    return x.permute(0, 2, 3, 1).flatten(1)


class ConvNorm(nn.Module):
    """A convolution that keeps the board's size, and its batch normalisation."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(self.conv(x))
        return result

    def folded(self) -> Layer:
        """Both as one convolution, with the running statistics."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = self.conv.weight.double() * scale[:, None, None, None]
        bias = norm.bias.double() - norm.running_mean.double() * scale
        return layer(weight, bias)


class ResidualBlock(nn.Module):
    """Two convolutions around a shortcut, and perhaps a bias from the whole board."""

    def __init__(self, channels: int, *, pool: bool) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels, 3)
        self.second = ConvNorm(channels, channels, 3)
        # A block starts as the identity: deep trunks then train from the first step.
        nn.init.zeros_(self.second.norm.weight)
        self.pool = nn.Linear(2 * channels, channels) if pool else None
        if self.pool is not None:
            nn.init.zeros_(self.pool.weight)
            nn.init.zeros_(self.pool.bias)

    def forward(self, h: Tensor) -> Tensor:
        y = functional.relu(self.first(h))
        out = h + self.second(y)
        if self.pool is not None:
            out = out + self.pool(pooled(y))[:, :, None, None]
        return functional.relu(out)


class Network(nn.Module):
    """Policy and value of a position.

    Parameters
    ----------
    observation_shape
        (C, H, W).
    num_actions
        A.
    """

    def __init__(
        self, observation_shape: tuple[int, int, int], num_actions: int, config: NetworkConfig
    ) -> None:
        super().__init__()
        self.observation_shape = observation_shape
        self.num_actions = num_actions
        self.config = config
        planes, height, width = observation_shape
        size, channels, every = height * width, config.channels, config.pool_every
        self.stem = ConvNorm(planes, channels, 3)
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, pool=every > 0 and i % every == every - 1)
            for i in range(config.blocks)
        )
        self.heads = ConvNorm(channels, config.policy_channels + config.value_channels, 1)
        self.policy = nn.Linear(size * config.policy_channels + 2 * channels, num_actions)
        self.hidden = nn.Linear(size * config.value_channels + 2 * channels, config.value_hidden)
        self.value = nn.Linear(config.value_hidden, 3)
        # The first self-play games should see a nearly uniform policy and an even value.
        for last in (self.policy, self.value):
            nn.init.normal_(last.weight, std=1e-2 / last.in_features**0.5)
            nn.init.zeros_(last.bias)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Policy logits [B, A], unmasked, and win/draw/loss logits [B, 3], both for the player
        to move, of `observation` [B, C, H, W]."""
        return self.answer(*self.features(observation))

    def features(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """The trunk's output [B, channels, H, W], and what the heads make of it cell by cell,
        [B, policy_channels + value_channels, H, W]."""
        h = functional.relu(self.stem(observation))
        for block in self.blocks:
            h = block(h)
        return h, functional.relu(self.heads(h))

    def answer(self, trunk: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` returns, from what `features` does."""
        board, split = pooled(trunk), self.config.policy_channels
        policy_logits = self.policy(torch.cat((cells(features[:, :split]), board), 1))
        hidden = self.hidden(torch.cat((cells(features[:, split:]), board), 1))
        return policy_logits, self.value(functional.relu(hidden))

    def plan(self) -> Plan:
        """The network folded for inference, as it is now; later training does not change it."""
        with torch.no_grad():
            return Plan(
                observation_shape=self.observation_shape,
                num_actions=self.num_actions,
                policy_channels=self.config.policy_channels,
                stem=self.stem.folded(),
                blocks=tuple(
                    Block(
                        first=block.first.folded(),
                        second=block.second.folded(),
                        pool=None
                        if block.pool is None
                        else layer(block.pool.weight, block.pool.bias),
                    )
                    for block in self.blocks
                    if isinstance(block, ResidualBlock)
                ),
                heads=self.heads.folded(),
                policy=layer(self.policy.weight, self.policy.bias),
                hidden=layer(self.hidden.weight, self.hidden.bias),
                value=layer(self.value.weight, self.value.bias),
            )


def layer(weight: Tensor, bias: Tensor) -> Layer:
    """Copies of `weight` and `bias` as a layer of a plan."""
    return Layer(*(t.detach().cpu().float().contiguous().numpy().copy() for t in (weight, bias)))


def save_model(
    path: Path | str, network: Network, game: Mapping[str, Any], info: Mapping[str, Any]
) -> None:
    """Write `network` to `path`, atomically.

    Parameters
    ----------
    game
        ``{"name": ..., "options": {...}}``, what `games.make` needs.
    info
        What a person may want to know of the weights: generation, steps, seconds, ...

    Raises
    ------
    StoreError
        If it cannot be written; an older file at `path` is unchanged.
    """
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "game": json.dumps({"name": game["name"], "options": game["options"]}),
        "network": json.dumps(dataclasses.asdict(network.config)),
        "shape": json.dumps([*network.observation_shape, network.num_actions]),
        "info": json.dumps(dict(info)),
    }
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    write_atomically(Path(path), safetensors.torch.save(tensors, metadata))


def load_model(path: Path | str) -> tuple[Network, Metadata]:
    """The network in the model file `path`, in evaluation mode, and what the file says of it.

    Raises
    ------
    StoreError
        If there is no such file, or it is damaged, of another program or of a newer version.
    """
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except OSError as error:
        raise StoreError(
            f"model {path} cannot be read: {error}; name a model file or a checkpoint"
        ) from error
    except safetensors.SafetensorError as error:
        raise StoreError(
            f"model {path} is truncated or no safetensors file ({error}); use another checkpoint"
        ) from error
    if metadata.get("format") != FORMAT:
        raise StoreError(
            f"{path} is no ringzero model: its format is {metadata.get('format')!r}, expected "
            f"{FORMAT!r}; name a model.safetensors of a run's checkpoints"
        )
    version = metadata.get("version", "")
    if not version.isdecimal() or int(version) > VERSION:
        raise StoreError(
            f"model {path} has version {version!r}, this program reads up to {VERSION}; "
            "upgrade ringzero"
        )
    try:
        config = NetworkConfig(**json.loads(metadata["network"]))
        *shape, num_actions = json.loads(metadata["shape"])
        network = Network((shape[0], shape[1], shape[2]), num_actions, config)
        network.load_state_dict(tensors)
        game, info = json.loads(metadata["game"]), json.loads(metadata["info"])
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise StoreError(
            f"model {path} contradicts itself ({error}); use another checkpoint"
        ) from error
    return network.eval(), Metadata(game=game, network=config, info=info)


def load_plan(path: str) -> Plan:
    """The plan of the model file `path`; see `load_model`."""
    return load_model(path)[0].plan()
