"""Global pooling over the cells of channels-last activations, for back ends on the CPU.

Shapes: ``B`` rows, ``N`` cells, ``C`` channels. Activations are float32, or uint16 holding the
bit pattern of bfloat16. torch's own reductions over a few dozen cells cost as much as the
convolutions of a small network; these loops are lost in them.
"""

from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcpy

from engine.unpack cimport element_t


cdef inline float widen(element_t element) noexcept nogil:
    cdef uint32_t bits
    cdef float value
    if element_t is float:
        return element
    else:
        bits = <uint32_t>element << 16
        memcpy(&value, &bits, 4)
        return value


def pool_cells(const element_t[:, :, ::1] x not None, float[:, ::1] out not None):
    """Write the mean over the cells, then the maximum, of `x` [B, N, C] to `out` [B, 2 * C]."""
    cdef Py_ssize_t row, _cell, c, cells = x.shape[1], channels = x.shape[2]
    cdef const element_t* source
    cdef float* mean
    cdef float* top
    cdef float value, share
    if out.shape[0] != x.shape[0] or out.shape[1] != 2 * channels:
        raise ValueError(
            f"out must be [{x.shape[0]}, {2 * channels}], got [{out.shape[0]}, {out.shape[1]}]"
        )
    if x.shape[0] == 0 or cells == 0:
        return
    share = 1.0 / <float>cells
    with nogil:
        for row in range(x.shape[0]):
            source = &x[row, 0, 0]
            mean = &out[row, 0]
            top = mean + channels
            for c in range(channels):
                mean[c] = top[c] = widen(source[c])
            for _cell in range(1, cells):
                source += channels
                for c in range(channels):
                    value = widen(source[c])
                    mean[c] += value
                    top[c] = value if value > top[c] else top[c]
            for c in range(channels):
                mean[c] *= share


def add_bias(element_t[:, :, ::1] x not None, const float[:, ::1] bias not None):
    """Add `bias` [B, C] to every cell of `x` [B, N, C]; bfloat16 rounds to nearest even."""
    cdef Py_ssize_t row, _cell, c, channels = x.shape[2]
    cdef element_t* target
    cdef const float* add
    cdef float value
    cdef uint32_t bits
    if bias.shape[0] != x.shape[0] or bias.shape[1] != channels:
        raise ValueError(
            f"bias must be [{x.shape[0]}, {channels}], got [{bias.shape[0]}, {bias.shape[1]}]"
        )
    if x.shape[0] == 0 or x.shape[1] == 0:
        return
    with nogil:
        for row in range(x.shape[0]):
            target = &x[row, 0, 0]
            add = &bias[row, 0]
            for _cell in range(x.shape[1]):
                for c in range(channels):
                    value = widen(target[c]) + add[c]
                    if element_t is float:
                        target[c] = value
                    else:
                        memcpy(&bits, &value, 4)
                        target[c] = <uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)
                target += channels
