"""What a finished game teaches beside policy and result: the targets of the auxiliary heads.

Shapes: ``T`` plies of a game, ``B`` samples of a batch, ``A`` actions, ``N`` cells of the board,
``K`` actions that are kept of a reply. All targets are for the player to move, and cells lie as
that player's observation shows them.

::

    reply         the opponent's policy target one ply on (KataGo: Wu, arXiv:1902.10565, 3.4)
    ownership     whose each cell is in the end (there, 4.1)
    score         the final margin in points, as a share of the cells (there, 4.1)
    plies_left    log(1 + plies to come), this one included (lc0's moves-left head)
    winning_line  the cells of the line or link that has won, and for whom
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import ConfigError
from engine.records import Ending, GameRecord
from games.base import Game, GameState

__all__ = [
    "CELL_TARGETS",
    "NAMES",
    "UNKNOWN",
    "TargetColumns",
    "declared",
    "ending_targets",
    "reply_targets",
]

NAMES = ("reply", "ownership", "score", "plies_left", "winning_line")
"""Every auxiliary target there is."""
CELL_TARGETS = ("ownership", "winning_line")
"""Those of cells: [T, N] int8 of 1 (own), -1 (the other's), 0 (neither's)."""
UNKNOWN = 2
"""A cell whose end is not known: the game was given up before. Numbers are NaN then."""
MAX_REPLY = 32
"""Most actions kept of a reply, the heaviest: beyond them lies what noise has visited."""

Columns = dict[str, npt.NDArray[Any]]


def declared(game: Game, names: Sequence[str]) -> None:
    """Raise a ConfigError unless `game` can say all that `names` asks for."""
    state = game.initial_state()
    has = {name: _ending(state, name, 0) is not None for name in NAMES}
    for name in names:
        if not has[name]:
            known = ", ".join(each for each in NAMES if has[each])
            raise ConfigError(
                f"learner.{name}_weight must be 0 for {game.name}, whose states do not say it; "
                f"known of it: {known}"
            )


def _ending(state: GameState, name: str, player: int) -> Any:
    """What the end `state` says of `name` to `player`; None if nothing."""
    if name == "ownership":
        return state.final_owners(player)
    if name == "winning_line":
        return state.winning_cells(player)
    if name == "score":
        return state.final_margin(player)
    return True  # every game has replies and a length


def ending_targets(game: Game, record: GameRecord, names: Sequence[str]) -> Columns:
    """Targets of the plies of `record` that the game's end decides.

    Parameters
    ----------
    names
        Of `NAMES`; "reply" is passed over.

    Returns
    -------
    [T, N] int8 of each cell target, [T] float32 of the others.

    Raises
    ------
    games.errors.IllegalActionError
        If the actions of `record` are none of this game.
    """
    num, cells = record.num_plies, game.rows * game.columns
    wanted = [name for name in names if name != "reply"]
    columns: Columns = {
        name: np.full((num, cells), UNKNOWN, np.int8)
        if name in CELL_TARGETS
        else np.full(num, np.nan, np.float32)
        for name in wanted
    }
    if not wanted or record.ending == Ending.REANALYSED:  # its last ply is not the game's
        return columns
    state = game.initial_state()
    for action in record.actions.tolist():
        state.apply_action(action)
    if not state.is_terminal():  # given up: how it would have ended is not known
        return columns
    for name, column in columns.items():
        if name == "plies_left":
            column[:] = np.log1p(num - np.arange(num))
            continue
        scale = 1 / cells if name == "score" else 1
        for player in (0, 1):
            column[record.players == player] = _ending(state, name, player) * scale
    return columns


def reply_targets(
    record: GameRecord, width: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The policy target of each next ply, if the opponent has searched it fully.

    Parameters
    ----------
    width
        K; of targets with more actions the heaviest stay.

    Returns
    -------
    actions, weights : [T, K]
        Weights sum to 1, or to 0 where there is no reply.
    """
    num = record.num_plies
    actions = np.zeros((num, width), np.int32)
    weights = np.zeros((num, width), np.float32)
    offsets, players = record.policy_offsets, record.players
    for ply in range(num - 1):
        start, stop = int(offsets[ply + 1]), int(offsets[ply + 2])
        replies = players[ply + 1] != players[ply] and record.full_search[ply + 1]
        if not replies or stop == start:
            continue
        given = record.policy_weights[start:stop]
        heaviest = np.argsort(-given, kind="stable")[:width]
        actions[ply, : len(heaviest)] = record.policy_actions[start:stop][heaviest]
        weights[ply, : len(heaviest)] = given[heaviest] / given[heaviest].sum()
    return actions, weights


class TargetColumns:
    """Auxiliary targets of a window's rows, in the same order; memory is taken as it is filled.

    Parameters
    ----------
    max_rows
        Rows of the window.
    names
        Of `NAMES`; without any nothing is kept.
    """

    def __init__(self, game: Game, max_rows: int, names: Sequence[str] = ()) -> None:
        self._game, self._names = game, tuple(names)
        cells = game.rows * game.columns
        self._columns: Columns = {
            name: np.empty((max_rows, cells), np.int8)
            if name in CELL_TARGETS
            else np.empty(max_rows, np.float16)
            for name in names
            if name != "reply"
        }
        self._width = min(game.max_legal_actions, MAX_REPLY)
        rows = max_rows if "reply" in names else 0
        self._reply_actions = np.empty((rows, self._width), np.int32)
        self._reply_weights = np.empty((rows, self._width), np.float16)
        self._cells, actions = game.symmetries()
        self._moved = np.argsort(actions, axis=1)

    def put(
        self,
        at: npt.NDArray[Any],
        record: GameRecord,
        plies: npt.NDArray[Any],
        symmetries: npt.NDArray[Any] | None = None,
    ) -> None:
        """Keep the targets of the plies `plies` of `record` as the rows `at`; where `symmetries`
        are given, of the plies' images under them."""
        if self._columns:
            found = ending_targets(self._game, record, tuple(self._columns))
            for name, column in found.items():
                rows = column[plies]
                if name in CELL_TARGETS and symmetries is not None:
                    rows = np.take_along_axis(rows, self._cells[symmetries], axis=1)
                self._columns[name][at] = rows
        if "reply" in self._names:
            actions, weights = (column[plies] for column in reply_targets(record, self._width))
            if symmetries is not None:
                actions = self._moved[np.asarray(symmetries)[:, None], actions]
            self._reply_actions[at], self._reply_weights[at] = actions, weights

    def gather(
        self, at: npt.NDArray[Any], which: npt.NDArray[np.int64] | None
    ) -> Mapping[str, npt.NDArray[Any]]:
        """Targets of the rows `at` under the symmetries `which`, one a row.

        Returns
        -------
        [B, N] int8 of each cell target, [B, A] float32 of the reply, [B] float32 of the others.
        """
        found: Columns = {}
        for name, column in self._columns.items():
            rows = column[at]
            if name not in CELL_TARGETS:
                rows = rows.astype(np.float32)
            elif which is not None:
                rows = np.take_along_axis(rows, self._cells[which], axis=1)
            found[name] = rows
        if "reply" in self._names:
            actions = self._reply_actions[at].astype(np.int64)
            if which is not None:
                actions = self._moved[which[:, None], actions]
            reply = np.zeros((len(at), self._game.num_actions), np.float32)
            # Entries without weight all name action 0: they must add, not overwrite.
            np.add.at(reply, (np.arange(len(at))[:, None], actions), self._reply_weights[at])
            found["reply"] = reply
        return found
