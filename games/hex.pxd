cimport cython
from libc.stdint cimport int16_t, int32_t, uint8_t, uint64_t

from games.base cimport Game, NativeState
from games.cells cimport MAX_CELLS, MAX_WORDS

# Each player sees the board in a frame of its own, in which it joins the top row with the bottom
# row: the first player as the board is drawn, the second one transposed. Actions, observations
# and the rules below are in the frame of the player to move, so that one set of rules, and of
# things to learn, serves both. The six neighbours of a cell are the same in both frames:
#
#        .  a  b            a cell's neighbours lie less than 40 bits apart, row by row, so that
#         c  X  d           they fit into two words from the one of the first
#          e  f  .
#
# Nobody looks for groups. A player's stones that are joined to its top row form one set, those
# joined to its bottom row another. A new stone joins a row if it lies there or touches that
# row's set; it then brings along what hangs on it, each stone once a game and side. A stone that
# joins both rows wins.

cdef struct cell_t:
    uint64_t near[2]           # neighbours, in `word` and the word after it
    int16_t word               # of the first neighbour
    int16_t transposed         # the same cell in the other player's frame
    uint8_t rows               # sides it lies on: 1 the top row, 2 the bottom row

cdef struct slice_t:           # one word of each set; index p is player p
    uint64_t stones[2][2]      # [frame][owner]
    uint64_t joined[2][2]      # [owner][top, bottom], in the owner's frame

@cython.final
cdef class Hex(Game):
    cdef readonly int size
    cdef readonly bint swap
    cdef int num_cells             # size * size
    cdef int num_words             # words that hold cells
    cdef cell_t cells[MAX_CELLS]

@cython.final
cdef class HexState(NativeState):
    cdef slice_t board[MAX_WORDS + 1]    # a cell's neighbours may begin in the last word
    cdef int32_t player            # to move
    cdef int32_t num_stones
    cdef int32_t winner            # -1 while there is none

    cdef void place(self, int owner, int cell) noexcept nogil    # `cell` in the owner's frame
    cdef void join(self, int owner, int side, int cell) noexcept nogil
    cdef bint may_swap(self) noexcept nogil
    cdef int lone_stone(self) noexcept nogil
