"""Unpack observation rows into a network's input.

Shapes: ``B`` rows, ``C`` planes (bit planes, then scalars), ``N`` cells of the board.
Outputs are float32, or uint16 holding the bit pattern of bfloat16.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from *:
    int ctz "__builtin_ctzll" (uint64_t) nogil


def unpack_nhwc(const uint8_t[:, ::1] packed not None, int num_planes, int num_scalars,
                element_t[:, :, ::1] out not None):
    """Unpack `packed` [B, observation_bytes] into the first B rows of `out` [>= B, N, C]."""
    check(packed.shape[0], packed.shape[1], num_planes, num_scalars,
          out.shape[0], out.shape[1], out.shape[2])
    cdef Py_ssize_t row
    cdef int cells = out.shape[1], channels = out.shape[2]
    if packed.shape[0] == 0:
        return
    with nogil:
        for row in range(packed.shape[0]):
            unpack_row(&packed[row, 0], num_planes, num_scalars, cells, 1, channels,
                       &out[row, 0, 0])


def unpack_nchw(const uint8_t[:, ::1] packed not None, int num_planes, int num_scalars,
                element_t[:, :, ::1] out not None):
    """Unpack `packed` [B, observation_bytes] into the first B rows of `out` [>= B, C, N]."""
    check(packed.shape[0], packed.shape[1], num_planes, num_scalars,
          out.shape[0], out.shape[2], out.shape[1])
    cdef Py_ssize_t row
    cdef int cells = out.shape[2]
    if packed.shape[0] == 0:
        return
    with nogil:
        for row in range(packed.shape[0]):
            unpack_row(&packed[row, 0], num_planes, num_scalars, cells, cells, 1,
                       &out[row, 0, 0])


cdef int check(Py_ssize_t rows, Py_ssize_t num_bytes, int num_planes, int num_scalars,
               Py_ssize_t out_rows, Py_ssize_t cells, Py_ssize_t channels) except -1:
    expected = 8 * (num_planes * ((cells + 63) // 64) + (num_scalars + 1) // 2)
    if num_bytes != expected:
        raise ValueError(
            f"packed must have {expected} bytes a row for {num_planes} planes and {num_scalars} "
            f"scalars of {cells} cells, got {num_bytes}"
        )
    if channels != num_planes + num_scalars or out_rows < rows:
        raise ValueError(
            f"out must have >= {rows} rows of {num_planes + num_scalars} channels, got "
            f"{out_rows} rows of {channels}"
        )
    return 0


cdef inline element_t convert(float value, element_t kind) noexcept nogil:
    """`value` as an element; to bfloat16 rounded to nearest even. `kind` only names the type."""
    cdef uint32_t bits
    if element_t is float:
        return value
    else:
        memcpy(&bits, &value, 4)
        return <uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)


cdef inline void unpack_row(const uint8_t* packed, int num_planes, int num_scalars, int cells,
                            int plane_stride, int cell_stride, element_t* out) noexcept nogil:
    # Boards are sparse, so: all zeros, then one store for every bit that is set.
    cdef int plane, word, cell
    cdef int words = (cells + 63) // 64
    cdef uint64_t bits
    cdef float value
    cdef element_t element = 0
    cdef element_t one = convert(1.0, element)
    cdef element_t* target
    memset(out, 0, (num_planes + num_scalars) * cells * sizeof(element_t))
    for plane in range(num_planes):
        for word in range(words):
            memcpy(&bits, packed, 8)
            packed += 8
            if cells - 64 * word < 64:
                # Bits behind the board are zero; a row that breaks this must not write there.
                bits &= (<uint64_t>1 << (cells - 64 * word)) - 1
            target = out + plane * plane_stride + 64 * word * cell_stride
            while bits:
                target[ctz(bits) * cell_stride] = one
                bits &= bits - 1
    for plane in range(num_planes, num_planes + num_scalars):
        memcpy(&value, packed, 4)
        packed += 4
        element = convert(value, element)
        for cell in range(cells):
            out[plane * plane_stride + cell * cell_stride] = element
