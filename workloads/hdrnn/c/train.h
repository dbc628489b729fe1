/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mini-batch gradient descent on the mean squared error. The loss of one image is ½ Σ (output − wanted)², as in
 * M. A. Nielsen, Neural Networks and Deep Learning, eq. 6; a batch moves the parameters by −rate · (mean gradient).
 */
#ifndef HDRNN_TRAIN_H
#define HDRNN_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digits.h"
#include "error.h"
#include "network.h"

/* What training needs beside the network: gradients laid out like its parameters, and one image's activations. */
typedef struct {
    Network *network;
    Activations activations;
    Activations deltas; /* of the loss to each neuron's weighted sum */
    float *gradient;
} Trainer;

bool trainer_make(Trainer *trainer, Network *network, Error *error);
void trainer_free(Trainer *trainer);

/* Bytes to the network's inputs, 0…1. */
void pixels_to_input(const unsigned char *pixels, float *input);

/* Adds the gradient of the loss of the image in activations.outputs[0] to trainer->gradient; returns the loss. */
float trainer_add_gradient(Trainer *trainer, unsigned label);

/*
 * One pass over the images in the given order, in batches (the last one may be smaller). Returns the mean loss, each
 * image's taken just before its own batch moved the parameters.
 */
double trainer_epoch(Trainer *trainer, const DigitSet *digits, const uint32_t *order, size_t batch_size, float rate);

/* The share of the images that the network names rightly. */
double trainer_accuracy(Trainer *trainer, const DigitSet *digits);

#endif
