/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of a kernel, included once per instruction set and precision, after these have been defined (and are
 * forgotten again at the end):
 *
 *   REAL, BITS                float and uint32_t, or double and uint64_t
 *   IS_DOUBLE                 0 or 1
 *   KERNEL                    the name of the Kernel to define
 *   KERNEL_NAME               what people call it
 *   V, V_WIDTH                a vector of V_WIDTH numbers, and V_LOAD V_STORE V_ADD V_MUL V_SET1 V_SUM on it; V_SUM adds
 *                             the upper half to the lower half until one number is left
 *   DOT_NEURONS, DOT_IMAGES   how many dot products are computed at a time: as many as registers hold
 *   STEP_NEURONS, STEP_VECTORS    how many rows and vectors of a gradient are computed at a time
 */

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define LOCAL(name) PASTE(KERNEL, name)
#define INLINED static inline __attribute__((always_inline))

enum {
    LOCAL(lanes) = 64 / (int)sizeof(REAL), /* partial sums of a dot product */
    LOCAL(vectors) = LOCAL(lanes) / V_WIDTH
};
#define LANES LOCAL(lanes)
#define VECTORS LOCAL(vectors)

static void LOCAL(load)(void *input, const unsigned char *pixels, size_t count)
{
    static REAL value[256]; /* the same numbers whoever writes them */
    REAL *x = input;
    if (value[255] != (REAL)1)
        for (int byte = 0; byte < 256; byte++)
            value[byte] = (REAL)byte / (REAL)255;
    for (size_t i = 0; i < count; i++)
        x[i] = value[pixels[i]];
}

/*
 * exp(-z) is 2^n · exp(r) with n a whole number and |r| at most ln(2)/2, and exp(r) a polynomial. Adding and taking away
 * `magic` rounds to a whole number and leaves it in the lowest bits.
 */
INLINED REAL LOCAL(sigmoid)(REAL z)
{
#if IS_DOUBLE
    const REAL limit = 700.0, magic = 0x1.8p52, log2_e = 0x1.71547652b82fep0;
    const REAL ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
    static const REAL terms[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                                 1.0 / 40320,      1.0 / 5040,      1.0 / 720,      1.0 / 120,     1.0 / 24,
                                 1.0 / 6,          0.5};
    enum { SHIFT = 52, TERMS = 12 };
#else
    const REAL limit = 87.0f, magic = 0x1.8p23f, log2_e = 0x1.715476p0f;
    const REAL ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0106p-13f;
    static const REAL terms[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f};
    enum { SHIFT = 23, TERMS = 6 };
#endif
    REAL held = z < -limit ? -limit : z;
    held = held > limit ? limit : held;
    REAL shifted = held * -log2_e + magic;
    REAL n = shifted - magic;
    REAL r = -held - n * ln2_high;
    r = r - n * ln2_low;
    REAL polynomial = terms[0];
    for (int term = 1; term < TERMS; term++)
        polynomial = polynomial * r + terms[term];
    REAL power = polynomial * (r * r) + r + (REAL)1;
    BITS exponent, bits;
    memcpy(&exponent, &shifted, sizeof exponent);
    memcpy(&bits, &power, sizeof bits);
    bits += exponent << SHIFT;
    memcpy(&power, &bits, sizeof power);
    REAL output = (REAL)1 / ((REAL)1 + power);
    return z != z ? z : output;
}

