"""Equal positions among many packed observations.

Shapes: ``N`` rows of a ring, ``n`` of them looked at.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

import numpy as np

from engine.atomic cimport prefetch
from games.base cimport mix64

cdef int AHEAD = 16     # rows between asking for a place of the table and reading it


def group_rows(const uint8_t[:, ::1] packed not None, int64_t first, int64_t num):
    """Number rows so that equal ones, and only those, have the same number.

    Nothing is kept between two calls, so rows that have left a ring cannot be met again. A hash
    leads to the candidates (a table with linear probing), the bytes themselves decide.

    Parameters
    ----------
    packed : [N, observation_bytes]
        A ring of rows, whose width is a multiple of 8.
    first, num
        Rows first, first + 1, ..., `num` <= N of them, each taken modulo N.

    Returns
    -------
    [n] int32, numbers from 0 on in the order of first occurrence.
    """
    cdef Py_ssize_t size = packed.shape[0], width = packed.shape[1]
    if width == 0 or width % 8:
        raise ValueError(f"rows must be whole words of 8 bytes, got {width} bytes")
    if not 0 <= num <= size or first < 0:
        raise ValueError(f"there are no {num} rows from {first} on in a ring of {size}")
    groups = np.empty(num, np.int32)
    if num == 0:
        return groups
    size_of_table = 1 << int(2 * num - 1).bit_length()      # at most half of it gets filled
    cdef int32_t[::1] numbers = groups
    cdef int32_t[::1] table = np.full(size_of_table, -1, np.int32)
    cdef uint32_t[::1] places = np.empty(num, np.uint32)
    cdef uint32_t mask = size_of_table - 1, place
    cdef const uint8_t* row
    cdef int32_t i, earlier, found = 0
    with nogil:
        for i in range(<int32_t>num):
            row = &packed[(first + i) % size, 0]
            places[i] = <uint32_t>hash_row(<const uint64_t*>row, width // 8) & mask
        for i in range(<int32_t>num):
            if i + AHEAD < num:
                prefetch(&table[places[i + AHEAD]])
            row = &packed[(first + i) % size, 0]
            place = places[i]
            while True:
                earlier = table[place]
                if earlier < 0:
                    table[place] = i
                    numbers[i] = found
                    found += 1
                    break
                if memcmp(row, &packed[(first + earlier) % size, 0], width) == 0:
                    numbers[i] = numbers[earlier]
                    break
                place = (place + 1) & mask
    return groups


def order_by_group(const int32_t[::1] groups not None, const int64_t[::1] counts not None):
    """The indices [n] of `groups`, group by group and rising in each: one pass, being a counting
    sort. Group g occurs `counts[g]` times."""
    if np.sum(counts) != groups.shape[0]:
        raise ValueError(f"counts must sum to {groups.shape[0]}, got {np.sum(counts)}")
    found = np.empty(groups.shape[0], np.int64)
    cdef int64_t[::1] order = found, at = np.cumsum(counts) - counts
    cdef Py_ssize_t i
    with nogil:
        for i in range(groups.shape[0]):
            order[at[groups[i]]] = i
            at[groups[i]] += 1
    return found


cdef inline uint64_t hash_row(const uint64_t* words, Py_ssize_t num) noexcept nogil:
    cdef uint64_t found = 0
    cdef Py_ssize_t i
    for i in range(num):
        found = mix64(found + words[i] + <uint64_t>0x9e3779b97f4a7c15)
    return found
