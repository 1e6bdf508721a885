# Sets of a board's cells as words of 64 bits, for boards that do not fit into one word: cell i,
# row by row from the top left, is bit i % 64 of word i / 64, as in the observation.

from libc.stdint cimport int32_t, uint64_t

from games.base cimport action_t

cdef enum:
    MAX_CELLS = 361            # 19 x 19, the largest board that people play on
    MAX_WORDS = 6              # ceil(MAX_CELLS / 64)

cdef extern from *:
    """
    /* The set bits of 0 to 15 in increasing order, then anything. */
    static const int32_t NIBBLE_BITS[16][4] = {
        {0, 0, 0, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0},
        {2, 0, 0, 0}, {0, 2, 0, 0}, {1, 2, 0, 0}, {0, 1, 2, 0},
        {3, 0, 0, 0}, {0, 3, 0, 0}, {1, 3, 0, 0}, {0, 1, 3, 0},
        {2, 3, 0, 0}, {0, 2, 3, 0}, {1, 2, 3, 0}, {0, 1, 2, 3},
    };
    /* How many bits are set in each of 0 to 15, four bits an entry. */
    #define NIBBLE_COUNTS 0x4332322132212110ULL
    """
    const int32_t NIBBLE_BITS[16][4]
    const uint64_t NIBBLE_COUNTS
    int lowest_bit "__builtin_ctzll" (uint64_t) nogil    # of a word that is not zero


cdef inline int list_bits(uint64_t bits, action_t first, int count, action_t* out) noexcept nogil:
    # Write `first + i` for each bit i that is set among the lowest `count`, in increasing order,
    # and return how many. Four bits are one load and one store, and no branch depends on the
    # board: a loop over the set bits takes three times the instructions on an emptyish board.
    # At most `count` entries of `out` are overwritten.
    cdef int num = 0, k, nibble
    cdef action_t end = first + count
    while first + 4 <= end:
        nibble = bits & 15
        for k in range(4):
            out[num + k] = first + NIBBLE_BITS[nibble][k]
        num += NIBBLE_COUNTS >> 4 * nibble & 15
        bits >>= 4
        first += 4
    while first < end:
        out[num] = first
        num += bits & 1
        bits >>= 1
        first += 1
    return num
