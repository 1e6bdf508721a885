# Mirror images asked as one: every position is put to the network in its canonical image.
#
#    position ──▶ the image with the smallest hash ──▶ cache, slot, network ──▶ logits, turned back
#
# All images of a position share that image, whichever comes first, and with it a place in the
# cache and the network's answer.
#
# An image's hash is the XOR of one random word for each set bit. The words that a bit has in all
# images lie side by side, so that one pass over the set bits gives all the hashes.

from libc.stdint cimport int32_t, uint8_t, uint64_t

from games.base cimport Game

cdef class Canonical:
    cdef readonly Game game
    cdef readonly int num_symmetries       # S; 1: positions are asked as they are
    cdef uint64_t* observation             # [num_words] packed; the caller writes it
    cdef Py_ssize_t num_words              # of an observation
    cdef Py_ssize_t plane_words            # of its planes, which come first
    cdef Py_ssize_t words_per_plane
    cdef Py_ssize_t num_actions
    cdef int width                         # images hashed in one pass
    cdef Py_ssize_t num_bits               # of the planes
    cdef uint64_t* zobrist                 # [ceil(S / width), num_bits, width] of a set bit
    cdef int32_t* targets                  # [S, bits of a plane] where the image has the bit
    cdef int32_t* sources                  # [S, A] the image's action that an action has become
    cdef float* logits                     # [A] scratch of `turned_back`

    # The hash of the canonical image of `observation`, and which symmetry that image is.
    cdef uint64_t hash_c(self, int32_t* symmetry) noexcept nogil
    # Write the image of `observation` to `out`, an observation.
    cdef void image_c(self, int32_t symmetry, uint8_t* out) noexcept nogil
    # The position's own logits [A], given its image's; they last until the next call.
    cdef const float* turned_back(self, const float* policy_logits,
                                  int32_t symmetry) noexcept nogil
