"""Journals of games in progress, in the shared segment; states are drawn in journal.pxd."""

from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint32_t, uint64_t

import numpy as np

from engine.atomic cimport load32, store32
from engine.segment cimport Segment

from engine.records import Ending, GameRecord
from engine.segment import journal_layout


cdef class Journal:
    """One journal of the segment.

    Parameters
    ----------
    segment
        The mapping.
    index
        Of the journal: worker * journals_per_worker + its own.
    """

    def __cinit__(self, Segment segment not None, int index):
        spec = segment.spec
        if not 0 <= index < spec.num_workers * spec.journals_per_worker:
            raise ValueError(f"no journal {index} in {spec}")
        self.segment = segment
        self.max_plies = spec.max_plies
        self.max_entries = spec.journal_entries
        self.observation_bytes = spec.observation_bytes
        cdef dict at = journal_layout(spec)[0]
        cdef uint8_t* base = (segment.base + <Py_ssize_t>segment.offsets["journals"]
                              + index * segment.journal_bytes)
        self.header = <journal_header_t*>base
        self.actions = <int32_t*>(base + <Py_ssize_t>at["actions"])
        self.root_values = <float*>(base + <Py_ssize_t>at["root_values"])
        self.prior_values = <float*>(base + <Py_ssize_t>at["prior_values"])
        self.surprises = <float*>(base + <Py_ssize_t>at["surprises"])
        self.policy_ends = <uint32_t*>(base + <Py_ssize_t>at["policy_ends"])
        self.policy_actions = <int32_t*>(base + <Py_ssize_t>at["policy_actions"])
        self.policy_weights = <float*>(base + <Py_ssize_t>at["policy_weights"])
        self.distances = <int16_t*>(base + <Py_ssize_t>at["distances"])
        self.players = <int8_t*>(base + <Py_ssize_t>at["players"])
        self.full_search = base + <Py_ssize_t>at["full_search"]
        self.results = <int8_t*>(base + <Py_ssize_t>at["results"])
        self.observations = base + <Py_ssize_t>at["observations"]

    cdef uint32_t first_entry(self, uint32_t ply) noexcept nogil:
        """Entries used before `ply`."""
        return 0 if ply == 0 else self.policy_ends[ply - 1]

    @property
    def is_finished(self):
        return load32(&self.header.state) == JOURNAL_FINISHED

    @property
    def is_free(self):
        return load32(&self.header.state) == JOURNAL_FREE

    def free(self):
        """The game is committed: the journal may be used again."""
        store32(&self.header.state, JOURNAL_FREE)

    def record(self, uint64_t seed):
        """A copy of the finished game."""
        cdef uint32_t num = self.header.num_plies
        cdef uint32_t entries = self.first_entry(num)
        offsets = np.zeros(num + 1, np.int32)
        if num:
            offsets[1:] = <uint32_t[:num]>self.policy_ends
        return GameRecord(
            number=self.header.number,
            seed=seed,
            generation=self.header.generation,
            num_opening=self.header.num_opening,
            ending=Ending(self.header.ending),
            resign_ply=self.header.resign_ply,
            returns=np.array([self.header.returns[0], self.header.returns[1]], np.float32),
            actions=_copy(<char*>self.actions, num, np.int32),
            players=_copy(<char*>self.players, num, np.int8),
            full_search=_copy(<char*>self.full_search, num, np.bool_),
            root_values=_copy(<char*>self.root_values, num, np.float32),
            prior_values=_copy(<char*>self.prior_values, num, np.float32),
            surprises=_copy(<char*>self.surprises, num, np.float32),
            results=_copy(<char*>self.results, num, np.int8),
            distances=_copy(<char*>self.distances, num, np.int16),
            observations=_copy(<char*>self.observations, num * self.observation_bytes,
                               np.uint8).reshape(num, self.observation_bytes),
            policy_offsets=offsets,
            policy_actions=_copy(<char*>self.policy_actions, entries, np.int32),
            policy_weights=_copy(<char*>self.policy_weights, entries, np.float32),
        )


cdef _copy(const char* start, Py_ssize_t count, dtype):
    dtype = np.dtype(dtype)
    return np.frombuffer(start[:count * <Py_ssize_t>dtype.itemsize], dtype)
