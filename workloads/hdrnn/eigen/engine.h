/* SPDX-License-Identifier: Apache-2.0 */
/* Mini-batch gradient descent in Eigen's expressions. */
#ifndef HDRNN_EIGEN_ENGINE_H
#define HDRNN_EIGEN_ENGINE_H

#include "../c/engine.h"

extern const Engine eigen_engine;

#endif
