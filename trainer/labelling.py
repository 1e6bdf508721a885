"""Which of a run's checkpoints is called the best, and when that changes.

The newest weights challenge those with the label in a sequential test on paired openings. Only a
verdict moves the label: a test that ends undecided leaves it where it is.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from engine.errors import StoreError
from games.base import Game
from trainer.arena.players import Contestant, contestant, match_search
from trainer.arena.sequential import SequentialResult, play_sequential
from trainer.arena.sprt import Sprt, Standing
from trainer.best import FILE, Best, read_best, write_best
from trainer.checkpoint import CheckpointStore
from trainer.config import RunConfig
from trainer.replay import ReplayStore
from trainer.runs import RunFolder

__all__ = ["Labelling"]

log = logging.getLogger(__name__)


class Labelling:
    """The label of a run, and the tests that move it.

    Parameters
    ----------
    folder, game, config, checkpoints, store
        The run's. Tests are kept in the store, so that the time they took is known after a
        resume.
    serial
        Play in this process, step by step.

    Raises
    ------
    StoreError
        If the run's best.json is damaged or names a checkpoint that is not there.
    """

    def __init__(
        self,
        folder: RunFolder,
        game: Game,
        config: RunConfig,
        checkpoints: CheckpointStore,
        store: ReplayStore,
        *,
        serial: bool = False,
    ) -> None:
        self._folder, self._game, self._config = folder, game, config
        self._checkpoints, self._store, self._serial = checkpoints, store, serial
        self._every_s = config.evaluation.best_every_minutes * 60
        self._spent_s = sum(row["seconds"] for row in store.matches() if "sprt" in row)
        self._tested = -1  # step of the last challenger
        self._next_s = 0.0
        self.best = read_best(folder.path)
        if self.best is not None and self.best.step not in checkpoints.steps():
            raise StoreError(
                f"{folder.path / FILE} names checkpoint {self.best.step}, which is not there; "
                "delete the file, and the newest checkpoint gets the label"
            )

    @property
    def gates(self) -> bool:
        """Whether only weights with the label play."""
        return self._config.selfplay.gating

    def begin(self, generation: int, elapsed_s: float) -> None:
        """The session begins. Without a label yet, the newest checkpoint gets it untested."""
        self._next_s = elapsed_s + self._every_s
        step = self._checkpoints.latest()
        if self._every_s and self.best is None and step is not None:
            self._give(Best(step=step, generation=generation, elapsed_s=elapsed_s))

    def playing(self, generation: int) -> tuple[int, int]:
        """Step and generation of the weights that play; the newest are of `generation`."""
        if self.gates and self.best is not None:
            return self.best.step, self.best.generation
        return self._checkpoints.latest() or 0, generation

    def due(self, elapsed_s: float) -> bool:
        """Whether there is a challenger, and time for a test."""
        return bool(
            self._every_s
            and elapsed_s >= self._next_s
            and self.best is not None
            and self._checkpoints.latest() not in (self.best.step, self._tested)
            and self._spent_s < self._config.evaluation.best_share * elapsed_s
        )

    def test(
        self,
        generation: int,
        elapsed_s: float,
        on_pair: Callable[[int, Standing], bool | None] | None = None,
    ) -> SequentialResult | None:
        """Let the newest checkpoint, of `generation`, challenge the best.

        Returns
        -------
        The test, from the challenger's point of view; None if `on_pair` gave it up. `best` has
        moved if its verdict is "stronger".
        """
        best, step = self.best, self._checkpoints.latest()
        assert best is not None and step is not None, "asked without a label or a checkpoint"
        evaluation = self._config.evaluation
        found = play_sequential(
            self._game,
            self._player(step),
            self._player(best.step),
            Sprt(
                elo0=evaluation.best_elo0,
                elo1=evaluation.best_elo1,
                alpha=evaluation.best_alpha,
                beta=evaluation.best_beta,
            ),
            evaluation.best_games,
            opening_plies=evaluation.opening_plies,
            seed=self._config.seed + step,  # every test has openings of its own
            log_dir=str(self._folder.logs / "matches"),
            serial=self._serial,
            on_pair=on_pair,
        )
        if found is None:
            return None
        self._tested = step
        self._spent_s += found.seconds
        self._next_s = elapsed_s + found.seconds + self._every_s
        self._store.add_match({**found.as_json(), "step": step, "best_step": best.step})
        log.info(
            "best_test step=%d best=%d games=%d llr=%.3f verdict=%r",
            step, best.step, found.games, found.standing.llr, found.standing.verdict,
        )  # fmt: skip
        if found.standing.verdict == "stronger":
            self._give(
                Best(
                    step=step,
                    generation=generation,
                    elapsed_s=elapsed_s,
                    games=found.games,
                    llr=found.standing.llr,
                )
            )
        return found

    def _give(self, best: Best) -> None:
        write_best(self._folder.path, best)
        self.best = best

    def _player(self, step: int) -> Contestant:
        config = self._config
        search = match_search(config.evaluation.simulations, config.search)
        player = contestant(
            str(self._checkpoints.path(step)), 1, compute=config.selfplay.compute
        )
        return replace(player, search=search)
