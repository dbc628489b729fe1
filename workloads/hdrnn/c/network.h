/* SPDX-License-Identifier: Apache-2.0 */
/* A fully connected network with sigmoid neurons; all its parameters lie in one block, layer after layer. */
#ifndef HDRNN_NETWORK_H
#define HDRNN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "random.h"

enum { MOST_LAYERS = 16, MOST_NEURONS = 65536 };

/*
 * sizes[0] inputs, then the neurons of each of `layers` layers. A layer's parameters: weights, row by row, one row of
 * sizes[l] per neuron; then its biases.
 */
typedef struct {
    unsigned layers;
    size_t sizes[MOST_LAYERS + 1];
    size_t parameter_count;
    float *parameters;
} Network;

/* Room for the outputs of every neuron for one image; outputs[0] is the input. */
typedef struct {
    float *outputs[MOST_LAYERS + 1];
    float *block;
} Activations;

/* Makes a network whose parameters are all 0. `sizes` has layers + 1 entries, each from 1 to MOST_NEURONS. */
bool network_make(Network *network, const size_t *sizes, unsigned layers, Error *error);
void network_free(Network *network);

/* Weights and biases from the standard normal distribution. */
void network_randomise(Network *network, Random *random);

/* Where layer l's (0 ≤ l < layers) weights and biases begin in a block laid out like network->parameters. */
float *network_weights(const Network *network, float *parameters, unsigned l);
float *network_biases(const Network *network, float *parameters, unsigned l);

bool activations_make(Activations *activations, const Network *network, Error *error);
void activations_free(Activations *activations);

/* Computes every layer's outputs from activations->outputs[0]. */
void network_forward(const Network *network, Activations *activations);

/* The number of the largest output. */
size_t network_answer(const Network *network, const Activations *activations);

#endif
