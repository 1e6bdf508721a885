# What is left of a game, searched to its end: alpha-beta over win, draw and loss, with a budget.
#
#   solve ──▶ result of a root, and of each of its moves ──▶ Search._take_proofs
#   prove_value ──▶ result of a leaf alone ──▶ Descent.gather
#          └▶ nothing, where the budget runs out first
#
# It knows the rules and nothing else, like the search. Each call starts from nothing, so that
# position and budget alone decide what it finds: a game comes out the same whoever plays it on.
#
#   slots[key]:  lower <= result of the position <= upper     for the player to move there
#                distance: where it is won or lost, the plies until it is over, see solver.pxd

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint64_t

from games.base cimport Game, GameState, action_t

cdef struct proof_t:         # of one action, for the player choosing it
    action_t action
    int8_t result            # edge_result_t
    int16_t distance         # plies from the position behind it to the end that it promises

cdef struct bounds_t:        # a slot of the table
    uint64_t key
    int8_t lower
    int8_t upper
    int16_t distance

# noexcept: C integers of a game that is there; nothing here can raise.
cdef inline int32_t first_ply(Game game, int32_t ply) noexcept:
    """The ply of a game at which ends are tried first; below 0 it is counted back from the longest
    possible game."""
    return ply if ply >= 0 else max(0, game.max_game_length + ply)


cdef class Endgame:
    cdef readonly Game game
    cdef readonly int64_t max_nodes        # positions that a call may look at for a result
    cdef int64_t limit                     # that this call may have looked at by now
    cdef readonly int64_t num_nodes        # looked at by the last call
    cdef int8_t result                     # that the last call found, for the player to move
    cdef int16_t distance                  # plies to the end that it promises
    cdef int32_t num_proofs                # actions of the last position
    cdef proof_t* proofs                   # [max_legal_actions]
    cdef int32_t max_depth                 # plies below the root that there is room for
    cdef bint gave_up                      # out of nodes, or a game of more than three results
    cdef uint64_t salt                     # of this call's keys: older slots match no more
    cdef bounds_t* slots                   # [mask + 1]
    cdef uint64_t mask
    cdef list states                       # [max_depth]; `children` borrows from it
    cdef void** children                   # where a position of each depth tries its actions
    cdef action_t* actions                 # [max_depth, max_legal_actions]
    # How often a player's action has cut the search off, less how often it was tried in vain before
    # another one did: anywhere, and in reply to the action before it.
    cdef int32_t* cutoffs                  # [2, num_actions]
    cdef int32_t* replies                  # [reply_mask + 1] of [2, num_actions + 1, num_actions]
    cdef int32_t reply_mask                # large games' replies share entries

    cdef bint prove_value(self, GameState state) except -1 nogil
    cdef bint solve(self, GameState state) except -1 nogil
    cdef int _value(self, GameState state, int32_t depth, action_t last, int alpha, int beta,
                    int16_t* distance) except -2 nogil
    cdef int _child(self, GameState state, GameState child, int32_t depth, action_t action,
                    int alpha, int beta, int16_t* distance) except -2 nogil
