# SPDX-License-Identifier: Apache-2.0
"""Forward and backward through layers, for a batch of examples: (batch, …), binary32."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinynet.network import Layer
from tinynet.windows import padding_before, window_count, windows

Floats = NDArray[np.float32]


class Pass(Protocol):
    """One layer at work. ``backward`` belongs to the ``forward`` before it, and leaves the parameters' gradients."""

    def forward(self, inputs: Floats) -> Floats:
        """The layer's outputs."""
        ...

    def backward(self, gradient: Floats) -> Floats:
        """The loss's gradient by the inputs, from that by the outputs."""
        ...


class Parameters:
    """Arrays that a layer's pass works with: views of weights, bias and their gradients."""

    def __init__(self, weights: Floats, bias: Floats, weights_gradient: Floats, bias_gradient: Floats) -> None:
        self.weights = weights
        self.bias = bias
        self.weights_gradient = weights_gradient
        self.bias_gradient = bias_gradient


def make_pass(layer: Layer, parameters: Parameters | None = None, *, first: bool = False) -> Pass:
    """The pass of a layer; without ``parameters`` it works with the layer's own and keeps no gradients.

    ``first``: nothing before it wants the gradient by its inputs, which is then left out (an empty array).
    """
    if layer.weights is not None and parameters is None:
        assert layer.bias is not None
        parameters = Parameters(layer.weights, layer.bias, np.empty_like(layer.weights), np.empty_like(layer.bias))
    if layer.kind == "dense":
        assert parameters is not None
        return DensePass(parameters, first=first)
    if layer.kind == "conv2d":
        assert parameters is not None
        return ConvolutionPass(layer, parameters, first=first)
    if layer.kind == "maxpool":
        return MaxPoolPass(layer)
    if layer.kind == "avgpool":
        return AveragePoolPass(layer)
    if layer.kind == "flatten":
        return FlattenPass()
    functions: dict[str | None, Callable[[], Pass]] = {"relu": ReluPass, "tanh": TanhPass, "sigmoid": SigmoidPass}
    return functions.get(layer.function, SoftmaxPass)()


class DensePass:
    """``y = x Wᵀ + b``."""

    def __init__(self, parameters: Parameters, *, first: bool) -> None:
        self._parameters = parameters
        self._first = first
        self._inputs: Floats = np.empty((0, 0), np.float32)

    def forward(self, inputs: Floats) -> Floats:
        self._inputs = inputs
        outputs = inputs @ self._parameters.weights.T
        outputs += self._parameters.bias
        return outputs

    def backward(self, gradient: Floats) -> Floats:
        np.matmul(gradient.T, self._inputs, out=self._parameters.weights_gradient)
        gradient.sum(axis=0, out=self._parameters.bias_gradient)
        return np.empty(0, np.float32) if self._first else gradient @ self._parameters.weights


class ConvolutionPass:
    """Every filter at every place: the windows as rows of a matrix, times the filters."""

    def __init__(self, layer: Layer, parameters: Parameters, *, first: bool) -> None:
        self._layer = layer
        self._parameters = parameters
        self._first = first
        self._shape: tuple[int, ...] = ()
        self._rows: Floats = np.empty((0, 0), np.float32)

    def forward(self, inputs: Floats) -> Floats:
        layer = self._layer
        self._shape = inputs.shape
        seen = windows(inputs, layer.size, layer.stride, layer.padding)
        count, height, width = seen.shape[:3]
        self._rows = seen.reshape(count * height * width, -1)
        filters = self._parameters.weights.reshape(len(self._parameters.weights), -1)
        outputs = self._rows @ filters.T
        outputs += self._parameters.bias
        return outputs.reshape(count, height, width, -1)

    def backward(self, gradient: Floats) -> Floats:
        layer, (count, height, width, filters) = self._layer, gradient.shape
        rows = gradient.reshape(-1, filters)
        self._parameters.weights_gradient[:] = (rows.T @ self._rows).reshape(self._parameters.weights.shape)
        rows.sum(axis=0, out=self._parameters.bias_gradient)
        if self._first:
            return np.empty(0, np.float32)
        by_window = (rows @ self._parameters.weights.reshape(filters, -1)).reshape(
            count, height, width, layer.size, layer.size, -1
        )
        (top, bottom), (left, right) = (
            padding_before(side, layer.size, layer.stride, layer.padding) for side in self._shape[1:3]
        )
        _, rows_in, columns_in, channels = self._shape
        padded = np.zeros((count, top + rows_in + bottom, left + columns_in + right, channels), gradient.dtype)
        for i in range(layer.size):
            for j in range(layer.size):
                padded[_window_places(layer, i, j, height, width)] += by_window[:, :, :, i, j]
        return padded[:, top : top + rows_in, left : left + columns_in]


