# SPDX-License-Identifier: Apache-2.0
"""A network of 8-bit integers: its layers, its file, and what it gives for an input (see ``ARITHMETIC.md``)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinynet import bounds, reference
from tinynet.array_file import FORMAT_OF_QUANTIZED, file_bytes, read_arrays, write_arrays
from tinynet.errors import TinynetError
from tinynet.network import InputScale
from tinynet.quantized_layer import ARITHMETIC_FIELDS, ARRAYS, QuantizedLayer, check_layer, layer_header
from tinynet.shares import shares

Scheme = Literal["pow2", "per-channel"]

__all__ = ["QuantizedLayer", "QuantizedNetwork", "Scheme", "check"]


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """Layers of integers one after the other. Made by :func:`tinynet.quantize.quantize`, or loaded."""

    scheme: Scheme
    input_shape: tuple[int, ...]
    input_step: float
    input_scale: InputScale
    layers: tuple[QuantizedLayer, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self)

    @cached_property
    def proof(self) -> tuple[bounds.LayerProof, ...]:
        """The worst case of each layer; see :mod:`tinynet.bounds`."""
        return bounds.prove(self.layers)

    @cached_property
    def input_table(self) -> NDArray[np.int8]:
        """The signed byte for each byte of data, shape (256,)."""
        return self.quantize_values((np.arange(256) - self.input_scale.offset) / self.input_scale.divisor)

    @property
    def inputs(self) -> int:
        """Bytes of one input."""
        return math.prod(self.input_shape)

    @property
    def outputs(self) -> int:
        """Bytes of one output."""
        return self.layers[-1].outputs

    @property
    def output_step(self) -> float:
        """The real value of one unit of an output."""
        return self.layers[-1].output_step

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(part.size for layer in self.layers for part in (layer.weights, layer.bias) if part is not None)

    def quantize_values(self, values: ArrayLike) -> NDArray[np.int8]:
        """Real inputs (any shape) → signed bytes: divided by the input's step, rounded half up, clamped."""
        rounded = np.floor(np.asarray(values, dtype=np.float64) / self.input_step + 0.5)
        if not np.isfinite(rounded).all():
            raise TinynetError("an input is not a finite number")
        return np.asarray(np.clip(rounded, -128, 127).astype(np.int8))

    def quantize_input(self, data: NDArray[np.uint8]) -> NDArray[np.int8]:
        """Bytes of data (n, …) → signed bytes (n, …) of the same shape, by the input table."""
        if data.dtype != np.uint8:
            raise TinynetError(f"the data are {data.dtype}, not bytes")
        return np.asarray(self.input_table[data])

    def infer(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """Signed bytes (n, …) → the last layer's signed bytes (n, outputs). Bit-exact with the C code."""
        return reference.run(self.layers, self.input_shape, inputs)

    def infer_wrapping(self, inputs: NDArray[np.int8], bits: int) -> NDArray[np.int8]:
        """What :meth:`infer` would give were every sum kept in ``bits`` bits that wrap around: a fault, to look at."""
        return reference.run(self.layers, self.input_shape, inputs, wrapping_bits=bits)

    def classify(self, data: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Bytes of data (n, …) → the class named for each, shape (n,); of equal outputs the first."""
        return np.asarray(self.infer(self.quantize_input(data)).argmax(axis=1))

    def shares(self, outputs: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Softmax of outputs (n, outputs), as shares of 255; bit-exact with ``tn_shares``."""
        return shares(outputs, self.output_step)

    @cached_property
    def hash(self) -> bytes:
        """Eight bytes that say which arithmetic this is: the same network, however named or scaled in words."""
        digest = hashlib.sha256(b"tinynet.arithmetic/1")
        digest.update(repr(self.input_shape).encode() + self.input_table.tobytes())
        for layer in self.layers:
            digest.update(json.dumps({name: layer_header(layer)[name] for name in ARITHMETIC_FIELDS}).encode())
            for name in ARRAYS:
                value = getattr(layer, name)
                if value is not None:
                    digest.update(name.encode() + np.ascontiguousarray(value, ARRAYS[name]).tobytes())
        return digest.digest()[:8]

    def save(self, path: Path) -> None:
        """Write the file; the same network gives the same bytes. Raises TinynetError where it cannot be written."""
        write_arrays(path, *self._contents())

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        return file_bytes(*self._contents())

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        header = {
            "format": FORMAT_OF_QUANTIZED,
            "scheme": self.scheme,
            "input_shape": list(self.input_shape),
            "input_step": self.input_step,
            "input_scale": [self.input_scale.offset, self.input_scale.divisor],
            "layers": [layer_header(layer) for layer in self.layers],
            "facts": self.facts,
        }
        arrays: dict[str, NDArray[Any]] = {}
        for index, layer in enumerate(self.layers):
            for name, dtype in ARRAYS.items():
                value = getattr(layer, name)
                if value is not None:
                    arrays[f"{index:02d}.{name}"] = np.ascontiguousarray(value, dtype)
        return header, arrays

    @classmethod
    def load(cls, path: Path) -> QuantizedNetwork:
        """Read a file written by :meth:`save`; every part is checked, the widths are proved anew."""
        header, arrays = read_arrays(Path(path))
        if header.get("format") != FORMAT_OF_QUANTIZED:
            raise TinynetError(
                f"{path} is not a quantised network ({FORMAT_OF_QUANTIZED}); it says {header.get('format')!r}"
            )
        try:
            layers = tuple(_layer(index, item, arrays) for index, item in enumerate(header["layers"]))
            offset, divisor = header["input_scale"]
            scheme = header["scheme"]
            network = cls(
                scheme=scheme,
                input_shape=tuple(int(side) for side in header["input_shape"]),
                input_step=float(header["input_step"]),
                input_scale=InputScale(float(offset), float(divisor)),
                layers=layers,
                facts=dict(header["facts"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TinynetError(f"{path} is not a quantised network: {error}") from None
        except TinynetError as error:
            raise TinynetError(f"{path}: {error}") from None
        spare = set(arrays) - {f"{index:02d}.{name}" for index in range(len(layers)) for name in ARRAYS}
        if spare:
            raise TinynetError(f"{path} holds arrays that no layer uses: {', '.join(sorted(spare))}")
        return network


def _layer(index: int, item: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> QuantizedLayer:
    parts: dict[str, Any] = dict(item)
    for key in ("input_shape", "output_shape"):
        parts[key] = tuple(int(side) for side in parts[key])
    for name, dtype in ARRAYS.items():
        value = arrays.get(f"{index:02d}.{name}")
        if value is not None and value.dtype != dtype:
            raise TinynetError(f"{name} of layer {index} are {value.dtype}, not {dtype}")
        parts[name] = value
    return QuantizedLayer(**parts)


def check(network: QuantizedNetwork) -> None:
    """Everything the C code relies on. Raises TinynetError naming the layer."""
    if network.scheme not in get_args(Scheme):
        raise TinynetError(f"the scheme is {network.scheme!r}, not one of {', '.join(get_args(Scheme))}")
    if not network.layers:
        raise TinynetError("the network has no layers")
    if not (np.isfinite(network.input_step) and network.input_step > 0):
        raise TinynetError(f"the input's step is {network.input_step}, not a positive number")
    if network.input_scale.divisor == 0:
        raise TinynetError("the input scale divides by 0")
    if not network.input_shape or min(network.input_shape) < 1:
        raise TinynetError(f"the input's shape {network.input_shape} holds nothing")
    elements, shape = network.inputs, network.input_shape
    for index, layer in enumerate(network.layers):
        where = f"layer {index} ({layer.name})"
        if layer.inputs != elements or (layer.kind not in ("dense", "relu", "table") and layer.input_shape != shape):
            raise TinynetError(f"{where} takes {layer.input_shape}, but the layer before gives {shape}")
        check_layer(layer, where)
        elements, shape = layer.outputs, layer.output_shape
    for layer, proof in zip(network.layers, network.proof, strict=True):
        if layer.accumulator_bits < proof.accumulator_bits:
            raise TinynetError(
                f"layer {layer.name} counts in {layer.accumulator_bits} bits, but needs {proof.accumulator_bits}"
            )
