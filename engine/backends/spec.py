"""Which evaluator an inference process makes, as a plain description."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.backends.choose import Choice, choose
from engine.backends.group import Group, fastest_installed
from engine.backends.plan import Plan
from engine.backends.simulated import SimulatedEvaluator
from engine.backends.symmetric import SymmetricEvaluator
from engine.backends.uniform import UniformEvaluator
from engine.errors import ConfigError
from engine.evaluator import Evaluator
from engine.process import cpu_count
from games.base import Game

__all__ = ["EvaluatorSpec"]

KINDS = ("network", "uniform", "simulated")

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorSpec:
    """Which evaluator a server makes: a plain description that travels to its process."""

    kind: str = "network"
    """``network``, ``uniform``, which answers at once, or ``simulated``."""
    name: str = "instant"
    """Of the device that is simulated; see `engine.backends.simulated`."""
    path: str = ""
    """Model file to start with."""
    load_plan: str = "trainer.network:load_plan"
    """``module:function`` that reads a model file into an `engine.backends.plan.Plan`."""
    device: str = "auto"
    """See `engine.backends.devices.choose_devices`; a pool starts a server for each of several,
    anybody else uses the first."""
    backend: str = "auto"
    """On a CPU: ``openvino``, ``torch``, or ``auto``: the fastest here, see `resolved`."""
    precision: str = "auto"
    """``fp32``, ``bf16``, ``int8`` (openvino), ``fp16``, ``tf32`` (CUDA), or ``auto``: the
    fastest that is exact enough."""
    threads: int = 1
    """Of each stream on a CPU."""
    insist: bool = False
    """Refuse weights that stray from fp32 in this precision, instead of taking another; on a
    CPU."""
    fixed_shape: bool = False
    """Run every batch in one shape, so that a position's answer, to the bit, depends on no other
    position and on no place in the batch; torch on a CPU, in fp32, and nothing is measured."""
    compile: bool = False
    """CUDA only: let torch.compile fuse what lies between the convolutions."""
    chosen: Choice | None = None
    """What was measured for it: then nothing is measured again."""
    symmetric: bool = False
    """Average over the board's symmetries: stronger, and as many times slower."""

    @classmethod
    def parse(cls, text: str, **fields: Any) -> "EvaluatorSpec":
        """The evaluator that a person names: ``network``, ``uniform`` or ``simulated:NAME``."""
        kind, _, name = text.partition(":")
        if kind not in KINDS or bool(name) != (kind == "simulated"):
            raise ConfigError(
                "evaluator must be network, uniform or simulated:NAME, like simulated:h100, "
                f"got {text!r}"
            )
        return cls(kind=kind, name=name or cls().name, **fields)

    @property
    def devices(self) -> list["EvaluatorSpec"]:
        """The same evaluator on each of its devices."""
        return [replace(self, device=device) for device in self.device.split(",")]

    def make(self, game: Game, max_batch: int) -> Evaluator:
        """An evaluator for one stream."""
        return self.make_streams(game, max_batch, 1)[0]

    def make_streams(
        self, game: Game, max_batch: int, streams: int, memory: Bytes | None = None
    ) -> list[Evaluator]:
        """An evaluator for each of so many streams.

        `memory` is where the runs will lie; a device may have it page-locked and copy straight
        from and to it. Runs elsewhere are evaluated, too.

        Raises
        ------
        ConfigError
            For a kind, back end, precision or device that is unknown or not there.
        EvaluatorError
            If the network does not fit the game, or strays from fp32.
        """
        evaluators = self._make(game, max_batch, streams, memory)
        if self.symmetric:
            return [SymmetricEvaluator(evaluator, game) for evaluator in evaluators]
        return evaluators

    def resolved(
        self, game: Game, streams: int = 0, say: Callable[[str], None] | None = None
    ) -> "tuple[EvaluatorSpec, int, Choice | None]":
        """The same with nothing left open: what runs fastest on this machine.

        Parameters
        ----------
        game
            Whose positions.
        streams
            Batches at once; 0: as measured.
        say
            Told of a measurement, which takes some seconds the first time.

        Returns
        -------
        spec, streams, choice
            What was measured is None where nothing was: without a network, on a CUDA device, and
            where the environment's RINGZERO_BACKEND names the back end to take.
        """
        if self.kind != "network":
            return self, streams or 1, None
        if self._device_type() != "cpu":
            # One batch travels while another computes.
            return self, streams or 2, None
        if self.fixed_shape or (self.backend == "auto" and os.environ.get("RINGZERO_BACKEND")):
            return self, streams or cpu_count(), None
        if self.chosen is not None:
            return self, streams or self.chosen.streams, self.chosen
        choice = choose(game, self, self._plan_loader()(self.path), streams=streams, say=say)
        spec = replace(
            self,
            backend=choice.backend,
            precision=choice.precision,
            threads=choice.threads,
            insist=self.precision != "auto",
            chosen=choice,
        )
        return spec, choice.streams, choice

    def _make(
        self, game: Game, max_batch: int, streams: int, memory: Bytes | None
    ) -> list[Evaluator]:
        if self.kind == "uniform":
            return [UniformEvaluator() for _ in range(streams)]
        if self.kind == "simulated":
            return [
                SimulatedEvaluator(self.name, self.path, self._plan_loader())
                for _ in range(streams)
            ]
        if self.kind != "network":
            raise ConfigError(f"evaluator must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self._device_type() == "cpu":
            return self._group(game, streams).evaluators
        from engine.backends.devices import cuda_evaluators

        return cuda_evaluators(
            game,
            self.path,
            load_plan=self._plan_loader(),
            streams=streams,
            max_batch=max_batch,
            device=self.device,
            precision=self.precision,
            compile=self.compile,
            memory=memory,
        )

    def _group(self, game: Game, streams: int) -> Group:
        backend, precision = self.backend, self.precision
        if backend == "auto":
            backend = os.environ.get("RINGZERO_BACKEND") or fastest_installed()
        if precision == "auto":
            from engine.backends.torch_backend import cpu_has_bf16

            precision = "bf16" if cpu_has_bf16() else "fp32"
        return Group(
            game,
            self._plan_loader(),
            self.path,
            backend=backend,
            precision=precision,
            streams=streams,
            threads=self.threads,
            insist=self.insist,
            fixed_shape=self.fixed_shape,
        )

    def _device_type(self) -> str:
        # Only here is torch imported: workers and the uniform evaluator do without.
        from engine.backends.devices import choose_device

        return str(choose_device(self.device).type)

    def _plan_loader(self) -> Callable[[str], Plan]:
        module, _, function = self.load_plan.partition(":")
        loader: Callable[[str], Plan] = getattr(importlib.import_module(module), function)
        return loader
