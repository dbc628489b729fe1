/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program of this workload adds to the common command line (command.h): the arithmetic of training. The common
 * part reads options and files, makes the first network and the order, keeps checkpoints, measures and prints.
 *
 * The loss of one image is ½ Σ (output - wanted)², as in M. A. Nielsen, Neural Networks and Deep Learning, eq. 6; a
 * batch moves the parameters by -rate · (mean gradient). Inputs are byte / 255.
 */
#ifndef HDRNN_ENGINE_H
#define HDRNN_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "digits.h"
#include "error.h"
#include "network.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *program; /* begins every message: "hdrnn" */
    const char *kernels; /* what --kernel takes, with | between them, or NULL: no such option */

    /*
     * Gets ready to compute with `network`, in its precision, at most `batch_size` images a step (1 for inference
     * alone). `kernel` is what --kernel says, or NULL. Between calls all parameters are in the network: after `epoch`
     * they are the trained ones. Returns NULL with the message in `error`.
     */
    void *(*start)(Network *network, size_t batch_size, const char *kernel, Error *error);

    /* The instruction set in use, for the last line of JSON: "avx2". */
    const char *(*kernel)(const void *self);

    /*
     * One pass over the images in the given order, in batches (the last one may be smaller). Returns the mean loss,
     * each image's taken just before its own batch moved the parameters.
     */
    double (*epoch)(void *self, const DigitSet *digits, const uint32_t *order, size_t batch_size, double rate);

    /* The number of images whose label is the number of the largest output (the lowest of equals). */
    size_t (*right)(void *self, const DigitSet *digits);

    /* The last layer's outputs for one image. */
    void (*outputs)(void *self, const unsigned char *pixels, double *outputs);

    void (*end)(void *self);
} Engine;

#ifdef __cplusplus
}
#endif

#endif
