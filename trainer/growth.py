"""A run that begins with what another has learned: its weights, its games, or both."""

from pathlib import Path

from engine.errors import ConfigError
from games.base import Game
from trainer.arena.players import find_model
from trainer.learner import Learner
from trainer.network import Network, load_model
from trainer.replay import ReplayStore
from trainer.samples import SampleWindow
from trainer.transfer import carry_over

__all__ = ["borrow_games", "start_from"]


def start_from(path: str, learner: Learner, game: Game) -> str:
    """Let `learner`, which has not learned yet, begin with the model that `path` leads to.

    Returns
    -------
    What was done, for people.

    Raises
    ------
    ConfigError
        If the model is of another game, or larger than the learner's network.
    StoreError
        If there is no such model.
    """
    model = find_model(Path(path))
    source, metadata = load_model(model)
    if metadata.game["name"] != game.name:
        raise ConfigError(
            f"learner.start_from must be a model of {game.name}, got {path}, which plays "
            f"{metadata.game['name']}"
        )
    same = carry_over(source, learner.network)
    learner.average.load_state_dict(learner.network.state_dict())
    what = "computing the same" if same else "its convolutions; the rest is a first guess"
    return f"started from {model}: {_size(source)} to {_size(learner.network)}, {what}"


def borrow_games(path: str, game: Game, window: SampleWindow, held_out: SampleWindow) -> int:
    """Fill both windows with the games of the run in the folder `path`, which is only read.

    Returns
    -------
    Rows that `window` took, 0 without a path.

    Raises
    ------
    StoreError
        If there is no such run, or it is of another game.
    """
    if not path:
        return 0
    with ReplayStore(Path(path) / "run.db", game, read_only=True) as store:
        held_out.fill(store, validation=True)
        return window.fill(store)


def _size(network: Network) -> str:
    return f"{network.config.blocks}x{network.config.channels}"
