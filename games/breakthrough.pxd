cimport cython
from libc.stdint cimport int32_t, uint64_t

from games.base cimport Game, NativeState

# Bit i of a board is cell i, row by row from the top left; x begins at the top and moves down,
# towards higher bits. A player's view is the board from behind its own pawns, which then all move
# down: x's is the board itself, o's the board turned by half a turn, cell i being cell
# num_cells - 1 - i. Actions and observations are in the view of the player to move.
#
#    the view of the player to move          action = 3 * cell + direction
#       own pawns   o o o o
#                   o o o o                      cell
#                   . . . .                     /  |  \
#    other pawns    . . . .                    0   1   2

cdef class Breakthrough(Game):
    cdef int num_cells             # rows * columns
    cdef uint64_t not_first        # cells that are not in the first column
    cdef uint64_t not_last         # cells that are not in the last column
    cdef uint64_t[2] goal          # the far row of each player

@cython.final
cdef class BreakthroughState(NativeState):
    cdef uint64_t own          # pawns of the player to move
    cdef uint64_t other        # pawns of the opponent, who moved last
    cdef int32_t player        # to move
    cdef bint over             # the player who moved last has won

    cdef void settle(self) noexcept nogil    # set over from the boards
