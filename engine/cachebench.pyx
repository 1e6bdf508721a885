"""Loops over the evaluation cache without the GIL: what it costs, and whether it is right.

Every answer is computed from its key, so that one read back can be checked word by word. An entry
has two possible owners, keys that share its place; in a duel two processes store one each, and
whatever mixes both answers was torn. A torn entry must read as a miss: `wrong` counts those that
did not.
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
    torn: int        # lookups that met a torn entry and knew it for a miss
    wrong: int       # lookups that were given an answer of another key: must be 0


cdef inline uint64_t _key(Cache cache, uint64_t place, uint64_t owner) noexcept nogil:
    """A key of entry `place`; each owner has one."""
    cdef uint64_t mask = cache.num_entries - 1
    return (mix64(2 * place + owner + 1) & ~mask) | (place & mask)


cdef inline void _answer(Cache cache, uint64_t key, uint64_t* words) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(cache.words):
        words[i] = mix64(key + i)
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


cdef inline void _store(Cache cache, uint64_t key, uint64_t* words) noexcept nogil:
    _answer(cache, key, words)
    cache.store(key, <float*>words, <float*>words + cache.num_actions)


cdef enum:
    MAX_WORDS = 4096


def cache_loop(Segment segment not None, str what not None, uint64_t count, uint64_t owner=0):
    """Do one thing to `count` entries in a random order; return (nanoseconds, entries found).

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
    cdef uint64_t i, place, found = 0
    cdef int64_t start
    cdef bint storing = what == "store"
    if not storing and what != "find":
        raise ValueError(f"what must be store or find, got {what!r}")
    with nogil:
        start = now_ns()
        for i in range(count):
            # An odd factor visits every entry once before any twice, far from the last one.
            place = (i * <uint64_t>0x9e3779b97f4a7c15) & (cache.num_entries - 1)
            if storing:
                _store(cache, _key(cache, place, owner), words)
            else:
                found += cache.find(_key(cache, place, owner))
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
    if owner > 1 or not 1 <= num_places <= cache.num_entries or store_every < 1:
        raise ValueError("owner must be 0 or 1, num_places in [1, entries] and store_every >= 1, "
                         f"got {owner}, {num_places} and {store_every}")
    with nogil:
        start = now_ns()
        for i in range(count):
            place = mix64(2 * i + owner) % num_places
            key = _key(cache, place, owner)
            if i % store_every == 0:
                _store(cache, key, words)
                continue
            lookups += 1
            if cache.find(key):
                hits += 1
                _answer(cache, key, words)
                wrong += not _holds(cache, words)
            elif cache.entries[place * cache.entry_words] != 0:
                _answer(cache, key, words)
                if not _holds(cache, words):
                    _answer(cache, _key(cache, place, owner ^ 1), words)
                    torn += not _holds(cache, words)
        start = now_ns() - start
    return Duel(start, lookups, hits, torn, wrong)


cdef Cache _cache_of(Segment segment):
    cache = Cache(segment)
    if cache.num_entries == 0 or cache.words > MAX_WORDS:
        raise ValueError(f"the segment must have a cache of answers of at most {MAX_WORDS} words, "
                         f"got {cache.num_entries} entries of {cache.words}")
    return cache
