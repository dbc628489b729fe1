/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training in Eigen's expressions, in float or double. Sums over inputs and images are taken by Eigen's matrix
 * products, in an order of their own, with fused multiply-adds where the instruction set has them: the weights agree
 * with those of the other programs up to rounding.
 */
#ifndef HDRNN_EIGEN_TRAINER_H
#define HDRNN_EIGEN_TRAINER_H

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../c/digits.h"
#include "../c/network.h"

namespace hdrnn {

template <typename Scalar> class Trainer {
  public:
    /* A network file's rows are neurons; an image's numbers are a column, one image after the other. */
    using Weights = Eigen::Map<Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
    using Biases = Eigen::Map<Eigen::Matrix<Scalar, Eigen::Dynamic, 1>>;
    using Columns = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

    Trainer(const Network &network, std::size_t batch_size)
        : at_once_(static_cast<Eigen::Index>(std::clamp<std::size_t>(batch_size, LEAST_AT_ONCE, MOST_AT_ONCE))),
          batch_size_(static_cast<Eigen::Index>(batch_size))
    {
        auto *parameters = static_cast<Scalar *>(network.parameters);
        if (batch_size_ > at_once_)
            gradient_.setZero(static_cast<Eigen::Index>(network.parameter_count));
        inputs_.resize(static_cast<Eigen::Index>(network.sizes[0]), at_once_);
        parameter_count_ = static_cast<Eigen::Index>(network.parameter_count);
        parameters_ = parameters;
        Scalar *moved = gradient_.size() > 0 ? gradient_.data() : parameters;
        for (unsigned l = 0; l < network.layers; l++)
            layers_.emplace_back(network, l, parameters, moved, at_once_);
        for (int byte = 0; byte < 256; byte++)
            values_[byte] = static_cast<Scalar>(byte) / static_cast<Scalar>(255);
    }

    /* The mean loss of an epoch. */
    double epoch(const DigitSet &digits, const std::uint32_t *order, double rate)
    {
        double loss = 0.0;
        auto images = static_cast<Eigen::Index>(digits.count);
        for (Eigen::Index first = 0; first < images; first += batch_size_) {
            Eigen::Index batch = std::min(batch_size_, images - first);
            auto scale = static_cast<Scalar>(-rate / static_cast<double>(batch));
            for (Eigen::Index done = 0; done < batch; done += at_once_) {
                Eigen::Index count = std::min(at_once_, batch - done);
                for (Eigen::Index i = 0; i < count; i++) {
                    std::size_t image = order[first + done + i];
                    load(i, digits.pixels + image * PIXELS);
                    labels_[i] = digits.labels[image];
                }
                forward(count);
                loss += backward(count, scale);
            }
            if (gradient_.size() > 0) {
                Eigen::Map<Eigen::Array<Scalar, Eigen::Dynamic, 1>>(parameters_, parameter_count_) += gradient_;
                gradient_.setZero();
            }
        }
        return loss / static_cast<double>(images);
    }

    std::size_t right(const DigitSet &digits)
    {
        std::size_t found = 0;
        auto images = static_cast<Eigen::Index>(digits.count);
        for (Eigen::Index first = 0; first < images; first += at_once_) {
            Eigen::Index count = std::min(at_once_, images - first);
            for (Eigen::Index i = 0; i < count; i++)
                load(i, digits.pixels + static_cast<std::size_t>(first + i) * PIXELS);
            forward(count);
            for (Eigen::Index i = 0; i < count; i++) {
                const Scalar *outputs = layers_.back().output.col(i).data();
                auto best = std::max_element(outputs, outputs + DIGITS) - outputs;
                found += best == digits.labels[first + i];
            }
        }
        return found;
    }

    void outputs(const unsigned char *pixels, double *outputs)
    {
        load(0, pixels);
        forward(1);
        for (Eigen::Index i = 0; i < layers_.back().output.rows(); i++)
            outputs[i] = static_cast<double>(layers_.back().output(i, 0));
    }

  private:
    enum : std::size_t { LEAST_AT_ONCE = 10, MOST_AT_ONCE = 64 };

    /* `weights` and `biases` are used, `moved_weights` and `moved_biases` moved: the same, or the gradient's. */
    struct Layer {
        Layer(const Network &network, unsigned l, Scalar *used, Scalar *moved, Eigen::Index images)
            : weights(used + network_weights(&network, l), rows(network, l), columns(network, l)),
              moved_weights(moved + network_weights(&network, l), rows(network, l), columns(network, l)),
              biases(used + network_biases(&network, l), rows(network, l)),
              moved_biases(moved + network_biases(&network, l), rows(network, l)),
              output(rows(network, l), images), delta(rows(network, l), images)
        {
        }

        static Eigen::Index rows(const Network &network, unsigned l)
        {
            return static_cast<Eigen::Index>(network.sizes[l + 1]);
        }

        static Eigen::Index columns(const Network &network, unsigned l)
        {
            return static_cast<Eigen::Index>(network.sizes[l]);
        }

        Weights weights, moved_weights;
        Biases biases, moved_biases;
        Columns output, delta;
    };

    void load(Eigen::Index column, const unsigned char *pixels)
    {
        Scalar *input = inputs_.col(column).data();
        for (int i = 0; i < PIXELS; i++)
            input[i] = values_[pixels[i]];
    }

    void forward(Eigen::Index images)
    {
        const Columns *input = &inputs_;
        for (Layer &layer : layers_) {
            auto output = layer.output.leftCols(images);
            output.noalias() = layer.weights * input->leftCols(images);
            output.colwise() += layer.biases;
            output = (Scalar(1) + (-output.array()).exp()).inverse().matrix();
            input = &layer.output;
        }
    }

    /* Moves the parameters (or the gradient) by `scale` times the gradient of these images; returns their losses. */
    double backward(Eigen::Index images, Scalar scale)
    {
        Layer &last = layers_.back();
        auto delta = last.delta.leftCols(images);
        delta = last.output.leftCols(images);
        for (Eigen::Index i = 0; i < images; i++)
            delta(labels_[i], i) -= Scalar(1);
        double loss = 0.5 * static_cast<double>(delta.squaredNorm());
        auto outputs = last.output.leftCols(images).array();
        delta.array() *= scale * outputs * (Scalar(1) - outputs);

        for (std::size_t l = layers_.size(); l-- > 0;) {
            Layer &layer = layers_[l];
            auto own = layer.delta.leftCols(images);
            if (l > 0) {
                Layer &below = layers_[l - 1];
                auto output = below.output.leftCols(images).array();
                below.delta.leftCols(images).noalias() = layer.weights.transpose() * own;
                below.delta.leftCols(images).array() *= output * (Scalar(1) - output);
            }
            const Columns &input = l > 0 ? layers_[l - 1].output : inputs_;
            layer.moved_weights.noalias() += own * input.leftCols(images).transpose();
            layer.moved_biases += own.rowwise().sum();
        }
        return loss;
    }

    Eigen::Index at_once_, batch_size_, parameter_count_ = 0;
    Scalar *parameters_ = nullptr;
    Columns inputs_;
    std::vector<Layer> layers_;
    Eigen::Array<Scalar, Eigen::Dynamic, 1> gradient_; /* only of batches that are not taken at once */
    Scalar values_[256];
    unsigned char labels_[MOST_AT_ONCE];
};

} // namespace hdrnn

#endif
