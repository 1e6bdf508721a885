"""Times and sizes as people write them."""

import re

from engine.errors import ConfigError

__all__ = ["duration", "megabytes"]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``20m``, ``1.5h``, ``1h30m`` or ``2d``.

    Raises
    ------
    ConfigError
        If `text` is not written like that.
    """
    compact = re.sub(r"\s+", "", text.lower())
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return float(compact)
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", compact):
        raise ConfigError(f"a duration must look like 90s, 20m or 1h30m, got {text!r}")
    return sum(float(n) * UNITS[unit] for n, unit in re.findall(r"([\d.]+)([smhd])", compact))


def megabytes(text: str) -> float:
    """Megabytes (1e6 bytes) of ``64M``, ``1.5G``, ``800k`` or ``64``, which are megabytes.

    Raises
    ------
    ConfigError
        If `text` is not written like that.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)b?", text.strip().lower())
    if found is None:
        raise ConfigError(f"memory must look like 64M, 1.5G or 800k, got {text!r}")
    return float(found[1]) * {"k": 1e-3, "": 1.0, "m": 1.0, "g": 1e3}[found[2]]
