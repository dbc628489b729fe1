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

typedef struct {
    size_t sizes[MOST_LAYERS + 1]; /* inputs, hidden, outputs */
    unsigned layers;
    bool shape_given;
    size_t epochs;
    size_t batch_size;
    float rate;
    bool quiet, json;
    const char *net;  /* where the trained network goes, or NULL */
    const char *init; /* the network to begin from, or NULL */
    OrderKind order;
    const char *order_path;
    uint64_t seed;
    DigitRequest digits;
} TrainOptions;

typedef struct {
    const char *image;
    const char *net;
    size_t index;
    bool json;
} InferOptions;

/* `arguments` are those after `hdrnn train` or `hdrnn infer`. */
bool parse_train(TrainOptions *options, int count, char **arguments, Error *error);
bool parse_infer(InferOptions *options, int count, char **arguments, Error *error);

void print_usage(FILE *to);

#endif
