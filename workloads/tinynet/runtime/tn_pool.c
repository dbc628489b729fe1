/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling over images (height, width, channels): windows that do not fit are left out. */
#include "tn_kernels.h"
#include "tn_sums.h"

/* The first byte of the window at (row, column). */
static inline const int8_t *window_at(const int8_t *x, const tn_window_t *w, uint16_t row, uint16_t column)
{
    return x + ((uint32_t)row * w->stride * w->width + (uint32_t)column * w->stride) * w->channels;
}

void tn_maxpool(const int8_t *x, int8_t *y, const tn_window_t *window)
{
    tn_window_t w;
    TN_COPY_FROM_FLASH(&w, window, sizeof w);
    for (uint16_t row = 0; row < w.rows; row++)
        for (uint16_t column = 0; column < w.columns; column++)
            for (uint16_t channel = 0; channel < w.channels; channel++) {
                const int8_t *line = window_at(x, &w, row, column) + channel;
                int8_t largest = -128;
                for (uint16_t i = 0; i < w.size; i++, line += (uint32_t)w.width * w.channels) {
                    const int8_t *place = line;
                    for (uint16_t j = 0; j < w.size; j++, place += w.channels)
                        if (*place > largest)
                            largest = *place;
                }
                *y++ = largest;
            }
}

/* `multiplier` is 0 or not at each place of call, so that the choice falls away when this is inlined. */
#define TN_DEFINE_AVGPOOL(bits)                                                                                        \
    static inline int32_t window_sum##bits(const int8_t *line, const tn_window_t *w)                                   \
    {                                                                                                                  \
        tn_sum##bits##_t sum = 0;                                                                                      \
        for (uint16_t i = 0; i < w->size; i++, line += (uint32_t)w->width * w->channels) {                             \
            const int8_t *place = line;                                                                                \
            for (uint16_t j = 0; j < w->size; j++, place += w->channels) {                                             \
                TN_HOLDS(bits, (int64_t)sum + *place);                                                                 \
                sum = (tn_sum##bits##_t)(sum + *place);                                                                \
            }                                                                                                          \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
    static inline void avgpool##bits(const int8_t *x, int8_t *y, const tn_window_t *window, int16_t multiplier,        \
                                     uint8_t shift, int8_t low)                                                        \
    {                                                                                                                  \
        tn_window_t w;                                                                                                 \
        TN_COPY_FROM_FLASH(&w, window, sizeof w);                                                                      \
        for (uint16_t row = 0; row < w.rows; row++)                                                                    \
            for (uint16_t column = 0; column < w.columns; column++)                                                    \
                for (uint16_t channel = 0; channel < w.channels; channel++) {                                          \
                    int32_t sum = window_sum##bits(window_at(x, &w, row, column) + channel, &w);                       \
                    *y++ = multiplier == 0 ? tn_by_shift(sum, shift, low)                                              \
                                           : tn_by_multiplier(sum, multiplier, shift, low);                            \
                }                                                                                                      \
    }                                                                                                                  \
    void tn_avgpool_shift##bits(const int8_t *x, int8_t *y, const tn_window_t *window, uint8_t shift, int8_t low)      \
    {                                                                                                                  \
        avgpool##bits(x, y, window, 0, shift, low);                                                                    \
    }                                                                                                                  \
    void tn_avgpool_scale##bits(const int8_t *x, int8_t *y, const tn_window_t *window, int16_t multiplier,             \
                                uint8_t shift, int8_t low)                                                             \
    {                                                                                                                  \
        avgpool##bits(x, y, window, multiplier, shift, low);                                                           \
    }

TN_DEFINE_AVGPOOL(16)
TN_DEFINE_AVGPOOL(32)
