"""Games by name: built-in ones, plug-ins of other distributions, and plain Python files."""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from games.base import Game
from games.errors import GameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["from_spec", "make", "names", "register", "spec"]

_GROUP = "ringzero.games"
_BUILT_IN = {  # modules with a `make`, imported when asked for
    "breakthrough": "games.breakthrough",
    "chess": "games.chess",
    "connect4": "games.connect4",
    "go": "games.go",
    "gomoku": "games.gomoku",
    "hex": "games.hex",
    "othello": "games.othello",
    "tictactoe": "games.tictactoe",
}
_registered: dict[str, Callable[..., Game]] = {}
_files: dict[str, str] = {}  # name of a file's module -> the file's path


def make(name: str, /, **options: Any) -> Game:
    """The game called `name`.

    Parameters
    ----------
    name
        A name of `names()`, or the path of a Python file (``games/nim.py``). The file has a
        function ``make(**options)`` or exactly one subclass of `Game`, whose arguments are then
        the options.
    options
        What this game understands; JSON values.

    Raises
    ------
    GameError
        If there is no such game or option, or if the option's value cannot be used.
    """
    factory = _file_factory(name) if name.endswith(".py") else _factory(name)
    _check_options(name, factory, options)
    game = factory(**options)
    if not isinstance(game, Game):
        raise GameError(f"the factory of {name} must return a Game, got {game!r}")
    if not name.endswith(".py") and game.name != name:
        raise GameError(f"the game registered as {name!r} calls itself {game.name!r}")
    for key, value in options.items():
        if game.options.get(key) != value:
            raise GameError(
                f"{name} was made with {key}={value!r}, but its Game.options say "
                f"{game.options!r}; pass the options to Game.__init__"
            )
    return game


def register(name: str, factory: Callable[..., Game]) -> None:
    """Make `factory(**options)` reachable as `name` in this process.

    Other processes do not know of it: a game for training is a plug-in, with an entry point
    ``name = "module:factory"`` in the group ``ringzero.games``, or a file.
    """
    if not name.isidentifier():
        raise GameError(f"name must be an identifier, got {name!r}")
    if name in _BUILT_IN or name in _registered:
        raise GameError(f"there is already a game called {name!r}; choose another name")
    _registered[name] = factory


def names() -> list[str]:
    """All known names, sorted; a built-in game wins over a registered one, that over a plug-in."""
    return sorted({*_BUILT_IN, *_registered, *(plugin.name for plugin in _plugins())})


def spec(game: Game) -> dict[str, Any]:
    """``{"name": ..., "options": {...}}``, JSON values, from which `from_spec` makes it again.

    The name of a game from a file is the file's absolute path: the file is needed again.
    """
    result = {
        "name": _files.get(type(game).__module__, game.name),
        "options": dict(game.options),
    }
    try:
        same = json.loads(json.dumps(result)) == result
    except (TypeError, ValueError):
        same = False
    if not same:
        raise GameError(f"options of {game.name} must be JSON values, got {game.options!r}")
    return result


def from_spec(spec: Mapping[str, Any]) -> Game:
    """The game that `spec` described."""
    if (
        not isinstance(spec, Mapping)
        or set(spec) != {"name", "options"}
        or not isinstance(spec["name"], str)
        or not isinstance(spec["options"], Mapping)
    ):
        raise GameError(f"a game's spec must have a name and options, got {spec!r}")
    return make(spec["name"], **spec["options"])


def _plugins() -> "tuple[EntryPoint, ...]":
    # Imported here: it drags in e-mail and zip files, which no worker needs.
    from importlib.metadata import entry_points

    return tuple(entry_points(group=_GROUP))


def _factory(name: str) -> Callable[..., Game]:
    if name in _BUILT_IN:
        found: Callable[..., Game] = importlib.import_module(_BUILT_IN[name]).make
        return found
    if name in _registered:
        return _registered[name]
    plugins = [plugin for plugin in _plugins() if plugin.name == name]
    if not plugins:
        raise GameError(
            f"there is no game {name!r}{_nearest(name, names())}; known: {', '.join(names())}, "
            "or the path of a .py file"
        )
    if len({plugin.value for plugin in plugins}) > 1:
        raise GameError(
            f"several plug-ins are called {name!r}: "
            f"{', '.join(plugin.value for plugin in plugins)}; uninstall all but one"
        )
    try:
        return plugins[0].load()  # type: ignore[no-any-return]  # whatever the plug-in exports
    except Exception as error:
        raise GameError(
            f"plug-in {name!r} ({plugins[0].value}) could not be loaded: {error!r}"
        ) from error


def _file_factory(name: str) -> Callable[..., Game]:
    module = _load(Path(name))
    made = getattr(module, "make", None)
    if callable(made):
        found: Callable[..., Game] = made
        return found
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Game)
        and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        listed = ", ".join(cls.__name__ for cls in classes) or "none"
        raise GameError(
            f"{name} must have a function make(**options) or exactly one subclass of Game, "
            f"got {listed}"
        )
    return classes[0]


def _load(path: Path) -> ModuleType:
    # Once a process, so that all games of a file share its classes.
    path = path.resolve()
    key = f"ringzero_game_{hashlib.blake2b(str(path).encode(), digest_size=8).hexdigest()}"
    if key in sys.modules:
        return sys.modules[key]
    if not path.is_file():
        raise GameError(f"there is no game file {str(path)!r}")
    found = importlib.util.spec_from_file_location(key, path)
    assert found is not None and found.loader is not None  # its name ends in .py
    module = importlib.util.module_from_spec(found)
    sys.modules[key] = module
    try:
        found.loader.exec_module(module)
    except Exception as error:
        del sys.modules[key]
        raise GameError(f"the game file {str(path)!r} could not be loaded: {error!r}") from error
    _files[key] = str(path)
    return module


def _check_options(name: str, factory: Callable[..., Game], options: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(factory)
    except ValueError:  # a compiled class; its own error has to do
        return
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    allowed = [
        key
        for key, parameter in signature.parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    for key in options:
        if key not in allowed and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise GameError(
                f"{name} has no option {key!r}{_nearest(key, allowed)}; "
                f"allowed: {', '.join(allowed) or 'none'}"
            )
    try:
        signature.bind(**options)
    except TypeError as error:
        raise GameError(f"{name}: {error}; options: {', '.join(allowed)}") from error


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {near[0]!r}?" if near else ""
