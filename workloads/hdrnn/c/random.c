/* SPDX-License-Identifier: Apache-2.0 */
#include "random.h"

#include <math.h>

static uint64_t rotate_left(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

static uint64_t next(Random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

static uint64_t split_mix(uint64_t *state)
{
    uint64_t value = *state += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

void random_seed(Random *random, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;
    state = split_mix(&state) ^ stream;
    for (int i = 0; i < 4; i++)
        random->state[i] = split_mix(&state);
}

uint64_t random_below(Random *random, uint64_t bound)
{
    uint64_t skipped = (0 - bound) % bound; /* 2^64 modulo bound: what is left above is a multiple of bound */
    uint64_t value;
    do {
        value = next(random);
    } while (value < skipped);
    return value % bound;
}

float random_normal(Random *random)
{
    double x, y, square;
    do {
        x = (double)(next(random) >> 11) * 0x1p-52 - 1.0;
        y = (double)(next(random) >> 11) * 0x1p-52 - 1.0;
        square = x * x + y * y;
    } while (square >= 1.0 || square == 0.0);
    return (float)(x * sqrt(-2.0 * log(square) / square));
}

void random_shuffle(Random *random, uint32_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)random_below(random, i);
        uint32_t kept = items[i - 1];
        items[i - 1] = items[j];
        items[j] = kept;
    }
}
