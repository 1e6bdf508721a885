"""Gomoku: five in a row wins, on boards of 5x5 to 19x19; a full board is a draw.

Free style by default: more than five win as well. Actions are the cells row by row from the top
left; moves name them by a letter for the column and a number for the row, ``a1`` the top left one.
"""

from dataclasses import replace

import numpy as np

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from games.base cimport Game, GameState, NativeState, action_t, mix64
from games.cells cimport list_bits

from games.endings import signed_cells, stones_in_line
from games.errors import GameError
from games.stones import (
    board_text,
    letters,
    not_a_position,
    numbers,
    play,
    read_board,
    status,
    stone_at,
)

__all__ = ["Gomoku", "GomokuState", "make"]

cdef uint64_t SALT = <uint64_t>0x676f6d6f6b752121    # the empty board must not hash to 0

_LETTERS = "abcdefghijklmnopqrs"


def make(*, size=15, exact=False):
    """The game on a board of `size` by `size`, 5 to 19; `exact`: six or more do not win."""
    return Gomoku(size, exact)


cdef class Gomoku(Game):
    """Gomoku.

    Parameters
    ----------
    size
        Rows and columns of the board, 5 to 19.
    exact
        Whether it takes exactly five stones in a row to win.

    Raises
    ------
    GameError
        If there is no such board or option.
    """

    def __init__(self, size=15, exact=False):
        if type(size) is not int or not 5 <= size <= 19:
            raise GameError(f"size of gomoku must be an integer from 5 to 19, got {size!r}")
        if type(exact) is not bool:
            raise GameError(f"exact of gomoku must be True or False, got {exact!r}")
        super().__init__(
            "gomoku", num_actions=size * size, board_shape=(size, size), num_planes=2,
            max_game_length=size * size, options={"size": size, "exact": exact},
        )
        self.size = size
        self.exact = exact
        self.num_cells = size * size
        self.num_words = self.words_per_plane
        # Row, column, down and right, down and left. Beyond five cells a line need not be known.
        self.steps[:] = [1, size, size + 1, size - 1]
        for cell in range(size * size):
            row, column = divmod(cell, size)
            below, right = size - 1 - row, size - 1 - column
            before = column, row, min(row, column), min(row, right)
            after = right, below, min(below, right), min(below, column)
            for line in range(4):
                self.lines[cell][line].before = min(before[line], 5)
                self.lines[cell][line].after = min(after[line], 5)

    def initial_state(self):
        """The empty board."""
        return GomokuState(self)

    def state_from_text(self, str text not None):
        """The position that `text` describes.

        Parameters
        ----------
        text
            A board, its rows joined by ``/``, and the side to move, which may be left out; or,
            if it has no ``/``, the moves from the empty board, such as ``h8 i9 g7``.

        Raises
        ------
        GameError
            If the numbers of stones do not fit or the game would have ended before. Beyond that
            it is not asked whether a game can reach the position.
        """
        if "/" not in text:
            return play(self, text, text.split())
        cdef GomokuState state = GomokuState(self)
        cdef int w, last
        players = read_board(self, text)
        for player, stones in enumerate(players):
            for w in range(self.num_words):
                state.board[w].stones[player] = stones >> 64 * w & 0xffffffffffffffff
        state.num_stones = (players[0] | players[1]).bit_count()
        last = 1 - (state.num_stones & 1)
        winning = state.winning_stones(last)
        state.won = bool(winning)
        state.over = state.won or state.num_stones == self.num_cells
        # One of the winning stones was the last: without it nobody had won.
        if state.winning_stones(1 - last) or winning and all(
            state.winning_stones(last, stone) for stone in winning
        ):
            raise not_a_position(self, text, "the game was over before the last move")
        return state

    def symmetries(self):
        """The eight of the square; see `Game.symmetries`."""
        cells = np.arange(self.num_cells, dtype=np.int32).reshape(self.size, self.size)
        tables = np.stack([
            np.rot90(board, turns).ravel() for board in (cells, cells.T) for turns in range(4)
        ])
        return tables, tables.copy()


