# SPDX-License-Identifier: Apache-2.0
"""The forms a trained network can be stored in, what each takes, and what it still knows.

``float32``: as trained. ``float16``: weights and biases in binary16, computed in binary32. ``dynamic``: weights in
bytes with one step for each output, biases and arithmetic in binary32. ``int8``: everything in integers
(:mod:`tinynet.quantize`). The first three follow TFLite's forms of the same names, in our own files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tinynet.array_file import file_bytes
from tinynet.errors import TinynetError
from tinynet.network import Network
from tinynet.network_file import header_of, to_bytes
from tinynet.quantized import QuantizedNetwork

Form = Literal["float32", "float16", "dynamic", "int8"]
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True, slots=True)
class FormSize:
    """What a form takes: ``parameter_bytes`` without any frame, ``file_bytes`` as a file with names and shapes."""

    form: Form
    parameter_bytes: int
    file_bytes: int


def form_sizes(network: Network, quantized: QuantizedNetwork) -> tuple[FormSize, ...]:
    """The sizes of the four forms; ``quantized`` is the last of them."""
    sizes = []
    for form in ("float32", "float16", "dynamic"):
        arrays = stored_arrays(network, form)
        whole = to_bytes(network) if form == "float32" else file_bytes(header_of(network, f"tinynet.{form}/1"), arrays)
        sizes.append(FormSize(form, sum(array.nbytes for array in arrays.values()), len(whole)))
    constants = sum(
        array.nbytes
        for layer in quantized.layers
        for array in (layer.weights, layer.bias, layer.multipliers, layer.shifts, layer.table)
        if array is not None
    )
    return (*sizes, FormSize("int8", constants, len(quantized.to_bytes())))


def in_form(network: Network, form: Form) -> Network:
    """The network with the parameters that are left after being stored as ``float16`` or ``dynamic``.

    Raises TinynetError for ``int8``, which is no network in floating point, and for weights beyond binary16's range.
    """
    if form == "float32":
        return network
    if form == "int8":
        raise TinynetError("int8 computes in integers; use tinynet.quantize")
    arrays = stored_arrays(network, form)
    layers = []
    for index, layer in enumerate(network.layers):
        if layer.weights is not None and layer.bias is not None:
            weights = arrays[f"{index:02d}.weights"].astype(np.float32)
            if form == "dynamic":
                weights *= arrays[f"{index:02d}.steps"].reshape(-1, *[1] * (weights.ndim - 1))
            layer = replace(layer, weights=weights, bias=arrays[f"{index:02d}.bias"].astype(np.float32))
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def stored_arrays(network: Network, form: Form) -> dict[str, NDArray[Any]]:
    """The arrays that the file of a form holds, by name."""
    arrays: dict[str, NDArray[Any]] = {}
    for index, layer in enumerate(network.layers):
        if layer.weights is None or layer.bias is None:
            continue
        weights, bias = f"{index:02d}.weights", f"{index:02d}.bias"
        if form == "float16":
            with np.errstate(over="ignore"):
                arrays[weights], arrays[bias] = layer.weights.astype("<f2"), layer.bias.astype("<f2")
            if not (np.isfinite(arrays[weights]).all() and np.isfinite(arrays[bias]).all()):
                raise TinynetError(f"{layer.name} has values beyond 65504, the largest of binary16")
            continue
        arrays[weights], arrays[bias] = layer.weights.astype("<f4"), layer.bias.astype("<f4")
        if form == "dynamic":
            largest = np.abs(layer.weights.reshape(len(layer.weights), -1)).max(axis=1)
            steps = np.where(largest > 0, largest / 127, 1).astype("<f4")
            scaled = layer.weights / steps.reshape(-1, *[1] * (layer.weights.ndim - 1))
            arrays[weights] = np.clip(np.floor(scaled + 0.5), -127, 127).astype(np.int8)
            arrays[f"{index:02d}.steps"] = steps
    return arrays
