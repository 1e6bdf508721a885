"""Frozen dataclasses from TOML and from the command line, read strictly, and written back.

Nothing here knows what a run is: a configuration is a dataclass whose fields are values or
further dataclasses, each field documented by the string below it.
"""

import ast
import difflib
import inspect
import itertools
import math
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import tomli_w

from engine.errors import ConfigError

__all__ = ["flattened", "nested", "options_text", "read_toml", "to_toml", "update"]

T = TypeVar("T")
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def read_toml(file: Path | Traversable, source: str) -> dict[str, Any]:
    """The tables of a TOML file; `source` names it in errors."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{source}: cannot be read ({error.strerror or error}); check the path"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{source}: is not TOML: {error}") from error


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """``{"a.b": 1}`` as ``{"a": {"b": 1}}``; dashes in keys become underscores."""
    result: dict[str, Any] = {}
    for dotted, value in flat.items():
        *parents, last = dotted.replace("-", "_").split(".")
        table = result
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise ConfigError(f"command line: {dotted} and its section are both given")
        table[last] = value
    return result


def flattened(tables: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """``{"a": {"b": True}}`` as ``{"a.b": "true"}``: the texts that a person would type."""
    flat: dict[str, str] = {}
    for key, value in tables.items():
        if isinstance(value, Mapping):
            flat.update(flattened(value, f"{path}{key}."))
        elif isinstance(value, list | tuple):
            flat[f"{path}{key}"] = ",".join(map(str, value))
        else:
            flat[f"{path}{key}"] = str(value).lower() if isinstance(value, bool) else str(value)
    return flat


def update(config: T, layer: Mapping[str, Any], source: str, *, parse: bool = False) -> T:
    """`config` with the values of `layer` laid over it.

    Parameters
    ----------
    config
        A dataclass; its sections are dataclasses too.
    layer
        Nested tables of new values.
    source
        Where they come from, for errors: a file's name.
    parse
        Values that are text are read as what the field holds: they were typed by a person.

    Raises
    ------
    ConfigError
        If a key is unknown or a value is not what its field holds.
    """
    known = list(_leaves(config))
    return _update(config, layer, source, parse, "", known)


def _update(
    config: T, layer: Mapping[str, Any], source: str, parse: bool, path: str, known: list[str]
) -> T:
    """`update` for the section `path` of a configuration whose values are `known`."""
    kinds = get_type_hints(type(config))
    changes: dict[str, Any] = {}
    for key, value in layer.items():
        where = f"{path}{key}"
        if key not in kinds:
            raise ConfigError(f"{source}: {_unknown(list(kinds), key, path, known)}")
        current = getattr(config, key)
        if is_dataclass(current):
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"{source}: {where} is a section; write {where}.KEY, "
                    f"with KEY one of {', '.join(get_type_hints(type(current)))}"
                )
            changes[key] = _update(current, value, source, parse, f"{where}.", known)
        elif kinds[key] in (dict, dict[str, Any]) and isinstance(value, Mapping):
            typed = {k: _guess(v) if parse else v for k, v in value.items()}
            changes[key] = {**current, **typed}
        else:
            try:
                changes[key] = _convert(kinds[key], value, parse)
            except (TypeError, ValueError):
                expected = _describe(kinds[key])
                raise ConfigError(
                    f"{source}: {where} must be {expected}, got {value!r}"
                ) from None
    try:
        return replace(config, **changes)  # type: ignore[type-var]
    except ConfigError as error:
        raise ConfigError(f"{source}: {path}{error}") from error


def _unknown(here: list[str], key: str, path: str, known: list[str]) -> str:
    """What is wrong with `key` of section `path`, and the key that was probably meant."""
    close = difflib.get_close_matches(key, here, n=1, cutoff=0.6)
    meant = [f"{path}{name}" for name in close] + [
        name for name in known if name.split(".")[-1] == key
    ]
    hint = f"did you mean {meant[-1]}?" if meant else f"known: {', '.join(here)}"
    return f"unknown key {path}{key}; {hint}"


def _leaves(config: Any, path: str = "") -> Iterator[str]:
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield from _leaves(value, f"{path}{item.name}.")
        else:
            yield f"{path}{item.name}"


def _guess(text: Any) -> Any:
    """A value typed for a field of any type: TOML if it reads as such, else the text."""
    if not isinstance(text, str):
        return text
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _convert(kind: Any, value: Any, parse: bool) -> Any:
    """`value` as `kind`; raises TypeError or ValueError if it is nothing of the kind."""
    typed = parse and isinstance(value, str)
    if kind is bool:
        if typed and value.lower() in TRUE + FALSE:
            return value.lower() in TRUE
        if isinstance(value, bool):
            return value
    elif kind is int:
        if typed:
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif kind is float:
        number = typed or (isinstance(value, int | float) and not isinstance(value, bool))
        if number and math.isfinite(float(value)):
            return float(value)
    elif kind is str:
        if isinstance(value, str):
            return value
    elif get_origin(kind) is tuple:
        if typed:
            value = [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, list | tuple):
            return tuple(_convert(get_args(kind)[0], item, parse) for item in value)
    raise TypeError


def _describe(kind: Any) -> str:
    names = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
    if get_origin(kind) is tuple:
        return f"a list, each item {_describe(get_args(kind)[0])}"
    return names.get(kind, "a table")


def _docs(cls: type) -> dict[str, str]:
    """The string below each field of `cls`; nothing where its source is not at hand."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except OSError:  # a frozen or zipped program: the file is written without comments
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    docs: dict[str, str] = {}
    for line, below in itertools.pairwise(body):
        if (
            isinstance(line, ast.AnnAssign)
            and isinstance(line.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            docs[line.target.id] = " ".join(str(below.value.value).split())
    return docs


def to_toml(config: Any) -> str:
    """`config` as commented TOML that `update` reads back to an equal one."""
    return "\n".join(_lines(config)).strip() + "\n"


def _lines(config: Any, path: str = "") -> Iterator[str]:
    """Values first, then tables: a TOML table takes every line up to the next one."""
    docs, sections = _docs(type(config)), []
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value) or isinstance(value, dict):
            sections.append((item.name, value))
            continue
        if item.name in docs:
            yield textwrap.indent(textwrap.fill(docs[item.name], 96), "# ")
        yield tomli_w.dumps({item.name: value}).strip()
    for name, value in sections:
        if isinstance(value, dict) and not value:
            continue
        yield ""
        if isinstance(value, dict):
            yield f"# {docs.get(name, name)}"
            table = nested({f"{path}{name}": value})  # dumped whole: values may be tables too
            yield tomli_w.dumps(table).strip()
            continue
        yield f"# {(inspect.getdoc(type(value)) or name).splitlines()[0]}"
        yield f"[{path}{name}]"
        yield from _lines(value, f"{path}{name}.")


def options_text(config: Any, width: int) -> str:
    """Every key of the sections of `config` as it is typed, its value, and what it means below."""
    return "\n".join(_options(config, width)).strip()


def _options(config: Any, width: int, path: str = "") -> Iterator[str]:
    docs = _docs(type(config))
    for item in fields(config):
        value, name = getattr(config, item.name), f"{path}{item.name}"
        if is_dataclass(value):
            yield f"\n{(inspect.getdoc(value) or name).splitlines()[0]}"
            yield from _options(value, width, f"{name}.")
        elif path:
            typed = "" if isinstance(value, dict) else flattened({name: value})[name] or '""'
            yield f"  --{name} {typed}" if typed else f"  --{name}.KEY VALUE"
            yield textwrap.indent(textwrap.fill(docs.get(item.name, ""), width - 6), " " * 6)
