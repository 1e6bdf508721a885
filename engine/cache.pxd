# The shared evaluation cache: network answers by position, in the pool's segment.
#
#    entry:  check | policy logits [A] | win, draw, loss logits [3]
#
# Any worker reads and writes any entry at any time, without locks. `check` is the key mixed with
# a checksum of the answer, so an entry that two writers tore, or that is half written, does not
# match its key and reads as a miss. Nothing is ever wrong, only absent.

from libc.stdint cimport uint64_t

from engine.segment cimport Segment
from games.base cimport mix64

cdef class Cache:
    cdef readonly Segment segment
    cdef readonly uint64_t num_entries     # a power of two, 0: no cache
    cdef Py_ssize_t num_actions
    cdef Py_ssize_t words                  # 64-bit words of an answer
    cdef Py_ssize_t entry_words            # of an entry
    cdef uint64_t* entries                 # [num_entries, entry_words], shared
    cdef uint64_t* answer                  # [words] scratch; what `find` found
    cdef float* policy_logits              # [A] of `answer`
    cdef float* wdl_logits                 # [3] of `answer`

    cdef bint find(self, uint64_t key) noexcept nogil
    cdef void store(self, uint64_t key, const float* policy_logits,
                    const float* wdl_logits) noexcept nogil
    cdef uint64_t _check(self, uint64_t key) noexcept nogil


cdef inline uint64_t cache_key(uint64_t position_hash, uint64_t model,
                               uint64_t generation) noexcept nogil:
    """A position's key: answers of other weights have other keys and are never found."""
    return mix64(position_hash ^ mix64((generation << 8) + model + 1))
