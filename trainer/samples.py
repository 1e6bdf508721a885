"""The window: the newest positions of a run, in memory, ready to be drawn for training.

Shapes: ``B`` samples of a batch, ``A`` actions, ``C, H, W`` observation planes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.duplicates import group_rows
from engine.errors import EngineError
from engine.records import Ending, GameRecord
from engine.symmetry import Canonical
from engine.unpack import unpack_nchw
from games.base import Game
from trainer.config import LearnerConfig
from trainer.replay import ReplayStore
from trainer.sampling import Draws, power_law, ranges
from trainer.targets import TargetColumns
from trainer.value_targets import search_values, value_labels

__all__ = ["Batch", "SampleWindow"]

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


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
    auxiliary: Mapping[str, npt.NDArray[Any]] = MappingProxyType({})
    """What `TargetColumns.gather` returns."""


class SampleWindow:
    """The newest plies of finished games, oldest forgotten first.

    Rows live in a ring of `max_rows`, one array a column; their visits, of which each row has its
    own number, in a second ring that grows when it must. Positions in both only ever increase,
    and are taken modulo the ring's size. Every row stays what it was: what equal positions have
    in common is computed from the rows that are there when samples are drawn, so nothing is left
    over of rows that have gone.

    Parameters
    ----------
    max_rows
        Most rows, >= 1.
    fraction
        Rows drawn from are at most this share of all rows ever added ...
    min_rows
        ... but so many, if there are.
    growth, slope
        With a growth above 0, `sampling.power_law` from `min_rows` on takes `fraction`'s place.
    train_on_fast
        Keep plies of fast searches, too; they have no policy target.
    value_mix
        Weight of the searches' value in the value target; the game's outcome has the rest.
    td_lambda
        How far that value looks at the searches after it: see `value_targets.search_values`.
    blunder_drop
        Let nothing count that came after a blunder: see `value_targets.blunders`.
    merge
        "none": every row is a sample. "equal": all rows of one position are a single sample,
        whose targets are the means of theirs. "mirrored": mirror images are one position; rows
        are then kept, and drawn without symmetries, as their canonical images.
    repeats
        How often a merged position is drawn: a key of `sampling.REPEAT_WEIGHTS`.
    surprise_share, value_surprise_share, surprise_clip
        Shares of the draws by the divergence of the policy target from the evaluator's policy,
        and by the difference between its value and the search's; see `sampling.surprise_weights`.
    auxiliary
        Names of the auxiliary targets to keep, of `trainer.targets.NAMES`.
    relabel
        Let what is proven stand for the outcome, see `value_targets.value_labels`; a proven ply's
        target is its proof alone.
    """

    def __init__(
        self,
        game: Game,
        max_rows: int,
        *,
        fraction: float = 1.0,
        min_rows: int = 1,
        growth: float = 0.0,
        slope: float = 0.4,
        train_on_fast: bool = False,
        value_mix: float = 0.0,
        td_lambda: float = 0.0,
        blunder_drop: float = 0.0,
        merge: str = "none",
        repeats: str = "log",
        surprise_share: float = 0.0,
        value_surprise_share: float = 0.0,
        surprise_clip: float = 4.0,
        relabel: bool = False,
        auxiliary: Sequence[str] = (),
    ) -> None:
        self._game = game
        self._max_rows, self._fraction, self._min_rows = max_rows, fraction, min_rows
        self._growth, self._slope = growth, slope
        self._train_on_fast, self._value_mix, self._td_lambda = train_on_fast, value_mix, td_lambda
        self._blunder_drop = blunder_drop
        self._relabel, self._merge, self._repeats = relabel, merge, repeats
        self._shares = {"surprise": surprise_share, "value_surprise": value_surprise_share}
        self._surprise_clip = surprise_clip
        self.total_rows = 0
        """Rows ever added, those forgotten included."""
        self._end = 0  # rows ever written to the ring
        # np.empty takes no memory until it is written to.
        self._columns: dict[str, npt.NDArray[Any]] = {
            "packed": np.empty((max_rows, game.observation_bytes), np.uint8),
            "outcome": np.empty(max_rows, np.float32),
            "mix": np.empty(max_rows, np.float32),
            "value": np.empty(max_rows, np.float32),
            "surprise": np.empty(max_rows, np.float32),
            "value_surprise": np.empty(max_rows, np.float32),
            "has_policy": np.empty(max_rows, np.bool_),
            "reanalysed": np.empty(max_rows, np.bool_),
            "start": np.empty(max_rows, np.int64),
            "count": np.empty(max_rows, np.int32),
        }
        self._targets = TargetColumns(game, max_rows, auxiliary)
        self._visit_end = 0
        self._visit_actions = np.empty(1024, np.int32)
        self._visits = np.empty(1024, np.float32)
        self._draws: Draws | None = None
        self._drawn_from = (0, 0)  # the rows that `_draws` is of
        self._canonical = Canonical(game)
        self._cells, actions = game.symmetries()
        # The table says what an action was; targets are scattered to where it went.
        self._moved = np.argsort(actions, axis=1).astype(np.int64)

    @classmethod
    def of(cls, game: Game, config: LearnerConfig) -> "SampleWindow":
        """The window that the learner's configuration asks for."""
        return cls(
            game,
            config.window_rows,
            fraction=config.window_fraction,
            min_rows=config.min_rows,
            growth=config.window_growth,
            slope=config.window_slope,
            train_on_fast=config.train_on_fast,
            value_mix=config.value_mix,
            td_lambda=config.value_td_lambda,
            blunder_drop=config.blunder_drop,
            merge=config.merge_duplicates,
            repeats=config.duplicate_weight,
            surprise_share=config.surprise_share,
            value_surprise_share=config.value_surprise_share,
            surprise_clip=config.surprise_clip,
            relabel=config.relabel,
            auxiliary=list(config.auxiliary),
        )

    def __len__(self) -> int:
        """Rows that `sample` draws from."""
        if self._growth:
            allowed = power_law(self.total_rows, self._min_rows, self._growth, self._slope)
        else:
            allowed = max(self._min_rows, int(self._fraction * self.total_rows))
        return min(self._end, self._max_rows, allowed)

    def fill(
        self, store: ReplayStore, *, validation: bool = False, before: int | None = None
    ) -> int:
        """Add the newest games of `store`, those before game `before` if that is given; return
        the rows added. Older runs' games come first."""
        all_plies = self._train_on_fast
        first = store.first_of_last_rows(
            self._max_rows, validation=validation, all_plies=all_plies, before=before
        )
        last = None if before is None else before - 1
        added = self.add(store.games(first, last, validation=validation))
        stored = store.num_rows(validation=validation, all_plies=all_plies, before=before)
        self.total_rows += stored - added  # with those that it has no room for
        return added

    def add(self, records: Iterable[GameRecord]) -> int:
        """Append the plies of `records` that are trained on; return how many."""
        added = 0
        for record in records:
            plies = np.arange(record.num_opening, record.num_plies)
            if not self._train_on_fast:
                plies = plies[record.full_search[plies]]
            added += self._append(record, plies[-self._max_rows :])
        self.total_rows += added
        return added

    def _append(self, record: GameRecord, plies: npt.NDArray[Any]) -> int:
        num = len(plies)
        if not num:
            return 0
        starts, stops = record.policy_offsets[plies], record.policy_offsets[plies + 1]
        has_policy = record.full_search[plies] & (stops > starts)
        counts = np.where(has_policy, stops - starts, 0).astype(np.int32)
        source = ranges(starts, counts)
        packed, actions = record.observations[plies], record.policy_actions[source]
        symmetries = None
        if self._merge == "mirrored":
            packed, symmetries = self._canonical.images(packed)
            actions = self._moved[np.repeat(symmetries, counts), actions].astype(np.int32)
        drop, mix = self._blunder_drop, self._value_mix
        labels = value_labels(record, proofs=self._relabel, blunder_drop=drop)
        values = search_values(record, self._td_lambda, blunder_drop=drop)
        # What a search has said in the outcome's place is a search's value like the other.
        values = np.where(labels.searched, (1 - mix) * labels.outcomes + mix * values, values)
        mixes = np.where(labels.exact, 0.0, np.where(labels.searched, 1.0, mix))
        surprised = record.root_values[plies] - record.prior_values[plies]
        rows = {
            "packed": packed,
            "outcome": labels.outcomes[plies],
            "mix": mixes[plies],
            "value": values[plies],
            "surprise": np.where(has_policy, record.surprises[plies], 0),
            "value_surprise": np.where(has_policy, np.abs(surprised), 0),
            "has_policy": has_policy,
            "reanalysed": record.ending == Ending.REANALYSED,
            "start": self._visit_end + np.cumsum(counts) - counts,
            "count": counts,
        }
        at = np.arange(self._end, self._end + num) % self._max_rows
        for name, values in rows.items():
            self._columns[name][at] = values
        self._targets.put(at, record, plies, symmetries)
        self._end += num
        oldest = max(0, self._end - self._max_rows) % self._max_rows
        self._reserve(len(source), int(self._columns["start"][oldest]))
        target = np.arange(self._visit_end, self._visit_end + len(source)) % len(self._visits)
        self._visit_actions[target] = actions
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
        """Draw samples with replacement, each under a random symmetry of the board.

        Raises
        ------
        EngineError
            If the window is empty.
        """
        if not len(self):
            raise EngineError("cannot sample from an empty window; finish some games first")
        draws, counts = self._refreshed(), None
        if draws is None:
            rows = rng.integers(self._end - len(self), self._end, batch_size)
        else:
            rows, counts = draws.draw(batch_size, rng)
        which = rng.integers(0, len(self._cells), batch_size) if symmetries else None
        return self._gather(rows, which, counts)

    def _refreshed(self) -> Draws | None:
        """The chances of the rows that are there now; None where all rows are alike."""
        shares = {name: share for name, share in self._shares.items() if share}
        if self._merge == "none" and not shares:
            return None
        first, num = self._end - len(self), len(self)
        if self._draws is None or self._drawn_from != (first, num):
            if self._merge == "none":
                groups = np.arange(num, dtype=np.int32)
            else:
                groups = group_rows(self._columns["packed"], first, num)
            self._draws = Draws(first, groups, self._repeats)
            at = np.arange(first, self._end) % self._max_rows
            parts = [
                (share, self._draws.means(self._columns[name][at]))
                for name, share in shares.items()
            ]
            if parts:
                self._draws.weigh(parts, self._surprise_clip)
            self._drawn_from = first, num
        return self._draws

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """All rows, oldest first, each for itself; the last batch may be smaller."""
        for start in range(self._end - len(self), self._end, batch_size):
            yield self._gather(np.arange(start, min(start + batch_size, self._end)), None)

    def share_known_to(self, other: "SampleWindow") -> float:
        """Share of these rows whose position, or a mirror image of it, `other` has, too; nan
        without rows. As good as exact: it compares hashes of 64 bits."""
        mine, theirs = (self._canonical.hashes(window._packed_rows()) for window in (self, other))
        return float(np.isin(mine, theirs).mean()) if len(mine) else float("nan")

    def _packed_rows(self) -> npt.NDArray[np.uint8]:
        """[len(self), observation_bytes] oldest first."""
        packed: npt.NDArray[np.uint8] = self._columns["packed"]
        return packed[np.arange(self._end - len(self), self._end) % self._max_rows]

    def _gather(self, rows: Rows, which: Rows | None, counts: Rows | None = None) -> Batch:
        """The samples that `rows` make: one each, or sample b the next `counts[b]` of them."""
        game, at = self._game, rows % self._max_rows
        firsts = at if counts is None else at[np.cumsum(counts) - counts]
        planes, height, width = game.observation_shape
        observations = np.empty((len(firsts), planes, height * width), np.float32)
        packed = self._columns["packed"][firsts]
        unpack_nchw(packed, game.num_planes, game.num_scalars, observations)
        if which is not None:
            observations = np.take_along_axis(observations, self._cells[which][:, None], axis=2)
            if counts is not None:
                which = np.repeat(which, counts)
        policy, wdl = self._policies(at, which), self._wdls(at)
        newest = slice(None) if counts is None else self._newest_played(at, counts)
        auxiliary = self._targets.gather(at[newest], None if which is None else which[newest])
        weight = self._columns["has_policy"][at].astype(np.float32)
        if counts is not None:
            # Rows without a policy target are zeros, and do not count in the mean of the others.
            starts = np.cumsum(counts) - counts
            targets = np.add.reduceat(weight, starts)
            policy = _means(policy, starts, np.maximum(targets, 1))
            wdl = _means(wdl, starts, counts)
            weight = (targets > 0).astype(np.float32)
        return Batch(
            observations.reshape(len(firsts), planes, height, width),
            policy,
            wdl,
            weight,
            auxiliary,
        )

    def _newest_played(self, at: Rows, counts: Rows) -> Rows:
        """[B] which of each sample's rows has its auxiliary targets: the newest, but a reanalysis,
        which has none, only where there is nothing else."""
        ends = np.cumsum(counts)
        played = np.where(self._columns["reanalysed"][at], -1, np.arange(len(at)))
        newest: Rows = np.maximum.reduceat(played, ends - counts)
        return np.where(newest < 0, ends - 1, newest)

    def _policies(self, at: Rows, which: Rows | None) -> Floats:
        """[rows, A] shares of the visits, under symmetry `which` of each row."""
        counts = self._columns["count"][at]
        entries = ranges(self._columns["start"][at], counts) % len(self._visits)
        owner = np.repeat(np.arange(len(at)), counts)
        actions = self._visit_actions[entries].astype(np.int64)
        if which is not None:
            actions = self._moved[which[owner], actions]
        policy = np.zeros((len(at), self._game.num_actions), np.float32)
        policy[owner, actions] = self._visits[entries]
        policy /= np.maximum(policy.sum(axis=1, keepdims=True), 1e-9)
        return policy

    def _wdls(self, at: Rows) -> Floats:
        """[rows, 3] value targets as win, draw and loss."""
        # A search's value says nothing of draws; it is read as of decisive games only, so that
        # win - loss is the value whatever the mix.
        outcome, value = self._columns["outcome"][at], self._columns["value"][at]
        won, lost = np.maximum(outcome, 0), np.maximum(-outcome, 0)
        certain = np.stack((won, 1 - won - lost, lost), axis=1)
        mix = self._columns["mix"][at]
        wdl = (1 - mix)[:, None] * certain
        wdl[:, 0] += mix * (1 + value) / 2
        wdl[:, 2] += mix * (1 - value) / 2
        targets: Floats = wdl.astype(np.float32)
        return targets


def _means(values: Floats, starts: Rows, numbers: npt.NDArray[Any]) -> Floats:
    """[B, ...] sums of the rows from each start to the next, over `numbers` [B]."""
    sums: Floats = np.add.reduceat(values, starts)
    means: Floats = (sums / numbers[:, None]).astype(np.float32)
    return means
