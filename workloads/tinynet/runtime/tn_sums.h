/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of products, and what makes a byte of a sum. For the kernels only. */
#ifndef TN_SUMS_H
#define TN_SUMS_H

#include "tn_port.h"

/* With TN_CHECK_SUMS every addition is held to the width that the proof allows; else it costs nothing. */
#ifdef TN_CHECK_SUMS
void tn_sum_overflow(void);
#define TN_HOLDS(bits, value)                                                                                          \
    do {                                                                                                               \
        if ((int64_t)(value) < -((int64_t)1 << ((bits)-1)) || (int64_t)(value) >= (int64_t)1 << ((bits)-1))            \
            tn_sum_overflow();                                                                                         \
    } while (0)
#else
#define TN_HOLDS(bits, value) ((void)0)
#endif

/* acc + Σ w x: a product fits 15 bits and a sign, so int holds it everywhere. */
#define TN_DEFINE_DOT(bits)                                                                                            \
    static inline tn_sum##bits##_t tn_dot##bits(const int8_t *x, const int8_t *weights, uint16_t count,                \
                                                tn_sum##bits##_t sum)                                                  \
    {                                                                                                                  \
        while (count--) {                                                                                              \
            int16_t product = (int16_t)(*x++ * TN_READ_I8(weights));                                                   \
            weights++;                                                                                                 \
            TN_HOLDS(bits, (int64_t)sum + product);                                                                    \
            sum = (tn_sum##bits##_t)(sum + product);                                                                   \
        }                                                                                                              \
        return sum;                                                                                                    \
    }

/* An arithmetic shift to the right; C99 leaves that of negative numbers to the compiler. */
static inline int32_t tn_shift_right(int32_t value, uint8_t shift)
{
    return value >= 0 ? value >> shift : ~(~value >> shift);
}

static inline int8_t tn_clamp(int32_t value, int8_t low)
{
    return (int8_t)(value < low ? low : value > 127 ? 127 : value);
}

/* (sum + half) >> shift. The proof counts the rounding term in. */
static inline int8_t tn_by_shift(int32_t sum, uint8_t shift, int8_t low)
{
    if (shift > 0)
        sum = tn_shift_right(sum + ((int32_t)1 << (shift - 1)), shift);
    return tn_clamp(sum, low);
}

/* (sum · multiplier + half) >> shift without a 64-bit product: sum = upper · 2^14 + lower, and what lies below 2^14 of
 * the product cannot change a result shifted by more. Sums are below 2^29 (the proof), so nothing here passes 2^31. */
static inline int8_t tn_by_multiplier(int32_t sum, int16_t multiplier, uint8_t shift, int8_t low)
{
    int32_t upper = tn_shift_right(sum, 14);
    int32_t below = (sum - upper * 16384) * multiplier;
    int32_t product = upper * multiplier + (below >> 14);
    if (shift == 14)
        return tn_clamp(product + ((below >> 13) & 1), low);
    return tn_clamp(tn_shift_right(product + ((int32_t)1 << (shift - 15)), (uint8_t)(shift - 14)), low);
}

#endif
