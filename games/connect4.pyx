"""Connect Four on boards of up to 64 cells: four in a row wins, a full board is a draw.

Actions are the columns from the left, 0 to ``columns - 1``; moves call them 1 to ``columns``.
"""

from dataclasses import replace

import numpy as np

from libc.stdint cimport uint8_t, uint64_t

from games.base cimport Game, GameState, NativeState, action_t, mix64

from games.endings import signed_cells, stones_in_line
from games.errors import GameError
from games.stones import (
    board_text, not_a_position, numbers, play, read_board, status, stone_at,
)

__all__ = ["ConnectFour", "ConnectFourState", "make"]

cdef uint64_t SALT = <uint64_t>0x636f6e6e65637434    # the empty board must not hash to 0


cdef inline uint64_t line_starts(uint64_t stones, int step) noexcept nogil:
    # First cells of four stones that are `step` apart: pairs, then pairs of pairs.
    cdef uint64_t pairs = stones & (stones >> step)
    return pairs & (pairs >> 2 * step)


cdef inline bint has_four(ConnectFour game, uint64_t stones) noexcept nogil:
    return (
        line_starts(stones, 1) & game.left                       # rows
        | line_starts(stones, game.columns)                      # columns
        | line_starts(stones, game.columns + 1) & game.left      # down and right
        | line_starts(stones, game.columns - 1) & game.right     # down and left
    ) != 0


def make(*, rows=6, columns=7):
    """The game on a board of `rows` by `columns`, each 4 to 16, at most 64 cells together."""
    return ConnectFour(rows, columns)


cdef class ConnectFour(Game):
    """Connect Four.

    Parameters
    ----------
    rows, columns
        Size of the board, each from 4 to 16, at most 64 cells together.

    Raises
    ------
    GameError
        If there is no such board.
    """

    def __init__(self, rows=6, columns=7):
        for name, size in (("rows", rows), ("columns", columns)):
            if type(size) is not int or not 4 <= size <= 16:
                raise GameError(f"{name} of connect4 must be an integer from 4 to 16, got {size!r}")
        if rows * columns > 64:
            raise GameError(
                f"rows * columns of connect4 must be at most 64, got {rows} * {columns}"
            )
        super().__init__(
            "connect4", num_actions=columns, board_shape=(rows, columns), num_planes=2,
            max_game_length=rows * columns, options={"rows": rows, "columns": columns},
        )
        self.num_cells = rows * columns
        self.top = (1 << columns) - 1
        self.bottom = self.top << (rows - 1) * columns
        self.first_column = sum(1 << row * columns for row in range(rows))
        self.left = self.first_column * ((1 << columns - 3) - 1)
        self.right = self.left << 3

    def initial_state(self):
        """The empty board."""
        return ConnectFourState(self)

    def state_from_text(self, str text not None):
        """The position that `text` describes.

        Parameters
        ----------
        text
            A board such as ``......./ ... /...xo.. x`` (the side to move may be left out), or,
            if it has no ``/``, the moves from the empty board. Up to nine columns each digit is
            a move (``4453``, ``44 53``); on wider boards spaces separate them (``4 12 5``).

        Raises
        ------
        GameError
            If a stone floats, the numbers of stones do not fit, or the game would have ended
            before. Beyond that it is not asked whether a game can reach the position.
        """
        if "/" not in text:
            moves = text.split()
            return play(self, text, moves if self.columns > 9 else "".join(moves))
        cdef ConnectFourState state = ConnectFourState(self)
        cdef uint64_t x, o
        x, o = read_board(self, text)
        cdef uint64_t occupied = x | o
        if occupied & ~(occupied >> self.columns | self.bottom):
            raise not_a_position(self, text, "a stone has an empty cell below it")
        if has_four(self, x) and has_four(self, o):
            raise not_a_position(self, text, "both players have four in a row")
        state.num_stones = occupied.bit_count()
        state.own, state.other = (o, x) if state.num_stones & 1 else (x, o)
        state.settle()
        # The last stone lies on top of its column, and before it nobody had won.
        cdef uint64_t tops = state.other & ~(occupied << self.columns)
        last = (tops & (self.first_column << column) for column in range(self.columns))
        if has_four(self, state.own) or state.won and all(
            has_four(self, state.other ^ stone) for stone in last if stone
        ):
            raise not_a_position(self, text, "the game was over before the last move")
        return state

    def symmetries(self):
        """The identity and the mirror image; see `Game.symmetries`."""
        cells = np.arange(self.num_cells, dtype=np.int32).reshape(self.rows, self.columns)
        actions = np.arange(self.columns, dtype=np.int32)
        return (
            np.stack([cells.ravel(), cells[:, ::-1].ravel()]),
            np.stack([actions, actions[::-1]]),
        )


