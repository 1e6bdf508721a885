"""The evaluation cache that a pool's workers share; the entry is drawn in cache.pxd.

References
----------
Hyatt and Mann, "A lock-less transposition table implementation for parallel search chess engines",
ICGA Journal 25 (2002), for the entry that checks itself.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from engine.segment cimport CACHE_WAYS, Segment

cdef uint64_t GENERATION_BITS = 0xff          # of a check
cdef uint64_t TAG_BITS = 0xffff00


cdef class Cache:
    """One process's view of the cache.

    Parameters
    ----------
    segment
        Its `spec.cache_entries` says how large the cache is; 0: there is none.
    """

    def __cinit__(self, Segment segment not None):
        spec = segment.spec
        self.segment = segment
        self.num_entries = spec.cache_entries
        self.num_actions = spec.num_actions
        self.words = (spec.num_actions + 3 + 1) // 2
        self.num_buckets = spec.cache_entries // CACHE_WAYS
        self.bucket_words = CACHE_WAYS * (1 + self.words)
        self.buckets = <uint64_t*>(segment.base + <Py_ssize_t>segment.offsets["cache"])
        self.answer = <uint64_t*>malloc(self.words * sizeof(uint64_t))
        if self.answer == NULL:
            raise MemoryError(f"no memory for {self.words} words")
        self.answer[self.words - 1] = 0
        self.policy_logits = <float*>self.answer
        self.wdl_logits = self.policy_logits + self.num_actions

    def __dealloc__(self):
        free(self.answer)

    cdef bint find(self, uint64_t key) noexcept nogil:
        """Whether the answer for `key` is there; it is then in `answer`."""
        cdef const uint64_t* bucket
        cdef uint64_t check
        cdef int way
        if self.num_buckets == 0:
            return False
        bucket = self._bucket(key)
        for way in range(CACHE_WAYS):
            check = bucket[way]
            if check != 0 and (check ^ key << 8) & TAG_BITS == 0:
                memcpy(self.answer, bucket + CACHE_WAYS + way * self.words,
                       self.words * sizeof(uint64_t))
                if check & ~GENERATION_BITS == self._check(key):
                    return True
        return False

    cdef void store(self, uint64_t key, uint64_t generation, const float* policy_logits,
                    const float* wdl_logits) noexcept nogil:
        """Keep an answer of the weights of `generation`; another may be forgotten for it."""
        cdef uint64_t* bucket
        cdef uint64_t check
        cdef int way, chosen
        if self.num_buckets == 0:
            return
        bucket = self._bucket(key)
        chosen = key >> 16 & (CACHE_WAYS - 1)
        for way in range(CACHE_WAYS):
            check = bucket[way]
            if check != 0 and (check ^ key << 8) & TAG_BITS == 0:
                chosen = way      # as good as always the same key, which another worker stored
                break
            if check == 0 or (check ^ generation) & GENERATION_BITS != 0:
                chosen = way
        memcpy(self.policy_logits, policy_logits, self.num_actions * sizeof(float))
        memcpy(self.wdl_logits, wdl_logits, 3 * sizeof(float))
        memcpy(bucket + CACHE_WAYS + chosen * self.words, self.answer,
               self.words * sizeof(uint64_t))
        bucket[chosen] = self._check(key) | generation & GENERATION_BITS

    cdef uint64_t* _bucket(self, uint64_t key) noexcept nogil:
        """The key's upper half, scaled to the number of buckets, which may be any."""
        return self.buckets + ((key >> 32) * self.num_buckets >> 32) * self.bucket_words

    cdef uint64_t _check(self, uint64_t key) noexcept nogil:
        """The check of `key` with `answer`, but for the generation; never 0, which is empty."""
        cdef uint64_t check = key
        cdef Py_ssize_t i
        for i in range(self.words):
            check = (check ^ self.answer[i]) * <uint64_t>0x9e3779b97f4a7c15
            check ^= check >> 32
        return (check | <uint64_t>1 << 63) & ~(TAG_BITS | GENERATION_BITS) | key << 8 & TAG_BITS
