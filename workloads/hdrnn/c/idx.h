/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of IDX files (the format of MNIST): big-endian magic 0x00 0x00 type dimensions, sizes, then the values. */
#ifndef HDRNN_IDX_H
#define HDRNN_IDX_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { IDX_MOST_ITEMS = 1000000 };

/* Unsigned bytes, `count` items of `item_size` bytes each, item after item; the file holds `whole_count`. */
typedef struct {
    size_t count;
    size_t whole_count;
    size_t item_size;
    unsigned char *bytes;
} IdxArray;

/*
 * Reads a file of unsigned bytes, gzipped or not. `shape` is what one item must look like ({28, 28} for an image, nothing
 * for a label). Only the first `most` items are kept in memory, all are checked to be there. Free with idx_free.
 */
bool idx_read(IdxArray *array, const char *path, const size_t *shape, unsigned dimensions, size_t most, Error *error);

/* True if the file begins as an IDX file does, gzipped or not. */
bool idx_recognised(const char *path);

void idx_free(IdxArray *array);

#ifdef __cplusplus
}
#endif

#endif
