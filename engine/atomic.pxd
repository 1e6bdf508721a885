# C11-style atomics on plain words of shared memory, the futex, and the clock.
#
# Memory orders: a *release* store publishes everything written before it; an *acquire* load that
# sees it sees all of that. The two *seq_cst* fences in the sleep protocol of ring.pyx are the
# only places where a store must not pass a later load.

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from * nogil:
    """
    #include <errno.h>
    #include <stdint.h>
    #include <time.h>
    #if defined(__linux__)
    #include <linux/futex.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    #endif
    #if defined(__x86_64__)
    #define rz_pause() __builtin_ia32_pause()
    #elif defined(__aarch64__)
    #define rz_pause() __asm__ __volatile__("yield")
    #else
    #define rz_pause() ((void)0)
    #endif

    #define rz_prefetch(p) __builtin_prefetch(p)

    static inline uint32_t rz_load32(const uint32_t* p) {
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);
    }
    static inline uint64_t rz_load64(const uint64_t* p) {
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);
    }
    static inline void rz_store32(uint32_t* p, uint32_t v) {
        __atomic_store_n(p, v, __ATOMIC_RELEASE);
    }
    static inline void rz_store64(uint64_t* p, uint64_t v) {
        __atomic_store_n(p, v, __ATOMIC_RELEASE);
    }
    static inline uint32_t rz_add32(uint32_t* p, uint32_t v) {
        return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);
    }
    static inline uint64_t rz_add64(uint64_t* p, uint64_t v) {
        return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);
    }
    static inline int rz_swap64(uint64_t* p, uint64_t seen, uint64_t v) {
        return __atomic_compare_exchange_n(p, &seen, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    static inline void rz_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

    static inline int64_t rz_now_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }

    /* Sleep while *word == seen, for timeout_ns at most. Wakes early for no reason at times.
       Elsewhere than on Linux: a short nap, so that the callers' loops poll. */
    static inline void rz_futex_wait(uint32_t* word, uint32_t seen, int64_t timeout_ns) {
    #if defined(__linux__)
        struct timespec t = {timeout_ns / 1000000000, timeout_ns % 1000000000};
        syscall(SYS_futex, word, FUTEX_WAIT, seen, &t, NULL, 0);
    #else
        int64_t nap = timeout_ns < 50000 ? timeout_ns : 50000;
        struct timespec t = {0, nap};
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == seen) nanosleep(&t, NULL);
    #endif
    }
    static inline void rz_futex_wake(uint32_t* word, int how_many) {
    #if defined(__linux__)
        syscall(SYS_futex, word, FUTEX_WAKE, how_many, NULL, NULL, 0);
    #endif
    }
    """
    void cpu_pause "rz_pause"()
    void prefetch "rz_prefetch"(const void* p)   # never faults, so `p` may be anything
    uint32_t load32 "rz_load32"(const uint32_t* word)                # acquire
    uint64_t load64 "rz_load64"(const uint64_t* word)                # acquire
    void store32 "rz_store32"(uint32_t* word, uint32_t value)        # release
    void store64 "rz_store64"(uint64_t* word, uint64_t value)        # release
    uint32_t add32 "rz_add32"(uint32_t* word, uint32_t value)        # seq_cst, the old value
    uint64_t add64 "rz_add64"(uint64_t* word, uint64_t value)        # seq_cst, the old value
    bint compare_swap64 "rz_swap64"(uint64_t* word, uint64_t seen, uint64_t value)  # seq_cst
    void fence "rz_fence"()                                          # seq_cst
    int64_t now_ns "rz_now_ns"()                                     # the same in all processes
    void futex_wait "rz_futex_wait"(uint32_t* word, uint32_t seen, int64_t timeout_ns)
    void futex_wake "rz_futex_wake"(uint32_t* word, int how_many)
