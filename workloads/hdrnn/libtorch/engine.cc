/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace {

/* The layers' parameters are the network's own memory: what a step moves is moved there. */
struct Trainer {
    explicit Trainer(Network *network)
        : type(network->precision == FLOAT32 ? torch::kFloat32 : torch::kFloat64),
          wanted(torch::eye(DIGITS, torch::TensorOptions(type)))
    {
        at::set_num_threads(1);
        for (unsigned l = 0; l < network->layers; l++) {
            auto inputs = static_cast<int64_t>(network->sizes[l]);
            auto neurons = static_cast<int64_t>(network->sizes[l + 1]);
            torch::nn::Linear linear(inputs, neurons);
            linear->to(type);
            linear->weight.set_data(block(network, network_weights(network, l), {neurons, inputs}));
            linear->bias.set_data(block(network, network_biases(network, l), {neurons}));
            layers->push_back(linear);
            layers->push_back(torch::nn::Sigmoid());
        }
    }

    torch::Tensor block(Network *network, size_t first, at::IntArrayRef shape) const
    {
        char *memory = static_cast<char *>(network->parameters) + first * precision_size(network->precision);
        return torch::from_blob(memory, shape, torch::TensorOptions(type));
    }

    torch::Tensor inputs(const torch::Tensor &pixels) const
    {
        return pixels.to(type) / 255;
    }

    torch::ScalarType type;
    torch::Tensor wanted;
    torch::nn::Sequential layers;
};

Trainer *trainer(void *self)
{
    return static_cast<Trainer *>(self);
}

/* Runs `work`. Exceptions must not pass through C. */
template <typename Work> auto guarded(Work work)
{
    try {
        return work();
    } catch (const std::exception &) {
        std::fputs("hdrnn: LibTorch gave up (most likely there is not enough memory)\n", stderr);
        std::exit(1);
    }
}

torch::Tensor bytes(const unsigned char *first, at::IntArrayRef shape)
{
    return torch::from_blob(const_cast<unsigned char *>(first), shape, torch::kUInt8);
}

void *start(Network *network, size_t, const char *, Error *error)
{
    try {
        return new Trainer(network);
    } catch (const std::exception &) {
        fail(error, "LibTorch cannot take a network of %zu parameters", network->parameter_count);
        return nullptr;
    }
}

const char *kernel(const void *)
{
    return "LibTorch " TORCH_VERSION;
}

double epoch(void *self, const DigitSet *digits, const uint32_t *order, size_t batch_size, double rate)
{
    return guarded([&] {
        auto images = static_cast<int64_t>(digits->count);
        torch::Tensor pixels = bytes(digits->pixels, {images, PIXELS});
        torch::Tensor labels = bytes(digits->labels, {images}).to(torch::kInt64);
        torch::Tensor numbers = torch::empty({images}, torch::kInt64);
        std::copy_n(order, images, numbers.data_ptr<int64_t>());
        torch::optim::SGD optimizer(trainer(self)->layers->parameters(), torch::optim::SGDOptions(rate));
        double loss = 0.0;
        for (const torch::Tensor &batch : numbers.split(static_cast<int64_t>(batch_size))) {
            optimizer.zero_grad();
            torch::Tensor inputs = trainer(self)->inputs(pixels.index_select(0, batch));
            torch::Tensor outputs = trainer(self)->layers->forward(inputs);
            torch::Tensor difference = outputs - trainer(self)->wanted.index_select(0, labels.index_select(0, batch));
            torch::Tensor mean_loss = 0.5 * difference.square().sum() / batch.size(0);
            mean_loss.backward();
            optimizer.step();
            loss += mean_loss.item<double>() * static_cast<double>(batch.size(0));
        }
        return loss / static_cast<double>(images);
    });
}

size_t right(void *self, const DigitSet *digits)
{
    return guarded([&] {
        enum { AT_ONCE = 1000 };
        torch::InferenceMode no_gradients;
        auto images = static_cast<int64_t>(digits->count);
        int64_t found = 0;
        for (int64_t first = 0; first < images; first += AT_ONCE) {
            int64_t count = std::min<int64_t>(AT_ONCE, images - first);
            torch::Tensor pixels = bytes(digits->pixels + first * PIXELS, {count, PIXELS});
            torch::Tensor answers = trainer(self)->layers->forward(trainer(self)->inputs(pixels)).argmax(1);
            found += (answers == bytes(digits->labels + first, {count})).sum().item<int64_t>();
        }
        return static_cast<size_t>(found);
    });
}

void outputs(void *self, const unsigned char *pixels, double *numbers)
{
    guarded([&] {
        torch::InferenceMode no_gradients;
        torch::Tensor found = trainer(self)->layers->forward(trainer(self)->inputs(bytes(pixels, {1, PIXELS})));
        found = found.to(torch::kFloat64).contiguous();
        std::copy_n(found.data_ptr<double>(), found.numel(), numbers);
        return 0;
    });
}

void end(void *self)
{
    delete trainer(self);
}

} // namespace

const Engine libtorch_engine = {"hdrnn", nullptr, start, kernel, epoch, right, outputs, end};
