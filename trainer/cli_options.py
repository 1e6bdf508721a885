"""What the commands share: their options, and how they print."""

import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

if TYPE_CHECKING:
    from games.base import Game
    from trainer.arena.players import Contestant
    from trainer.thinking import Limits, Thinker

__all__ = [
    "AtLeastOne",
    "Backend",
    "Count",
    "Device",
    "Endgame",
    "GameName",
    "Json",
    "Memory",
    "Out",
    "Precision",
    "Quiet",
    "Seconds",
    "Seed",
    "Symmetric",
    "Thinking",
    "console",
    "finite",
    "print_json",
    "progress_bar",
]

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print one JSON object.")]
Quiet = Annotated[bool, Parameter(negative=(), help="Print nothing but errors and results.")]
GameName = Annotated[str | None, Parameter(name="--game", help="A game; see ringzero games.")]
Seed = Annotated[int, Parameter(help="Keys every random draw.", validator=Number(gte=0))]
Count = Annotated[int, Parameter(validator=Number(gte=0))]
AtLeastOne = Annotated[int, Parameter(validator=Number(gte=1))]
Seconds = Annotated[float, Parameter(validator=Number(gte=0))]
Device = Annotated[str, Parameter(help="auto, cpu, cuda or cuda:N.")]
Symmetric = Annotated[
    bool,
    Parameter(negative=(), help="Average networks over the board's symmetries: stronger, slower."),
]
Backend = Annotated[
    str, Parameter(help="On a CPU: auto (what measures fastest), openvino or torch.")
]
Precision = Annotated[
    str, Parameter(help="auto (the fastest that is exact enough), fp32, bf16 or int8 (openvino).")
]
Memory = Annotated[
    str, Parameter(help="Of all search trees: 64M, 1.5G; 0: what the simulations need.")
]
Endgame = Annotated[
    int,
    Parameter(
        help="A network's player first tries to search all that is left of the game, exactly, in "
        "so many positions; 0: never.",
        validator=Number(gte=0),
    ),
]
LeafEndgame = Annotated[
    int,
    Parameter(
        help="The same for every leaf of its tree, in the last plies of short games; 0: never.",
        validator=Number(gte=0),
    ),
]
Out = Annotated[Path | None, Parameter(help="Write the figures to this file, as JSON.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """How a player thinks about one position at a time."""

    simulations: Annotated[
        Count, Parameter(help="Of a move, unless told otherwise; 0: by --seconds, or 800.")
    ] = 0
    seconds: Annotated[
        Seconds, Parameter(help="Of a move, unless told otherwise; 0: any time.")
    ] = 0.0
    game: GameName = None
    leaves: Annotated[
        AtLeastOne, Parameter(help="In flight at once: more are faster and search slightly worse.")
    ] = 8
    memory: Annotated[str, Parameter(help="Of the tree: 512M, 4G.")] = "512M"
    endgame: Endgame = 10_000
    symmetric: Symmetric = False
    device: Device = "auto"
    backend: Backend = "auto"
    precision: Precision = "auto"

    @property
    def memory_mb(self) -> float:
        """Of the tree."""
        from trainer.config import megabytes

        return megabytes(self.memory)

    def player(self, name: str) -> "tuple[Contestant, Game]":
        """The contestant of that name, and its game."""
        from trainer.arena.players import contestant, game_of
        from trainer.compute import Compute

        compute = Compute(self.device, self.backend, self.precision)
        who = contestant(name, 1, symmetric=self.symmetric, compute=compute)
        return who.solving_ends(self.endgame), game_of(who, game=self.game)

    def thinker(
        self, who: "Contestant", rules: "Game", memory_mb: float | None = None
    ) -> "Thinker":
        """Who thinks, with a tree of its own."""
        from trainer.thinking import Thinker

        size = self.memory_mb if memory_mb is None else memory_mb
        return Thinker(who, rules, leaves=self.leaves, memory_mb=size)

    def limits(self, who: "Contestant") -> "Limits":
        """Of a move that nothing else limits."""
        from trainer.thinking import Limits

        simulations = self.simulations
        if not simulations and not self.seconds:
            simulations = who.search.num_simulations if who.kind == "rollout" else 800
        return Limits(simulations=simulations, seconds=self.seconds)


def console() -> Any:
    """Where results are printed."""
    from rich.console import Console

    return Console(highlight=False)


def print_json(data: dict[str, Any]) -> None:
    """Print `data` as one JSON object on one line."""
    print(json.dumps(finite(data), default=float, allow_nan=False))


def finite(value: Any) -> Any:
    """`value` with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class progress_bar:
    """A bar on stderr where that is a terminal, nothing elsewhere."""

    def __init__(self, label: str, total: int, silent: bool) -> None:
        self._label, self._total = label, total
        self._silent = silent or not sys.stderr.isatty() or "NO_COLOR" in os.environ
        self._bar: Any = None

    def __enter__(self) -> Any:
        if self._silent:
            return lambda done: None
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._bar.start()
        task = self._bar.add_task(self._label, total=self._total)
        return lambda done: self._bar.update(task, completed=done)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()
