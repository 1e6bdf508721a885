"""The canonical image of a position (drawn in symmetry.pxd).

Shapes: ``S`` symmetries, ``A`` actions.

References
----------
Zobrist, "A new hashing method with application for game playing" (1970), for the hash.
"""

from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import numpy as np

from games.base cimport Game, mix64

cdef extern from *:
    int ctz "__builtin_ctzll" (uint64_t) nogil

cdef enum:
    NARROW = 2      # images hashed in one pass: a constant, so that the hashes stay in registers
    WIDE = 8

cdef uint64_t SALT = <uint64_t>0x73796d6d65747279    # the empty board must not hash to 0


cdef class Canonical:
    """Chooses a position's image and turns its answer back.

    Parameters
    ----------
    game
        Whose `symmetries`.
    enabled
        False: positions are asked as they are.
    """

    def __cinit__(self, Game game not None, bint enabled=True):
        cdef int32_t[:, :] cells, actions
        cdef Py_ssize_t bit, i, s, blocks
        cdef size_t plane_bits = 64 * game.words_per_plane
        cells, actions = game.symmetries()
        self.game = game
        self.num_symmetries = cells.shape[0] if enabled else 1
        self.num_words = game.observation_bytes // 8
        self.words_per_plane = game.words_per_plane
        self.plane_words = game.num_planes * game.words_per_plane
        self.num_bits = 64 * self.plane_words
        self.num_actions = game.num_actions
        self.width = NARROW if self.num_symmetries <= NARROW else WIDE
        blocks = (self.num_symmetries + self.width - 1) // self.width
        self.observation = <uint64_t*>calloc(self.num_words, sizeof(uint64_t))
        self.logits = <float*>calloc(self.num_actions, sizeof(float))
        self.targets = <int32_t*>calloc(self.num_symmetries * plane_bits, sizeof(int32_t))
        self.sources = <int32_t*>calloc(self.num_symmetries * self.num_actions, sizeof(int32_t))
        self.zobrist = <uint64_t*>calloc(
            blocks * self.num_bits * self.width, sizeof(uint64_t))
        if (self.observation == NULL or self.logits == NULL or self.targets == NULL
                or self.sources == NULL or self.zobrist == NULL):
            raise MemoryError(f"no memory for {self.num_symmetries} images of {self.num_bits} bits")
        for s in range(self.num_symmetries):
            for i in range(<Py_ssize_t>plane_bits):
                self.targets[s * plane_bits + i] = i      # the bits behind the last cell
            for i in range(cells.shape[1]):
                self.targets[s * plane_bits + cells[s, i]] = i
            for i in range(self.num_actions):
                self.sources[s * self.num_actions + actions[s, i]] = i
            for bit in range(self.num_bits):
                i = self.targets[s * plane_bits + bit % plane_bits]
                self.zobrist[
                    (s // self.width * self.num_bits + bit) * self.width + s % self.width
                ] = mix64(SALT + <uint64_t>0x9e3779b97f4a7c15 * (bit - bit % plane_bits + i + 1))

    def hashes(self, const uint8_t[:, ::1] packed not None):
        """[N] uint64, the same for a position and all its images; `packed` is [N, bytes]."""
        cdef Py_ssize_t row
        cdef int32_t symmetry
        self._check_width(packed.shape[1])
        found = np.empty(packed.shape[0], np.uint64)
        cdef uint64_t[::1] out = found
        with nogil:
            for row in range(packed.shape[0]):
                memcpy(self.observation, &packed[row, 0], self.num_words * sizeof(uint64_t))
                out[row] = self.hash_c(&symmetry)
        return found

    def images(self, const uint8_t[:, ::1] packed not None):
        """Each row's canonical image [N, bytes], and the symmetry [N] int32 that leads to it."""
        cdef Py_ssize_t row
        self._check_width(packed.shape[1])
        found = np.empty((packed.shape[0], packed.shape[1]), np.uint8)
        which = np.empty(packed.shape[0], np.int32)
        cdef uint8_t[:, ::1] out = found
        cdef int32_t[::1] symmetries = which
        with nogil:
            for row in range(packed.shape[0]):
                memcpy(self.observation, &packed[row, 0], self.num_words * sizeof(uint64_t))
                self.hash_c(&symmetries[row])
                self.image_c(symmetries[row], &out[row, 0])
        return found, which

    def _check_width(self, Py_ssize_t width):
        if width != self.game.observation_bytes:
            raise ValueError(f"packed must have {self.game.observation_bytes} bytes a row, "
                             f"got {width}")

    def __dealloc__(self):
        free(self.observation)
        free(self.logits)
        free(self.targets)
        free(self.sources)
        free(self.zobrist)

    cdef uint64_t hash_c(self, int32_t* symmetry) noexcept nogil:
        cdef uint64_t hashes[WIDE]
        cdef uint64_t smallest
        cdef int s, block
        symmetry[0] = 0
        if self.num_symmetries == 1:
            return hash_words(self.observation, self.num_words, SALT)
        if self.width == NARROW:
            hash_bits(self.observation, self.plane_words, self.zobrist, hashes, NARROW)
            symmetry[0] = hashes[1] < hashes[0]
            smallest = hashes[symmetry[0]]
        else:
            smallest = ~<uint64_t>0
            for block in range((self.num_symmetries + WIDE - 1) // WIDE):
                hash_bits(self.observation, self.plane_words,
                          self.zobrist + block * self.num_bits * WIDE, hashes, WIDE)
                for s in range(min(WIDE, self.num_symmetries - block * WIDE)):
                    if hashes[s] < smallest:
                        smallest = hashes[s]
                        symmetry[0] = block * WIDE + s
        # Scalars are the same in every image.
        return hash_words(self.observation + self.plane_words,
                          self.num_words - self.plane_words, smallest ^ SALT)

    cdef void image_c(self, int32_t symmetry, uint8_t* out) noexcept nogil:
        cdef const int32_t* targets = self.targets + symmetry * 64 * self.words_per_plane
        cdef uint64_t* image = <uint64_t*>out
        cdef uint64_t bits
        cdef Py_ssize_t plane = 0, word
        cdef int32_t target
        memcpy(out, self.observation, self.num_words * sizeof(uint64_t))
        if symmetry == 0:
            return
        memset(out, 0, self.plane_words * sizeof(uint64_t))
        while plane < self.plane_words:
            for word in range(self.words_per_plane):
                bits = self.observation[plane + word]
                while bits:
                    target = targets[64 * word + ctz(bits)]
                    bits &= bits - 1
                    image[plane + (target >> 6)] |= <uint64_t>1 << (target & 63)
            plane += self.words_per_plane

    cdef const float* turned_back(self, const float* policy_logits,
                                  int32_t symmetry) noexcept nogil:
        cdef const int32_t* sources = self.sources + symmetry * self.num_actions
        cdef Py_ssize_t i
        if symmetry == 0:
            return policy_logits
        for i in range(self.num_actions):
            self.logits[i] = policy_logits[sources[i]]
        return self.logits


cdef inline void hash_bits(const uint64_t* planes, Py_ssize_t num_words, const uint64_t* zobrist,
                           uint64_t* hashes, int width) noexcept nogil:
    """The hashes of `width` images, a constant where this is inlined."""
    cdef uint64_t found[WIDE]
    cdef uint64_t bits
    cdef const uint64_t* words
    cdef Py_ssize_t word
    cdef int s
    for s in range(width):
        found[s] = 0
    for word in range(num_words):
        bits = planes[word]
        while bits:
            words = zobrist + (64 * word + ctz(bits)) * width
            bits &= bits - 1
            for s in range(width):
                found[s] ^= words[s]
    for s in range(width):
        hashes[s] = found[s]


cdef inline uint64_t hash_words(const uint64_t* words, Py_ssize_t num_words,
                                uint64_t start) noexcept nogil:
    # A sum of words each mixed by itself, so that the processor takes several at once.
    cdef uint64_t found = start
    cdef Py_ssize_t i
    for i in range(num_words):
        found += mix64(words[i] ^ <uint64_t>0x9e3779b97f4a7c15 * (i + 1))
    return found
