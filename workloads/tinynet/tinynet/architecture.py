# SPDX-License-Identifier: Apache-2.0
"""Networks from a line of words: ``maxpool2 flatten dense32 relu dense10 softmax``.

======================  ================================================================================
``dense32``             every output from every input, 32 outputs
``conv8x3``             8 filters of 3 × 3; ``conv8x3s2`` with stride 2; ``conv8x3same`` padded to the same size
``maxpool2 avgpool2``   the largest or the mean of each 2 × 2
``flatten``             row by row, channels last
``relu tanh sigmoid``   one value each
``softmax``             at the end only
======================  ================================================================================
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError
from tinynet.network import Function, InputScale, Layer, Network
from tinynet.windows import window_count

_FUNCTIONS = ("relu", "tanh", "sigmoid", "softmax")
_DENSE = re.compile(r"dense([0-9]{1,6})")
_CONVOLUTION = re.compile(r"conv([0-9]{1,5})x([0-9]{1,3})(?:s([0-9]{1,3}))?(same)?")
_POOLING = re.compile(r"(max|avg)pool([0-9]{1,3})")


def create_network(words: str, input_shape: Sequence[int], scale: InputScale, seed: int) -> Network:
    """A network with initial weights drawn from the seed: Glorot's uniform distribution, as Keras does; no bias.

    ``input_shape`` of images is (height, width, channels), or (height, width) of grey ones. Raises
    :class:`TinynetError` for words that are none, and for layers that cannot follow each other.
    """
    shape = as_layers_see_it(input_shape)
    network = Network(shape, scale, ())
    generator = np.random.Generator(np.random.PCG64(seed))
    layers = []
    for position, word in enumerate(words.split()):
        layer = _layer(word, position, shape, generator)
        shape = output_shape(layer, shape)
        layers.append(layer)
    if not layers:
        raise TinynetError("no layers")
    network = Network(network.input_shape, scale, tuple(layers))
    check(network)
    return network


def as_layers_see_it(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one example: grey images, (height, width), get their one channel."""
    return (*shape, 1) if len(shape) == 2 else tuple(shape)


def output_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """What a layer makes of one example of that shape. Raises :class:`TinynetError` if it cannot take it."""
    if layer.kind == "activation":
        return shape
    if layer.kind == "flatten":
        return (math.prod(shape),)
    if layer.kind == "dense":
        assert layer.weights is not None
        if len(shape) != 1:
            raise TinynetError(f"{layer.name}: comes after an output of shape {shape}; put flatten before it")
        if shape != layer.weights.shape[1:]:
            raise TinynetError(f"{layer.name}: has weights for {layer.weights.shape[1]} inputs, gets {shape[0]}")
        return layer.weights.shape[:1]
    if len(shape) != 3:
        raise TinynetError(f"{layer.name}: needs an input of height, width and channels, gets shape {shape}")
    height, width, channels = shape
    sides = tuple(window_count(side, layer.size, layer.stride, layer.padding) for side in (height, width))
    if min(sides) < 1:
        raise TinynetError(f"{layer.name}: its window of {layer.size} is larger than its input, {height} × {width}")
    if layer.kind != "conv2d":
        return (*sides, channels)
    assert layer.weights is not None
    if layer.weights.shape[3] != channels:
        raise TinynetError(f"{layer.name}: has weights for {layer.weights.shape[3]} channels, gets {channels}")
    return (*sides, layer.weights.shape[0])


def shapes(network: Network) -> list[tuple[int, ...]]:
    """The input's shape and each layer's output's. Raises :class:`TinynetError` where layers do not fit."""
    found = [network.input_shape]
    for layer in network.layers:
        found.append(output_shape(layer, found[-1]))
    return found


def parameter_count(network: Network) -> int:
    """Weights and biases."""
    return sum(0 if array is None else array.size for layer in network.layers for array in (layer.weights, layer.bias))


def multiply_accumulates(network: Network) -> int:
    """Multiplications of weight and input that one inference makes, those with padding's zeros included."""
    total = 0
    for layer, shape in zip(network.layers, shapes(network)[1:], strict=True):
        if layer.weights is not None:
            places = math.prod(shape[:-1]) if layer.kind == "conv2d" else 1
            total += places * layer.weights.size
    return total


def check(network: Network) -> None:
    """Raises :class:`TinynetError` if layers do not fit each other, or softmax is not the last."""
    shapes(network)
    names = [layer.name for layer in network.layers]
    if len(set(names)) != len(names):
        raise TinynetError("two layers have the same name")
    if any(layer.function == "softmax" for layer in network.layers[:-1]):
        raise TinynetError("softmax can only be the last layer")


def words_of(network: Network) -> str:
    """The line of words that makes such a network."""
    return " ".join(_word(layer) for layer in network.layers)


def _word(layer: Layer) -> str:
    if layer.kind == "activation":
        assert layer.function is not None
        return layer.function
    if layer.kind == "flatten":
        return "flatten"
    if layer.kind in {"maxpool", "avgpool"}:
        return f"{layer.kind}{layer.size}"
    assert layer.weights is not None
    if layer.kind == "dense":
        return f"dense{len(layer.weights)}"
    stride = f"s{layer.stride}" if layer.stride != 1 else ""
    same = "same" if layer.padding == "same" else ""
    return f"conv{len(layer.weights)}x{layer.size}{stride}{same}"


def _layer(word: str, position: int, shape: tuple[int, ...], generator: np.random.Generator) -> Layer:
    name = f"{position}-{word}"
    if word in _FUNCTIONS:
        return Layer("activation", name, function=cast("Function", word))
    if word == "flatten":
        return Layer("flatten", name)
    if match := _DENSE.fullmatch(word):
        outputs = _positive(match[1], word)
        if len(shape) != 1:
            raise TinynetError(f"{name}: comes after an output of shape {shape}; put flatten before it")
        weights = _glorot(generator, (outputs, shape[0]), shape[0], outputs)
        return Layer("dense", name, weights, np.zeros(outputs, np.float32))
    if match := _CONVOLUTION.fullmatch(word):
        filters, size, stride = (_positive(text or "1", word) for text in match.group(1, 2, 3))
        if len(shape) != 3:
            raise TinynetError(f"{name}: needs an input of height, width and channels, gets shape {shape}")
        kernel = (filters, size, size, shape[2])
        weights = _glorot(generator, kernel, size * size * shape[2], size * size * filters)
        padding: Literal["valid", "same"] = "same" if match[4] else "valid"
        return Layer("conv2d", name, weights, np.zeros(filters, np.float32), size=size, stride=stride, padding=padding)
    if match := _POOLING.fullmatch(word):
        size = _positive(match[2], word)
        return Layer("maxpool" if match[1] == "max" else "avgpool", name, size=size, stride=size)
    raise TinynetError(
        f"layer {word!r}: expected dense32, conv8x3, maxpool2, avgpool2, flatten, relu, tanh, sigmoid or softmax"
    )


def _positive(text: str, word: str) -> int:
    if int(text) == 0:
        raise TinynetError(f"layer {word!r}: its numbers must be above zero")
    return int(text)


def _glorot(generator: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int) -> NDArray[np.float32]:
    limit = math.sqrt(6.0 / (inputs + outputs))
    return generator.uniform(-limit, limit, shape).astype(np.float32)
