"""Loops over the evaluation cache without the GIL: what it costs, and whether it is right.

Every answer is computed, so that one read back can be checked word by word. In a duel two
processes store answers of their own under the same keys, and whatever mixes both was torn. A torn
answer must read as a miss: `wrong` counts those that did not.
"""

from libc.stdint cimport UINT32_MAX, int64_t, uint64_t

from engine.atomic cimport now_ns
from engine.cache cimport Cache
from engine.segment cimport Segment
from games.base cimport mix64

from typing import NamedTuple

__all__ = ["Duel", "cache_duel", "cache_loop"]


class Duel(NamedTuple):
    """What one side of a duel saw."""

    elapsed_ns: int
    lookups: int
    hits: int
    torn: int        # lookups of a key that is there and yet was not found whole
    wrong: int       # lookups that were given neither process's answer: must be 0


cdef inline uint64_t _key(uint64_t place, uint64_t owner) noexcept nogil:
    return mix64(2 * place + owner + 1)


cdef inline void _answer(Cache cache, uint64_t start, uint64_t* words) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(cache.words):
        words[i] = mix64(start + i)
    if (cache.num_actions + 3) % 2:
        # The last word's upper half is no part of an answer.
        words[cache.words - 1] &= <uint64_t>UINT32_MAX


cdef inline bint _holds(Cache cache, const uint64_t* words) noexcept nogil:
    """Whether the cache's last copy of an entry is this answer."""
    cdef Py_ssize_t i
    for i in range(cache.words):
        if cache.answer[i] != words[i]:
            return False
    return True


cdef inline void _store(Cache cache, uint64_t key, uint64_t start,
                        uint64_t* words) noexcept nogil:
    _answer(cache, start, words)
    cache.store(key, 0, <float*>words, <float*>words + cache.num_actions)


cdef enum:
    MAX_WORDS = 4096


def cache_loop(Segment segment not None, str what not None, uint64_t count, uint64_t owner=0):
    """Do one thing `count` times, far apart; return (nanoseconds, answers found).

    The keys are as many as an eighth of the entries: the first few buckets that overflow lose one.

    Parameters
    ----------
    segment
        Whose cache.
    what
        ``store`` the owner's answers, or ``find`` them: hits if the owner was the last to store,
        otherwise misses. The answers are computed, too, before they are stored.
    owner
        0 or 1.

    Raises
    ------
    ValueError
        If there is no cache, or no such thing to do.
    """
    cdef Cache cache = _cache_of(segment)
    cdef uint64_t words[MAX_WORDS]
    cdef uint64_t i, key, found = 0
    cdef int64_t start
    cdef bint storing = what == "store"
    if not storing and what != "find":
        raise ValueError(f"what must be store or find, got {what!r}")
    with nogil:
        start = now_ns()
        for i in range(count):
            key = _key(i % (cache.num_entries // 8), owner)
            if storing:
                _store(cache, key, key, words)
            else:
                found += cache.find(key)
        start = now_ns() - start
    return start, found


def cache_duel(Segment segment not None, uint64_t owner, uint64_t count, uint64_t num_places,
               uint64_t store_every=4):
    """Look up and store in `num_places` entries that another process uses, too.

    Parameters
    ----------
    segment
        Whose cache.
    owner
        0 or 1; the other process is the other.
    count
        Lookups and stores together.
    num_places
        Entries to fight for: the fewer, the more are torn.
    store_every
        One of so many is a store.

    Returns
    -------
    Duel
    """
    cdef Cache cache = _cache_of(segment)
    cdef uint64_t words[MAX_WORDS]
    cdef uint64_t i, place, key, lookups = 0, hits = 0, torn = 0, wrong = 0
    cdef int64_t start
    if owner > 1 or not 1 <= num_places <= cache.num_entries // 8 or store_every < 1:
        raise ValueError("owner must be 0 or 1, num_places in [1, entries / 8], store_every >= 1, "
                         f"got {owner}, {num_places} and {store_every}")
    with nogil:
        for i in range(num_places):
            _store(cache, _key(i, 0), 2 * i + owner, words)
        start = now_ns()
        for i in range(count):
            place = mix64(2 * i + owner) % num_places
            key = _key(place, 0)
            if i % store_every == 0:
                _store(cache, key, 2 * place + owner, words)
                continue
            lookups += 1
            if not cache.find(key):
                torn += 1
                continue
            hits += 1
            _answer(cache, 2 * place, words)
            if not _holds(cache, words):
                _answer(cache, 2 * place + 1, words)
                wrong += not _holds(cache, words)
        start = now_ns() - start
    return Duel(start, lookups, hits, torn, wrong)


cdef Cache _cache_of(Segment segment):
    cache = Cache(segment)
    if cache.num_entries == 0 or cache.words > MAX_WORDS:
        raise ValueError(f"the segment must have a cache of answers of at most {MAX_WORDS} words, "
                         f"got {cache.num_entries} entries of {cache.words}")
    return cache
