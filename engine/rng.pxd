# Counter-based random numbers: draw i of a stream is a pure function of the stream's key and i,
# so a game is reproducible whatever process plays it and however often it was interrupted.
#
# The generator is splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
# generators", OOPSLA 2014), whose state is a counter times a constant.

from libc.math cimport cos, log, pow, sqrt
from libc.stdint cimport uint64_t

from games.base cimport mix64

cdef enum purpose_t:          # what a stream is for; part of its key
    PURPOSE_CAP = 1           # full or fast search
    PURPOSE_NOISE = 2         # Dirichlet noise at the root
    PURPOSE_MOVE = 3          # drawing the move from the visits
    PURPOSE_ROLLOUT = 4       # random play to the end
    PURPOSE_RANDOM = 5        # the random player
    PURPOSE_RESIGN = 6        # whether a lost game is played on
    PURPOSE_START = 9         # where a game begins
    PURPOSE_ENDGAME = 10      # whether a solved position is learned from

cdef struct rng_t:
    uint64_t key
    uint64_t counter


cdef inline rng_t rng_for(uint64_t seed, uint64_t game, uint64_t ply,
                          uint64_t purpose) noexcept nogil:
    """The stream of one purpose at one ply of one game of a run."""
    cdef rng_t rng
    rng.key = mix64(mix64(mix64(mix64(seed + 1) ^ game) + ply) ^ purpose)
    rng.counter = 0
    return rng


cdef inline uint64_t next_word(rng_t* rng) noexcept nogil:
    rng.counter += 1
    return mix64(rng.key + rng.counter * <uint64_t>0x9e3779b97f4a7c15)


cdef inline double next_uniform(rng_t* rng) noexcept nogil:
    """In (0, 1): never 0, so that its logarithm exists."""
    return ((next_word(rng) >> 11) + 0.5) * (1.0 / 9007199254740992.0)


cdef inline uint64_t next_below(rng_t* rng, uint64_t n) noexcept nogil:
    """In [0, n), n < 2**32; the bias, below n / 2**32, does not matter here."""
    return ((next_word(rng) >> 32) * n) >> 32


cdef inline double next_normal(rng_t* rng) noexcept nogil:
    """Standard normal (Box and Muller 1958)."""
    cdef double radius = sqrt(-2.0 * log(next_uniform(rng)))
    return radius * cos(6.283185307179586 * next_uniform(rng))


cdef inline double next_gamma(rng_t* rng, double alpha) noexcept nogil:
    """Gamma of shape alpha, scale 1 (Marsaglia and Tsang, ACM TOMS 26, 2000)."""
    cdef double d, c, x, v, u, boost = 1.0
    if alpha < 1.0:
        boost = pow(next_uniform(rng), 1.0 / alpha)
        alpha += 1.0
    d = alpha - 1.0 / 3.0
    c = 1.0 / sqrt(9.0 * d)
    while True:
        x = next_normal(rng)
        v = 1.0 + c * x
        if v <= 0.0:
            continue
        v = v * v * v
        u = next_uniform(rng)
        if log(u) < 0.5 * x * x + d - d * v + d * log(v):
            return boost * d * v
