"""Breakthrough on boards of up to 64 cells: the first pawn on the far row wins.

The first player (``x``) begins on the two top rows and moves down, the second (``o``) on the two
bottom rows and moves up. A pawn moves one row ahead, straight or diagonally, onto an empty cell;
diagonally it may also capture. Who has no pawn left has lost. There is always a move: diagonally
ahead of a player's foremost pawn is no pawn of its own.

Moves are ``b7b6``, a capture ends with ``*``; column a is the leftmost, row 1 the bottom one.
Actions are ``3 * cell + direction``, seen from behind the pawns of the player to move, as is the
observation: both players are then one to the network, and an action means the same for both.
"""

from dataclasses import replace

import numpy as np

from libc.stdint cimport uint8_t, uint64_t

from games.base cimport Game, GameState, NativeState, action_t, mix64
from games.bits cimport lowest_bit, reversed_bits

from games.endings import signed_cells
from games.errors import GameError
from games.stones import (
    board_text, labelled_board, letters, not_a_position, numbers, play, read_position, status,
)

__all__ = ["Breakthrough", "BreakthroughState", "make"]

cdef uint64_t SALT = <uint64_t>0x627265616b746872    # spreads the side to move over the hash


def make(*, rows=8, columns=8):
    """The game on a board of `rows` (4 to 32) by `columns` (2 to 16), at most 64 cells."""
    return Breakthrough(rows, columns)


cdef class Breakthrough(Game):
    """Breakthrough.

    Parameters
    ----------
    rows
        From 4, so that the players' first rows do not overlap, to 32.
    columns
        From 2, so that there is always a move, to 16.

    Raises
    ------
    GameError
        If there is no such board, or if it has more than 64 cells.
    """

    def __init__(self, rows=8, columns=8):
        for name, size, least, most in (("rows", rows, 4, 32), ("columns", columns, 2, 16)):
            if type(size) is not int or not least <= size <= most:
                raise GameError(
                    f"{name} of breakthrough must be an integer from {least} to {most}, "
                    f"got {size!r}"
                )
        if rows * columns > 64:
            raise GameError(
                f"rows * columns of breakthrough must be at most 64, got {rows} * {columns}"
            )
        # A ply takes a pawn one row on: of each player's pawns half may do rows - 2 and half
        # rows - 3 of them and still stand before the far row; then one wins.
        super().__init__(
            "breakthrough", num_actions=3 * rows * columns, board_shape=(rows, columns),
            num_planes=2, max_game_length=2 * columns * (2 * rows - 5) + 1,
            max_legal_actions=3 * 2 * columns, options={"rows": rows, "columns": columns},
        )
        row = (1 << columns) - 1
        cells = (1 << rows * columns) - 1
        first_column = cells // row
        self.num_cells = rows * columns
        self.not_first = cells & ~first_column
        self.not_last = cells & ~(first_column << columns - 1)
        self.goal = [row << (rows - 1) * columns, row]

    def initial_state(self):
        """Two full rows of pawns at the top, x's, and two at the bottom; x to move."""
        cdef BreakthroughState state = BreakthroughState(self)
        state.own = (<uint64_t>1 << 2 * self.columns) - 1
        state.other = reversed_bits(state.own, self.num_cells)
        return state

    def state_from_text(self, str text not None):
        """The position that `text` describes.

        Parameters
        ----------
        text
            A board and the side to move, such as ``xx/xx/../../oo/oo x`` on 6x2, or, if it has
            no ``/``, the moves from the first position: ``b7b6 h2h3``.

        Raises
        ------
        GameError
            If it is no board, if a player has more pawns than at first, or if the game would
            have ended before. Beyond that it is not asked whether a game can reach the position.
        """
        if "/" not in text:
            return play(self, text, text.split())
        cdef BreakthroughState state = BreakthroughState(self)
        x, o, player = read_position(self, text)
        most = 2 * self.columns
        if max(x.bit_count(), o.bit_count()) > most:
            raise not_a_position(
                self, text,
                f"each player has at most {most} pawns, got {x.bit_count()} and {o.bit_count()}",
            )
        state.player = player
        state.own, state.other = (o, x) if player else (x, o)
        if state.own & self.goal[player] or not state.other:
            raise not_a_position(self, text, "the game was over before the last move")
        state.settle()
        return state

    def symmetries(self):
        """The identity and the mirror image; see `Game.symmetries`."""
        cells = np.arange(self.num_cells, dtype=np.int32).reshape(self.rows, self.columns)
        actions = np.arange(self.num_actions, dtype=np.int32).reshape(self.rows, self.columns, 3)
        return (
            np.stack([cells.ravel(), cells[:, ::-1].ravel()]),
            np.stack([actions.ravel(), actions[:, ::-1, ::-1].ravel()]),
        )


