/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers: xoshiro256** (Blackman and Vigna, 2018) seeded by SplitMix64; the same on every machine. */
#ifndef HDRNN_RANDOM_H
#define HDRNN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t state[4];
} Random;

/* Streams of one seed that have nothing to do with each other. */
enum { STREAM_WEIGHTS = 1, STREAM_ORDER = 2 };

void random_seed(Random *random, uint64_t seed, uint64_t stream);

/* Uniform in [0, bound), without bias; bound > 0. */
uint64_t random_below(Random *random, uint64_t bound);

/* Normally distributed, mean 0, variance 1 (Marsaglia's polar method). */
float random_normal(Random *random);

/* Puts the items in a random order (Fisher and Yates). */
void random_shuffle(Random *random, uint32_t *items, size_t count);

#ifdef __cplusplus
}
#endif

#endif
