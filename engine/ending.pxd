# How a game ends before the rules end it: proven, resigned, cut off, or after the one
# ply that it is for, a stored game's position searched again.
#
# Everything is judged from the game's journal, so that the successor of a dead worker judges as
# it would have, and no state has to survive. Order matters: a player resigns before the move it
# found is played; that move may end the game by the rules; and a proof ends what goes on.

from libc.stdint cimport int8_t, int32_t, uint64_t

from engine.journal cimport Journal
from engine.rng cimport PURPOSE_RESIGN, next_uniform, rng_for, rng_t
from engine.tree cimport RESULT_UNKNOWN

cdef enum ending_t:          # engine.records.Ending, and none yet
    ENDING_NONE = -1
    ENDING_RULES = 0
    ENDING_PROVEN = 1
    ENDING_RESIGNED = 2
    ENDING_CUT_OFF = 3
    ENDING_REANALYSED = 4

cdef struct early_t:         # which early ends there are; zeros: none
    bint when_proven
    float resign_value       # 0: nobody resigns
    int32_t resign_plies
    double resign_playout


cdef inline bint is_reanalysed(Journal journal, int32_t ply) noexcept nogil:
    """Whether `ply` plies are all that was wanted: those of a stored game, and one search."""
    return journal.header.one_ply and ply > <int32_t>journal.header.num_opening


cdef inline bint is_proven_end(const early_t* early, Journal journal, int32_t ply) noexcept nogil:
    """Whether the search of `ply` proves the game's result, and that is enough."""
    return early.when_proven and journal.results[ply] != RESULT_UNKNOWN


cdef inline bint gives_up(const early_t* early, Journal journal, int32_t ply) noexcept nogil:
    """Whether the player of `ply` has seen enough, in its last `resign_plies` searches."""
    cdef int8_t player = journal.players[ply]
    cdef int32_t num = 0
    if early.resign_value == 0.0 or is_proven_end(early, journal, ply):
        return False
    # Given plies count for nobody: their value is 0, which is not low.
    while num < early.resign_plies and ply >= 0:
        if journal.players[ply] == player:
            if journal.root_values[ply] > early.resign_value:
                return False
            num += 1
        ply -= 1
    return num == early.resign_plies


cdef inline bint is_played_on(const early_t* early, uint64_t seed, uint64_t number) noexcept nogil:
    """Whether nobody may resign in this game, to see how often that would have been wrong."""
    cdef rng_t rng = rng_for(seed, number, 0, PURPOSE_RESIGN)
    return next_uniform(&rng) < early.resign_playout


cdef inline int32_t first_resignation(const early_t* early, Journal journal,
                                      int32_t num_plies) noexcept nogil:
    """The first ply whose player gives up, or -1."""
    cdef int32_t ply
    for ply in range(num_plies):
        if gives_up(early, journal, ply):
            return ply
    return -1
