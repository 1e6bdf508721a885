# The shared evaluation cache: network answers by position, in the pool's segment.
#
#    bucket:  check, one a way | answer, one a way
#    answer:  policy logits [A] | win, draw, loss logits [3]
#    check:   checksum of key and answer (40 bits) | tag of the key (16) | generation (8)
#
# Any worker reads and writes any entry at any time, without locks. An answer that two writers
# tore, or that is half written, does not match its checksum and reads as a miss. Nothing is ever
# wrong, only absent.
#
# The tags of a bucket share a cache line or two, so that a miss seldom reads an answer. A new
# answer takes the place of an empty entry or one of other weights, if the bucket has any.

from libc.stdint cimport uint64_t

from engine.segment cimport Segment
from games.base cimport mix64

cdef class Cache:
    cdef readonly Segment segment
    cdef readonly uint64_t num_entries     # 0: no cache
    cdef uint64_t num_buckets
    cdef Py_ssize_t num_actions
    cdef Py_ssize_t words                  # 64-bit words of an answer
    cdef Py_ssize_t bucket_words
    cdef uint64_t* buckets                 # [num_buckets, bucket_words], shared
    cdef uint64_t* answer                  # [words] scratch; what `find` found
    cdef float* policy_logits              # [A] of `answer`
    cdef float* wdl_logits                 # [3] of `answer`

    cdef bint find(self, uint64_t key) noexcept nogil
    cdef void store(self, uint64_t key, uint64_t generation, const float* policy_logits,
                    const float* wdl_logits) noexcept nogil
    cdef uint64_t* _bucket(self, uint64_t key) noexcept nogil
    cdef uint64_t _check(self, uint64_t key) noexcept nogil


cdef inline uint64_t cache_key(uint64_t position_hash, uint64_t model,
                               uint64_t generation) noexcept nogil:
    """A position's key: answers of other weights have other keys and are never found."""
    return mix64(position_hash ^ mix64((generation << 8) + model + 1))
