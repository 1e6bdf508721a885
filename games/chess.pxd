cimport cython
from libc.stdint cimport int16_t, int32_t, uint64_t

from games.base cimport Game, NativeState
from games.chess_moves cimport MAX_LISTED, position_t

cdef enum:
    MAX_CLOCK = 100      # half-moves without a capture or pawn move that end the game

cdef class Chess(Game):
    cdef readonly bint chess960
    cdef position_t start

# A state is the position, and what of the past the third repetition may ask for. Moves after which
# nothing before can come again (captures, pawn moves, castling, a right lost) forget the past:
#
#     keys    k0 k1 k2 ... k(n-1) | stale        the positions since then, oldest first
#     played  m0 m1 m2 ... m(n-1) | stale        the actions that left them
#     position                      after m(n-1)
#
# Only the live part is copied. The list of legal actions is made when it is first asked for and is
# never copied.

@cython.final
cdef class ChessState(NativeState):
    cdef position_t position
    cdef int32_t num_past                  # n
    cdef int32_t repetitions               # earlier occurrences of the position, 0 to 2
    cdef bint drawn                        # by a rule that does not ask for legal moves
    cdef int32_t num_legal                 # of `legal`; -1: not made yet
    cdef int16_t legal[MAX_LISTED]         # legal moves as if no draw had ended the game
    cdef uint64_t keys[MAX_CLOCK]
    cdef int16_t played[MAX_CLOCK]

    cdef void copy(self, ChessState other) noexcept nogil
    cdef void look(self) noexcept nogil        # make `legal`
    cdef void settle(self) noexcept nogil      # set `drawn`, forget `legal`
