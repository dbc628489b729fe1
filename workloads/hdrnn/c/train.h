/* SPDX-License-Identifier: Apache-2.0 */
/* This program's engine: mini-batch gradient descent by the kernels of kernel.h. */
#ifndef HDRNN_TRAIN_H
#define HDRNN_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "kernel.h"

/*
 * As many images go through the layers at a time as a batch has, at most MOST_AT_ONCE. Batches that are larger are taken
 * in several goes and need memory for a gradient; smaller ones move the parameters at once.
 */
enum { MOST_AT_ONCE = 64, LEAST_AT_ONCE = 10 };

typedef struct {
    Network *network;
    const Kernel *kernel;
    size_t at_once;
    Layer layers[MOST_LAYERS];
    void *numbers;  /* outputs and deltas of all layers */
    void *gradient; /* laid out like the parameters, or NULL */
} Trainer;

bool trainer_make(Trainer *trainer, Network *network, size_t batch_size, const char *kernel, Error *error);
void trainer_free(Trainer *trainer);

/*
 * The gradient of the loss of one image, laid out like the parameters; returns the loss. Only for a trainer whose batch
 * size is above MOST_AT_ONCE.
 */
double trainer_gradient(Trainer *trainer, const unsigned char *pixels, unsigned char label);

double trainer_epoch(Trainer *trainer, const DigitSet *digits, const uint32_t *order, size_t batch_size, double rate);
size_t trainer_right(Trainer *trainer, const DigitSet *digits);
void trainer_outputs(Trainer *trainer, const unsigned char *pixels, double *outputs);

extern const Engine C_ENGINE;

#endif
