# exp for softmax: of numbers <= 0, inline and without a branch, so that a compiler runs several
# at once. It is built of additions and multiplications alone: the same on every C library.
#
# exp(x) = 2**k exp(r) with k = round(x / ln 2) and |r| <= ln 2 / 2; a Taylor polynomial of degree
# 7 gives exp(r) to 6e-9, so that the error is that of the roundings: below 2e-7 of the result.

cdef extern from * nogil:
    """
    #include <stdint.h>
    #include <string.h>

    static inline float rz_exp_below_zero(float x) {
        const float round_bits = 12582912.0f;  /* 1.5 * 2**23: adding it rounds to an integer */
        float shifted, k, r, scale;
        int32_t bits;
        x = x < -87.0f ? -87.0f : x;           /* 2**k stays a normal number; NaN stays NaN */
        shifted = x * 1.44269504f + round_bits;
        k = shifted - round_bits;
        /* ln 2 in two parts: the first times k is exact */
        r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
        memcpy(&bits, &shifted, 4);
        bits = (int32_t)(((uint32_t)bits + 127u) << 23);
        memcpy(&scale, &bits, 4);
        return scale * (1.0f + r * (1.0f + r * (1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24
               + r * (1.0f / 120 + r * (1.0f / 720 + r * (1.0f / 5040))))))));
    }
    """
    float exp_below_zero "rz_exp_below_zero"(float x)    # x <= 0; below -87 as at -87
