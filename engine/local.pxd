# Evaluators that live in the worker.

from libc.stdint cimport uint64_t

from engine.search cimport LocalEvaluator
from games.base cimport Game, action_t

cdef class LocalUniform(LocalEvaluator):
    pass

cdef class LocalRollout(LocalEvaluator):
    cdef Game game
    cdef uint64_t seed
    cdef uint64_t stream                   # number of the game
    cdef uint64_t num_rollouts             # ply and count: the rest of the stream's key
    cdef action_t* actions                 # [max_legal_actions] scratch