cdef class GomokuState(NativeState):
    """A position of Gomoku."""

    def __init__(self, Gomoku game not None):
        super().__init__(game)

    cdef bint has_stone(self, int player, int cell) noexcept nogil:
        return self.board[cell >> 6].stones[player] >> (cell & 63) & 1

    cdef bint wins(self, int player, int cell) noexcept nogil:
        cdef line_t* lines = (<Gomoku>self.game).lines[cell]
        cdef int i, step, at, end, run
        for i in range(4):
            step = (<Gomoku>self.game).steps[i]
            run = 1
            at = cell + step
            end = cell + step * lines[i].after
            while at <= end and self.has_stone(player, at):
                run += 1
                at += step
            at = cell - step
            end = cell - step * lines[i].before
            while at >= end and self.has_stone(player, at):
                run += 1
                at -= step
            if run == 5 or run > 5 and not (<Gomoku>self.game).exact:
                return True
        return False

    cdef list winning_stones(self, int player, int without=-1):
        # The cells of all lines of five of a player, one of its stones taken away for the moment.
        cdef int cell
        if without >= 0:
            self.board[without >> 6].stones[player] ^= <uint64_t>1 << (without & 63)
        found = [
            cell for cell in range((<Gomoku>self.game).num_cells)
            if self.has_stone(player, cell) and self.wins(player, cell)
        ]
        if without >= 0:
            self.board[without >> 6].stones[player] ^= <uint64_t>1 << (without & 63)
        return found

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        memcpy(self.board, (<GomokuState>other).board,
               (<Gomoku>self.game).num_words * sizeof(slice_t))
        self.num_stones = (<GomokuState>other).num_stones
        self.won = (<GomokuState>other).won
        self.over = (<GomokuState>other).over
        return 0

    cdef int apply_c(self, action_t action) except -1 nogil:
        cdef int player = self.num_stones & 1
        assert 0 <= action < self.game.num_actions
        self.board[action >> 6].stones[player] |= <uint64_t>1 << (action & 63)
        self.num_stones += 1
        self.won = self.wins(player, action)
        self.over = self.won or self.num_stones == (<Gomoku>self.game).num_cells
        return 0

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef int cells = (<Gomoku>self.game).num_cells, num = 0, w
        cdef uint64_t* stones
        for w in range((<Gomoku>self.game).num_words):
            stones = self.board[w].stones
            num += list_bits(~(stones[0] | stones[1]), w << 6, min(64, cells - (w << 6)), out + num)
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
        cdef uint64_t* planes = <uint64_t*>out
        cdef int words = (<Gomoku>self.game).num_words, player = self.num_stones & 1, w
        for w in range(words):
            planes[w] = self.board[w].stones[player]
            planes[words + w] = self.board[w].stones[1 - player]
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        # Not kept move by move: a search plays several moves for every position that it hashes.
        # The player to move follows from the numbers of stones.
        cdef uint64_t bits = SALT
        cdef int w
        for w in range((<Gomoku>self.game).num_words):
            bits = mix64(mix64(bits ^ self.board[w].stones[0]) ^ self.board[w].stones[1])
        return bits

    def action_to_move(self, action):
        """The cell's column and row: ``h8``."""
        row, column = divmod(action, self.game.columns)
        return f"{_LETTERS[column]}{row + 1}"

    def to_text(self):
        """The board, top row first, and the side to move."""
        x, o = self.stones()
        return board_text(self.game, x, o, self.num_stones & 1)

    def stones(self):
        """x's and o's stones, bit ``i`` for cell ``i``, row by row from the top left."""
        words = range((<Gomoku>self.game).num_words)
        return tuple(
            sum(self.board[w].stones[player] << 64 * w for w in words) for player in range(2)
        )

    def final_owners(self, int player):
        """Whose stone lies on each cell."""
        stones = self.stones()
        return signed_cells(stones[player], stones[1 - player], self.game.rows * self.game.columns)

    def winning_cells(self, int player):
        """The cells of all lines of five."""
        rows, columns = self.game.board_shape
        found = [
            stones_in_line(stones, rows, columns, 5, exact=self.game.exact)
            for stones in self.stones()
        ]
        return signed_cells(found[player], found[1 - player], rows * columns)

    def drawing(self):
        """Stones where lines cross, row 1 at the top."""
        size = self.game.columns
        return replace(super().drawing(), kind="lines", column_names=letters(size),
                       row_names=numbers(size))

    def __str__(self):
        x, o = self.stones()
        size = self.game.rows
        rows = [
            f"{row + 1:2} "
            + " ".join(stone_at(x, o, row * size + column) for column in range(size))
            for row in range(size)
        ]
        return "\n".join([f"   {' '.join(_LETTERS[:size])}", *rows, status(self)])
