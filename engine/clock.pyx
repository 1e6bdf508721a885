"""The clock that this core runs at, measured: rates of two machines compare only beside it."""

from libc.stdint cimport int64_t, uint64_t

from engine.atomic cimport now_ns

__all__ = ["core_ghz"]

cdef extern from * nogil:
    """
    #include <stdint.h>
    /* Each addition waits for the one before, one cycle on every core of today. The empty asm
       hides the sum from the compiler, and the addend is no constant, since some cores add small
       constants for nothing. */
    static inline uint64_t rz_add_chain(uint64_t x, uint64_t y, int rounds) {
        int i;
        #define RZ_ADD x += y; __asm__ __volatile__("" : "+r"(x));
        #define RZ_ADD8 RZ_ADD RZ_ADD RZ_ADD RZ_ADD RZ_ADD RZ_ADD RZ_ADD RZ_ADD
        for (i = 0; i < rounds; i++) { RZ_ADD8 RZ_ADD8 RZ_ADD8 RZ_ADD8 }
        #undef RZ_ADD8
        #undef RZ_ADD
        return x;
    }
    """
    uint64_t add_chain "rz_add_chain"(uint64_t x, uint64_t y, int rounds)

cdef enum:
    ROUNDS = 100_000         # of 32 additions: about a millisecond
    CHAIN = 32


def core_ghz(int repeats=20):
    """Cycles a nanosecond: the best of `repeats` chains of dependent additions, each about 1 ms.

    It is the clock under light load; many busy cores, or wide vectors, may run slower.
    """
    cdef int64_t start, best = 1 << 62
    cdef uint64_t x = 1
    if repeats < 1:
        raise ValueError(f"repeats must be >= 1, got {repeats}")
    for _ in range(repeats):
        with nogil:
            start = now_ns()
            x = add_chain(x, <uint64_t>start, ROUNDS)
            start = now_ns() - start
        best = min(best, start)
    return <double>ROUNDS * CHAIN / best
