cimport cython
from libc.stdint cimport int32_t, uint64_t

from games.base cimport Game, NativeState

# Bit i of a board is cell i, row by row from the top left, as in the observation:
#
#     0 1 2
#     3 4 5
#     6 7 8

cdef class TicTacToe(Game):
    pass

@cython.final
cdef class TicTacToeState(NativeState):
    cdef uint64_t own          # stones of the player to move
    cdef uint64_t other        # stones of the player who moved last
    cdef int32_t num_stones    # plies played; its parity is the player to move
    cdef bint won              # the player who moved last has three in a row
    cdef bint over             # won, or the board is full

    cdef void settle(self) noexcept nogil    # set won and over from the boards
