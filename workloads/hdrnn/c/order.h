/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order an epoch sees the training images. Order files let programs in several languages see the same one;
 * version 1, every number a little-endian 32-bit unsigned integer:
 *
 *   "HDRO", 1, number of epochs E, number of images N, then E × N image numbers: each epoch every number from 0 to N - 1
 */
#ifndef HDRNN_ORDER_H
#define HDRNN_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "random.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ORDER_SEED shuffles the order of the epoch before (random_shuffle), beginning with 0, 1, 2, … */
typedef enum { ORDER_SEED, ORDER_SEQUENTIAL, ORDER_FILE } OrderKind;

typedef struct {
    OrderKind kind;
    Random random;
    FILE *file;
    const char *path;
    size_t count;
    uint32_t *images; /* of the epoch at hand */
    bool *met;        /* for ORDER_FILE: which numbers the epoch at hand has had */
    uint32_t crc;     /* of the image numbers of all epochs so far, as they would stand in an order file */
} Order;

/* `path` is the order file where `kind` is ORDER_FILE. Close with order_close. */
bool order_open(Order *order, OrderKind kind, const char *path, uint64_t seed, size_t images, size_t epochs,
                Error *error);

/* Fills order->images for the next epoch. */
bool order_next(Order *order, Error *error);

void order_close(Order *order);

#ifdef __cplusplus
}
#endif

#endif
