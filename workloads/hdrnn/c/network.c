/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vector.h"

bool network_make(Network *network, const size_t *sizes, unsigned layers, Error *error)
{
    uint64_t count = 0;

    memset(network, 0, sizeof *network);
    if (layers < 1 || layers > MOST_LAYERS)
        return fail(error, "a network of %u layers (expected 1 to %d)", layers, (int)MOST_LAYERS);
    network->layers = layers;
    for (unsigned l = 0; l <= layers; l++) {
        if (sizes[l] < 1 || sizes[l] > MOST_NEURONS)
            return fail(error, "a layer of %zu neurons (expected 1 to %d)", sizes[l], (int)MOST_NEURONS);
        network->sizes[l] = sizes[l];
        if (l > 0)
            count += (uint64_t)(sizes[l - 1] + 1) * sizes[l];
    }
    if (count > SIZE_MAX / sizeof(float)) /* on a 32-bit board */
        return fail(error, "not enough memory for %llu parameters", (unsigned long long)count);
    network->parameter_count = (size_t)count;
    network->parameters = calloc(network->parameter_count, sizeof(float));
    return network->parameters != NULL ||
           fail(error, "not enough memory for %zu parameters", network->parameter_count);
}

void network_free(Network *network)
{
    free(network->parameters);
    memset(network, 0, sizeof *network);
}

void network_randomise(Network *network, Random *random)
{
    for (size_t i = 0; i < network->parameter_count; i++)
        network->parameters[i] = random_normal(random);
}

float *network_weights(const Network *network, float *parameters, unsigned l)
{
    for (unsigned before = 0; before < l; before++)
        parameters += (network->sizes[before] + 1) * network->sizes[before + 1];
    return parameters;
}

float *network_biases(const Network *network, float *parameters, unsigned l)
{
    return network_weights(network, parameters, l) + network->sizes[l] * network->sizes[l + 1];
}

bool activations_make(Activations *activations, const Network *network, Error *error)
{
    size_t total = 0;
    for (unsigned l = 0; l <= network->layers; l++)
        total += network->sizes[l];
    memset(activations, 0, sizeof *activations);
    activations->block = calloc(total, sizeof(float));
    if (activations->block == NULL)
        return fail(error, "not enough memory for %zu neurons", total);
    float *next = activations->block;
    for (unsigned l = 0; l <= network->layers; l++) {
        activations->outputs[l] = next;
        next += network->sizes[l];
    }
    return true;
}

void activations_free(Activations *activations)
{
    free(activations->block);
    memset(activations, 0, sizeof *activations);
}

void network_forward(const Network *network, Activations *activations)
{
    for (unsigned l = 0; l < network->layers; l++) {
        size_t inputs = network->sizes[l];
        const float *weights = network_weights(network, network->parameters, l);
        const float *biases = network_biases(network, network->parameters, l);
        const float *input = activations->outputs[l];
        float *output = activations->outputs[l + 1];
        for (size_t neuron = 0; neuron < network->sizes[l + 1]; neuron++) {
            float sum = biases[neuron] + dot(weights + neuron * inputs, input, inputs);
            output[neuron] = 1.0f / (1.0f + expf(-sum));
        }
    }
}

size_t network_answer(const Network *network, const Activations *activations)
{
    const float *output = activations->outputs[network->layers];
    size_t best = 0;
    for (size_t i = 1; i < network->sizes[network->layers]; i++)
        if (output[i] > output[best])
            best = i;
    return best;
}
