cimport cython
from libc.stdint cimport int32_t, uint64_t

from games.base cimport Game, NativeState

# Bit i of a board is cell i, row by row from a1 at the top left, as in the observation. On 8x8:
#
#      a  b  c ...  h
#  1   0  1  2 ...  7          A ray runs from a cell, without it, to the edge. Four of a
#  2   8  9 10 ... 15          cell's rays run towards higher bits (rays[cell][:4]), four
#  8  56 57 58 ... 63          towards lower ones (rays[cell][4:]).

cdef class Othello(Game):
    cdef int num_cells             # size * size, and the number of the action `pass`
    cdef uint64_t board            # all cells
    cdef uint64_t inner            # cells that are in neither the first nor the last column
    cdef uint64_t[64][8] rays      # one cache line a cell

@cython.final
cdef class OthelloState(NativeState):
    cdef uint64_t own          # discs of the player to move
    cdef uint64_t other        # discs of the opponent
    cdef uint64_t moves        # cells where the player to move may place a disc, if `known`
    cdef bint known            # worked out when first asked for: a descent plays, and asks nothing
    cdef int32_t player        # to move; passes are moves, so players alternate

    cdef uint64_t mobility(self) noexcept nogil    # `moves`, made known