/* The sums of `neurons` × `images` dot products of rows of weights and rows of inputs, both counts known when compiled. */
INLINED void LOCAL(dots)(const Layer *layer, size_t neuron, size_t image, const int neurons, const int images)
{
    const size_t count = layer->inputs, stride = layer->input_stride;
    const REAL *w = (const REAL *)layer->weights + neuron * count;
    const REAL *x = (const REAL *)layer->input + image * stride;
    const REAL *biases = (const REAL *)layer->biases + neuron;
    REAL *y = (REAL *)layer->output + image * layer->output_stride + neuron;
    V sums[DOT_NEURONS][DOT_IMAGES][VECTORS];
    size_t i = 0;

    for (int a = 0; a < neurons; a++)
        for (int b = 0; b < images; b++)
            for (int v = 0; v < VECTORS; v++)
                sums[a][b][v] = V_SET1((REAL)0);
    for (; i + LANES <= count; i += LANES)
#pragma GCC unroll 16
        for (int v = 0; v < VECTORS; v++) {
            V weights[DOT_NEURONS];
            for (int a = 0; a < neurons; a++)
                weights[a] = V_LOAD(w + (size_t)a * count + i + (size_t)v * V_WIDTH);
            for (int b = 0; b < images; b++) {
                V input = V_LOAD(x + (size_t)b * stride + i + (size_t)v * V_WIDTH);
                for (int a = 0; a < neurons; a++)
                    sums[a][b][v] = V_ADD(sums[a][b][v], V_MUL(weights[a], input));
            }
        }
    if (i < count) /* what is left of a row, as if zeros followed it */
        for (int a = 0; a < neurons; a++) {
            REAL rest[LANES] = {0};
            memcpy(rest, w + (size_t)a * count + i, (count - i) * sizeof(REAL));
            for (int b = 0; b < images; b++)
                for (int v = 0; v < VECTORS; v++)
                    sums[a][b][v] =
                        V_ADD(sums[a][b][v], V_MUL(V_LOAD(rest + (size_t)v * V_WIDTH),
                                                   V_LOAD(x + (size_t)b * stride + i + (size_t)v * V_WIDTH)));
        }
    for (int a = 0; a < neurons; a++)
        for (int b = 0; b < images; b++) {
            for (int half = VECTORS / 2; half > 0; half /= 2)
                for (int v = 0; v < half; v++)
                    sums[a][b][v] = V_ADD(sums[a][b][v], sums[a][b][v + half]);
            y[(size_t)b * layer->output_stride + (size_t)a] = biases[a] + V_SUM(sums[a][b][0]);
        }
}

static void LOCAL(forward)(const Layer *layer, size_t images)
{
    size_t neuron = 0;
    for (; neuron + DOT_NEURONS <= layer->neurons; neuron += DOT_NEURONS) {
        size_t image = 0;
        for (; image + DOT_IMAGES <= images; image += DOT_IMAGES)
            LOCAL(dots)(layer, neuron, image, DOT_NEURONS, DOT_IMAGES);
        for (; image < images; image++)
            LOCAL(dots)(layer, neuron, image, DOT_NEURONS, 1);
    }
    for (; neuron < layer->neurons; neuron++) {
        size_t image = 0;
        for (; image + DOT_IMAGES <= images; image += DOT_IMAGES)
            LOCAL(dots)(layer, neuron, image, 1, DOT_IMAGES);
        for (; image < images; image++)
            LOCAL(dots)(layer, neuron, image, 1, 1);
    }
    for (size_t image = 0; image < images; image++) {
        REAL *y = (REAL *)layer->output + image * layer->output_stride;
        for (size_t i = 0; i < layer->neurons; i++)
            y[i] = LOCAL(sigmoid)(y[i]);
    }
}

/* A delta that no parameter could tell from 0 is 0. */
INLINED REAL LOCAL(told)(REAL delta)
{
#if IS_DOUBLE
    const REAL least = 0x1p-400;
#else
    const REAL least = 0x1p-58f;
#endif
    return delta < least && delta > -least ? (REAL)0 : delta;
}

static double LOCAL(output_delta)(const Layer *layer, const unsigned char *labels, size_t images, double loss)
{
    for (size_t image = 0; image < images; image++) {
        const REAL *output = (const REAL *)layer->output + image * layer->output_stride;
        REAL *delta = (REAL *)layer->delta + image * layer->output_stride;
        REAL own = (REAL)0;
        for (size_t i = 0; i < layer->neurons; i++) {
            REAL difference = output[i] - (i == labels[image] ? (REAL)1 : (REAL)0);
            own += (REAL)0.5 * difference * difference;
            delta[i] = LOCAL(told)(difference * output[i] * ((REAL)1 - output[i]));
        }
        loss += (double)own;
    }
    return loss;
}

