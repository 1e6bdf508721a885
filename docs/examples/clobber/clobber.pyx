"""Clobber: a whole game in Cython, to copy from; docs/games.md explains it.

At first stones of x and o cover the board in turn, like the colours of a chessboard. A move takes
a stone onto one of the opponent's on a neighbouring cell, which is removed. Who cannot move has
lost (Albert, Grossman, Nowakowski, Wolfe, "An Introduction to Clobber", Integers 5(2), 2005).
"""

import numpy as np

from libc.stdint cimport uint8_t, uint64_t

from games.base cimport Game, GameState, NativeState, action_t, mix64
from games.bits cimport lowest_bit

from games.errors import GameError
from games.stones import board_text, labelled_board, numbers, play, read_position, status

cdef uint64_t SALT = <uint64_t>0x636c6f6262657221    # spreads the side to move over the hash
DIRECTIONS = ((-1, 0), (0, -1), (0, 1), (1, 0))    # rows down and columns right


def make(*, rows=5, columns=6):
    """The game on a board of `rows` (2 to 16) by `columns` (2 to 16), at most 64 cells."""
    return Clobber(rows, columns)


cdef class Clobber(Game):
    """The rules on one size of board; x's first stone is at the top left."""

    def __init__(self, rows=5, columns=6):
        for size in (rows, columns):
            if type(size) is not int or not 2 <= size <= 16 or rows * columns > 64:
                raise GameError(
                    "clobber needs 2 to 16 rows and columns and at most 64 cells, "
                    f"got {rows!r} by {columns!r}"
                )
        cells = rows * columns
        super().__init__(
            "clobber", num_actions=4 * cells, board_shape=(rows, columns), num_planes=2,
            max_game_length=cells - 1,    # every move removes a stone
            max_legal_actions=rows * (columns - 1) + columns * (rows - 1),    # pairs of neighbours
            options={"rows": rows, "columns": columns},
        )
        first_column = sum(1 << cell for cell in range(0, cells, columns))
        self.num_cells = cells
        self.steps = [down * columns + right for down, right in DIRECTIONS]
        self.not_first = (1 << cells) - 1 & ~first_column
        self.not_last = self.not_first >> 1

    def initial_state(self):
        cdef ClobberState state = ClobberState(self)
        cdef int cell
        for cell in range(self.num_cells):
            if (cell // self.columns + cell % self.columns) % 2 == 0:
                state.own |= <uint64_t>1 << cell
            else:
                state.other |= <uint64_t>1 << cell
        return state

    def initial_image(self, int symmetry):
        # A symmetry that brings a stone of o to the corner swaps the colours of all.
        cdef ClobberState state = self.initial_state()
        cdef int corner = self.symmetries()[0][symmetry, 0]
        if state.other >> corner & 1:
            state.own, state.other = state.other, state.own
        return state

    def state_from_text(self, str text not None):
        if "/" not in text:
            return play(self, text, text.split())
        cdef ClobberState state = ClobberState(self)
        x, o, player = read_position(self, text)
        state.own, state.other = (o, x) if player else (x, o)
        state.player = player
        return state

    def symmetries(self):
        cells = np.arange(self.num_cells, dtype=np.int32).reshape(self.board_shape)
        actions = np.arange(self.num_actions, dtype=np.int32).reshape(4, *self.board_shape)
        images = [(cells, actions)]
        images += [(c[::-1], a[[3, 1, 2, 0], ::-1]) for c, a in images]          # up is down
        images += [(c[:, ::-1], a[[0, 2, 1, 3], :, ::-1]) for c, a in images]    # left is right
        if self.rows == self.columns:
            images += [(c.T, a[[1, 0, 3, 2]].transpose(0, 2, 1)) for c, a in images]
        return tuple(np.stack([table.ravel() for table in tables]) for tables in zip(*images))


cdef class ClobberState(NativeState):
    """A position."""

    def __init__(self, Clobber game not None):
        super().__init__(game)

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        self.own = (<ClobberState>other).own
        self.other = (<ClobberState>other).other
        self.player = (<ClobberState>other).player
        return 0

    cdef void find_movers(self, uint64_t* out) noexcept nogil:
        # The opponent's stones, shifted back to where a stone moving onto them comes from.
        out[0] = self.own & self.other << self.game.columns
        out[1] = self.own & self.other << 1 & (<Clobber>self.game).not_first
        out[2] = self.own & self.other >> 1 & (<Clobber>self.game).not_last
        out[3] = self.own & self.other >> self.game.columns

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef uint64_t[4] movers
        cdef int direction, first = 0, num = 0
        self.find_movers(movers)
        for direction in range(4):
            while movers[direction]:
                out[num] = first + lowest_bit(movers[direction])
                movers[direction] &= movers[direction] - 1
                num += 1
            first += (<Clobber>self.game).num_cells
        return num

    cdef int apply_c(self, action_t action) except -1 nogil:
        cdef int cells = (<Clobber>self.game).num_cells
        cdef int source = action % cells
        cdef int target = source + (<Clobber>self.game).steps[action // cells]
        cdef uint64_t left = self.other & ~(<uint64_t>1 << target)
        self.other = self.own ^ (<uint64_t>1 << source | <uint64_t>1 << target)
        self.own = left
        self.player ^= 1
        return 0

    cdef int is_terminal_c(self) except -1 nogil:
        cdef uint64_t[4] movers
        self.find_movers(movers)
        return (movers[0] | movers[1] | movers[2] | movers[3]) == 0

    cdef int current_player_c(self) except -1 nogil:
        return self.player

    cdef float outcome_c(self, int player) except? -2 nogil:
        return -1 if player == self.player else 1

    cdef int observe_c(self, uint8_t* out) except -1 nogil:
        (<uint64_t*>out)[0] = self.own
        (<uint64_t*>out)[1] = self.other
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        return mix64(self.own ^ mix64(self.other ^ mix64(SALT ^ <uint64_t>self.player)))

    def action_to_move(self, action):
        """``a1b1``: from and to; a1 is the top left cell."""
        direction, cell = divmod(action, (<Clobber>self.game).num_cells)
        row, column = divmod(cell, self.game.columns)
        down, right = DIRECTIONS[direction]
        a = ord("a") + column
        return f"{chr(a)}{row + 1}{chr(a + right)}{row + down + 1}"

    def to_text(self):
        return board_text(self.game, *self.stones(), self.player)

    def stones(self):
        """x's and o's stones."""
        return (self.other, self.own) if self.player else (self.own, self.other)

    def __str__(self):
        names = numbers(self.game.rows)
        return "\n".join([*labelled_board(self.game, *self.stones(), names), status(self)])
