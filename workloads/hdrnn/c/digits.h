/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of handwritten digits in MNIST's four files, as a training set and a test set that share no image. */
#ifndef HDRNN_DIGITS_H
#define HDRNN_DIGITS_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "idx.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { IMAGE_SIDE = 28, PIXELS = IMAGE_SIDE * IMAGE_SIDE, DIGITS = 10 };

/* `count` images of PIXELS bytes (0 paper, 255 ink) and as many labels 0 to 9; points into a Folder. */
typedef struct {
    size_t count;
    const unsigned char *pixels;
    const unsigned char *labels;
} DigitSet;

/* What to read. `split_train` of 0 uses the training and test files; otherwise the t10k files alone give both sets. */
typedef struct {
    const char *folder;
    size_t split_train, split_test;
    size_t train_limit, test_limit; /* 0 for all */
} DigitRequest;

typedef struct {
    DigitSet train, test;
    IdxArray train_images, train_labels, test_images, test_labels;
} DigitFolder;

bool digits_read(DigitFolder *folder, const DigitRequest *request, Error *error);

void digits_free(DigitFolder *folder);

#ifdef __cplusplus
}
#endif

#endif
