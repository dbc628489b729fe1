/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for 8-bit AVR: dense layers, sparse ones and convolutions over weights packed by tinynet/layout_avr.py. The
 * same results as the portable kernels, bit for bit.
 */
#ifndef TN_AVR_H
#define TN_AVR_H

#include <stdint.h>

/* The images that a convolution reads, and its windows. */
typedef struct {
    int16_t height, width;
    uint8_t channels, size;
} TnAvrImage;

/* The parts, in assembly (but for one): each file describes its own. */
uint32_t tn_avr_offset(const int8_t *x, uint8_t *shifted, uint16_t count);
const uint8_t *tn_avr_block8(const uint8_t *x, const uint8_t *block, uint16_t inputs, uint8_t *sums, uint32_t offset);
const uint8_t *tn_avr_block4(const uint8_t *x, const uint8_t *block, uint16_t inputs, uint8_t *sums, uint32_t offset);
const uint8_t *tn_avr_block2(const uint8_t *x, const uint8_t *block, uint16_t inputs, uint8_t *sums, uint32_t offset);
void tn_avr_add(uint8_t *sums, const uint8_t *more, uint8_t count);
void tn_avr_shift_high(const uint8_t *sums, int8_t *y, uint8_t count, uint8_t factor, int8_t low);
void tn_avr_shift_low(const uint8_t *sums, int8_t *y, uint8_t count, uint8_t factor, int8_t low);
void tn_avr_shift(const uint8_t *sums, int8_t *y, uint8_t count, uint8_t shift, int8_t low);
const uint8_t *tn_avr_scale(const uint8_t *sums, int8_t *y, uint8_t count, const uint8_t *scales, int8_t low);
const uint8_t *tn_avr_sparse(const int8_t *x, const uint8_t *rows, uint8_t *sums, uint8_t outputs);
uint32_t tn_avr_gather(const int8_t *x, uint8_t *shifted, uint8_t rows, uint8_t row_bytes, uint16_t skip);
/* The same for a window that lies partly outside the image, where zeros are. */
uint32_t tn_avr_gather_edge(const int8_t *x, uint8_t *shifted, const TnAvrImage *image, int16_t top, int16_t left);

/* How sums become bytes: `scales` (flash) where there are multipliers, else `shift`. */
typedef struct {
    const uint8_t *scales;
    uint8_t shift;
    int8_t low;
} TnAvrFinish;

/* The first channel of a place of the image. */
static inline const int8_t *tn_avr_place(const int8_t *x, const TnAvrImage *image, int16_t row, int16_t column)
{
    return x + ((uint16_t)row * (uint16_t)image->width + (uint16_t)column) * image->channels;
}

/* Always inline: what is constant at the call decides which of the parts the program needs at all. */
#define TN_AVR_INLINE static inline __attribute__((always_inline))

TN_AVR_INLINE void tn_avr_finish(const uint8_t *sums, int8_t *y, uint8_t count, TnAvrFinish *how)
{
    if (how->scales != 0)
        how->scales = tn_avr_scale(sums, y, count, how->scales, how->low);
    else if (how->shift >= 9 && how->shift <= 16)
        tn_avr_shift_high(sums, y, count, (uint8_t)(1 << (16 - how->shift)), how->low);
    else if (how->shift >= 1 && how->shift <= 8)
        tn_avr_shift_low(sums, y, count, (uint8_t)(1 << (8 - how->shift)), how->low);
    else
        tn_avr_shift(sums, y, count, how->shift, how->low);
}

/* Offset bytes, 128 times their sum, and the packed weights of some outputs for them. */
typedef struct {
    const uint8_t *x, *packed;
    uint16_t inputs;
    uint32_t offset;
} TnAvrPart;

typedef const uint8_t *TnAvrBlock(const uint8_t *x, const uint8_t *block, uint16_t inputs, uint8_t *sums, uint32_t offset);

/* One block: `size` outputs summed, the first `wanted` written. `rest` may be 0: the layer's further inputs. */
TN_AVR_INLINE void tn_avr_block(TnAvrBlock *block, int8_t *y, uint8_t size, uint8_t wanted, TnAvrPart *part,
                                TnAvrPart *rest, TnAvrFinish *how)
{
    uint8_t sums[24];
    part->packed = block(part->x, part->packed, part->inputs, sums, part->offset);
    if (rest != 0) {
        uint8_t more[24];
        rest->packed = block(rest->x, rest->packed, rest->inputs, more, rest->offset);
        tn_avr_add(sums, more, size);
    }
    tn_avr_finish(sums, y, wanted, how);
}

/*
 * Outputs of a layer. `packed` (flash): blocks of 8 outputs, then one of 4, then of 2; where their number is odd the last
 * stands beside an idle one.
 */
TN_AVR_INLINE void tn_avr_outputs(int8_t *y, uint8_t outputs, TnAvrPart *part, TnAvrPart *rest, TnAvrFinish how)
{
    for (uint8_t left = outputs; left >= 8; left = (uint8_t)(left - 8), y += 8)
        tn_avr_block(tn_avr_block8, y, 8, 8, part, rest, &how);
    if (outputs % 8 >= 4) {
        tn_avr_block(tn_avr_block4, y, 4, 4, part, rest, &how);
        y += 4;
    }
    if (outputs % 4 >= 2) {
        tn_avr_block(tn_avr_block2, y, 2, 2, part, rest, &how);
        y += 2;
    }
    if (outputs % 2 == 1)
        tn_avr_block(tn_avr_block2, y, 2, 1, part, rest, &how);
}

/* A dense layer of which only the weights that are not zero are kept: `rows` (flash) as tn_avr_sparse takes them. */
TN_AVR_INLINE void tn_avr_sparse_outputs(const int8_t *x, int8_t *y, const uint8_t *rows, uint8_t outputs, TnAvrFinish how)
{
    uint8_t sums[24];
    while (outputs > 0) {
        uint8_t now = outputs < 8 ? outputs : 8;
        rows = tn_avr_sparse(x, rows, sums, now);
        tn_avr_finish(sums, y, now, &how);
        y += now;
        outputs = (uint8_t)(outputs - now);
    }
}

/* A convolution; `patch` has room for a window. `padded`: windows may lie partly outside the image. */
TN_AVR_INLINE void tn_avr_conv(const int8_t *x, int8_t *y, const uint8_t *packed, uint8_t *patch, TnAvrImage image,
                               uint8_t padded, uint8_t stride, int16_t top, int16_t first_left, uint16_t rows,
                               uint16_t columns, uint8_t filters, TnAvrFinish how)
{
    const uint8_t row_bytes = (uint8_t)(image.size * image.channels);
    const uint16_t skip = (uint16_t)((image.width - image.size) * image.channels);
    for (uint16_t row = 0; row < rows; row++, top = (int16_t)(top + stride)) {
        int16_t left = first_left;
        for (uint16_t column = 0; column < columns; column++, left = (int16_t)(left + stride), y += filters) {
            TnAvrPart part = {patch, packed, (uint16_t)(image.size * row_bytes), 0};
            if (padded && (top < 0 || left < 0 || top + image.size > image.height || left + image.size > image.width))
                part.offset = tn_avr_gather_edge(x, patch, &image, top, left);
            else
                part.offset = tn_avr_gather(tn_avr_place(x, &image, top, left), patch, image.size, row_bytes, skip);
            tn_avr_outputs(y, filters, &part, 0, how);
        }
    }
}

#endif
