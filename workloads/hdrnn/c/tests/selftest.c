/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the project's tests ask the parts of hdrnn directly:
 *   hdrnn_selftest gradient       backpropagation against central differences of an independent forward pass in double
 *   hdrnn_selftest gunzip FILE    unpacks a gzip file to standard output; exit code 2 with a message if it is damaged
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "inflate.h"
#include "network.h"
#include "random.h"
#include "train.h"

enum { WIDEST = 64 };

/* The loss ½ Σ (output − wanted)² computed in double, straight from the definition. */
static double reference_loss(const Network *network, const double *parameters, const float *input, unsigned label)
{
    double from[WIDEST], to[WIDEST], loss = 0.0;
    for (size_t i = 0; i < network->sizes[0]; i++)
        from[i] = input[i];
    for (unsigned l = 0; l < network->layers; l++) {
        size_t inputs = network->sizes[l], neurons = network->sizes[l + 1];
        for (size_t n = 0; n < neurons; n++) {
            double sum = parameters[inputs * neurons + n];
            for (size_t i = 0; i < inputs; i++)
                sum += parameters[n * inputs + i] * from[i];
            to[n] = 1.0 / (1.0 + exp(-sum));
        }
        parameters += (inputs + 1) * neurons;
        memcpy(from, to, sizeof from);
    }
    for (size_t n = 0; n < network->sizes[network->layers]; n++)
        loss += 0.5 * pow(from[n] - (n == label), 2.0);
    return loss;
}

/* The largest difference between the two gradients, relative to the largest component. */
static double gradient_error(const size_t *sizes, unsigned layers, uint64_t seed)
{
    Error error;
    Network network;
    Trainer trainer;
    Random random;
    double worst = 0.0, largest = 0.0;
    const double step = 1e-5;

    if (!network_make(&network, sizes, layers, &error) || !trainer_make(&trainer, &network, &error)) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    random_seed(&random, seed, STREAM_WEIGHTS);
    network_randomise(&network, &random);
    for (size_t i = 0; i < sizes[0]; i++)
        trainer.activations.outputs[0][i] = (float)random_below(&random, 256) / 255.0f;
    unsigned label = (unsigned)random_below(&random, sizes[layers]);
    trainer_add_gradient(&trainer, label);

    double *parameters = malloc(network.parameter_count * sizeof *parameters);
    if (parameters == NULL)
        exit(1);
    for (size_t i = 0; i < network.parameter_count; i++)
        parameters[i] = network.parameters[i];
    for (size_t i = 0; i < network.parameter_count; i++) {
        double kept = parameters[i];
        parameters[i] = kept + step;
        double above = reference_loss(&network, parameters, trainer.activations.outputs[0], label);
        parameters[i] = kept - step;
        double below = reference_loss(&network, parameters, trainer.activations.outputs[0], label);
        parameters[i] = kept;
        double slope = (above - below) / (2.0 * step);
        worst = fmax(worst, fabs(slope - trainer.gradient[i]));
        largest = fmax(largest, fabs(slope));
    }
    free(parameters);
    trainer_free(&trainer);
    network_free(&network);
    return worst / largest;
}

static int check_gradient(void)
{
    static const size_t shapes[][MOST_LAYERS + 1] = {{17, 10}, {30, 9, 10}, {33, 16, 8, 10}, {12, 7, 5, 4, 3}};
    static const unsigned layers[] = {1, 2, 3, 4};
    double worst = 0.0;
    for (size_t i = 0; i < 4; i++)
        for (uint64_t seed = 1; seed <= 5; seed++)
            worst = fmax(worst, gradient_error(shapes[i], layers[i], seed));
    printf("%.3e\n", worst);
    return worst < 1e-4 ? 0 : 1; /* float gradients: some 1e-7 per operation */
}

static bool to_stdout(void *context, const unsigned char *bytes, size_t count, Error *error)
{
    (void)context;
    return fwrite(bytes, 1, count, stdout) == count || fail(error, "cannot write");
}

static int unpack(const char *path)
{
    Error error;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        return 1;
    }
    bool good = gunzip(file, path, to_stdout, NULL, &error);
    fclose(file);
    if (!good)
        fprintf(stderr, "%s\n", error.text);
    return good ? 0 : 2;
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "gradient") == 0)
        return check_gradient();
    if (count == 3 && strcmp(arguments[1], "gunzip") == 0)
        return unpack(arguments[2]);
    fputs("usage: hdrnn_selftest gradient | gunzip FILE\n", stderr);
    return 1;
}
