/* SPDX-License-Identifier: Apache-2.0 */
/* One image to be named: a binary PGM (P5) of 28 × 28, 784 raw bytes, or one image of an IDX file. */
#ifndef HDRNN_IMAGE_H
#define HDRNN_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "digits.h"
#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads PIXELS bytes, 0 paper and 255 ink. `index` chooses the image of an IDX file and is 0 for the other kinds. */
bool image_read(const char *path, size_t index, unsigned char pixels[PIXELS], Error *error);

#ifdef __cplusplus
}
#endif

#endif
