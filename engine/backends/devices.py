"""Which devices a text names, and the evaluators on CUDA ones."""

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from engine.backends.cuda_backend import CudaEvaluator
from engine.backends.cuda_lane import CudaLane, page_lock
from engine.backends.plan import Plan
from engine.errors import ConfigError
from engine.evaluator import Evaluator
from games.base import Game

__all__ = ["choose_device", "choose_devices", "cuda_evaluators"]


def choose_devices(text: str) -> list[torch.device]:
    """The devices that `text` names: ``auto`` (a CUDA device where there is one), ``cpu``,
    ``cuda``, ``cuda:N``, or several of them with commas between.

    Raises
    ------
    ConfigError
        If this machine lacks one of them.
    """
    if text == "auto":
        text = "cuda" if torch.cuda.is_available() else "cpu"
    devices = []
    for name in text.split(","):
        if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
            raise ConfigError(
                f"device must be auto, or cpu, cuda or cuda:N, several separated by commas; "
                f"got {text!r}"
            )
        device = torch.device(name)
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            raise ConfigError(
                f"device must be auto or cpu here, got {name!r}: torch sees "
                f"{torch.cuda.device_count()} CUDA devices"
            )
        devices.append(device)
    return devices


def choose_device(text: str) -> torch.device:
    """The first of `choose_devices`."""
    return choose_devices(text)[0]


def cuda_evaluators(
    game: Game,
    source: Plan | str,
    *,
    load_plan: Callable[[str], Plan] | None = None,
    streams: int = 1,
    max_batch: int = 1024,
    device: str = "auto",
    precision: str = "auto",
    compile: bool = False,
    memory: npt.NDArray[np.uint8] | None = None,
) -> list[Evaluator]:
    """An evaluator on a CUDA device for each of so many threads.

    Parameters
    ----------
    memory
        Where the runs will lie: it is page-locked.
    game, source, load_plan, max_batch, precision, compile
        See `CudaEvaluator`.

    Raises
    ------
    ConfigError
        If there is no such device, or the precision is not one of the device's.
    EvaluatorError
        If the network does not fit the game, or its weights give no finite logits.
    """
    chosen = choose_device(device)
    slots = None if memory is None else page_lock(memory, chosen)
    return [
        CudaEvaluator(
            game,
            source,
            lane=CudaLane(chosen),
            load_plan=load_plan,
            max_batch=max_batch,
            precision=precision,
            compile=compile,
            slots=slots,
        )
        for _ in range(streams)
    ]
