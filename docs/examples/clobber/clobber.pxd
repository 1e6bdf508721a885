cimport cython
from libc.stdint cimport int32_t, uint64_t

from games.base cimport Game, NativeState

# Bit i of a board is cell i, row by row from the top left, as in the observation.
#
#           0         action = direction * num_cells + cell: the stone on the cell
#         1 + 2       clobbers its neighbour in the direction
#           3

cdef class Clobber(Game):
    cdef int num_cells             # rows * columns
    cdef int32_t[4] steps          # from a cell to its neighbour in each direction
    cdef uint64_t not_first        # cells that are not in the first column
    cdef uint64_t not_last         # cells that are not in the last column

@cython.final
cdef class ClobberState(NativeState):
    cdef uint64_t own              # stones of the player to move
    cdef uint64_t other            # stones of the opponent
    cdef int32_t player            # to move

    # Write the own stones that can move in each direction to out [4].
    cdef void find_movers(self, uint64_t* out) noexcept nogil
