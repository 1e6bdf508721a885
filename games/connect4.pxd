cimport cython
from libc.stdint cimport int32_t, uint64_t

from games.base cimport Game, NativeState

# Bit i of a board is cell i, row by row from the top left, as in the observation, so that
# observing is two stores. On 6x7:
#
#      0  1  2  3  4  5  6
#      7  8  9 ...
#     35 36 37 38 39 40 41      <- stones fall down to here
#
# A line may not run over the left or right edge: instead of a column of zeros beside the board,
# the win check looks only at lines that begin far enough from it. So all 64 bits are cells.

cdef class ConnectFour(Game):
    cdef int num_cells             # rows * columns
    cdef uint64_t top              # cells of the top row; the legal columns are those free there
    cdef uint64_t bottom           # cells of the bottom row
    cdef uint64_t first_column     # cells of the leftmost column
    cdef uint64_t left             # cells from which four fit to the right
    cdef uint64_t right            # cells from which four fit to the left

@cython.final
cdef class ConnectFourState(NativeState):
    cdef uint64_t own          # stones of the player to move
    cdef uint64_t other        # stones of the player who moved last
    cdef int32_t num_stones    # plies played; its parity is the player to move
    cdef bint won              # the player who moved last has four in a row
    cdef bint over             # won, or the board is full

    cdef void settle(self) noexcept nogil    # set won and over from the boards
