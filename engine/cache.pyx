"""The evaluation cache that a pool's workers share; the entry is drawn in cache.pxd.

References
----------
Hyatt and Mann, "A lock-less transposition table implementation for parallel search chess engines",
ICGA Journal 25 (2002), for the entry that checks itself.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from engine.segment cimport Segment


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
        self.entry_words = self.words + 1
        self.entries = <uint64_t*>(segment.base + <Py_ssize_t>segment.offsets["cache"])
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
        cdef const uint64_t* entry
        cdef uint64_t check
        if self.num_entries == 0:
            return False
        entry = self.entries + (key & (self.num_entries - 1)) * self.entry_words
        check = entry[0]
        if check == 0:
            return False
        memcpy(self.answer, entry + 1, self.words * sizeof(uint64_t))
        return check == self._check(key)

    cdef void store(self, uint64_t key, const float* policy_logits,
                    const float* wdl_logits) noexcept nogil:
        """Keep an answer; whatever was in its place is forgotten."""
        cdef uint64_t* entry
        if self.num_entries == 0:
            return
        entry = self.entries + (key & (self.num_entries - 1)) * self.entry_words
        memcpy(self.policy_logits, policy_logits, self.num_actions * sizeof(float))
        memcpy(self.wdl_logits, wdl_logits, 3 * sizeof(float))
        memcpy(entry + 1, self.answer, self.words * sizeof(uint64_t))
        entry[0] = self._check(key)

    cdef uint64_t _check(self, uint64_t key) noexcept nogil:
        """The key mixed with the checksum of `answer`; never 0, which marks an empty entry."""
        cdef uint64_t check = key
        cdef Py_ssize_t i
        for i in range(self.words):
            check = (check ^ self.answer[i]) * <uint64_t>0x9e3779b97f4a7c15
            check ^= check >> 32
        return check | 1
