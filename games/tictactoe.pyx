"""Tic-tac-toe: three in a row on 3x3 wins. Actions and moves are the cells 0 to 8, row by row."""

from dataclasses import replace

import numpy as np

from libc.stdint cimport uint8_t, uint64_t

from games.base cimport Game, GameState, NativeState, action_t, mix64

from games.endings import signed_cells, stones_in_line
from games.stones import board_text, not_a_position, play, read_board, status, stone_at

__all__ = ["TicTacToe", "TicTacToeState", "make"]

cdef uint64_t SALT = <uint64_t>0x7469637461636b21    # the empty board must not hash to 0


cdef inline bint has_three(uint64_t stones) noexcept nogil:
    # Each term marks the first cells of the lines in one direction; the constant keeps those
    # that are not broken by the edge.
    return (
        (stones & (stones >> 1) & (stones >> 2) & 0b001001001)    # rows
        | (stones & (stones >> 3) & (stones >> 6) & 0b111)        # columns
        | (stones & (stones >> 4) & (stones >> 8) & 0b1)          # 0 4 8
        | (stones & (stones >> 2) & (stones >> 4) & 0b100)        # 2 4 6
    ) != 0


def make():
    """The game."""
    return TicTacToe()


cdef class TicTacToe(Game):
    """Tic-tac-toe; it has no options."""

    def __init__(self):
        super().__init__(
            "tictactoe", num_actions=9, board_shape=(3, 3), num_planes=2, max_game_length=9
        )

    def initial_state(self):
        """The empty board."""
        return TicTacToeState(self)

    def state_from_text(self, str text not None):
        """The position that `text` describes.

        Parameters
        ----------
        text
            A board such as ``x../.o./... x`` (the side to move may be left out), or, if it has
            no ``/``, the moves from the empty board, such as ``04`` or ``0 4``.

        Raises
        ------
        GameError
            If no game reaches it.
        """
        if "/" not in text:
            return play(self, text, "".join(text.split()))
        cdef TicTacToeState state = TicTacToeState(self)
        cdef uint64_t x, o
        x, o = read_board(self, text)
        if has_three(x) and has_three(o):
            raise not_a_position(self, text, "both players have three in a row")
        state.num_stones = (x | o).bit_count()
        state.own, state.other = (o, x) if state.num_stones & 1 else (x, o)
        if has_three(state.own):
            raise not_a_position(self, text, "the game was over before the last move")
        state.settle()
        return state

    def symmetries(self):
        """The eight of the square; see `Game.symmetries`."""
        cells = np.arange(9, dtype=np.int32).reshape(3, 3)
        tables = np.stack([
            np.rot90(board, turns).ravel() for board in (cells, cells.T) for turns in range(4)
        ])
        return tables, tables.copy()


cdef class TicTacToeState(NativeState):
    """A position of tic-tac-toe."""

    def __init__(self, TicTacToe game not None):
        super().__init__(game)

    cdef void settle(self) noexcept nogil:
        self.won = has_three(self.other)
        self.over = self.won or self.num_stones == 9

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        self.own = (<TicTacToeState>other).own
        self.other = (<TicTacToeState>other).other
        self.num_stones = (<TicTacToeState>other).num_stones
        self.won = (<TicTacToeState>other).won
        self.over = (<TicTacToeState>other).over
        return 0

    cdef int apply_c(self, action_t action) except -1 nogil:
        cdef uint64_t stones = self.own | (<uint64_t>1 << action)
        assert not (self.own | self.other) >> action & 1
        self.own = self.other
        self.other = stones
        self.num_stones += 1
        self.settle()
        return 0

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef uint64_t free = ~(self.own | self.other)
        cdef int num = 0
        cdef action_t cell
        for cell in range(9):    # writes each cell and keeps the free ones: no branch to mispredict
            out[num] = cell
            num += free >> cell & 1
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

    def to_text(self):
        """The board, top row first, and the side to move: ``x../.o./... x``."""
        x, o = self.stones()
        return board_text(self.game, x, o, self.num_stones & 1)

    def stones(self):
        """x's and o's stones, bit ``i`` for cell ``i``."""
        return (self.other, self.own) if self.num_stones & 1 else (self.own, self.other)

    def final_owners(self, int player):
        """Whose stone lies on each cell."""
        stones = self.stones()
        return signed_cells(stones[player], stones[1 - player], self.game.rows * self.game.columns)

    def winning_cells(self, int player):
        """The cells of all lines of three."""
        rows, columns = self.game.board_shape
        found = [stones_in_line(stones, rows, columns, 3) for stones in self.stones()]
        return signed_cells(found[player], found[1 - player], rows * columns)

    def drawing(self):
        """Crosses and noughts."""
        return replace(super().drawing(), glyphs={"x": "\u2715", "o": "\u25ef"})

    def __str__(self):
        x, o = self.stones()
        marks = [stone_at(x, o, cell, empty=str(cell)) for cell in range(9)]
        rows = [" ".join(marks[i:i + 3]) for i in (0, 3, 6)]
        return "\n".join([*rows, status(self)])
