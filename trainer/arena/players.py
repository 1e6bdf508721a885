"""What a person may name as a player: a run, a checkpoint, a model file or a baseline."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import games
from engine.backends.spec import EvaluatorSpec
from engine.config import SearchConfig
from engine.errors import ConfigError, StoreError
from engine.player import PlayerSpec
from games.base import Game
from trainer.best import read_best
from trainer.compute import Compute
from trainer.engines.base import parse_command

__all__ = ["Contestant", "contestant", "find_model", "game_of", "match_search"]

EXTERNAL = ("uci:", "gtp:")
LEAF_NODES = 1_000
PLAYING = SearchConfig(
    solver=True, decisive_moves=True, leaf_endgame_nodes=LEAF_NODES, leaf_endgame_from=-22
)
"""What a network's player searches with: all that knows the rules better than a network does and
costs little beside it. Ends come into reach in the last plies of short games only; in others leaves
are never tried."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A player of matches and evaluations."""

    name: str
    kind: str
    """See `engine.player.PlayerSpec`; or external: a program that speaks UCI or GTP."""
    search: SearchConfig
    model: Path | None = None
    """The model file of a network player."""
    symmetric: bool = False
    """Whether its network is asked about a position's mirror images, too."""
    compute: Compute = Compute()
    """What its network runs on."""
    settled: EvaluatorSpec | None = None
    """Its evaluator where one of the same shape runs already: nothing needs to be measured."""
    seconds: float = 0.0
    """Of a move, in place of simulations; 0: no limit. Time is measured, so that such games are
    played at a table each, as those of external players are."""
    command: str = ""
    """Of an external player, see `trainer.engines.base.parse_command`."""

    @property
    def needs_a_table(self) -> bool:
        """Whether a pool's workers cannot play for it."""
        return self.kind == "external" or self.seconds > 0

    def ending_early(self, *, resign: float = 0.0, proven: bool = False) -> "Contestant":
        """The same player, who gives games up that it thinks lost, or ends those that its search
        has proven.

        Parameters
        ----------
        resign
            Once its searches' values of three moves running are at or below this; 0: never.
        proven
            Only a network's searches prove anything.
        """
        search = replace(
            self.search, resign_value=resign, end_when_proven=proven and self.search.solver
        )
        return replace(self, search=search)

    def solving_ends(self, nodes: int, leaf_nodes: int = LEAF_NODES) -> "Contestant":
        """The same player, who first tries to search all that is left of the game. Networks only.

        Parameters
        ----------
        nodes
            In at most so many positions, see `SearchConfig.endgame_nodes`; 0: never.
        leaf_nodes
            And so many for each leaf, see `SearchConfig.leaf_endgame_nodes`; 0: never.
        """
        if self.kind != "network" or not self.search.solver:
            return self
        search = replace(self.search, endgame_nodes=nodes, leaf_endgame_nodes=leaf_nodes)
        return replace(self, search=search)

    def player(self, model: int) -> PlayerSpec:
        """For a pool whose model number `model` is this contestant's."""
        return PlayerSpec(kind=self.kind, search=self.search, model=model)

    def evaluator(self) -> EvaluatorSpec:
        """Its network's evaluator.

        Raises
        ------
        ConfigError
            If there is no such device.
        """
        if self.settled is not None:
            return replace(self.settled, path=str(self.model), symmetric=self.symmetric)
        return self.compute.evaluator(str(self.model), symmetric=self.symmetric)


def match_search(num_simulations: int, base: SearchConfig | None = None) -> SearchConfig:
    """A search that plays for the result: no noise, no fast searches, the most visited move, all
    simulations on every move, whatever was kept of the tree, and the game to its end, of which
    nothing is known beforehand."""
    return replace(
        base or SearchConfig(),
        num_simulations=num_simulations,
        fast_simulations=0,
        dirichlet_fraction=0.0,
        gumbel_scale=0.0,
        temperature=0.0,
        final_temperature=0.0,
        temperature_plies=0,
        endgame_nodes=0,
        end_when_proven=False,
        resign_value=0.0,
        resign_playout=0.0,
        initial_simulations=0,
        count_kept=False,
    )


