/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions over images (height, width, channels); filters (filters, size, size, channels); zeros outside. */
#include <stddef.h>

#include "tn_kernels.h"
#include "tn_sums.h"

/* A window along one axis: where in the image its first place inside lies, which place of the filter meets it, and how
 * many places are inside. */
typedef struct {
    uint16_t image, filter, count;
} span_t;

static span_t span_at(uint16_t index, uint16_t stride, uint16_t before, uint16_t size, uint16_t side)
{
    span_t span;
    uint16_t start = (uint16_t)(index * stride); /* `before` places further back */
    span.filter = start < before ? (uint16_t)(before - start) : 0;
    span.image = (uint16_t)(start + span.filter - before);
    span.count = (uint16_t)(size - span.filter);
    if (span.count > side - span.image)
        span.count = (uint16_t)(side - span.image);
    return span;
}

/* The places of one row of a window lie side by side in the image and in the filter: one run of products per row.
 * `multipliers` is NULL or not at each place of call, so that the choice falls away when this is inlined. */
#define TN_DEFINE_CONV(bits)                                                                                           \
    TN_DEFINE_DOT(bits)                                                                                                \
    static inline int32_t window_sum##bits(const int8_t *x, const int8_t *filter, int32_t bias, const tn_window_t *w,  \
                                           span_t down, span_t across)                                                 \
    {                                                                                                                  \
        tn_sum##bits##_t sum = (tn_sum##bits##_t)bias;                                                                 \
        uint16_t run = (uint16_t)(across.count * w->channels);                                                         \
        x += ((uint32_t)down.image * w->width + across.image) * w->channels;                                           \
        filter += ((uint32_t)down.filter * w->size + across.filter) * w->channels;                                     \
        for (uint16_t row = 0; row < down.count; row++) {                                                              \
            sum = tn_dot##bits(x, filter, run, sum);                                                                   \
            x += (uint32_t)w->width * w->channels;                                                                     \
            filter += (uint32_t)w->size * w->channels;                                                                 \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
    static inline void conv##bits(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias,              \
                                  const tn_window_t *window, uint8_t shift, const int16_t *multipliers,                \
                                  const uint8_t *shifts, int8_t low)                                                   \
    {                                                                                                                  \
        tn_window_t w;                                                                                                 \
        TN_COPY_FROM_FLASH(&w, window, sizeof w);                                                                      \
        const uint32_t filter_bytes = (uint32_t)w.size * w.size * w.channels;                                          \
        for (uint16_t row = 0; row < w.rows; row++) {                                                                  \
            const span_t down = span_at(row, w.stride, w.before_rows, w.size, w.height);                               \
            for (uint16_t column = 0; column < w.columns; column++) {                                                  \
                const span_t across = span_at(column, w.stride, w.before_columns, w.size, w.width);                    \
                const int8_t *filter = weights;                                                                        \
                for (uint16_t f = 0; f < w.filters; f++, filter += filter_bytes) {                                     \
                    int32_t sum = window_sum##bits(x, filter, TN_READ_I32(bias + f), &w, down, across);                \
                    if (multipliers == NULL)                                                                           \
                        *y++ = tn_by_shift(sum, shift, low);                                                           \
                    else                                                                                               \
                        *y++ = tn_by_multiplier(sum, TN_READ_I16(multipliers + f), TN_READ_U8(shifts + f), low);       \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    void tn_conv_shift##bits(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias,                   \
                             const tn_window_t *window, uint8_t shift, int8_t low)                                     \
    {                                                                                                                  \
        conv##bits(x, y, weights, bias, window, shift, NULL, NULL, low);                                               \
    }                                                                                                                  \
    void tn_conv_scale##bits(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *bias,                   \
                             const tn_window_t *window, const int16_t *multipliers, const uint8_t *shifts, int8_t low) \
    {                                                                                                                  \
        conv##bits(x, y, weights, bias, window, 0, multipliers, shifts, low);                                          \
    }

TN_DEFINE_CONV(16)
TN_DEFINE_CONV(24)
TN_DEFINE_CONV(32)