/* Rows of weights are added up in vectors; `some` of the `width` numbers at hand are within the row. */
INLINED void LOCAL(back)(const Layer *layer, size_t image, size_t i, const int vectors, size_t some)
{
    const REAL *above = (const REAL *)layer->delta + image * layer->output_stride;
    const REAL *w = (const REAL *)layer->weights + i;
    REAL *below = (REAL *)layer->input_delta + image * layer->input_stride + i;
    V sums[STEP_VECTORS];
    for (int v = 0; v < vectors; v++)
        sums[v] = V_SET1((REAL)0);
    for (size_t neuron = 0; neuron < layer->neurons; neuron++, w += layer->inputs) {
        V delta = V_SET1(above[neuron]);
        REAL rest[V_WIDTH * STEP_VECTORS] = {0};
        const REAL *row = w;
        if (some < (size_t)(vectors * V_WIDTH)) {
            memcpy(rest, w, some * sizeof(REAL));
            row = rest;
        }
        for (int v = 0; v < vectors; v++)
            sums[v] = V_ADD(sums[v], V_MUL(delta, V_LOAD(row + (size_t)v * V_WIDTH)));
    }
    for (int v = 0; v < vectors; v++)
        V_STORE(below + (size_t)v * V_WIDTH, sums[v]);
}

static void LOCAL(hidden_delta)(const Layer *layer, size_t images)
{
    const size_t wide = (size_t)STEP_VECTORS * V_WIDTH;
    for (size_t image = 0; image < images; image++) {
        size_t i = 0;
        for (; i + wide <= layer->inputs; i += wide)
            LOCAL(back)(layer, image, i, STEP_VECTORS, wide);
        for (; i + V_WIDTH <= layer->inputs; i += V_WIDTH)
            LOCAL(back)(layer, image, i, 1, V_WIDTH);
        if (i < layer->inputs)
            LOCAL(back)(layer, image, i, 1, layer->inputs - i);
        const REAL *output = (const REAL *)layer->input + image * layer->input_stride;
        REAL *delta = (REAL *)layer->input_delta + image * layer->input_stride;
        for (i = 0; i < layer->inputs; i++)
            delta[i] = LOCAL(told)(delta[i] * (output[i] * ((REAL)1 - output[i])));
    }
}

/*
 * A piece of the gradient, `neurons` rows of `vectors` vectors of which `some` numbers are within the row: added to the
 * gradient so far (`gathered`) or taken as a step at once.
 */
INLINED void LOCAL(piece)(const Layer *layer, size_t images, REAL scale, const bool gathered, size_t neuron, size_t i,
                          const int neurons, const int vectors, size_t some)
{
    REAL *to = (REAL *)(gathered ? layer->weight_gradient : layer->weights) + neuron * layer->inputs + i;
    const REAL *x = (const REAL *)layer->input + i;
    const REAL *delta = (const REAL *)layer->delta + neuron;
    const bool cut = some < (size_t)(vectors * V_WIDTH);
    REAL rest[STEP_NEURONS][STEP_VECTORS * V_WIDTH] = {{0}};
    V sums[STEP_NEURONS][STEP_VECTORS];

    for (int a = 0; a < neurons; a++) {
        if (cut)
            memcpy(rest[a], to + (size_t)a * layer->inputs, some * sizeof(REAL));
        for (int v = 0; v < vectors; v++)
            sums[a][v] = !gathered ? V_SET1((REAL)0)
                                   : V_LOAD((cut ? rest[a] : to + (size_t)a * layer->inputs) + (size_t)v * V_WIDTH);
    }
    for (size_t image = 0; image < images; image++, x += layer->input_stride, delta += layer->output_stride) {
        V inputs[STEP_VECTORS];
        for (int v = 0; v < vectors; v++)
            inputs[v] = V_LOAD(x + (size_t)v * V_WIDTH);
        for (int a = 0; a < neurons; a++) {
            V factor = V_SET1(delta[a]);
            for (int v = 0; v < vectors; v++)
                sums[a][v] = V_ADD(sums[a][v], V_MUL(factor, inputs[v]));
        }
    }
    V scales = V_SET1(scale);
    for (int a = 0; a < neurons; a++) {
        REAL *row = cut ? rest[a] : to + (size_t)a * layer->inputs;
        for (int v = 0; v < vectors; v++) {
            REAL *at = row + (size_t)v * V_WIDTH;
            V_STORE(at, gathered ? sums[a][v] : V_ADD(V_LOAD(at), V_MUL(scales, sums[a][v])));
        }
        if (cut)
            memcpy(to + (size_t)a * layer->inputs, rest[a], some * sizeof(REAL));
    }
}

