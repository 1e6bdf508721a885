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
from engine.clock import core_ghz
from engine.errors import ConfigError
from engine.process import cpu_count
from games.base import Game
from trainer.config import NetworkConfig

__all__ = ["as_game", "fresh_model", "machine", "network_config", "refuse_debug_build"]

# What decides how fast a network runs.
VECTOR_FLAGS = (
    "avx2", "fma", "avx512f", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni",
    "amx_tile", "amx_int8", "amx_bf16", "asimd", "sve", "bf16", "i8mm",
)  # fmt: skip


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
        **_cpu_details(),
        "ghz": round(core_ghz(), 2),
        "cores": cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "commit": _commit(),
        "flavour": "debug" if build_info.DEBUG else "release",
    }


def _cpu_info() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty on other systems."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().split("\n\n")[0].splitlines() if info.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _cpu_name() -> str:
    return _cpu_info().get("model name") or platform.processor() or platform.machine()


def _cpu_details() -> dict[str, Any]:
    """What tells two processors of one name apart: a virtual machine may say "AMD EPYC" alone."""
    info = _cpu_info()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return {
        "cpu_model": " ".join(
            f"{label} {info[name]}"
            for label, name in (("family", "cpu family"), ("model", "model"), ("step", "stepping"))
            if name in info
        ),
        "cpu_flags": [flag for flag in VECTOR_FLAGS if flag in flags],
    }


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
