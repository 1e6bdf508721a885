# Sets of a board's cells as words of 64 bits, for boards that do not fit into one word: cell i,
# row by row from the top left, is bit i % 64 of word i / 64, as in the observation.

from libc.stdint cimport int32_t, uint8_t, uint64_t

from games.base cimport action_t

cdef enum:
    MAX_CELLS = 361            # 19 x 19, the largest board that people play on
    MAX_WORDS = 6              # ceil(MAX_CELLS / 64)

cdef extern from *:
    """
    typedef int32_t rz_four_t __attribute__((vector_size(16)));
    typedef int32_t rz_any_four_t __attribute__((vector_size(16), aligned(4), may_alias));
    /* The set bits of 0 to 15 in increasing order, then anything; and how many they are. */
    static const rz_four_t rz_nibble_bits[16] = {
        {0, 0, 0, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0},
        {2, 0, 0, 0}, {0, 2, 0, 0}, {1, 2, 0, 0}, {0, 1, 2, 0},
        {3, 0, 0, 0}, {0, 3, 0, 0}, {1, 3, 0, 0}, {0, 1, 3, 0},
        {2, 3, 0, 0}, {0, 2, 3, 0}, {1, 2, 3, 0}, {0, 1, 2, 3},
    };
    static const uint8_t rz_nibble_counts[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
    #define rz_four_of(x) ((rz_four_t){x, x, x, x})
    #define rz_four_plus(four, x) ((four) + (x))
    #define rz_store_nibble(out, nibble, base) \
        (*(rz_any_four_t *)(out) = rz_nibble_bits[nibble] + (base))
    """
    ctypedef struct four_t "rz_four_t":
        pass
    const uint8_t* NIBBLE_COUNTS "rz_nibble_counts"
    four_t four_of "rz_four_of" (int32_t x) noexcept nogil
    four_t four_plus "rz_four_plus" (four_t four, int32_t x) noexcept nogil
    void store_nibble "rz_store_nibble" (int32_t* out, uint64_t nibble, four_t base) noexcept nogil
    int lowest_bit "__builtin_ctzll" (uint64_t) nogil    # of a word that is not zero


cdef inline int list_bits(uint64_t bits, action_t first, int count, action_t* out) noexcept nogil:
    # Write `first + i` for each bit i that is set among the lowest `count`, in increasing order,
    # and return how many. Four bits are one load, one addition and one store, and no branch
    # depends on the board. At most `count` entries of `out` are overwritten.
    cdef four_t base = four_of(first)
    cdef action_t* next = out
    cdef int _, i
    for _ in range(count >> 2):
        store_nibble(next, bits & 15, base)
        next += NIBBLE_COUNTS[bits & 15]
        base = four_plus(base, 4)
        bits >>= 4
    first += count & ~3
    for i in range(count & 3):
        next[0] = first + i
        next += bits >> i & 1
    return <int>(next - out)
