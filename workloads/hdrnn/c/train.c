/* SPDX-License-Identifier: Apache-2.0 */
#include "train.h"

#include <stdlib.h>
#include <string.h>

static size_t padded(size_t count)
{
    return (count + KERNEL_PADDING - 1) / KERNEL_PADDING * KERNEL_PADDING;
}

static void *at(void *numbers, size_t index, Precision precision)
{
    return numbers == NULL ? NULL : (char *)numbers + index * precision_size(precision);
}

/* Where each layer finds its parameters, inputs, outputs and deltas. */
static void lay_out(Trainer *trainer)
{
    const Network *network = trainer->network;
    Precision precision = network->precision;
    size_t next = 0;

    for (unsigned l = 0; l < network->layers; l++) {
        Layer *layer = &trainer->layers[l];
        size_t weights = network_weights(network, l), biases = network_biases(network, l);
        layer->inputs = network->sizes[l];
        layer->neurons = network->sizes[l + 1];
        layer->input_stride = padded(layer->inputs);
        layer->output_stride = padded(layer->neurons);
        layer->weights = at(network->parameters, weights, precision);
        layer->biases = at(network->parameters, biases, precision);
        layer->weight_gradient = at(trainer->gradient, weights, precision);
        layer->bias_gradient = at(trainer->gradient, biases, precision);
        if (l == 0) {
            layer->input = trainer->numbers;
            next = trainer->at_once * layer->input_stride;
        } else {
            layer->input = layer[-1].output;
            layer->input_delta = layer[-1].delta;
        }
        layer->output = at(trainer->numbers, next, precision);
        next += trainer->at_once * layer->output_stride;
        layer->delta = at(trainer->numbers, next, precision);
        next += trainer->at_once * layer->output_stride;
    }
}

bool trainer_make(Trainer *trainer, Network *network, size_t batch_size, const char *kernel, Error *error)
{
    memset(trainer, 0, sizeof *trainer);
    trainer->network = network;
    trainer->kernel = kernel_choose(network->precision, kernel, error);
    if (trainer->kernel == NULL)
        return false;
    trainer->at_once = batch_size < MOST_AT_ONCE ? batch_size : MOST_AT_ONCE;
    if (trainer->at_once < LEAST_AT_ONCE)
        trainer->at_once = LEAST_AT_ONCE;
    size_t row = padded(network->sizes[0]);
    for (unsigned l = 1; l <= network->layers; l++)
        row += 2 * padded(network->sizes[l]);
    trainer->numbers = numbers_make(trainer->at_once * row, network->precision);
    if (batch_size > MOST_AT_ONCE)
        trainer->gradient = numbers_make(network->parameter_count, network->precision);
    if (trainer->numbers == NULL || (batch_size > MOST_AT_ONCE && trainer->gradient == NULL)) {
        trainer_free(trainer);
        return fail_memory(error, "not enough memory to train %zu parameters", network->parameter_count);
    }
    lay_out(trainer);
    return true;
}

void trainer_free(Trainer *trainer)
{
    free(trainer->numbers);
    free(trainer->gradient);
    memset(trainer, 0, sizeof *trainer);
}

/* Row `image` of the inputs. */
static void load(Trainer *trainer, size_t image, const unsigned char *pixels)
{
    const Layer *first = &trainer->layers[0];
    void *row = at(first->input, image * first->input_stride, trainer->network->precision);
    trainer->kernel->load(row, pixels, first->inputs);
}

static void forward(Trainer *trainer, size_t images)
{
    for (unsigned l = 0; l < trainer->network->layers; l++)
        trainer->kernel->forward(&trainer->layers[l], images);
}

/*
 * Forward and back for the loaded images, layer by layer; a layer's parameters move, by `scale` times the gradient, only
 * after the layer below has its deltas. Without a gradient's memory at once, else the gradient is gathered.
 */
static double learn(Trainer *trainer, const unsigned char *labels, size_t images, double scale, double loss)
{
    const Kernel *kernel = trainer->kernel;
    unsigned l = trainer->network->layers;

    forward(trainer, images);
    loss = kernel->output_delta(&trainer->layers[l - 1], labels, images, loss);
    while (l-- > 0) {
        const Layer *layer = &trainer->layers[l];
        if (l > 0)
            kernel->hidden_delta(layer, images);
        if (trainer->gradient == NULL)
            kernel->step(layer, images, scale);
        else
            kernel->gather(layer, images);
    }
    return loss;
}