cdef class ConnectFourState(NativeState):
    """A position of Connect Four."""

    def __init__(self, ConnectFour game not None):
        super().__init__(game)

    cdef void settle(self) noexcept nogil:
        self.won = has_four(<ConnectFour>self.game, self.other)
        self.over = self.won or self.num_stones == (<ConnectFour>self.game).num_cells

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        self.own = (<ConnectFourState>other).own
        self.other = (<ConnectFourState>other).other
        self.num_stones = (<ConnectFourState>other).num_stones
        self.won = (<ConnectFourState>other).won
        self.over = (<ConnectFourState>other).over
        return 0

    cdef int apply_c(self, action_t action) except -1 nogil:
        cdef uint64_t occupied = self.own | self.other
        # Free cells with a stone or the floor below them, one a column.
        cdef uint64_t landing = (
            (occupied >> self.game.columns | (<ConnectFour>self.game).bottom) & ~occupied
        )
        cdef uint64_t stone = landing & ((<ConnectFour>self.game).first_column << action)
        assert stone != 0
        stone |= self.own
        self.own = self.other
        self.other = stone
        self.num_stones += 1
        self.settle()
        return 0

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef uint64_t free = ~(self.own | self.other)
        cdef int num = 0
        cdef action_t column
        # Writes each column and keeps those free at the top: no branch to mispredict.
        for column in range(self.game.columns):
            out[num] = column
            num += free >> column & 1
        return num

    cdef int is_terminal_c(self) except -1 nogil:
        return self.over

    cdef int current_player_c(self) except -1 nogil:
        return self.num_stones & 1

    cdef float outcome_c(self, int player) except? -2 nogil:
        if not self.won:
            return 0
        return -1 if player == self.num_stones & 1 else 1

    cdef int observe_c(self, uint8_t* out) except -1 nogil:
        (<uint64_t*>out)[0] = self.own
        (<uint64_t*>out)[1] = self.other
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        # The number of stones, and with it the side to move, follows from the boards.
        return mix64(self.own ^ mix64(self.other ^ SALT))

    def action_to_move(self, action):
        """The column counted from 1."""
        return str(action + 1)

    def to_text(self):
        """The board, top row first, and the side to move: ``......./ ... /...xo.. x``."""
        x, o = self.stones()
        return board_text(self.game, x, o, self.num_stones & 1)

    def stones(self):
        """x's and o's stones, bit ``i`` for cell ``i``, row by row from the top left."""
        return (self.other, self.own) if self.num_stones & 1 else (self.own, self.other)

    def final_owners(self, int player):
        """Whose stone lies on each cell."""
        stones = self.stones()
        return signed_cells(stones[player], stones[1 - player], self.game.rows * self.game.columns)

    def winning_cells(self, int player):
        """The cells of all lines of four."""
        rows, columns = self.game.board_shape
        found = [stones_in_line(stones, rows, columns, 4) for stones in self.stones()]
        return signed_cells(found[player], found[1 - player], rows * columns)

    def drawing(self):
        """Red and yellow disks in a blue wall, columns from 1."""
        return replace(super().drawing(), kind="disks", colours=("#d8392b", "#f2c230"),
                       column_names=numbers(self.game.columns))

    def __str__(self):
        x, o = self.stones()
        columns = self.game.columns
        width = len(str(columns))
        rows = [
            " ".join(stone_at(x, o, row * columns + c).rjust(width) for c in range(columns))
            for row in range(self.game.rows)
        ]
        names = " ".join(str(c + 1).rjust(width) for c in range(columns))
        return "\n".join([*rows, names, status(self)])
