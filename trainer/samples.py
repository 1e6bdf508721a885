"""The window: the newest positions of a run, in memory, ready to be drawn for training.

Shapes: ``B`` samples of a batch, ``A`` actions, ``C, H, W`` observation planes.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.errors import EngineError
from engine.records import GameRecord
from engine.unpack import unpack_nchw
from games.base import Game
from trainer.relabel import value_labels
from trainer.replay import ReplayStore

__all__ = ["Batch", "SampleWindow"]

Floats = npt.NDArray[np.float32]


class Batch(NamedTuple):
    """Samples with their targets, all for the player to move."""

    observations: Floats
    """[B, C, H, W]."""
    policy: Floats
    """[B, A] share of the visits; zeros where there is no policy target."""
    wdl: Floats
    """[B, 3] win, draw, loss; sums to 1."""
    policy_weight: Floats
    """[B] 1, or 0 where there is no policy target."""


class SampleWindow:
    """The newest plies of finished games, oldest forgotten first.

    Rows live in a ring of `max_rows`; their visits, of which each row has its own number, in a
    second ring that grows when it must. Positions in both only ever increase, and are taken
    modulo the ring's size.

    Parameters
    ----------
    max_rows
        Most rows, >= 1.
    fraction
        Rows drawn from are at most this share of all rows ever added ...
    min_rows
        ... but so many, if there are.
    train_on_fast
        Keep plies of fast searches, too; they have no policy target.
    value_mix
        Weight of the search's value in the value target; the game's outcome has the rest.
    relabel
        Let what is proven stand for the outcome, see `trainer.relabel`; a proven ply's target is
        its proof alone.
    """

    def __init__(
        self,
        game: Game,
        max_rows: int,
        *,
        fraction: float = 1.0,
        min_rows: int = 1,
        train_on_fast: bool = False,
        value_mix: float = 0.0,
        relabel: bool = False,
    ) -> None:
        self._game = game
        self._max_rows, self._fraction, self._min_rows = max_rows, fraction, min_rows
        self._train_on_fast, self._value_mix, self._relabel = train_on_fast, value_mix, relabel
        self.total_rows = 0
        """Rows ever added, those forgotten included."""
        self._end = 0  # rows ever written to the ring
        # np.empty takes no memory until it is written to.
        self._packed = np.empty((max_rows, game.observation_bytes), np.uint8)
        self._outcomes = np.empty(max_rows, np.float32)
        self._values = np.empty(max_rows, np.float32)
        self._is_exact = np.zeros(max_rows, np.bool_)
        self._has_policy = np.empty(max_rows, np.bool_)
        self._starts = np.empty(max_rows, np.int64)
        self._counts = np.empty(max_rows, np.int32)
        self._visit_end = 0
        self._visit_actions = np.empty(1024, np.int32)
        self._visits = np.empty(1024, np.float32)
        self._cells, actions = game.symmetries()
        # The table says what an action was; targets are scattered to where it went.
        self._moved = np.argsort(actions, axis=1).astype(np.int64)

    def __len__(self) -> int:
        """Rows that `sample` draws from."""
        allowed = max(self._min_rows, int(self._fraction * self.total_rows))
        return min(self._end, self._max_rows, allowed)

    def fill(self, store: ReplayStore, *, validation: bool = False) -> int:
        """Add the newest games of `store`; return the rows added. For an empty window."""
        all_plies = self._train_on_fast
        first = store.first_of_last_rows(self._max_rows, validation=validation, all_plies=all_plies)
        added = self.add(store.games(first, validation=validation))
        self.total_rows = store.num_rows(validation=validation, all_plies=all_plies)
        return added

    def add(self, records: Iterable[GameRecord]) -> int:
        """Append the plies of `records` that are trained on; return how many."""
        added = 0
        for record in records:
            plies = np.arange(record.num_plies)
            if not self._train_on_fast:
                plies = plies[record.full_search]
            added += self._append(record, plies[-self._max_rows :])
        self.total_rows += added
        return added

    def _append(self, record: GameRecord, plies: npt.NDArray[Any]) -> int:
        num = len(plies)
        at = np.arange(self._end, self._end + num) % self._max_rows
        self._packed[at] = record.observations[plies]
        if self._relabel:
            labels = value_labels(record)
            self._outcomes[at], self._is_exact[at] = labels.outcomes[plies], labels.exact[plies]
        else:
            self._outcomes[at] = record.returns[record.players[plies]]
        self._values[at] = record.root_values[plies]
        starts, stops = record.policy_offsets[plies], record.policy_offsets[plies + 1]
        has_policy = record.full_search[plies] & (stops > starts)
        counts = np.where(has_policy, stops - starts, 0).astype(np.int32)
        self._has_policy[at], self._counts[at] = has_policy, counts
        source = _ranges(starts, counts)
        self._starts[at] = self._visit_end + np.cumsum(counts) - counts
        self._end += num
        oldest = max(0, self._end - self._max_rows) % self._max_rows
        self._reserve(len(source), int(self._starts[oldest]) if num else 0)
        target = np.arange(self._visit_end, self._visit_end + len(source)) % len(self._visits)
        self._visit_actions[target] = record.policy_actions[source]
        self._visits[target] = record.policy_weights[source]
        self._visit_end += len(source)
        return num

    def _reserve(self, more: int, first: int) -> None:
        """Make room for `more` visits beside those from position `first` on."""
        size, need = len(self._visits), self._visit_end + more - first
        if need <= size:
            return
        bigger = max(2 * size, need)
        live = np.arange(first, self._visit_end)
        for name in ("_visits", "_visit_actions"):
            old = getattr(self, name)
            new = np.empty(bigger, old.dtype)
            new[live % bigger] = old[live % size]
            setattr(self, name, new)

    def sample(
        self, batch_size: int, rng: np.random.Generator, *, symmetries: bool = True
    ) -> Batch:
        """Draw rows uniformly, with replacement, each under a random symmetry of the board.

        Raises
        ------
        EngineError
            If the window is empty.
        """
        if not len(self):
            raise EngineError("cannot sample from an empty window; finish some games first")
        rows = rng.integers(self._end - len(self), self._end, batch_size)
        which = rng.integers(0, len(self._cells), batch_size) if symmetries else None
        return self._gather(rows, which)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """All rows, oldest first, as they are; the last batch may be smaller."""
        for start in range(self._end - len(self), self._end, batch_size):
            yield self._gather(np.arange(start, min(start + batch_size, self._end)), None)

    def _gather(self, rows: npt.NDArray[np.int64], which: npt.NDArray[np.int64] | None) -> Batch:
        game, at, num = self._game, rows % self._max_rows, len(rows)
        planes, height, width = game.observation_shape
        observations = np.empty((num, planes, height * width), np.float32)
        unpack_nchw(self._packed[at], game.num_planes, game.num_scalars, observations)
        if which is not None:
            observations = np.take_along_axis(observations, self._cells[which][:, None], axis=2)

        counts = self._counts[at]
        entries = _ranges(self._starts[at], counts) % len(self._visits)
        owner = np.repeat(np.arange(num), counts)
        actions = self._visit_actions[entries].astype(np.int64)
        if which is not None:
            actions = self._moved[which[owner], actions]
        policy = np.zeros((num, game.num_actions), np.float32)
        policy[owner, actions] = self._visits[entries]
        policy /= np.maximum(policy.sum(axis=1, keepdims=True), 1e-9)

        # A search's value says nothing of draws; it is read as of decisive games only, so that
        # win - loss is the value whatever the mix.
        outcomes, values, mix = self._outcomes[at], self._values[at], self._value_mix
        won, lost = np.maximum(outcomes, 0), np.maximum(-outcomes, 0)
        certain = np.stack((won, 1 - won - lost, lost), axis=1)
        wdl = (1 - mix) * certain
        wdl[:, 0] += mix * (1 + values) / 2
        wdl[:, 2] += mix * (1 - values) / 2
        wdl = np.where(self._is_exact[at, None], certain, wdl)
        return Batch(
            observations.reshape(num, planes, height, width),
            policy,
            wdl.astype(np.float32),
            self._has_policy[at].astype(np.float32),
        )


def _ranges(starts: npt.NDArray[Any], counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """``start, start + 1, ...``, `count` of them, for each pair, one after the other."""
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    offsets: npt.NDArray[np.int64] = np.repeat(starts - (ends - counts), counts)
    return offsets + np.arange(total)
