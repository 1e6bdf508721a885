"""What all measurements share: the refusal of a debug build, the machine, a fresh network."""

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil

import games
from engine import build_info
from engine.errors import ConfigError
from engine.process import cpu_count
from games.base import Game
from trainer.config import NetworkConfig

__all__ = ["as_game", "fresh_model", "machine", "network_config", "refuse_debug_build"]


def refuse_debug_build() -> None:
    """Raise a ConfigError if the engine was compiled with its checks."""
    if build_info.DEBUG:
        raise ConfigError(
            "benchmarks need the release build, and this is the debug build; "
            "run `python setup.py build_ext --inplace` without ENGINE_DEBUG"
        )


def as_game(game: Game | str) -> Game:
    """The game itself, or the one of that name."""
    return games.make(game) if isinstance(game, str) else game


def network_config(text: NetworkConfig | str) -> NetworkConfig:
    """The shape itself, or the one written as blocks x channels: ``4x48``."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise ConfigError(f"a network must be written blocks x channels, like 4x48, got {text!r}")
    return NetworkConfig(blocks=int(match[1]), channels=int(match[2]))


def fresh_model(path: Path, game: Game, config: NetworkConfig) -> None:
    """Write an untrained network to `path`, the same one every time."""
    import torch

    from trainer.network import Network, save_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(game.observation_shape, game.num_actions, config)
    save_model(path, network, games.spec(game), {"generation": 0})


def machine() -> dict[str, Any]:
    """Where and what was measured: goes into every record."""
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_name(),
        "cores": cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "commit": _commit(),
        "flavour": "debug" if build_info.DEBUG else "release",
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        match = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if match is not None:
            return match[1].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """The commit that is checked out, with a + if files were changed; "" outside a checkout."""
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return ""
    done = subprocess.run(
        ["git", "-C", str(source), "describe", "--always", "--dirty=+", "--abbrev=10"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()
