# SPDX-License-Identifier: Apache-2.0
"""Training in NumPy, image by image, as the study's NumPy program does it (after M. A. Nielsen): each image's gradient
is made on its own and added to its batch's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hdrnn.digits import DIGITS, DigitSet
from hdrnn.engine import inputs_of
from hdrnn.network import Floats, Layer, Network
from hdrnn.order import Numbers


class PerSampleEngine:
    """Every layer's outputs for an image are a column, (neurons, 1)."""

    kernel = "per-sample"

    def __init__(self, network: Network, batch_size: int) -> None:
        dtype = network.parameters.dtype
        self._layers: list[Layer] = [(weights, biases[:, None]) for weights, biases in network.layers()]
        self._dtype = dtype
        self._wanted = np.eye(DIGITS, dtype=dtype)

    def epoch(self, digits: DigitSet, order: Numbers, batch_size: int, rate: float) -> float:
        """See :class:`hdrnn.engine.Engine`."""
        loss = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(order), batch_size):
                batch = order[first : first + batch_size]
                gradient = [(np.zeros_like(weights), np.zeros_like(biases)) for weights, biases in self._layers]
                for image in batch:
                    image_loss, image_gradient = self._backward(digits.pixels[image], int(digits.labels[image]))
                    loss += image_loss
                    gradient = [
                        (weights + more_weights, biases + more_biases)
                        for (weights, biases), (more_weights, more_biases) in zip(gradient, image_gradient, strict=True)
                    ]
                scale = self._dtype.type(rate / len(batch))
                for (weights, biases), (weight_gradient, bias_gradient) in zip(self._layers, gradient, strict=True):
                    weights -= scale * weight_gradient
                    biases -= scale * bias_gradient
        return loss / len(order)

    def right(self, digits: DigitSet) -> int:
        """See :class:`hdrnn.engine.Engine`."""
        with np.errstate(over="ignore", invalid="ignore"):
            answers = [int(self._forward(pixels)[-1].argmax()) for pixels in digits.pixels]
        return int(np.count_nonzero(answers == digits.labels))

    def outputs(self, pixels: NDArray[np.uint8]) -> Floats:
        """See :class:`hdrnn.engine.Engine`."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._forward(pixels)[-1][:, 0]

    def _forward(self, pixels: NDArray[np.uint8]) -> list[Floats]:
        """The inputs, and every layer's outputs."""
        outputs = [inputs_of(pixels, self._dtype)[:, None]]
        for weights, biases in self._layers:
            sums = weights @ outputs[-1] + biases
            outputs.append(1 / (1 + np.exp(-sums)))
        return outputs

    def _backward(self, pixels: NDArray[np.uint8], label: int) -> tuple[float, list[Layer]]:
        """One image's loss and its gradient, layer by layer."""
        outputs = self._forward(pixels)
        difference = outputs[-1] - self._wanted[label][:, None]
        loss = 0.5 * float(np.vdot(difference, difference))
        delta = difference * outputs[-1] * (1 - outputs[-1])
        gradient: list[Layer] = [(delta @ outputs[-2].T, delta)]
        for layer in range(len(self._layers) - 1, 0, -1):
            delta = (self._layers[layer][0].T @ delta) * outputs[layer] * (1 - outputs[layer])
            gradient.insert(0, (delta @ outputs[layer - 1].T, delta))
        return loss, gradient
