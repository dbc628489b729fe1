# SPDX-License-Identifier: Apache-2.0
"""How many bytes a network takes, in each of the forms that the microcontroller study compares."""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray

from tinynet.architecture import multiply_accumulates, parameter_count, shapes
from tinynet.layout_avr import pack, pack_sparse
from tinynet.network import Layer, Network
from tinynet.network_file import to_bytes
from tinynet.pruning import weight_count, zero_weights

_FLOAT = 4
_ADAM_VALUES = 3
"""Values that a Keras file of a model trained with Adam keeps for each parameter: itself and the two means."""
_BIAS = 4
"""Bytes of a bias on the microcontroller."""


def sizes(network: Network) -> dict[str, int]:
    """What a network takes, by name.

    ``float_bytes``: its parameters in binary32. ``file_bytes``: our file of it. ``deflated_bytes``: that, deflated.
    ``with_adam_bytes``: parameters and the optimizer's state, which a Keras file of a trained model holds.
    ``int8_bytes``: weights of a byte, biases of four. ``int8_text_bytes``: the same bytes as decimal numbers in a C
    header, as NNoM writes them. ``bitmap_bytes``: one bit for each weight says which are zero, the others follow.
    ``avr_dense_bytes``: as the AVR kernels take it. ``avr_sparse_bytes``: the same, each dense layer without its zeros
    where that takes less, as the exporter for AVRs chooses. ``activation_bytes``: the input, and the two buffers
    between which the layers of the generated C work, of a byte a value.
    """
    parameters = parameter_count(network)
    contents = to_bytes(network)
    integers = [as_bytes(layer) for layer in network.layers if layer.weights is not None]
    return {
        "parameters": parameters,
        "weights": weight_count(network),
        "zero_weights": zero_weights(network),
        "macs": multiply_accumulates(network),
        "float_bytes": _FLOAT * parameters,
        "file_bytes": len(contents),
        "deflated_bytes": len(zlib.compress(contents, 9)),
        "with_adam_bytes": _FLOAT * _ADAM_VALUES * parameters,
        "int8_bytes": int8_bytes(network),
        "int8_text_bytes": sum(len(text_of(array)) for pair in integers for array in pair),
        "bitmap_bytes": sum(bitmap_bytes(weights) + _BIAS * bias.size for weights, bias in integers),
        "avr_dense_bytes": sum(avr_bytes(weights)[0] for weights, _ in integers),
        "avr_sparse_bytes": sum(min(avr_bytes(weights)) for weights, _ in integers),
        "activation_bytes": activation_bytes(network),
    }


def int8_bytes(network: Network) -> int:
    """Weights of a byte and biases of four: what they take in a microcontroller's flash."""
    return sum(
        layer.weights.size + _BIAS * layer.bias.size
        for layer in network.layers
        if layer.weights is not None and layer.bias is not None
    )


def activation_bytes(network: Network) -> int:
    """The input and two buffers that layers write in turn, a byte a value; flattening and functions work in place."""
    moving = [
        math.prod(shape)
        for layer, shape in zip(network.layers, shapes(network)[1:], strict=True)
        if layer.kind not in {"flatten", "activation"}
    ]
    return math.prod(network.input_shape) + sum(max(moving[first:-1:2], default=0) for first in (0, 1))


def as_bytes(layer: Layer) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Weights and bias as signed bytes, each scaled by the largest power of two that keeps it within ±127.

    For sizes only: what is computed with is made in :mod:`tinynet.quantize`.
    """
    assert layer.weights is not None
    assert layer.bias is not None
    first, second = (_power_of_two_bytes(array) for array in (layer.weights, layer.bias))
    return first, second


def text_of(array: NDArray[np.int8]) -> str:
    """``{-6, 0, 12}``."""
    return "{" + ", ".join(map(str, array.ravel().tolist())) + "}"


def bitmap_bytes(weights: NDArray[np.int8]) -> int:
    """A bit for each weight, a byte for each that is not zero."""
    return -(-weights.size // 8) + int(np.count_nonzero(weights))


def avr_bytes(weights: NDArray[np.int8]) -> tuple[int, int]:
    """Flash that a layer takes in the layouts of the AVR kernels: with all its weights, and without its zeros.

    Where the second layout cannot hold it (and of convolutions, which have the first only) both are the first.
    """
    rows = weights.reshape(len(weights), -1)
    bias = np.zeros(len(rows), np.int32)
    dense = len(pack(rows, bias, None))
    sparse = pack_sparse(rows, bias, None) if weights.ndim == 2 else None
    return dense, dense if sparse is None else len(sparse)


def _power_of_two_bytes(array: NDArray[np.float32]) -> NDArray[np.int8]:
    largest = float(np.abs(array).max())
    exponent = math.floor(math.log2(127 / largest)) if largest > 0 else 0
    return np.rint(array.astype(np.float64) * 2.0**exponent).astype(np.int8)
