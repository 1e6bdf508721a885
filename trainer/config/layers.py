"""From presets, files and the command line to one configuration."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from trainer.config.run import RunConfig
from trainer.reproducible import settled
from trainer.strict import nested, read_toml, update

__all__ = ["preset_names", "resolve"]


def preset_names() -> list[str]:
    """Names of the presets that come with ringzero."""
    files = (resources.files("trainer") / "presets").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name[-5:] == ".toml")


def resolve(
    preset: str,
    files: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
) -> RunConfig:
    """The configuration that all layers give together.

    Parameters
    ----------
    preset
        A preset's name, the path of a ``.toml`` file, or a game: its name or the path of a
        ``.py`` file, which starts from the built-in defaults.
    files
        Files laid over it, in order.
    overrides
        ``"section.key"`` to a value, or to its text as a person types it; laid over the files.

    Raises
    ------
    ConfigError
        If a file cannot be read, or a key or value does not fit; names the file and the key.
    """
    config = RunConfig()
    if preset in preset_names():
        file = resources.files("trainer") / "presets" / f"{preset}.toml"
        config = update(config, read_toml(file, f"preset {preset}"), f"preset {preset}")
    elif preset.endswith(".toml"):
        files = [preset, *files]
    else:
        config = update(config, {"game": {"name": preset}}, "command line")
    for path in map(Path, files):
        config = update(config, read_toml(path, str(path)), str(path))
    config = update(config, nested(overrides or {}), "command line", parse=True)
    return settled(config) if config.deterministic else config
