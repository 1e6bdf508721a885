"""Options of a command that change the configuration: ``--section.key value``."""

import re

from engine.errors import ConfigError

__all__ = ["split_overrides", "typed"]

typed: dict[str, str] = {}
"""Those that the command being run was typed with, as ``section.key`` to text."""


def split_overrides(args: list[str]) -> tuple[list[str], dict[str, str]]:
    """Take ``--section.key value`` and ``--section.key=value`` out of `args`."""
    rest: list[str] = []
    overrides: dict[str, str] = {}
    waiting = iter(args)
    for arg in waiting:
        if arg == "--":  # what follows belongs to another command
            return [*rest, arg, *waiting], overrides
        found = re.fullmatch(r"--([\w-]+(?:\.[\w-]+)+)(?:=(.*))?", arg, re.DOTALL)
        if found is None:
            rest.append(arg)
            continue
        key, value = found[1].replace("-", "_"), found[2]
        if value is None:
            value = next(waiting, None)
        if value is None:
            raise ConfigError(f"--{key} needs a value, for example --{key} 1")
        overrides[key] = value
    return rest, overrides
