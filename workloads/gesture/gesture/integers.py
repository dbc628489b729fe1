# SPDX-License-Identifier: Apache-2.0
"""The network in 8-bit integers, made by tinynet: what it takes in flash, and what it makes of inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gesture.errors import GestureError
from gesture.judging import Shares, integer_shares
from gesture.training import GestureData
from tinynet.network import Network
from tinynet.quantize import quantize
from tinynet.quantized import QuantizedNetwork, Scheme

SCHEMES: dict[str, Scheme] = {"int8": "per-channel", "int8_pow2": "pow2"}
"""Form → tinynet's scheme."""


def integer_network(network: Network, data: GestureData, form: str) -> QuantizedNetwork:
    """Calibrated on what it was trained on: the study's representative data set."""
    return quantize(centred(network), data.training.inputs, SCHEMES[form], "max")


def centred(network: Network) -> Network:
    """The same shares of the gestures, from outputs before softmax that add up to zero.

    Softmax does not see what all outputs have in common, so training lets it drift, and it may get a hundred times as
    large as the differences that count: 8 bits for both leave none for these. The mean of the last layer's weights and
    biases over its outputs is what they have in common; it is taken away.
    """
    *before, last, softmax = network.layers
    if last.weights is None or last.bias is None or softmax.function != "softmax":
        raise GestureError("only a network that ends in a dense layer and softmax can be centred")
    weights, bias = last.weights - last.weights.mean(axis=0), last.bias - last.bias.mean()
    return replace(network, layers=(*before, replace(last, weights=weights, bias=bias), softmax))


def constant_bytes(network: QuantizedNetwork) -> int:
    """Of weights, biases and multipliers as they lie in flash; no code, no alignment."""
    stored = ("weights", "bias", "multipliers", "shifts")
    arrays = [getattr(layer, name) for layer in network.layers for name in stored]
    return sum(array.nbytes for array in arrays if array is not None)


def integer_outputs(network: QuantizedNetwork, inputs: NDArray[np.uint8]) -> Shares:
    """Shares of one for each gesture."""
    return integer_shares(network, network.infer(network.quantize_input(inputs)))
