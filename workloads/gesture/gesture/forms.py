# SPDX-License-Identifier: Apache-2.0
"""The trained network in smaller forms, each a file that says everything needed to run it.

A file: ``GESTNET1``, then little endian u8 form, u8 layers, u16 zero; per layer u16 inputs, u16 outputs, u8 function
(0 none, 1 ReLU, 2 softmax), three zeros, f32 step of the weights, the weights (outputs, inputs), zeros up to a multiple
of four bytes, the biases (in ``float16`` as float16, with zeros behind them likewise; else as float32).

===========  ==========================================================================================
``float32``  as trained
``float16``  weights and biases rounded to binary16; sums in binary32
``dynamic``  weights as signed bytes times one step per layer; biases and sums in binary32
===========  ==========================================================================================

Fully integer networks are tinynet's (``NET.q.npz``).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gesture.errors import GestureError
from tinynet.network import Network

MAGIC = b"GESTNET1"
FORMS = ("float32", "float16", "dynamic")
_FUNCTIONS = (None, "relu", "softmax")
_HEAD = struct.Struct("<BBH")
_LAYER = struct.Struct("<HHB3xf")
_STORED: dict[str, tuple[str, str]] = {"float32": ("<f4", "<f4"), "float16": ("<f2", "<f2"), "dynamic": ("<i1", "<f4")}
"""Form → types of weights and of biases in the file."""
_MOST_LAYERS = 16


@dataclass(frozen=True, slots=True, eq=False)
class FormLayer:
    """``weights`` (outputs, inputs) as stored, times ``step``; ``bias`` (outputs,) as stored; what follows."""

    weights: NDArray[Any]
    bias: NDArray[Any]
    step: float
    function: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A network in one of :data:`FORMS`."""

    form: str
    layers: tuple[FormLayer, ...]

    @classmethod
    def of(cls, network: Network, form: str) -> Form:
        """Made of a trained network of dense layers. Raises :class:`GestureError` for another, or another form."""
        if form not in FORMS:
            raise GestureError(f"form {form!r}: expected one of {', '.join(FORMS)}")
        layers: list[FormLayer] = []
        for layer in network.layers:
            if layer.kind == "dense" and layer.weights is not None and layer.bias is not None:
                layers.append(_stored(layer.weights, layer.bias, form))
            elif layer.kind == "activation" and layer.function in _FUNCTIONS and layers and not layers[-1].function:
                last = layers.pop()
                layers.append(FormLayer(last.weights, last.bias, last.step, layer.function))
            else:
                raise GestureError(f"{layer.name}: only dense layers with relu or softmax have such forms")
        return cls(form, tuple(layers))

    def outputs(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """What it makes of inputs (n, …), between 0 and 1 (or centred): shares of the gestures, (n, gestures)."""
        values = inputs
        for layer in self.layers:
            weights = layer.weights.astype(np.float32)
            values = (values @ weights.T) * np.float32(layer.step) + layer.bias.astype(np.float32)
            if layer.function == "relu":
                values = np.maximum(values, np.float32(0))
            elif layer.function == "softmax":
                values = np.exp(values - values.max(axis=1, keepdims=True))
                values = values / values.sum(axis=1, keepdims=True)
        return values.astype(np.float32)

    def to_bytes(self) -> bytes:
        """The file."""
        weight_type, bias_type = _STORED[self.form]
        parts = [MAGIC, _HEAD.pack(FORMS.index(self.form), len(self.layers), 0)]
        for layer in self.layers:
            outputs, inputs = layer.weights.shape
            parts.append(_LAYER.pack(inputs, outputs, _FUNCTIONS.index(layer.function), layer.step))
            parts.append(_padded(layer.weights.astype(weight_type).tobytes()))
            parts.append(_padded(layer.bias.astype(bias_type).tobytes()))
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Form:
        """Read a file. Raises :class:`GestureError` if it is not one."""
        try:
            if data[:8] != MAGIC:
                raise GestureError("not a network's file of this kind")
            code, count, zero = _HEAD.unpack_from(data, 8)
            if code >= len(FORMS) or not 1 <= count <= _MOST_LAYERS or zero:
                raise GestureError("damaged: an unknown form")
            form, at, layers = FORMS[code], 8 + _HEAD.size, []
            for _ in range(count):
                layer, at = _read_layer(data, at, form)
                layers.append(layer)
        except (struct.error, ValueError, IndexError):
            raise GestureError("damaged: it ends early") from None
        if any(before.weights.shape[0] != after.weights.shape[1] for before, after in pairwise(layers)):
            raise GestureError("damaged: its layers do not fit each other")
        found = cls(form, tuple(layers))
        if found.to_bytes() != data:
            raise GestureError("damaged: something is where zeros belong, or behind its end")
        return found


def _stored(weights: NDArray[np.float32], bias: NDArray[np.float32], form: str) -> FormLayer:
    if form == "float32":
        return FormLayer(weights, bias, 1.0, None)
    if form == "float16":
        with np.errstate(over="ignore"):
            half = (weights.astype(np.float16), bias.astype(np.float16))
        if not all(np.isfinite(part).all() for part in half):
            raise GestureError("a weight is beyond the range of float16")
        return FormLayer(*half, 1.0, None)
    step = float(np.float32(max(float(np.abs(weights).max()), 1e-30) / 127))
    return FormLayer(np.clip(np.rint(weights / step), -127, 127).astype(np.int8), bias, step, None)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _read_layer(data: bytes, at: int, form: str) -> tuple[FormLayer, int]:
    inputs, outputs, function, step = _LAYER.unpack_from(data, at)
    at += _LAYER.size
    if not inputs or not outputs or not np.isfinite(step):
        raise GestureError("damaged: a layer of no size")
    arrays = []
    for stored, count in zip(_STORED[form], (inputs * outputs, outputs), strict=True):
        size = count * np.dtype(stored).itemsize
        array = np.frombuffer(data, stored, count, at)
        at += size + -size % 4
        if not np.isfinite(array).all():
            raise GestureError("damaged: holds values that are not finite")
        arrays.append(array)
    return FormLayer(arrays[0].reshape(outputs, inputs), arrays[1], step, _FUNCTIONS[function]), at
