/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fully connected network: its shape and its parameters, in one block, layer after layer, in single or double
 * precision. What is computed with it is an engine's affair (engine.h).
 */
#ifndef HDRNN_NETWORK_H
#define HDRNN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "random.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MOST_LAYERS = 16, MOST_NEURONS = 65536 };

/* IEEE 754 binary32 or binary64. */
typedef enum { FLOAT32, FLOAT64 } Precision;

/*
 * sizes[0] inputs, then the neurons of each of `layers` layers. A layer's parameters: weights, row by row, one row of
 * sizes[l] per neuron; then its biases. `parameters` are floats or doubles, aligned to 64 bytes.
 */
typedef struct {
    Precision precision;
    unsigned layers;
    size_t sizes[MOST_LAYERS + 1];
    size_t parameter_count;
    void *parameters;
} Network;

/* Makes a network whose parameters are all 0. `sizes` has layers + 1 entries, each from 1 to MOST_NEURONS. */
bool network_make(Network *network, const size_t *sizes, unsigned layers, Precision precision, Error *error);
void network_free(Network *network);

/* Weights and biases from the standard normal distribution: the same binary32 numbers in either precision. */
void network_randomise(Network *network, Random *random);

/* Which parameter layer l's (0 <= l < layers) weights and biases begin with. */
size_t network_weights(const Network *network, unsigned l);
size_t network_biases(const Network *network, unsigned l);

/* One parameter, converted. network_set rounds to the network's precision. */
double network_get(const Network *network, size_t parameter);
void network_set(Network *network, size_t parameter, double value);

/* True unless a parameter is infinite or no number. */
bool network_finite(const Network *network);

/* 4 or 8: bytes of a number. */
size_t precision_size(Precision precision);

/* "float32" or "float64". */
const char *precision_name(Precision precision);

/* Memory of `count` zeroed numbers, aligned to 64 bytes, or NULL; free with free(). */
void *numbers_make(size_t count, Precision precision);

#ifdef __cplusplus
}
#endif

#endif
