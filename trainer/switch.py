"""What a person may name as a switch to try: values of the configuration, or a group of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from engine.errors import ConfigError
from trainer.strict import flattened, read_toml

__all__ = ["Switch", "read_switches"]


@dataclass(frozen=True, slots=True)
class Switch:
    """One thing to try: values laid over the preset together."""

    name: str
    """As typed."""
    values: Mapping[str, str]
    """``section.key`` to the text of the value."""

    @property
    def slug(self) -> str:
        """A name for folders."""
        return re.sub(r"[^\w.=+-]", "_", self.name)


def read_switches(text: str) -> list[Switch]:
    """The switches of ``a.b=1,c.d=2+e.f=3,group``: separated by commas; a plus joins values that
    are tried together; a name without = is a group of values, one that ships or a TOML file.

    Raises
    ------
    ConfigError
        If one is written otherwise, comes twice, or there is no such group.
    """
    switches = [_switch(piece.strip()) for piece in text.split(",") if piece.strip()]
    names = [switch.name for switch in switches]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"--switch needs different switches, such as search.solver=false, "
                          f"got {text!r}")  # fmt: skip
    return switches


def _switch(text: str) -> Switch:
    if "=" in text:
        pairs = [part.partition("=") for part in text.split("+")]
        if any(not equals or "." not in key for key, equals, _ in pairs):
            raise ConfigError(f"a switch must look like section.key=value, got {text!r}")
        return Switch(text, {key.strip(): value.strip() for key, _, value in pairs})
    folder = resources.files("trainer") / "switches"
    shipped = sorted(f.name.removesuffix(".toml") for f in folder.iterdir())
    if text in shipped:
        values = read_toml(folder / f"{text}.toml", f"switch group {text}")
    elif text.endswith(".toml"):
        values = read_toml(Path(text), text)
        text = Path(text).stem
    else:
        raise ConfigError(
            f"no switch {text!r}: expected section.key=value, a .toml file, or a group: "
            f"{', '.join(shipped)}"
        )
    return Switch(text, flattened(values))
