# SPDX-License-Identifier: Apache-2.0
"""What a network in floating point makes of inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tinynet.architecture import as_layers_see_it
from tinynet.data import Examples
from tinynet.errors import TinynetError
from tinynet.network import Network
from tinynet.passes import make_pass
from tinynet.scales import scaled

_AT_ONCE = 500
"""Examples that go through the layers together: enough for speed, little memory."""


def predict(network: Network, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The last layer's outputs, (examples, …). Raises :class:`TinynetError` if the inputs have another shape."""
    passes = [make_pass(layer) for layer in network.layers]
    parts = []
    for part in batches(network, inputs):
        for layer_pass in passes:
            part = layer_pass.forward(part)
        parts.append(part)
    return np.concatenate(parts)


def layer_outputs(network: Network, inputs: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """What every layer gives, first to last, the scaled inputs before them: one array each, (examples, …)."""
    passes = [make_pass(layer) for layer in network.layers]
    parts: list[list[NDArray[np.float32]]] = [[] for _ in range(len(passes) + 1)]
    for part in batches(network, inputs):
        parts[0].append(part)
        for layer_pass, kept in zip(passes, parts[1:], strict=True):
            part = layer_pass.forward(part)
            kept.append(part)
    return [np.concatenate(kept) for kept in parts]


def batches(network: Network, inputs: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """The scaled inputs, some at a time, in the shape that the first layer takes."""
    shape = as_layers_see_it(inputs.shape[1:])
    if shape != network.input_shape:
        raise TinynetError(f"the network takes inputs of shape {network.input_shape}, the data has {shape}")
    for begin in range(0, len(inputs), _AT_ONCE):
        part = scaled(network.scale, inputs[begin : begin + _AT_ONCE])
        yield part.reshape(len(part), *shape)


def choices(outputs: NDArray[np.float32]) -> NDArray[np.intp]:
    """The class of each example: the largest output, the first of equal ones."""
    return np.asarray(outputs.argmax(axis=-1))


def accuracy(network: Network, examples: Examples) -> float:
    """The share of examples that the network names rightly."""
    return float(np.mean(choices(predict(network, examples.inputs)) == examples.labels))
