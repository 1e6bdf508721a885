# Packed observation rows (see games/base.pyx) -> network input.

from libc.stdint cimport uint8_t, uint16_t

# What a network reads: float32, or bfloat16 as its bit pattern.
ctypedef fused element_t:
    uint16_t
    float
