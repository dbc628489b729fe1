/* SPDX-License-Identifier: Apache-2.0 */
#include "cache_model.h"

#include <stdlib.h>

struct cache {
    enum replacement replacement;
    bool write_allocate;
    unsigned line_shift;
    uint32_t ways;
    uint64_t set_mask;
    uint64_t random;
    uint32_t *next; /* FIFO: of each set, the way that is filled next */
    uint64_t tags[]; /* of each set, its ways: line + 1, 0 if free; LRU: in the order of use, last used first */
};

static uint64_t splitmix64(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t next_random(struct cache *cache)
{
    uint64_t x = cache->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    cache->random = x;
    return x * 0x2545F4914F6CDD1Du;
}

static bool is_power_of_two(uint64_t x)
{
    return x && !(x & (x - 1));
}

struct cache *cache_new(const struct cache_geometry *geometry, uint64_t seed)
{
    if (!geometry->ways || !is_power_of_two(geometry->line))
        return NULL;
    uint64_t sets = geometry->size / geometry->ways / geometry->line;
    if (!is_power_of_two(sets) || sets * geometry->ways * geometry->line != geometry->size)
        return NULL;
    struct cache *cache = calloc(1, sizeof *cache + sets * geometry->ways * sizeof *cache->tags);
    if (!cache)
        return NULL;
    cache->replacement = geometry->replacement;
    cache->write_allocate = geometry->write_allocate;
    cache->ways = geometry->ways;
    cache->set_mask = sets - 1;
    while ((uint64_t)1 << cache->line_shift < geometry->line)
        cache->line_shift++;
    cache->random = splitmix64(seed);
    if (!cache->random) /* the one state that xorshift never leaves */
        cache->random = 1;
    cache->next = calloc(sets, sizeof *cache->next);
    if (!cache->next) {
        free(cache);
        return NULL;
    }
    return cache;
}

void cache_free(struct cache *cache)
{
    if (cache)
        free(cache->next);
    free(cache);
}

/* The way that a line is put in; free ways are the last ones of a set, and are filled in their order. */
static uint32_t victim(struct cache *cache, const uint64_t *tags, uint64_t set)
{
    if (cache->replacement == REPLACE_FIFO) {
        uint32_t way = cache->next[set];
        cache->next[set] = way + 1 == cache->ways ? 0 : way + 1;
        return way;
    }
    if (cache->replacement == REPLACE_RANDOM) {
        for (uint32_t way = 0; way < cache->ways; way++)
            if (!tags[way])
                return way;
        return (uint32_t)((next_random(cache) >> 32) % cache->ways);
    }
    return cache->ways - 1;
}

bool cache_access(struct cache *cache, uint64_t line, bool store)
{
    uint64_t set = line & cache->set_mask, tag = line + 1;
    uint64_t *tags = cache->tags + set * cache->ways;
    if (tags[0] == tag)
        return true;
    uint32_t way = 1;
    while (way < cache->ways && tags[way] != tag)
        way++;
    bool hit = way < cache->ways;
    if (!hit) {
        if (store && !cache->write_allocate)
            return false;
        way = victim(cache, tags, set);
    }
    if (cache->replacement == REPLACE_LRU)
        for (; way > 0; way--)
            tags[way] = tags[way - 1];
    tags[way] = tag;
    return hit;
}

unsigned cache_access_bytes(struct cache *cache, uint64_t address, uint64_t size, bool store)
{
    uint64_t line = address >> cache->line_shift, last = (address + size - 1) >> cache->line_shift;
    unsigned misses = !cache_access(cache, line, store);
    while (line != last)
        misses += !cache_access(cache, ++line, store);
    return misses;
}
