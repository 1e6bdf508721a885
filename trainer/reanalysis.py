"""Reanalysis: which positions of stored games are searched again with today's weights.

A stored search is as good as the weights that it was made with. Searched again, a position gets
a policy target and a root value of today, for one search where a new game takes one for each of
its plies. What the game says of the position, its outcome or a proof, stays: it is not played
again.

References
----------
Schrittwieser et al., "Online and offline reinforcement learning by planning with a learned
model", arXiv:2104.06294 (MuZero Reanalyze).

Shapes: ``P`` positions of a game.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.records import Ending, GameRecord
from engine.starts import Start
from trainer.config import LearnerConfig
from trainer.replay import ReplayStore
from trainer.value_targets import UNPROVEN, value_labels

__all__ = ["NUM_OFFERED", "StoredPositions"]

NUM_OFFERED = 8192
"""More than are searched between two offers: then no position is searched twice."""
CANDIDATES = 2
"""Of so many times the wanted number, drawn uniformly, the older ones are taken."""


class _Stored(NamedTuple):
    """What is remembered of a record."""

    rows: int  # of the window
    generation: int
    actions: npt.NDArray[np.int32]
    plies: npt.NDArray[np.int32]  # [P] of the positions worth another search
    returns: npt.NDArray[np.float32]  # [P] player 0's, by what the game says of each


class StoredPositions:
    """The positions of the window's games that may be searched again.

    A position that its own search has proven is left out, since its targets are exact. So is
    what a reanalysis has added: its source is there, as long as the window has it. Reanalyses do
    count as rows, which push older ones out of the window.

    Parameters
    ----------
    all_plies
        The window keeps plies of fast searches, too.
    relabel
        What a game says of a position is its next proof, if there is one, before its outcome.
    """

    def __init__(self, *, all_plies: bool = False, relabel: bool = False) -> None:
        self._all_plies, self._relabel = all_plies, relabel
        self._games: deque[_Stored] = deque()
        self._rows = 0

    @classmethod
    def of(cls, config: LearnerConfig) -> "StoredPositions":
        """Those of the window that the learner's configuration asks for."""
        return cls(all_plies=config.train_on_fast, relabel=config.relabel)

    def add(self, records: Iterable[GameRecord]) -> None:
        """Remember what has been added to the window."""
        for record in records:
            plies = np.arange(record.num_opening, record.num_plies)
            if not self._all_plies:
                plies = plies[record.full_search[plies]]
            rows = len(plies)
            if record.ending == Ending.REANALYSED:
                plies = plies[:0]
            plies = plies[record.results[plies] == UNPROVEN].astype(np.int32)
            outcomes = value_labels(record, proofs=self._relabel).outcomes[plies]
            # x - 0 would keep a draw's minus zero.
            returns = np.where(record.players[plies] == 0, outcomes, 0 - outcomes)
            stored = _Stored(rows, record.generation, record.actions, plies, returns)
            self._games.append(stored)
            self._rows += rows

    def fill(self, store: ReplayStore, max_rows: int) -> None:
        """Remember the newest games of `store`, as many as a window of `max_rows` holds."""
        first = store.first_of_last_rows(max_rows, all_plies=self._all_plies)
        self.add(store.games(first, validation=False))

    def draw(self, num: int, window_rows: int, rng: np.random.Generator) -> list[Start]:
        """At most `num` different positions of the games that the newest `window_rows` rows are
        of: drawn uniformly, twice as many where there are, of which the older generations' are
        taken. They come in random order."""
        while self._games and self._rows - self._games[0].rows >= window_rows:
            self._rows -= self._games.popleft().rows
        ends = np.cumsum([len(game.plies) for game in self._games], dtype=np.int64)
        total = int(ends[-1]) if len(ends) else 0
        drawn = rng.choice(total, min(total, CANDIDATES * num), replace=False)
        games = np.searchsorted(ends, drawn, side="right")
        generations = np.array([game.generation for game in self._games], np.int64)[games]
        chosen = np.sort(np.argsort(generations, kind="stable")[:num])
        starts = []
        for position, at in zip(drawn[chosen].tolist(), games[chosen].tolist(), strict=True):
            game = self._games[at]
            index = position - int(ends[at])  # from the end of the game's positions
            value = float(game.returns[index])
            starts.append(Start(game.actions[: game.plies[index]].tolist(), (value, 0 - value)))
        return starts
