# A game in progress, written by its worker into the shared segment ply by ply.
#
#    FREE ── worker starts a game ──▶ PLAYING ── its last ply ──▶ FINISHED
#     ▲                                  │ worker died: its replacement │ parent: record is
#     │                                  └─ replays the plies, plays on │ committed
#     └────────────────────────────────────────────────────────────────┘
#
# The journal is also how a finished game travels: the parent copies it out, commits it, then
# frees it. A game is in exactly one state at any moment, whoever dies, so none is lost and none
# is told twice.

from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint32_t, uint64_t

from engine.segment cimport Segment

cdef enum journal_state_t:
    JOURNAL_FREE = 0
    JOURNAL_PLAYING = 1
    JOURNAL_FINISHED = 2

cdef struct journal_header_t:
    uint32_t state           # journal_state_t; released last when it changes
    uint32_t num_plies       # complete plies; released after the ply's data
    uint64_t number          # of the game
    uint64_t generation      # of the weights when the game began
    float returns[2]         # set when FINISHED; of one ply: the stored game's, from the start
    uint32_t num_opening     # plies that were given, not searched
    int32_t ending           # ending_t, set when FINISHED
    int32_t resign_ply       # see GameRecord; set when FINISHED
    uint32_t one_ply         # 1: a stored game's position, searched once; returns are given
    uint32_t _pad[4]

cdef class Journal:
    cdef readonly Segment segment
    cdef readonly int max_plies
    cdef readonly int max_entries
    cdef Py_ssize_t observation_bytes
    cdef journal_header_t* header
    cdef int32_t* actions                  # [max_plies]
    cdef float* root_values                # [max_plies] for the player to move
    cdef float* prior_values               # [max_plies] the evaluator's, for the same player
    cdef float* surprises                  # [max_plies] the target's divergence from the prior
    cdef uint32_t* policy_ends             # [max_plies] entries used up to and with this ply
    cdef int32_t* policy_actions           # [max_entries]
    cdef float* policy_weights             # [max_entries]
    cdef int16_t* distances                # [max_plies] plies to the proven end, or 0
    cdef int8_t* players                   # [max_plies]
    cdef uint8_t* full_search              # [max_plies]
    cdef int8_t* results                   # [max_plies] edge_result_t, for the player to move
    cdef uint8_t* observations             # [max_plies, observation_bytes]

    cdef uint32_t first_entry(self, uint32_t ply) noexcept nogil
