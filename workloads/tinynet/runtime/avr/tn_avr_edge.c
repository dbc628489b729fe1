/* SPDX-License-Identifier: Apache-2.0 */
#include "tn_avr.h"

enum { OFFSET = 128 };

uint32_t tn_avr_gather_edge(const int8_t *x, uint8_t *shifted, const TnAvrImage *image, int16_t top, int16_t left)
{
    uint32_t sum = 0;
    for (int16_t row = top; row < top + image->size; row++)
        for (int16_t column = left; column < left + image->size; column++) {
            const int8_t *place = 0;
            if (row >= 0 && row < image->height && column >= 0 && column < image->width)
                place = tn_avr_place(x, image, row, column);
            for (uint8_t channel = 0; channel < image->channels; channel++) {
                uint8_t value = OFFSET;
                if (place != 0)
                    value = (uint8_t)(place[channel] + OFFSET);
                *shifted++ = value;
                sum += value;
            }
        }
    return sum * OFFSET;
}
