cimport cython
from libc.stdint cimport uint64_t

from games.base cimport Game, NativeState
from games.go_board cimport board_t, rules_t

# An observation, for the player to move: eight planes and three scalars.
#
#     0 1      own stones, the opponent's stones
#     2 3 4    stones of chains with one, two, three liberties
#     5        points that only the repetition of an earlier board forbids
#     6 7      the last move, and the one before it
#     scalars  komi from the mover's side; 1 after a pass; plies left

cdef class Go(Game):
    cdef rules_t rules
    cdef double komi               # points added to white's area

@cython.final
cdef class GoState(NativeState):
    cdef board_t board
    cdef const rules_t* rules      # of `game`, which this state keeps alive

    cdef tuple _points(self, const uint64_t* points)    # black's and white's as integers
