/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that an interrupt took, until somebody asks for them. Included by each board's file. */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stdint.h>

#ifndef RING_BYTES
#define RING_BYTES 64
#endif
#if RING_BYTES & (RING_BYTES - 1) || RING_BYTES > 256
#error "RING_BYTES is a power of two up to 256"
#endif

static volatile uint8_t ring[RING_BYTES], ring_in, ring_out;

static inline void ring_put(uint8_t byte)
{
    uint8_t next = (uint8_t)((ring_in + 1) & (RING_BYTES - 1));
    if (next != ring_out) {
        ring[ring_in] = byte;
        ring_in = next;
    }
}

static inline bool ring_take(uint8_t *byte)
{
    uint8_t at = ring_out;
    if (at == ring_in)
        return false;
    *byte = ring[at];
    ring_out = (uint8_t)((at + 1) & (RING_BYTES - 1));
    return true;
}

#endif
