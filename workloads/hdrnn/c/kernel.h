/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops in which all the time goes, once for each instruction set and precision. All of them compute the same numbers
 * bit for bit, on every machine: the order of additions is defined here, each operation is IEEE 754's and rounds by
 * itself (no fused multiply-add, no reordering).
 *
 *   dot product     LANES partial sums, each from +0; element i goes to sum i mod LANES, in ascending i; then the upper
 *                   half of the sums is added to the lower half until one is left. LANES is 16 in float32, 8 in float64.
 *   weighted sum    bias + dot product
 *   sigmoid         1 / (1 + exp(-z)), z held to ±87 (float64: ±700), exp as written in kernel_template.h
 *   delta           of an output: ((output - wanted) · output) · (1 - output); of a hidden neuron:
 *                   (Σ weight · delta above) · (output · (1 - output)), the sum in ascending order of the neurons above.
 *                   Deltas below 2^-58 (float64: 2^-400) are taken as 0.
 *   gradient        Σ delta · input, from +0, in the order of the images in the batch
 *   step            parameter + (-(rate / images)) · gradient
 *
 * The limits change nothing that a parameter could tell; within them no exponential overflows, and no delta is a
 * subnormal number, which some processors compute slowly and ARMv7's NEON takes for 0. A gradient can still be one, where
 * an output below 2^-66 meets a small delta: a parameter that is 0 or below 2^-76 may then part ARMv7's NEON from the
 * others. No other parameter can.
 */
#ifndef HDRNN_KERNEL_H
#define HDRNN_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "network.h"

/*
 * One layer and what flows through it. Numbers are of the kernel's precision. Rows of inputs, outputs and deltas, one per
 * image, are `input_stride` and `output_stride` numbers apart, multiples of KERNEL_PADDING; what lies between a row's
 * end and the next row is 0.
 */
typedef struct {
    size_t inputs, neurons;
    size_t input_stride, output_stride;
    void *weights, *biases;
    void *weight_gradient, *bias_gradient; /* NULL where steps are taken at once */
    void *input, *output;
    void *input_delta, *delta;
} Layer;

enum { KERNEL_PADDING = 16 };

typedef struct {
    const char *name;
    Precision precision;

    /* Bytes to inputs: byte / 255. */
    void (*load)(void *input, const unsigned char *pixels, size_t count);

    /* layer->output of `images` images. */
    void (*forward)(const Layer *layer, size_t images);

    /* layer->delta of the last layer; returns the loss of the images, added up in their order to `loss`. */
    double (*output_delta)(const Layer *layer, const unsigned char *labels, size_t images, double loss);

    /* layer->input_delta from layer->delta. */
    void (*hidden_delta)(const Layer *layer, size_t images);

    /* Moves the layer's parameters by `scale` times the gradient of these images. */
    void (*step)(const Layer *layer, size_t images, double scale);

    /* Adds the gradient of these images to layer->weight_gradient and layer->bias_gradient. */
    void (*gather)(const Layer *layer, size_t images);

    /* Moves `count` parameters by `scale` times `gradient`. */
    void (*move)(void *parameters, const void *gradient, size_t count, double scale);
} Kernel;

/* All that this program was built with, best first; ended by NULL. Not all may run on this machine. */
extern const Kernel *const kernels[];

/* What --kernel takes, with | between them. */
const char *kernel_names(void);

/* The best kernel of the precision that this machine runs, or the one named; NULL with the message in `error`. */
const Kernel *kernel_choose(Precision precision, const char *name, Error *error);

#endif
