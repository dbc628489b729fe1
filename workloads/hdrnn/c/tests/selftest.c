/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the project's tests ask the parts of hdrnn directly:
 *   hdrnn_selftest kernels        the kernels that this machine runs, a line each: name and precision
 *   hdrnn_selftest gradient       each kernel's backpropagation against central differences of an independent forward
 *                                 pass in double; a line each with the largest difference
 *   hdrnn_selftest sigmoid        each kernel's sigmoid against the C library's exponential in long double; a line each
 *                                 with the largest difference in units of the last place
 *   hdrnn_selftest gunzip FILE    unpacks a gzip file to standard output; exit code 2 with a message if it is damaged
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "inflate.h"
#include "kernel.h"
#include "network.h"
#include "random.h"
#include "train.h"

enum { WIDEST = 64 };

/* The loss ½ Σ (output − wanted)² computed in double, straight from the definition. */
static double reference_loss(const Network *network, const double *parameters, const unsigned char *pixels, unsigned label)
{
    double from[WIDEST], to[WIDEST], loss = 0.0;
    for (size_t i = 0; i < network->sizes[0]; i++)
        from[i] = pixels[i] / 255.0;
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

/* One number of a block of the kernel's precision. */
static double number(const Kernel *kernel, const void *numbers, size_t i)
{
    return kernel->precision == FLOAT32 ? (double)((const float *)numbers)[i] : ((const double *)numbers)[i];
}

/* The largest difference between the two gradients, relative to the largest component. */
static double gradient_error(const Kernel *kernel, const size_t *sizes, unsigned layers, uint64_t seed)
{
    Error error;
    Network network;
    Trainer trainer;
    Random random;
    unsigned char pixels[WIDEST];
    double worst = 0.0, largest = 0.0;
    const double step = 1e-5;

    if (!network_make(&network, sizes, layers, kernel->precision, &error) ||
        !trainer_make(&trainer, &network, MOST_AT_ONCE + 1, kernel->name, &error)) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    random_seed(&random, seed, STREAM_WEIGHTS);
    network_randomise(&network, &random);
    for (size_t i = 0; i < sizes[0]; i++)
        pixels[i] = (unsigned char)random_below(&random, 256);
    unsigned char label = (unsigned char)random_below(&random, sizes[layers]);
    trainer_gradient(&trainer, pixels, label);

    double *parameters = malloc(network.parameter_count * sizeof *parameters);
    if (parameters == NULL)
        exit(1);
    for (size_t i = 0; i < network.parameter_count; i++)
        parameters[i] = network_get(&network, i);
    for (size_t i = 0; i < network.parameter_count; i++) {
        double kept = parameters[i];
        parameters[i] = kept + step;
        double above = reference_loss(&network, parameters, pixels, label);
        parameters[i] = kept - step;
        double below = reference_loss(&network, parameters, pixels, label);
        parameters[i] = kept;
        double slope = (above - below) / (2.0 * step);
        worst = fmax(worst, fabs(slope - number(kernel, trainer.gradient, i)));
        largest = fmax(largest, fabs(slope));
    }
    free(parameters);
    trainer_free(&trainer);
    network_free(&network);
    return worst / largest;
}

static double worst_gradient(const Kernel *kernel)
{
    static const size_t shapes[][MOST_LAYERS + 1] = {{17, 10}, {30, 9, 10}, {33, 16, 8, 10}, {12, 7, 5, 4, 3}};
    static const unsigned layers[] = {1, 2, 3, 4};
    double worst = 0.0;
    for (size_t i = 0; i < 4; i++)
        for (uint64_t seed = 1; seed <= 5; seed++)
            worst = fmax(worst, gradient_error(kernel, shapes[i], layers[i], seed));
    return worst;
}

/* A layer of one input, 0, whose bias is the sigmoid's argument. */
static double sigmoid_of(const Kernel *kernel, double argument)
{
    static double zeros[KERNEL_PADDING], weight[1], output[KERNEL_PADDING];
    double bias_double = argument;
    float bias_float = (float)argument;
    Layer layer = {.inputs = 1,
                   .neurons = 1,
                   .input_stride = KERNEL_PADDING,
                   .output_stride = KERNEL_PADDING,
                   .weights = weight,
                   .biases = kernel->precision == FLOAT32 ? (void *)&bias_float : (void *)&bias_double,
                   .input = zeros,
                   .output = output};
    kernel->forward(&layer, 1);
    return number(kernel, output, 0);
}

/* Between the limits, in units of the last place of the true value. */
static double worst_sigmoid(const Kernel *kernel)
{
    bool single = kernel->precision == FLOAT32;
    double limit = single ? 87.0 : 700.0, worst = 0.0;
    Random random;
    random_seed(&random, 1, STREAM_WEIGHTS);
    for (int i = 0; i < 200000; i++) {
        double argument = ((double)random_below(&random, 1u << 30) / (1 << 29) - 1.0) * limit;
        if (i % 2 == 0)
            argument /= 16.0;
        if (single)
            argument = (double)(float)argument;
        long double truth = 1.0L / (1.0L + expl(-(long double)argument));
        int exponent;
        frexpl(truth, &exponent);
        long double unit = ldexpl(1.0L, exponent - (single ? FLT_MANT_DIG : DBL_MANT_DIG));
        worst = fmax(worst, (double)(fabsl((long double)sigmoid_of(kernel, argument) - truth) / unit));
    }
    return worst;
}

/* A line for each kernel that runs here, with what `measure` says of it, if anything is measured. */
static int each_kernel(double (*measure)(const Kernel *))
{
    for (size_t i = 0; kernels[i] != NULL; i++) {
        Error error;
        const Kernel *kernel = kernel_choose(kernels[i]->precision, kernels[i]->name, &error);
        if (kernel == NULL)
            continue;
        printf("%s %s", kernel->name, precision_name(kernel->precision));
        if (measure != NULL)
            printf(" %.3e", measure(kernel));
        putchar('\n');
    }
    return 0;
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
    if (count == 2 && strcmp(arguments[1], "kernels") == 0)
        return each_kernel(NULL);
    if (count == 2 && strcmp(arguments[1], "gradient") == 0)
        return each_kernel(worst_gradient);
    if (count == 2 && strcmp(arguments[1], "sigmoid") == 0)
        return each_kernel(worst_sigmoid);
    if (count == 3 && strcmp(arguments[1], "gunzip") == 0)
        return unpack(arguments[2]);
    fputs("usage: hdrnn_selftest kernels | gradient | sigmoid | gunzip FILE\n", stderr);
    return 1;
}
