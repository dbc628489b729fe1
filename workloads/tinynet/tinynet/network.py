# SPDX-License-Identifier: Apache-2.0
"""A trained network in floating point: its layers, what they hold, and the file it lies in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["dense", "conv2d", "maxpool", "avgpool", "flatten", "activation"]
Function = Literal["relu", "tanh", "sigmoid", "softmax"]


@dataclass(frozen=True, slots=True)
class InputScale:
    """How a byte of the data becomes the network's input: ``(byte - offset) / divisor``."""

    offset: float
    divisor: float


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer. Images are (height, width, channels); flattening goes row by row, channels last, as in Keras.

    ``weights`` are (outputs, inputs) of a dense layer, (filters, height, width, channels) of a convolution; ``bias``
    has one value per output or filter. ``size``, ``stride`` and ``padding`` are those of a convolution or pooling;
    pooling that does not divide its input leaves the rest out (``valid``).
    """

    kind: Kind
    name: str
    weights: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    function: Function | None = None
    size: int = 0
    stride: int = 1
    padding: Literal["valid", "same"] = "valid"


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Layers one after the other. ``facts`` say where it comes from: seed, epochs, optimizer, data, accuracy, …"""

    input_shape: tuple[int, ...]
    scale: InputScale
    layers: tuple[Layer, ...]
    facts: dict[str, Any] = field(default_factory=dict)