static void clear_gradient(Trainer *trainer)
{
    const Network *network = trainer->network;
    if (trainer->gradient != NULL)
        memset(trainer->gradient, 0, network->parameter_count * precision_size(network->precision));
}

double trainer_gradient(Trainer *trainer, const unsigned char *pixels, unsigned char label)
{
    clear_gradient(trainer);
    load(trainer, 0, pixels);
    return learn(trainer, &label, 1, 0.0, 0.0);
}

/* What each number of the gradient is multiplied by, in the network's precision. */
static double step_size(Precision precision, double rate, size_t batch)
{
    return precision == FLOAT32 ? (double)(-(float)rate / (float)batch) : -rate / (double)batch;
}

double trainer_epoch(Trainer *trainer, const DigitSet *digits, const uint32_t *order, size_t batch_size, double rate)
{
    Network *network = trainer->network;
    unsigned char labels[MOST_AT_ONCE];
    double loss = 0.0;

    for (size_t first = 0; first < digits->count; first += batch_size) {
        size_t batch = digits->count - first < batch_size ? digits->count - first : batch_size;
        double scale = step_size(network->precision, rate, batch);
        clear_gradient(trainer);
        for (size_t done = 0; done < batch;) {
            size_t images = batch - done < trainer->at_once ? batch - done : trainer->at_once;
            for (size_t i = 0; i < images; i++) {
                size_t image = order[first + done + i];
                load(trainer, i, digits->pixels + image * PIXELS);
                labels[i] = digits->labels[image];
            }
            loss = learn(trainer, labels, images, scale, loss);
            done += images;
        }
        if (trainer->gradient != NULL)
            trainer->kernel->move(network->parameters, trainer->gradient, network->parameter_count, scale);
    }
    return loss / (double)digits->count;
}

static double output(const Trainer *trainer, size_t image, size_t neuron)
{
    const Layer *last = &trainer->layers[trainer->network->layers - 1];
    size_t index = image * last->output_stride + neuron;
    return last->output == NULL ? 0.0
           : trainer->network->precision == FLOAT32 ? (double)((const float *)last->output)[index]
                                                    : ((const double *)last->output)[index];
}

size_t trainer_right(Trainer *trainer, const DigitSet *digits)
{
    size_t right = 0, answers = trainer->network->sizes[trainer->network->layers];
    for (size_t first = 0; first < digits->count; first += trainer->at_once) {
        size_t left = digits->count - first, images = left < trainer->at_once ? left : trainer->at_once;
        for (size_t i = 0; i < images; i++)
            load(trainer, i, digits->pixels + (first + i) * PIXELS);
        forward(trainer, images);
        for (size_t i = 0; i < images; i++) {
            size_t best = 0;
            for (size_t answer = 1; answer < answers; answer++)
                if (output(trainer, i, answer) > output(trainer, i, best))
                    best = answer;
            right += best == digits->labels[first + i];
        }
    }
    return right;
}

void trainer_outputs(Trainer *trainer, const unsigned char *pixels, double *outputs)
{
    load(trainer, 0, pixels);
    forward(trainer, 1);
    for (size_t i = 0; i < trainer->network->sizes[trainer->network->layers]; i++)
        outputs[i] = output(trainer, 0, i);
}

/* ---- as an engine ---- */

static void *engine_start(Network *network, size_t batch_size, const char *kernel, Error *error)
{
    Trainer *trainer = malloc(sizeof *trainer);
    if (trainer == NULL) {
        fail_memory(error, "not enough memory");
        return NULL;
    }
    if (!trainer_make(trainer, network, batch_size, kernel, error)) {
        free(trainer);
        return NULL;
    }
    return trainer;
}

static const char *engine_kernel(const void *self)
{
    return ((const Trainer *)self)->kernel->name;
}

static double engine_epoch(void *self, const DigitSet *digits, const uint32_t *order, size_t batch_size, double rate)
{
    return trainer_epoch(self, digits, order, batch_size, rate);
}

static size_t engine_right(void *self, const DigitSet *digits)
{
    return trainer_right(self, digits);
}

static void engine_outputs(void *self, const unsigned char *pixels, double *outputs)
{
    trainer_outputs(self, pixels, outputs);
}

static void engine_end(void *self)
{
    trainer_free(self);
    free(self);
}

const Engine C_ENGINE = {
    .program = "hdrnn",
    .kernels = "",
    .start = engine_start,
    .kernel = engine_kernel,
    .epoch = engine_epoch,
    .right = engine_right,
    .outputs = engine_outputs,
    .end = engine_end,
};
