/* SPDX-License-Identifier: Apache-2.0
 *
 * One level of cache: sets of ways that hold lines, and which line goes when another comes. It knows tags, no data.
 */
#ifndef LAB_CACHE_MODEL_H
#define LAB_CACHE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum replacement {
    REPLACE_LRU,    /* the least recently used line goes */
    REPLACE_FIFO,   /* the line that came first goes; a hit changes nothing */
    REPLACE_RANDOM, /* any line goes (free ways are taken first) */
};

struct cache_geometry {
    uint64_t size; /* bytes: ways x line x a power of two */
    uint32_t ways;
    uint32_t line; /* bytes, a power of two */
    enum replacement replacement;
    bool write_allocate; /* a store that misses brings the line in */
};

struct cache;

/* An empty cache. The random numbers of REPLACE_RANDOM follow from seed: splitmix64(seed) is the state of an xorshift64*
 * generator, and the upper 32 bits of each number, modulo the ways, name the way that goes. NULL for a geometry that
 * cannot be, or without memory. */
struct cache *cache_new(const struct cache_geometry *geometry, uint64_t seed);
void cache_free(struct cache *cache);

/* True if the line (address / length of a line) is there. A load that misses brings it in, a store as the geometry
 * says. */
bool cache_access(struct cache *cache, uint64_t line, bool store);

/* The same for all lines that [address, address + size) touches: how many of them were missing. */
unsigned cache_access_bytes(struct cache *cache, uint64_t address, uint64_t size, bool store);

#endif
