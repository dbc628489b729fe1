/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#ifndef HDRNN_OPTIONS_H
#define HDRNN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "digits.h"
#include "error.h"
#include "network.h"
#include "order.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    size_t sizes[MOST_LAYERS + 1]; /* inputs, hidden, outputs */
    unsigned layers;
    bool shape_given;
    size_t epochs;
    size_t batch_size;
    double rate;
    Precision precision;
    bool quiet, json;
    const char *net;  /* where the trained network goes, or NULL */
    const char *init; /* the network to begin from, or NULL */
    const char *save_epochs; /* the folder for a network per epoch, or NULL */
    const char *checkpoint, *resume; /* files, or NULL */
    size_t early_stop;   /* epochs without a better accuracy after which training ends; 0 for never */
    const char *kernel;  /* what the engine is to compute with, or NULL for its choice */
    OrderKind order;
    const char *order_path;
    uint64_t seed;
    DigitRequest digits;
} TrainOptions;

typedef struct {
    const char *image;
    const char *net;
    size_t index;
    Precision precision;
    const char *kernel;
    bool json;
} InferOptions;

/*
 * `arguments` are those after `hdrnn train` or `hdrnn infer`. `kernels` is what --kernel takes, with | between them, or
 * NULL where there is no such option.
 */
bool parse_train(TrainOptions *options, int count, char **arguments, const char *kernels, Error *error);
bool parse_infer(InferOptions *options, int count, char **arguments, const char *kernels, Error *error);

void print_usage(FILE *to, const char *program, const char *kernels);

#ifdef __cplusplus
}
#endif

#endif
