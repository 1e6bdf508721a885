"""How many rows the back ends evaluate a second, without rings and search."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.backends.group import BACKENDS, is_installed
from engine.backends.rates import BackendProcess, EvaluatorMaker
from engine.backends.spec import EvaluatorSpec
from engine.errors import ConfigError, EvaluatorError
from engine.evaluator import Evaluator, Run
from engine.process import cpu_count
from games.base import Game
from trainer.bench.common import as_game, fresh_model, network_config, refuse_debug_build
from trainer.config import NetworkConfig

__all__ = ["NetFigures", "net"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetFigures:
    """Figures of `net`."""

    game: str
    network: str
    rows_per_s: dict[str, dict[int, float]]
    """By back end and batch; a batch is one stream's, the rate that of all streams together."""


@dataclass(frozen=True, slots=True)
class PlainTorch:
    """What the back ends are compared with: the network called as anybody would, in fp32, with
    as many threads as cores, on inputs that are already unpacked."""

    path: str

    def make_streams(self, game: Game, max_batch: int, streams: int) -> list[Evaluator]:
        """An evaluator for the process's only stream."""
        return [_PlainEvaluator(game, self.path)]


class _PlainEvaluator:
    name = "torch cpu fp32 plain"

    def __init__(self, game: Game, path: str) -> None:
        import torch

        self._torch = torch
        torch.set_num_threads(cpu_count())
        self._game = game
        self._inputs: dict[int, torch.Tensor] = {}
        self.load(path)

    def load(self, path: str) -> None:
        from trainer.network import load_model

        self._network = load_model(path)[0]

    def evaluate(self, runs: Sequence[Run]) -> None:
        for run in runs:
            x = self._inputs.get(len(run.observations))
            if x is None:
                x = self._torch.from_numpy(self._game.unpack(run.observations))
                self._inputs[len(run.observations)] = x
            with self._torch.inference_mode():
                policy_logits, wdl_logits = self._network(x)
            run.policy_logits[...] = policy_logits.numpy()
            run.wdl_logits[...] = wdl_logits.numpy()


def net(
    game: Game | str = "connect4",
    network: NetworkConfig | str = "4x48",
    *,
    batches: Sequence[int] = (1, 8, 64, 256),
    streams: Sequence[int] = (1, 2),
    seconds: float = 0.5,
    device: str = "auto",
) -> NetFigures:
    """Time an untrained network in every back end, each in a process of its own.

    Parameters
    ----------
    game
        A game or its name.
    network
        Its shape, or blocks x channels.
    batches
        Rows of a stream's batch.
    streams
        Numbers of streams to try with the engine's own back end.
    seconds
        For each figure.
    device
        Of the engine's own back end.
    """
    refuse_debug_build()
    game, network = as_game(game), network_config(network)
    if not batches or min(batches) < 1 or not streams or min(streams) < 1 or seconds <= 0:
        raise ConfigError(
            f"batches and streams must be >= 1 and seconds > 0, got {batches}, {streams}, {seconds}"
        )
    rates: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory(prefix="ringzero-bench-") as folder:
        path = str(Path(folder) / "model.safetensors")
        fresh_model(Path(path), game, network)
        makers: list[tuple[EvaluatorMaker, int]] = [(PlainTorch(path), 1)]
        makers += [
            (EvaluatorSpec(path=path, device=device, backend=name, precision=precision), num)
            for name in BACKENDS
            if is_installed(name)
            for precision in ("fp32", "bf16", "int8")
            if (name, precision) != ("torch", "int8")
            for num in streams
        ]
        for maker, num in makers:
            with BackendProcess(game) as backend:
                try:
                    name = backend.make(maker, num, max(batches))
                except EvaluatorError:
                    continue  # a precision that this network or device does not take
                name += f" x{num}" if isinstance(maker, EvaluatorSpec) else ""
                rates[name] = {batch: backend.rows_per_s(batch, seconds) for batch in batches}
    shape = f"{network.blocks}x{network.channels}"
    return NetFigures(game=game.name, network=shape, rows_per_s=rates)
