# SPDX-License-Identifier: Apache-2.0
"""A fully connected network: its shape and its parameters, in one vector laid out as in a network file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_LAYERS, MOST_NEURONS = 16, 65536
Floats = NDArray[np.floating[Any]]
Layer = tuple[Floats, Floats]
"""Weights, shape (neurons, inputs), and biases, shape (neurons,)."""


def parameter_count(sizes: tuple[int, ...]) -> int:
    """Of a network with ``sizes[0]`` inputs and so many neurons in each layer after."""
    return sum((inputs + 1) * neurons for inputs, neurons in pairwise(sizes))


@dataclass(frozen=True, slots=True)
class Network:
    """``sizes``: inputs, then the neurons of each layer. ``parameters``: float32 or float64; each layer's weights, one
    row per neuron, then its biases."""

    sizes: tuple[int, ...]
    parameters: Floats

    def layers(self) -> Iterator[Layer]:
        """Views into the parameters, layer by layer."""
        return layers_of(self.sizes, self.parameters)

    def as_type(self, dtype: np.dtype[Any]) -> Network:
        """The same in another precision, its parameters copied."""
        return Network(self.sizes, self.parameters.astype(dtype))


def layers_of(sizes: tuple[int, ...], block: Floats) -> Iterator[Layer]:
    """Views into a block that is laid out like a network's parameters."""
    at = 0
    for inputs, neurons in pairwise(sizes):
        weights = block[at : at + inputs * neurons].reshape(neurons, inputs)
        at += inputs * neurons
        yield weights, block[at : at + neurons]
        at += neurons
