/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a quantised network, one function each: portable C99, no heap, constants in flash (ARITHMETIC.md).
 *
 * `x` and `y` are bytes in memory and never overlap; all other pointers lead to constants declared TN_FLASH.
 * A number at a function's end is the width of its sums in bits: the exporter chooses it from the proof. */
#ifndef TN_KERNELS_H
#define TN_KERNELS_H

#include <stdint.h>

/* Windows of a convolution or pooling over an image (height, width, channels), and how many there are. */
typedef struct {
    uint16_t height, width, channels;
    uint16_t size, stride;
    uint16_t before_rows, before_columns; /* places of zeros above and left of the image */
    uint16_t rows, columns, filters;      /* the output; filters = channels for pooling */
} tn_window_t;

#define TN_DECLARE_WEIGHTED(bits)                                                                                      \
    void tn_dense_shift##bits(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, uint16_t inputs, \
                              uint16_t outputs, uint8_t shift, int8_t low);                                            \
    void tn_dense_scale##bits(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias, uint16_t inputs, \
                              uint16_t outputs, const int16_t *multipliers, const uint8_t *shifts, int8_t low);        \
    void tn_conv_shift##bits(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias,                   \
                             const tn_window_t *window, uint8_t shift, int8_t low);                                    \
    void tn_conv_scale##bits(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias,                   \
                             const tn_window_t *window, const int16_t *multipliers, const uint8_t *shifts, int8_t low);

TN_DECLARE_WEIGHTED(16)
TN_DECLARE_WEIGHTED(24)
TN_DECLARE_WEIGHTED(32)

void tn_maxpool(const int8_t *x, int8_t *y, const tn_window_t *window);
void tn_avgpool_shift16(const int8_t *x, int8_t *y, const tn_window_t *window, uint8_t shift, int8_t low);
void tn_avgpool_shift32(const int8_t *x, int8_t *y, const tn_window_t *window, uint8_t shift, int8_t low);
void tn_avgpool_scale16(const int8_t *x, int8_t *y, const tn_window_t *window, int16_t multiplier, uint8_t shift,
                        int8_t low);
void tn_avgpool_scale32(const int8_t *x, int8_t *y, const tn_window_t *window, int16_t multiplier, uint8_t shift,
                        int8_t low);

void tn_relu(const int8_t *x, int8_t *y, uint16_t count);
void tn_table(const int8_t *x, int8_t *y, uint16_t count, const int8_t *table);

/* The place of the largest of `count` outputs; of equals the first. */
uint16_t tn_argmax(const int8_t *outputs, uint16_t count);

/* The shares of 255 that softmax gives; `powers[d]` = 65535 exp(-d step), d = 0…255 below the largest output. */
void tn_softmax(const int8_t *outputs, uint8_t *shares, uint16_t count, const uint16_t *powers);

#endif
