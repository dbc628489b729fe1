/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers: every output from every input. */
#include "tn_kernels.h"
#include "tn_sums.h"

#define TN_DEFINE_DENSE(bits)                                                                                          \
    TN_DEFINE_DOT(bits)                                                                                                \
    void tn_dense_shift##bits(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, uint16_t inputs, \
                              uint16_t outputs, uint8_t shift, int8_t low)                                             \
    {                                                                                                                  \
        for (; outputs > 0; outputs--, weights += inputs, bias++)                                                      \
            *y++ = tn_by_shift(tn_dot##bits(x, weights, inputs, (tn_sum##bits##_t)TN_READ_I32(bias)), shift, low);     \
    }                                                                                                                  \
    void tn_dense_scale##bits(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, uint16_t inputs, \
                              uint16_t outputs, const int16_t *multipliers, const uint8_t *shifts, int8_t low)         \
    {                                                                                                                  \
        for (; outputs > 0; outputs--, weights += inputs, bias++, multipliers++, shifts++)                             \
            *y++ = tn_by_multiplier(tn_dot##bits(x, weights, inputs, (tn_sum##bits##_t)TN_READ_I32(bias)),             \
                                    TN_READ_I16(multipliers), TN_READ_U8(shifts), low);                                \
    }

TN_DEFINE_DENSE(16)
TN_DEFINE_DENSE(24)
TN_DEFINE_DENSE(32)
