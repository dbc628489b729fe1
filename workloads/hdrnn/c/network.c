/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

size_t precision_size(Precision precision)
{
    return precision == FLOAT32 ? sizeof(float) : sizeof(double);
}

const char *precision_name(Precision precision)
{
    return precision == FLOAT32 ? "float32" : "float64";
}

void *numbers_make(size_t count, Precision precision)
{
    size_t size = precision_size(precision);
    if (count > (SIZE_MAX - ALIGNMENT) / size)
        return NULL;
    size_t bytes = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *numbers = NULL;
    if (posix_memalign(&numbers, ALIGNMENT, bytes > 0 ? bytes : ALIGNMENT) != 0)
        return NULL;
    memset(numbers, 0, bytes);
    return numbers;
}

bool network_make(Network *network, const size_t *sizes, unsigned layers, Precision precision, Error *error)
{
    uint64_t count = 0;

    memset(network, 0, sizeof *network);
    if (layers < 1 || layers > MOST_LAYERS)
        return fail(error, "a network of %u layers (expected 1 to %d)", layers, (int)MOST_LAYERS);
    network->layers = layers;
    network->precision = precision;
    for (unsigned l = 0; l <= layers; l++) {
        if (sizes[l] < 1 || sizes[l] > MOST_NEURONS)
            return fail(error, "a layer of %zu neurons (expected 1 to %d)", sizes[l], (int)MOST_NEURONS);
        network->sizes[l] = sizes[l];
        if (l > 0)
            count += (uint64_t)(sizes[l - 1] + 1) * sizes[l];
    }
    if (count > SIZE_MAX / precision_size(precision)) /* on a 32-bit board */
        return fail_memory(error, "not enough memory for %llu parameters", (unsigned long long)count);
    network->parameter_count = (size_t)count;
    network->parameters = numbers_make(network->parameter_count, precision);
    return network->parameters != NULL ||
           fail_memory(error, "not enough memory for %zu parameters", network->parameter_count);
}

void network_free(Network *network)
{
    free(network->parameters);
    memset(network, 0, sizeof *network);
}

void network_randomise(Network *network, Random *random)
{
    for (size_t i = 0; i < network->parameter_count; i++)
        network_set(network, i, (double)random_normal(random));
}

size_t network_weights(const Network *network, unsigned l)
{
    size_t first = 0;
    for (unsigned before = 0; before < l; before++)
        first += (network->sizes[before] + 1) * network->sizes[before + 1];
    return first;
}

size_t network_biases(const Network *network, unsigned l)
{
    return network_weights(network, l) + network->sizes[l] * network->sizes[l + 1];
}

double network_get(const Network *network, size_t parameter)
{
    return network->precision == FLOAT32 ? (double)((const float *)network->parameters)[parameter]
                                         : ((const double *)network->parameters)[parameter];
}

void network_set(Network *network, size_t parameter, double value)
{
    if (network->precision == FLOAT32)
        ((float *)network->parameters)[parameter] = (float)value;
    else
        ((double *)network->parameters)[parameter] = value;
}

bool network_finite(const Network *network)
{
    bool finite = true;
    for (size_t i = 0; i < network->parameter_count; i++)
        finite = finite && isfinite(network_get(network, i));
    return finite;
}
