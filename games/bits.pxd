# Bit tricks on boards of up to 64 cells; each is one instruction or a few.

from libc.stdint cimport uint64_t

cdef extern from * nogil:
    # Index of the lowest set bit, and zeros above the highest; there must be a set bit.
    int lowest_bit "__builtin_ctzll"(unsigned long long bits) noexcept
    int leading_zeros "__builtin_clzll"(unsigned long long bits) noexcept
    uint64_t swap_bytes "__builtin_bswap64"(uint64_t bits) noexcept
    int popcount "__builtin_popcountll"(unsigned long long bits) noexcept


# The highest set bit of `bits`, which must have one.
cdef inline uint64_t highest(uint64_t bits) noexcept nogil:
    return <uint64_t>1 << (63 ^ leading_zeros(bits))


# The lowest `num_bits` (1 to 64) bits in reverse order: a board turned by half a turn.
cdef inline uint64_t reversed_bits(uint64_t bits, int num_bits) noexcept nogil:
    bits = (bits >> 1 & <uint64_t>0x5555555555555555) | (bits & <uint64_t>0x5555555555555555) << 1
    bits = (bits >> 2 & <uint64_t>0x3333333333333333) | (bits & <uint64_t>0x3333333333333333) << 2
    bits = (bits >> 4 & <uint64_t>0x0f0f0f0f0f0f0f0f) | (bits & <uint64_t>0x0f0f0f0f0f0f0f0f) << 4
    return swap_bytes(bits) >> (64 - num_bits)