INLINED void LOCAL(rows)(const Layer *layer, size_t images, REAL scale, const bool gathered, size_t neuron,
                         const int neurons)
{
    const size_t wide = (size_t)STEP_VECTORS * V_WIDTH;
    size_t i = 0;
    for (; i + wide <= layer->inputs; i += wide)
        LOCAL(piece)(layer, images, scale, gathered, neuron, i, neurons, STEP_VECTORS, wide);
    for (; i + V_WIDTH <= layer->inputs; i += V_WIDTH)
        LOCAL(piece)(layer, images, scale, gathered, neuron, i, neurons, 1, V_WIDTH);
    if (i < layer->inputs)
        LOCAL(piece)(layer, images, scale, gathered, neuron, i, neurons, 1, layer->inputs - i);
}

INLINED void LOCAL(layer_gradient)(const Layer *layer, size_t images, REAL scale, const bool gathered)
{
    REAL *biases = gathered ? layer->bias_gradient : layer->biases;
    size_t neuron = 0;
    for (; neuron + STEP_NEURONS <= layer->neurons; neuron += STEP_NEURONS)
        LOCAL(rows)(layer, images, scale, gathered, neuron, STEP_NEURONS);
    for (; neuron < layer->neurons; neuron++)
        LOCAL(rows)(layer, images, scale, gathered, neuron, 1);
    for (neuron = 0; neuron < layer->neurons; neuron++) {
        REAL sum = gathered ? biases[neuron] : (REAL)0;
        for (size_t image = 0; image < images; image++)
            sum += ((const REAL *)layer->delta)[image * layer->output_stride + neuron];
        biases[neuron] = gathered ? sum : biases[neuron] + scale * sum;
    }
}

static void LOCAL(step)(const Layer *layer, size_t images, double scale)
{
    LOCAL(layer_gradient)(layer, images, (REAL)scale, false);
}

static void LOCAL(gather)(const Layer *layer, size_t images)
{
    LOCAL(layer_gradient)(layer, images, (REAL)0, true);
}

static void LOCAL(move)(void *parameters, const void *gradient, size_t count, double scale)
{
    const REAL *g = gradient;
    REAL *p = parameters, factor = (REAL)scale;
    size_t i = 0;
    for (; i + V_WIDTH <= count; i += V_WIDTH)
        V_STORE(p + i, V_ADD(V_LOAD(p + i), V_MUL(V_SET1(factor), V_LOAD(g + i))));
    for (; i < count; i++)
        p[i] += factor * g[i];
}

const Kernel KERNEL = {
    .name = KERNEL_NAME,
    .precision = IS_DOUBLE ? FLOAT64 : FLOAT32,
    .load = LOCAL(load),
    .forward = LOCAL(forward),
    .output_delta = LOCAL(output_delta),
    .hidden_delta = LOCAL(hidden_delta),
    .step = LOCAL(step),
    .gather = LOCAL(gather),
    .move = LOCAL(move),
};

#undef PASTE_
#undef PASTE
#undef LOCAL
#undef INLINED
#undef LANES
#undef VECTORS
#undef REAL
#undef BITS
#undef IS_DOUBLE
#undef KERNEL
#undef V
#undef V_WIDTH
#undef V_LOAD
#undef V_STORE
#undef V_ADD
#undef V_MUL
#undef V_SET1
#undef V_SUM
#undef DOT_NEURONS
#undef DOT_IMAGES
#undef STEP_NEURONS
#undef STEP_VECTORS
