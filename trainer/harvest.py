"""Finished games on their way from the pool into the store, and to the learner."""

from collections.abc import Mapping
from typing import Any

from engine.pool import Pool
from engine.records import Ending, GameRecord
from games.base import Game
from trainer.config import RunConfig
from trainer.growth import borrow_games
from trainer.reanalysis import StoredPositions
from trainer.replay import ReplayStore, is_held_out
from trainer.reproducible import end_of_turn
from trainer.resignation import Resignations
from trainer.samples import SampleWindow
from trainer.starts import RECENT_GAMES, StartArchive
from trainer.statistics import Tally

__all__ = ["Harvest"]

HELD_OUT_ROWS = 4096
"""The newest ones measure the losses after every turn: 0.01 nats of noise, and half a second of a
small network instead of three after an hour, a sixth of the learner's time."""


class Harvest:
    """A run's games: what has come in, what is learned from, and what the learner owes.

    In a deterministic run only the games of finished turns are learned from, see
    `trainer.reproducible`.

    Parameters
    ----------
    game, config, store
        The run's.
    info
        The `info` of the checkpoint that the run goes on with; None: it is new.
    """

    def __init__(
        self, game: Game, config: RunConfig, store: ReplayStore, info: Mapping[str, Any] | None
    ) -> None:
        self._game, self._config, self._store = game, config, store
        learner, selfplay = config.learner, config.selfplay
        self._offers_starts = selfplay.start_share > 0
        self._reanalyses = selfplay.reanalyse_share > 0
        self.window = SampleWindow.of(game, learner)
        self.held_out = SampleWindow(game, min(HELD_OUT_ROWS, learner.window_rows))
        self.starts = StartArchive(selfplay.start_measure)
        self.stored = StoredPositions.of(learner)
        self.tally = Tally()
        self.resignations = Resignations()
        self.num_games = store.num_games()
        # Deterministic runs: the games before this one, and no others, are learned from.
        self._turn_end: int | None = None
        if config.deterministic:
            self._turn_end = 0 if info is None else int(info["turn_end"])
        borrowed = borrow_games(learner.games_from, game, self.window, self.held_out)
        # Rows that came since the learner's last turn.
        self.unlearned = borrowed if info is None else self._stored_rows() - int(info["rows"])
        self.window.fill(store, before=self._turn_end)
        self.held_out.fill(store, validation=True, before=self._turn_end)
        if self._offers_starts:
            recent = max(0, store.last_number() + 1 - RECENT_GAMES)
            self.starts.add(store.games(recent, validation=False))
        if self._reanalyses:
            self.stored.fill(store, learner.window_rows)

    @property
    def num_taken_in(self) -> int:
        """Finished games; in a deterministic run those of finished turns."""
        return self.num_games if self._turn_end is None else self._turn_end

    def info(self) -> dict[str, Any]:
        """What a checkpoint must know to go on from here."""
        return {
            "games": self.num_games,
            # Rows the learner's turns have covered: a resumed run owes the rest.
            "rows": self._stored_rows() - self.unlearned,
            **({} if self._turn_end is None else {"turn_end": self._turn_end}),
        }

    def collect(self, pool: Pool, timeout_s: float) -> set[int]:
        """Commit finished games, count them, and only then give their journals back; returns
        their numbers. Waits for games up to `timeout_s`."""
        finished = pool.finished(timeout_s)
        if finished:
            records = sorted((f.record for f in finished), key=lambda r: r.number)
            self._store.add_games(records)
            pool.release(finished)
            for record in records:
                self.tally.add(record)
            self.num_games += sum(r.ending != Ending.REANALYSED for r in records)
            self.resignations.add(records)
            if self._turn_end is None:
                self._take_in(records)
        return {game.record.number for game in finished}

    def next_turn(self) -> range:
        """Numbers of the games of a deterministic run's next turn."""
        assert self._turn_end is not None, "only a deterministic run has turns"
        begin = self._turn_end
        return range(
            begin, end_of_turn(self._store, self._config, begin, self._game.max_game_length)
        )

    def missing(self, turn: range) -> set[int]:
        """Those of its games that are not in the store; some are if the run stopped in it."""
        return set(turn) - self._store.numbers(turn.start, turn.stop - 1)

    def end_turn(self, turn: range) -> None:
        """All its games are there: take them in by their numbers."""
        self._turn_end = turn.stop
        self._take_in(list(self._store.games(turn.start, turn.stop - 1)))

    def _take_in(self, records: list[GameRecord]) -> None:
        """Learn from these games, or validate with them, from now on."""
        share = self._config.learner.validation_share
        kept = [r for r in records if not is_held_out(r, share)]
        self.unlearned += self.window.add(kept)
        if self._offers_starts:
            self.starts.add(kept)
        if self._reanalyses:
            self.stored.add(kept)
        self.held_out.add(r for r in records if is_held_out(r, share))

    def _stored_rows(self) -> int:
        """Rows in the store that are trained on."""
        every_ply = self._config.learner.train_on_fast
        return self._store.num_rows(
            validation=False, all_plies=every_ply, before=self._turn_end
        )
