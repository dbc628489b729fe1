/* SPDX-License-Identifier: Apache-2.0 */
#include "train.h"

#include <stdlib.h>
#include <string.h>

#include "vector.h"

bool trainer_make(Trainer *trainer, Network *network, Error *error)
{
    memset(trainer, 0, sizeof *trainer);
    trainer->network = network;
    if (!activations_make(&trainer->activations, network, error))
        return false;
    bool good = activations_make(&trainer->deltas, network, error);
    if (good) {
        trainer->gradient = calloc(network->parameter_count, sizeof(float));
        good = trainer->gradient != NULL ||
               fail(error, "not enough memory for %zu gradients", network->parameter_count);
    }
    if (!good)
        trainer_free(trainer);
    return good;
}

void trainer_free(Trainer *trainer)
{
    activations_free(&trainer->activations);
    activations_free(&trainer->deltas);
    free(trainer->gradient);
    memset(trainer, 0, sizeof *trainer);
}

void pixels_to_input(const unsigned char *pixels, float *input)
{
    for (size_t i = 0; i < PIXELS; i++)
        input[i] = (float)pixels[i] * (1.0f / 255.0f);
}

/* The deltas of the last layer; returns the loss. The sigmoid's derivative is output · (1 − output). */
static float output_deltas(Trainer *trainer, unsigned label)
{
    unsigned last = trainer->network->layers;
    const float *output = trainer->activations.outputs[last];
    float *delta = trainer->deltas.outputs[last];
    float loss = 0.0f;
    for (size_t i = 0; i < trainer->network->sizes[last]; i++) {
        float difference = output[i] - (i == label ? 1.0f : 0.0f);
        loss += 0.5f * difference * difference;
        delta[i] = difference * output[i] * (1.0f - output[i]);
    }
    return loss;
}

/* The deltas of layer l's inputs from those of its outputs: weightsᵀ · delta, times the sigmoid's derivative. */
static void hidden_deltas(Trainer *trainer, unsigned l)
{
    const Network *network = trainer->network;
    size_t inputs = network->sizes[l];
    const float *weights = network_weights(network, network->parameters, l);
    const float *above = trainer->deltas.outputs[l + 1];
    const float *output = trainer->activations.outputs[l];
    float *delta = trainer->deltas.outputs[l];

    memset(delta, 0, inputs * sizeof *delta);
    for (size_t neuron = 0; neuron < network->sizes[l + 1]; neuron++)
        add_scaled(delta, above[neuron], weights + neuron * inputs, inputs);
    for (size_t i = 0; i < inputs; i++)
        delta[i] *= output[i] * (1.0f - output[i]);
}

float trainer_add_gradient(Trainer *trainer, unsigned label)
{
    const Network *network = trainer->network;

    network_forward(network, &trainer->activations);
    float loss = output_deltas(trainer, label);
    for (unsigned l = network->layers; l-- > 0;) {
        size_t inputs = network->sizes[l], neurons = network->sizes[l + 1];
        float *weights = network_weights(network, trainer->gradient, l);
        float *biases = network_biases(network, trainer->gradient, l);
        const float *delta = trainer->deltas.outputs[l + 1];
        for (size_t neuron = 0; neuron < neurons; neuron++)
            add_scaled(weights + neuron * inputs, delta[neuron], trainer->activations.outputs[l], inputs);
        add_scaled(biases, 1.0f, delta, neurons);
        if (l > 0)
            hidden_deltas(trainer, l);
    }
    return loss;
}

double trainer_epoch(Trainer *trainer, const DigitSet *digits, const uint32_t *order, size_t batch_size, float rate)
{
    Network *network = trainer->network;
    double loss = 0.0;

    for (size_t first = 0; first < digits->count; first += batch_size) {
        size_t batch = digits->count - first < batch_size ? digits->count - first : batch_size;
        memset(trainer->gradient, 0, network->parameter_count * sizeof(float));
        for (size_t i = first; i < first + batch; i++) {
            pixels_to_input(digits->pixels + (size_t)order[i] * PIXELS, trainer->activations.outputs[0]);
            loss += trainer_add_gradient(trainer, digits->labels[order[i]]);
        }
        add_scaled(network->parameters, -rate / (float)batch, trainer->gradient, network->parameter_count);
    }
    return loss / (double)digits->count;
}

double trainer_accuracy(Trainer *trainer, const DigitSet *digits)
{
    size_t right = 0;
    for (size_t i = 0; i < digits->count; i++) {
        pixels_to_input(digits->pixels + i * PIXELS, trainer->activations.outputs[0]);
        network_forward(trainer->network, &trainer->activations);
        if (network_answer(trainer->network, &trainer->activations) == digits->labels[i])
            right++;
    }
    return (double)right / (double)digits->count;
}
