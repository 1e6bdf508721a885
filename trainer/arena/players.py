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
from trainer.compute import Compute

__all__ = ["Contestant", "contestant", "find_model", "game_of", "match_search"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A player of matches and evaluations."""

    name: str
    kind: str
    """See `engine.player.PlayerSpec`."""
    search: SearchConfig
    model: Path | None = None
    """The model file of a network player."""
    symmetric: bool = False
    """Whether its network is asked about a position's mirror images, too."""
    compute: Compute = Compute()
    """What its network runs on."""

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
        return self.compute.evaluator(str(self.model), symmetric=self.symmetric)


def match_search(num_simulations: int, base: SearchConfig | None = None) -> SearchConfig:
    """A search that plays for the result: no noise, no fast searches, the most visited move, and
    all simulations on every move, whatever was kept of the tree."""
    return replace(
        base or SearchConfig(),
        num_simulations=num_simulations,
        fast_simulations=0,
        dirichlet_fraction=0.0,
        gumbel_scale=0.0,
        temperature=0.0,
        final_temperature=0.0,
        temperature_plies=0,
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
        ``random``; ``mcts:N``, random-rollout tree search with N simulations; or the path of a
        run, a checkpoint or a model file.
    num_simulations
        Of a network player's move.
    base
        Its other search settings; by default those of `SearchConfig`, with the solver.
    symmetric
        Whether a network is asked about a position's mirror images, too.
    compute
        What a network runs on.

    Raises
    ------
    ConfigError
        If there is no such player.
    StoreError
        If the path holds no readable model.
    """
    if text == "random":
        return Contestant(text, "random", match_search(1))
    found = re.fullmatch(r"mcts:(\d+)", text)
    if found:
        if int(found[1]) < 1:
            raise ConfigError(f"mcts needs a number of simulations >= 1, got {text!r}")
        # Without a policy the search must explore more. Over 300 Connect Four games with 1000
        # simulations, 2.5 stood +36 [+2, +69] Elo above 1.41, and 4.0 +20 [-14, +53].
        search = SearchConfig(c_init=2.5, fpu_reduction=0.0, root_fpu_reduction=0.0)
        return Contestant(text, "rollout", match_search(int(found[1]), search))
    if not Path(text).exists():
        raise ConfigError(
            f"no player {text!r}: expected random, mcts:N (for example mcts:1000), or the path of "
            "a run, a checkpoint or a model.safetensors"
        )
    search = match_search(num_simulations, base or SearchConfig(solver=True))
    return Contestant(text, "network", search, find_model(Path(text)), symmetric, compute)


def find_model(path: Path) -> Path:
    """The model file that a run, checkpoint or model path leads to.

    Raises
    ------
    StoreError
        If there is none, naming what was looked for.
    """
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
