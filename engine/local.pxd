# Evaluators that live in the worker.

from libc.stdint cimport uint64_t

from games.base cimport Game, GameState, action_t

cdef class LocalEvaluator:
    """Evaluates leaves in the worker itself, without a ring."""
    # Set `value[0]`, for the player to move in `state`, which is not terminal and which the
    # evaluator may change. The prior of a local evaluator is uniform.
    cdef int evaluate_c(self, GameState state, float* value) except -1 nogil
    # Draw from the random streams of this ply of this game from now on.
    cdef void restart(self, uint64_t game, uint64_t ply) noexcept nogil

cdef class LocalUniform(LocalEvaluator):
    pass

cdef class LocalRollout(LocalEvaluator):
    cdef Game game
    cdef uint64_t seed
    cdef uint64_t stream                   # number of the game
    cdef uint64_t num_rollouts             # ply and count: the rest of the stream's key
    cdef action_t* actions                 # [max_legal_actions] scratch
