/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints: what a training needs to go on as if it had never stopped. Version 1, every number little-endian:
 *
 *   bytes  what
 *   4      "HDRC"
 *   4      version, 1
 *   4      epochs done
 *   4      images trained on
 *   4      batch size
 *   4      CRC-32 of the image numbers of all epochs done, as they would stand in an order file (order.h)
 *   4      CRC-32 of the images trained on: all their pixels, then all their labels
 *   4      epochs since the best accuracy
 *   8      learning rate, binary64
 *   8      loss of the last epoch, binary64
 *   8      best accuracy after any epoch, binary64
 *   8      size of the network file that follows
 *   …      the network, a file with a checksum of its own (netfile.h)
 *   4      CRC-32 of all bytes before the network
 *
 * The order is not kept but made again from its seed or file; the checksum tells whether it is the same one.
 */
#ifndef HDRNN_CHECKPOINT_H
#define HDRNN_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "network.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    size_t epochs, images, batch_size;
    uint32_t order_crc, images_crc;
    size_t epochs_since_best;
    double rate, loss, best_accuracy;
} Progress;

/* Writes the file beside its place first and then renames it: it is either the old one or whole. */
bool checkpoint_write(const char *path, const Progress *progress, const Network *network, Error *error);

/* Reads and checks a file; its network must be of `precision`. Free the network with network_free. */
bool checkpoint_read(const char *path, Precision precision, Progress *progress, Network *network, Error *error);

#ifdef __cplusplus
}
#endif

#endif
