/* SPDX-License-Identifier: Apache-2.0 */
/* Mini-batch gradient descent as one writes it with LibTorch: layers, a loss, autograd, an optimiser. */
#ifndef HDRNN_LIBTORCH_ENGINE_H
#define HDRNN_LIBTORCH_ENGINE_H

#include "../c/engine.h"

extern const Engine libtorch_engine;

#endif