class MaxPoolPass:
    """The largest of each window; the gradient goes to the first of the largest."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._shape: tuple[int, ...] = ()
        self._winner: NDArray[np.intp] = np.empty(0, np.intp)

    def forward(self, inputs: Floats) -> Floats:
        layer, self._shape = self._layer, inputs.shape
        height, width = (window_count(side, layer.size, layer.stride, layer.padding) for side in inputs.shape[1:3])
        offsets = [(i, j) for i in range(layer.size) for j in range(layer.size)]
        best = inputs[_window_places(layer, 0, 0, height, width)].copy()
        self._winner = np.zeros(best.shape, np.intp)
        for number, (i, j) in enumerate(offsets[1:], start=1):
            candidate = inputs[_window_places(layer, i, j, height, width)]
            self._winner[candidate > best] = number
            np.maximum(best, candidate, out=best)
        return best

    def backward(self, gradient: Floats) -> Floats:
        height, width = gradient.shape[1:3]
        by_input = np.zeros(self._shape, gradient.dtype)
        for number in range(self._layer.size**2):
            places = _window_places(self._layer, *divmod(number, self._layer.size), height, width)
            by_input[places] += np.where(self._winner == number, gradient, np.float32(0))
        return by_input


class AveragePoolPass:
    """The mean of each window."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._shape: tuple[int, ...] = ()

    def forward(self, inputs: Floats) -> Floats:
        layer, self._shape = self._layer, inputs.shape
        height, width = (window_count(side, layer.size, layer.stride, layer.padding) for side in inputs.shape[1:3])
        total = np.zeros((len(inputs), height, width, inputs.shape[3]), inputs.dtype)
        for i in range(layer.size):
            for j in range(layer.size):
                total += inputs[_window_places(layer, i, j, height, width)]
        total *= np.float32(1 / layer.size**2)
        return total

    def backward(self, gradient: Floats) -> Floats:
        height, width = gradient.shape[1:3]
        by_input = np.zeros(self._shape, gradient.dtype)
        share = gradient * np.float32(1 / self._layer.size**2)
        for number in range(self._layer.size**2):
            by_input[_window_places(self._layer, *divmod(number, self._layer.size), height, width)] += share
        return by_input


class FlattenPass:
    """Row by row, channels last."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()

    def forward(self, inputs: Floats) -> Floats:
        self._shape = inputs.shape
        return inputs.reshape(len(inputs), math.prod(inputs.shape[1:]))

    def backward(self, gradient: Floats) -> Floats:
        return gradient.reshape(self._shape)


class ReluPass:
    """``max(x, 0)``."""

    def __init__(self) -> None:
        self._outputs: Floats = np.empty(0, np.float32)

    def forward(self, inputs: Floats) -> Floats:
        self._outputs = np.maximum(inputs, np.float32(0))
        return self._outputs

    def backward(self, gradient: Floats) -> Floats:
        return gradient * (self._outputs > 0)


class TanhPass:
    """Hyperbolic tangent."""

    def __init__(self) -> None:
        self._outputs: Floats = np.empty(0, np.float32)

    def forward(self, inputs: Floats) -> Floats:
        self._outputs = np.tanh(inputs)
        return self._outputs

    def backward(self, gradient: Floats) -> Floats:
        return gradient * (np.float32(1) - self._outputs * self._outputs)


class SigmoidPass:
    """``1 / (1 + exp(-x))``, by way of tanh, which cannot overflow."""

    def __init__(self) -> None:
        self._outputs: Floats = np.empty(0, np.float32)

    def forward(self, inputs: Floats) -> Floats:
        half = np.float32(0.5)
        self._outputs = np.tanh(inputs * half) * half + half
        return self._outputs

    def backward(self, gradient: Floats) -> Floats:
        return gradient * self._outputs * (np.float32(1) - self._outputs)


class SoftmaxPass:
    """``exp(x) / Σ exp(x)``."""

    def __init__(self) -> None:
        self._outputs: Floats = np.empty(0, np.float32)

    def forward(self, inputs: Floats) -> Floats:
        self._outputs = softmax(inputs)
        return self._outputs

    def backward(self, gradient: Floats) -> Floats:
        along = (gradient * self._outputs).sum(axis=-1, keepdims=True)
        by_input: Floats = self._outputs * (gradient - along)
        return by_input


def softmax(inputs: Floats) -> Floats:
    """Shares of one, over the last axis."""
    powers: Floats = np.exp(inputs - inputs.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _window_places(layer: Layer, i: int, j: int, height: int, width: int) -> tuple[slice, slice, slice]:
    """Where the element (i, j) of every window lies: an index into (batch, height, width, …)."""
    stride = layer.stride
    rows = slice(i, i + stride * (height - 1) + 1, stride)
    return slice(None), rows, slice(j, j + stride * (width - 1) + 1, stride)
