# SPDX-License-Identifier: Apache-2.0
"""Training in NumPy, a whole batch at a time: the sums over images and inputs are BLAS's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hdrnn.digits import DIGITS, DigitSet
from hdrnn.engine import inputs_of
from hdrnn.network import Floats, Network, layers_of
from hdrnn.order import Numbers

_IMAGES_AT_ONCE = 256
"""So many images are turned from bytes into numbers at once; more would not stay in the caches."""


class BatchedEngine:
    """Every layer's outputs for a batch are one matrix, (images, neurons)."""

    kernel = "batched"

    def __init__(self, network: Network, batch_size: int) -> None:
        dtype = network.parameters.dtype
        self._network = network
        self._layers = list(network.layers())
        self._gradient = np.empty_like(network.parameters)
        self._gradients = list(layers_of(network.sizes, self._gradient))
        self._dtype = dtype
        self._wanted = np.eye(DIGITS, dtype=dtype)

    def epoch(self, digits: DigitSet, order: Numbers, batch_size: int, rate: float) -> float:
        """See :class:`hdrnn.engine.Engine`."""
        loss = 0.0
        room = self._room(batch_size)
        at_once = max(1, _IMAGES_AT_ONCE // batch_size) * batch_size
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(order), at_once):
                chosen = order[first : first + at_once]
                inputs = self._inputs(digits.pixels[chosen])
                wanted = self._wanted[digits.labels[chosen]]
                for begin in range(0, len(chosen), batch_size):
                    end = begin + batch_size
                    loss += self._step(inputs[begin:end], wanted[begin:end], rate, room)
        return loss / len(order)

    def right(self, digits: DigitSet) -> int:
        """See :class:`hdrnn.engine.Engine`."""
        found = 0
        for first in range(0, len(digits), _IMAGES_AT_ONCE):
            part = slice(first, first + _IMAGES_AT_ONCE)
            answers = self._forward(self._inputs(digits.pixels[part])).argmax(axis=1)
            found += int(np.count_nonzero(answers == digits.labels[part]))
        return found

    def outputs(self, pixels: NDArray[np.uint8]) -> Floats:
        """See :class:`hdrnn.engine.Engine`."""
        outputs: Floats = self._forward(self._inputs(pixels)[None])[0]
        return outputs

    def gradient(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Floats:
        """The gradient of the mean loss of some images, laid out like the parameters; the network stays as it is."""
        kept = self._network.parameters.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            self._step(self._inputs(pixels), self._wanted[labels], 1.0, self._room(len(labels)))
        self._network.parameters[:] = kept
        return self._gradient.copy()

    def _room(self, batch_size: int) -> list[Floats]:
        """Outputs of every layer for a batch, used again and again."""
        return [np.empty((batch_size, neurons), dtype=self._dtype) for neurons in self._network.sizes[1:]]

    def _inputs(self, pixels: NDArray[np.uint8]) -> Floats:
        return inputs_of(pixels, self._dtype)

    def _forward(self, inputs: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            for weights, biases in self._layers:
                inputs = inputs @ weights.T
                inputs += biases
                _sigmoid(inputs)
        return inputs

    def _step(self, inputs: Floats, wanted: Floats, rate: float, room: list[Floats]) -> float:
        """One batch; returns the sum of its images' losses."""
        count = len(inputs)
        outputs = [inputs]
        for (weights, biases), whole in zip(self._layers, room, strict=True):
            output = whole[:count]
            np.matmul(outputs[-1], weights.T, out=output)
            output += biases
            _sigmoid(output)
            outputs.append(output)

        # delta: of the loss, times rate / count, to the weighted sums of a layer. A sigmoid's derivative is
        # output · (1 − output).
        difference = outputs[-1] - wanted
        loss = 0.5 * float(np.vdot(difference, difference))
        delta = difference
        delta *= self._dtype.type(rate / count)
        delta *= outputs[-1]
        delta *= 1 - outputs[-1]
        for layer in range(len(self._layers) - 1, -1, -1):
            weight_gradient, bias_gradient = self._gradients[layer]
            np.matmul(delta.T, outputs[layer], out=weight_gradient)
            np.add.reduce(delta, axis=0, out=bias_gradient)
            if layer:
                delta = delta @ self._layers[layer][0]
                delta *= outputs[layer]
                delta *= 1 - outputs[layer]
        self._network.parameters[:] -= self._gradient
        return loss


def _sigmoid(sums: Floats) -> None:
    """1 / (1 + exp(−sum)), in place. exp may be infinite: then the outcome is 0, as it should be."""
    np.negative(sums, out=sums)
    np.exp(sums, out=sums)
    sums += 1
    np.reciprocal(sums, out=sums)
