# One game's search: a descent (descent.pxd) whose root has rules of its own.
#
#   evaluation of the root ──▶ kept ──▶ solved to the end, or changed by noise ──▶ simulations
#                                                                                      │
#   move, policy target, surprise, value ◀── visits, proofs, completed values ◀────────┘

from libc.stdint cimport int8_t, int16_t, int32_t

from engine.descent cimport Descent
from engine.rng cimport rng_t
from engine.tree cimport edge_t
from games.base cimport action_t

cdef class Search(Descent):
    cdef int begin(self, int32_t target, bint noisy, rng_t noise) except -1 nogil
    cdef int advance(self, action_t action) except -1 nogil
    cdef action_t choose(self, double temperature, rng_t* rng) noexcept nogil
    cdef float root_value(self) noexcept nogil
    cdef int8_t root_result(self) noexcept nogil
    cdef int16_t root_distance(self) noexcept nogil
    cdef int policy_target(self, int32_t* actions, float* weights) noexcept nogil
    cdef float surprise(self, const int32_t* actions, const float* weights,
                        int num) noexcept nogil
    cdef bint counts(self, edge_t edge) noexcept nogil
    cdef edge_t _most_visited(self) noexcept nogil
    cdef void _take_proofs(self) noexcept nogil
    cdef int _take_decisive_moves(self) except -1 nogil
    cdef void _keep_prior(self) noexcept nogil
    cdef void _change_prior(self) noexcept nogil
    cdef void _restore_prior(self) noexcept nogil
