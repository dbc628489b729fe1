/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two loops in which all the time goes. They work on blocks of eight with a constant trip count, so that a compiler
 * uses vector registers at -O2, and without leave to reorder sums (-ffast-math): the order of additions is the one
 * written here, the same on every machine.
 */
#ifndef HDRNN_VECTOR_H
#define HDRNN_VECTOR_H

#include <stddef.h>

enum { LANES = 8 };

/* The scalar product of a and b. */
static inline float dot(const float *a, const float *b, size_t count)
{
    float sums[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += a[i + lane] * b[i + lane];
    for (size_t lane = 0; i < count; i++, lane++)
        sums[lane] += a[i] * b[i];
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/* y += scale * x */
static inline void add_scaled(float *restrict y, float scale, const float *restrict x, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            y[i + lane] += scale * x[i + lane];
    for (; i < count; i++)
        y[i] += scale * x[i];
}

#endif