def contestant(
    text: str,
    num_simulations: int,
    base: SearchConfig | None = None,
    *,
    symmetric: bool = False,
    compute: Compute = Compute(),
) -> Contestant:
    """The player that `text` names.

    Parameters
    ----------
    text
        ``random``; ``mcts:N``, random-rollout tree search with N simulations; ``uci:COMMAND`` or
        ``gtp:COMMAND``, a program, see `trainer.engines.base.parse_command`; or a network, see
        `find_model`.
    num_simulations
        Of a network player's move.
    base
        Its other search settings; by default `PLAYING`.
    symmetric
        Whether a network is asked about a position's mirror images, too.
    compute
        What a network runs on.

    Raises
    ------
    ConfigError
        If there is no such player.
    StoreError
        If there is no such model.
    """
    if text == "random":
        return Contestant(text, "random", match_search(1))
    if text.startswith(EXTERNAL):
        parse_command(text.partition(":")[2])
        return Contestant(text, "external", match_search(1), command=text)
    found = re.fullmatch(r"mcts:(\d+)", text)
    if found:
        if int(found[1]) < 1:
            raise ConfigError(f"mcts needs a number of simulations >= 1, got {text!r}")
        # Without a policy the search must explore more. Over 300 Connect Four games with 1000
        # simulations, 2.5 stood +36 [+2, +69] Elo above 1.41, and 4.0 +20 [-14, +53].
        search = SearchConfig(c_init=2.5, fpu_reduction=0.0, root_fpu_reduction=0.0)
        return Contestant(text, "rollout", match_search(int(found[1]), search))
    if not _split(text)[0].exists():
        raise ConfigError(
            f"no player {text!r}: expected random, mcts:N (for example mcts:1000), uci:PROGRAM, "
            "gtp:PROGRAM, or the path of a run, a checkpoint or a model.safetensors; RUN:best and "
            "RUN:STEP name a run's checkpoint"
        )
    search = match_search(num_simulations, base or PLAYING)
    return Contestant(text, "network", search, find_model(text), symmetric, compute)


def find_model(text: Path | str) -> Path:
    """The model file that `text` names: the path of a run, which stands for its newest checkpoint,
    of a checkpoint or of a model file; ``RUN:best``, the checkpoint with the label; or
    ``RUN:1200``, that of a step.

    Raises
    ------
    StoreError
        If there is none, naming what was looked for.
    """
    path, label = _split(str(text))
    if label:
        return _labelled(path, label)
    if path.is_file():
        return path
    if (path / "model.safetensors").is_file():
        return path / "model.safetensors"
    folder = path / "checkpoints"
    steps = sorted(p.name for p in folder.glob("[0-9]*")) if folder.is_dir() else []
    if not steps:
        raise StoreError(
            f"{path} holds no model: expected model.safetensors, or checkpoints/ of a run"
        )
    return folder / steps[-1] / "model.safetensors"


def _split(text: str) -> tuple[Path, str]:
    """The path and the label of ``PATH:LABEL``; a path that is there as it stands has none."""
    path, colon, label = text.rpartition(":")
    if colon and not Path(text).exists() and re.fullmatch(r"best|\d+", label):
        return Path(path), label
    return Path(text), ""


def _labelled(run: Path, label: str) -> Path:
    """The model file of a run's checkpoint: the best, or that of a step."""
    if label == "best":
        best = read_best(run)
        if best is None:
            raise StoreError(
                f"{run} has no best checkpoint: evaluation.best_every_minutes > 0 makes "
                f"{run}/best.json; {run} alone names the newest one"
            )
        step = best.step
    else:
        step = int(label)
    found = run / "checkpoints" / f"{step:08d}" / "model.safetensors"
    if not found.is_file():
        there = sorted(p.name for p in (run / "checkpoints").glob("[0-9]*"))
        raise StoreError(
            f"{run}:{label} names no checkpoint: {found} is not there; "
            f"steps are {', '.join(str(int(name)) for name in there) or 'none'}"
        )
    return found


def game_of(*contestants: Contestant, game: str | None = None) -> Game:
    """The game that all network players know; `game` decides where there is none.

    Raises
    ------
    ConfigError
        If the players know different games, or none is named.
    """
    # Imports torch, which listing games and matches of baselines do without.
    from trainer.network import load_model

    specs = {c.name: load_model(c.model)[1].game for c in contestants if c.model is not None}
    found: Game | None = games.make(game) if game else None
    for name, spec in specs.items():
        own = games.from_spec(spec)
        if found is not None and games.spec(found) != games.spec(own):
            raise ConfigError(f"{name} plays {own!r}, not {found!r}; players must share a game")
        found = found or own
    if found is None:
        raise ConfigError("baselines alone do not say which game; add --game, e.g. --game connect4")
    return found