cdef class BreakthroughState(NativeState):
    """A position of Breakthrough."""

    def __init__(self, Breakthrough game not None):
        super().__init__(game)

    cdef void settle(self) noexcept nogil:
        self.over = (
            self.own == 0 or (self.other & (<Breakthrough>self.game).goal[1 - self.player]) != 0
        )

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        self.own = (<BreakthroughState>other).own
        self.other = (<BreakthroughState>other).other
        self.player = (<BreakthroughState>other).player
        self.over = (<BreakthroughState>other).over
        return 0

    cdef int apply_c(self, action_t action) except -1 nogil:
        cdef int source = action // 3
        cdef int target = source + self.game.columns + action % 3 - 1
        cdef int last = (<Breakthrough>self.game).num_cells - 1
        if self.player:
            source = last - source
            target = last - target
        cdef uint64_t moved = self.own ^ (<uint64_t>1 << source | <uint64_t>1 << target)
        assert self.own >> source & 1 and not self.own >> target & 1
        self.own = self.other & ~moved
        self.other = moved
        self.player ^= 1
        self.settle()
        return 0

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef int cells = (<Breakthrough>self.game).num_cells, columns = self.game.columns
        cdef uint64_t own = self.own, other = self.other, straight, left, right
        cdef int num = 0, cell
        if self.player:
            own = reversed_bits(own, cells)
            other = reversed_bits(other, cells)
        # Pawns that can move in each direction: shift what they may step on back to them.
        straight = own & ~((own | other) >> columns)
        left = own & (<Breakthrough>self.game).not_first & ~(own >> columns - 1)
        right = own & (<Breakthrough>self.game).not_last & ~(own >> columns + 1)
        # Writes all three of a pawn and keeps the legal ones: no branch to mispredict. A player
        # has at most 2 * columns pawns, so `out` has room for them.
        while own:
            cell = lowest_bit(own)
            own &= own - 1
            out[num] = 3 * cell
            num += left >> cell & 1
            out[num] = 3 * cell + 1
            num += straight >> cell & 1
            out[num] = 3 * cell + 2
            num += right >> cell & 1
        return num

    cdef int is_terminal_c(self) except -1 nogil:
        return self.over

    cdef int current_player_c(self) except -1 nogil:
        return self.player

    cdef float outcome_c(self, int player) except? -2 nogil:
        return -1 if player == self.player else 1

    cdef int observe_c(self, uint8_t* out) except -1 nogil:
        cdef int cells = (<Breakthrough>self.game).num_cells
        if self.player:
            (<uint64_t*>out)[0] = reversed_bits(self.own, cells)
            (<uint64_t*>out)[1] = reversed_bits(self.other, cells)
        else:
            (<uint64_t*>out)[0] = self.own
            (<uint64_t*>out)[1] = self.other
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        return mix64(self.own ^ mix64(self.other ^ mix64(SALT ^ <uint64_t>self.player)))

    def action_to_move(self, action):
        """``b7b6``: from and to, columns from the left, rows from the bottom; ``*`` captures."""
        columns, last = self.game.columns, self.game.rows * self.game.columns - 1
        source = action // 3
        target = source + columns + action % 3 - 1
        if self.player:
            source, target = last - source, last - target
        name = "".join(
            f"{chr(ord('a') + cell % columns)}{self.game.rows - cell // columns}"
            for cell in (source, target)
        )
        captures = target in range(last + 1) and self.other >> target & 1
        return name + "*" if captures else name

    def to_text(self):
        """The board, top row first, and the side to move: ``xx/xx/../../oo/oo x``."""
        x, o = self.stones()
        return board_text(self.game, x, o, self.player)

    def stones(self):
        """x's and o's pawns, bit ``i`` for cell ``i``, row by row from the top left."""
        return (self.other, self.own) if self.player else (self.own, self.other)

    def final_owners(self, int player):
        """Whose pawn stands on each cell; the second player sees the board turned round."""
        stones = self.stones()
        owners = signed_cells(
            stones[player], stones[1 - player], self.game.rows * self.game.columns
        )
        return owners[::-1].copy() if player else owners

    def drawing(self):
        """Pawns on a chessboard, row 1 at the bottom."""
        return replace(super().drawing(), kind="checkers", column_names=letters(self.game.columns),
                       row_names=numbers(self.game.rows, from_top=False))

    def __str__(self):
        names = numbers(self.game.rows, from_top=False)
        return "\n".join([*labelled_board(self.game, *self.stones(), names), status(self)])
