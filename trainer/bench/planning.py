"""How many worker cores feed a card: this machine's rate a core beside simulated devices."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.backends.simulated import ACCELERATORS, network_timing
from engine.errors import ConfigError
from games.base import Game
from trainer.bench.common import as_game, network_config, refuse_debug_build
from trainer.bench.selfplay import pipeline

__all__ = ["PlanFigures", "PlanRow", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """A device with a network, at one size of batch."""

    device: str
    network: str
    batch: int
    batch_us: float
    """The batch's own time, copies included."""
    rows_per_s: float
    """What the device takes, one batch after another."""
    workers: float
    """Worker cores that deliver so many."""
    latency_us: float
    """From a row's publication to its answer when the device is saturated: the batch ahead of it,
    then its own."""
    games: int
    """Leaves in flight that keep it saturated, one a game: two batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFigures:
    """Figures of `plan`."""

    game: str
    simulations: int
    worker_rows_per_s: float
    """That one worker core of this machine delivers to a server that answers at once, by its own
    processor time."""
    rows: tuple[PlanRow, ...]


def plan(
    game: Game | str = "connect4",
    *,
    devices: Sequence[str] = ("rtx3090", "rtx4090", "h100"),
    networks: Sequence[str] = ("4x48", "10x128", "20x256"),
    batches: Sequence[int] = (64, 256, 1024, 4096),
    simulations: int = 100,
    seconds: float = 5.0,
    worker_rows_per_s: float = 0.0,
) -> PlanFigures:
    """What each device would need, by `engine.backends.simulated`'s model of it.

    Parameters
    ----------
    game
        A game or its name.
    devices, networks, batches
        Names of accelerators, blocks x channels, and rows of a batch.
    simulations
        Per move, for the worker's rate.
    seconds
        Time to measure the worker.
    worker_rows_per_s
        Its rate if it is known; 0 measures it, with ``simulated:instant``.
    """
    refuse_debug_build()
    game = as_game(game)
    if not set(devices) <= set(ACCELERATORS) or not batches or min(batches) < 1:
        raise ConfigError(
            f"devices must be of {', '.join(ACCELERATORS)} and batches >= 1, "
            f"got {tuple(devices)} and {tuple(batches)}"
        )
    if worker_rows_per_s <= 0:
        worker_rows_per_s = pipeline(
            game,
            "0x8",
            simulations=simulations,
            seconds=seconds,
            games_per_worker=256,
            streams=1,
            max_batch=256,
            evaluator="simulated:instant",
        ).worker_rows_per_cpu_s
    from trainer.network import Network  # imports torch

    rows = []
    for shape in networks:
        config = network_config(shape)
        network = Network(game.observation_shape, game.num_actions, config).plan()
        for device in devices:
            timing = network_timing(device, network)
            for batch in batches:
                rate = 1e6 * batch / timing.compute_us(batch)
                batch_us = timing.batch_us(batch)
                rows.append(
                    PlanRow(
                        device=device,
                        network=shape,
                        batch=batch,
                        batch_us=batch_us,
                        rows_per_s=rate,
                        workers=rate / worker_rows_per_s,
                        latency_us=timing.compute_us(batch) + batch_us,
                        games=2 * batch,
                    )
                )
    return PlanFigures(
        game=game.name,
        simulations=simulations,
        worker_rows_per_s=worker_rows_per_s,
        rows=tuple(rows),
    )
