cimport cython
from libc.stdint cimport int8_t, int32_t, uint64_t

from games.base cimport Game, NativeState
from games.cells cimport MAX_CELLS, MAX_WORDS

cdef struct line_t:            # one of the four lines through a cell, from one end to the other
    int8_t before              # cells of it before this one
    int8_t after               # and behind it

cdef struct slice_t:           # one word of each set
    uint64_t stones[2]         # [player]

@cython.final
cdef class Gomoku(Game):
    cdef readonly int size
    cdef readonly bint exact       # six in a row do not win
    cdef int num_cells             # size * size
    cdef int num_words             # words that hold cells
    cdef int steps[4]              # from a cell to the next of each line
    cdef line_t lines[MAX_CELLS][4]

@cython.final
cdef class GomokuState(NativeState):
    cdef slice_t board[MAX_WORDS]
    cdef int32_t num_stones        # its parity is the player to move
    cdef bint won                  # the player who moved last has five in a row
    cdef bint over                 # won, or the board is full

    cdef bint wins(self, int player, int cell) noexcept nogil    # a line of five through `cell`
    cdef bint has_stone(self, int player, int cell) noexcept nogil
    cdef list winning_stones(self, int player, int without=*)
