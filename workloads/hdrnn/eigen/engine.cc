/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>

#include "trainer.h"

namespace {

using hdrnn::Trainer;

/* A trainer of either precision. */
struct Held {
    std::unique_ptr<Trainer<float>> in_float;
    std::unique_ptr<Trainer<double>> in_double;
};

Held *held(void *self)
{
    return static_cast<Held *>(self);
}

/* Runs `work`. Exceptions must not pass through C: no memory for a product's workspace ends the program. */
template <typename Work> auto guarded(Work work)
{
    try {
        return work();
    } catch (const std::bad_alloc &) {
        std::fputs("hdrnn: not enough memory\n", stderr);
        std::exit(1);
    }
}

void *start(Network *network, size_t batch_size, const char *, Error *error)
{
    try {
        auto made = std::make_unique<Held>();
        if (network->precision == FLOAT32)
            made->in_float = std::make_unique<Trainer<float>>(*network, batch_size);
        else
            made->in_double = std::make_unique<Trainer<double>>(*network, batch_size);
        return made.release();
    } catch (const std::bad_alloc &) {
        fail(error, "not enough memory to train %zu parameters", network->parameter_count);
        return nullptr;
    }
}

const char *kernel(const void *)
{
#if defined EIGEN_VECTORIZE_AVX512
    return "avx512";
#elif defined EIGEN_VECTORIZE_AVX2 && defined EIGEN_VECTORIZE_FMA
    return "avx2-fma";
#elif defined EIGEN_VECTORIZE_SSE
    return "sse";
#elif defined EIGEN_VECTORIZE_NEON
    return "neon";
#else
    return "scalar";
#endif
}

double epoch(void *self, const DigitSet *digits, const uint32_t *order, size_t, double rate)
{
    return guarded([&] {
        return held(self)->in_float ? held(self)->in_float->epoch(*digits, order, rate)
                                  : held(self)->in_double->epoch(*digits, order, rate);
    });
}

size_t right(void *self, const DigitSet *digits)
{
    return guarded([&] {
        return held(self)->in_float ? held(self)->in_float->right(*digits) : held(self)->in_double->right(*digits);
    });
}

void outputs(void *self, const unsigned char *pixels, double *numbers)
{
    guarded([&] {
        if (held(self)->in_float)
            held(self)->in_float->outputs(pixels, numbers);
        else
            held(self)->in_double->outputs(pixels, numbers);
        return 0;
    });
}

void end(void *self)
{
    delete held(self);
}

} // namespace

const Engine eigen_engine = {"hdrnn", nullptr, start, kernel, epoch, right, outputs, end};
