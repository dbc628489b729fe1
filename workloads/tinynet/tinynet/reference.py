# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of ``ARITHMETIC.md`` in NumPy: what every C kernel is held to, byte for byte.

Sums run through matrix products in binary64. That is exact: a product of two bytes is an integer of at most 2^14, and
sums of integers below 2^53 have no rounding, in whatever order a BLAS library adds them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError
from tinynet.quantized_layer import QuantizedLayer
from tinynet.windows import windows

BATCH_BYTES = 1 << 25
"""Images are taken in lots, so that the windows of a convolution stay below about this many numbers."""


def run(
    layers: Sequence[QuantizedLayer],
    input_shape: tuple[int, ...],
    inputs: NDArray[np.int8],
    *,
    wrapping_bits: int = 64,
) -> NDArray[np.int8]:
    """Signed bytes (n, …) → the last layer's bytes (n, outputs). Raises TinynetError for inputs that do not fit.

    ``wrapping_bits`` below 64 computes what code would that keeps its sums, rounding terms included, in so few bits.
    """
    if inputs.dtype != np.int8:
        raise TinynetError(f"inputs are {inputs.dtype}, not signed bytes")
    elements = math.prod(input_shape)
    if inputs.ndim < 1 or inputs.size != inputs.shape[0] * elements:
        raise TinynetError(f"an input has {elements} bytes; these are {inputs.shape}")
    flat = inputs.reshape(inputs.shape[0], elements)
    lot = max(1, BATCH_BYTES // max(max(_numbers(layer) for layer in layers), elements))
    done = [_run(layers, flat[start : start + lot], wrapping_bits) for start in range(0, len(flat), lot)]
    return np.concatenate(done) if done else np.zeros((0, layers[-1].outputs), dtype=np.int8)


def _run(layers: Sequence[QuantizedLayer], flat: NDArray[np.int8], wrapping_bits: int) -> NDArray[np.int8]:
    for layer in layers:
        flat = run_layer(layer, flat, wrapping_bits=wrapping_bits)
    return flat


def _numbers(layer: QuantizedLayer) -> int:
    """Numbers a layer lays out for one input."""
    if layer.kind in ("conv2d", "maxpool", "avgpool"):
        return layer.output_shape[0] * layer.output_shape[1] * layer.size**2 * layer.input_shape[2]
    return layer.inputs


def run_layer(layer: QuantizedLayer, flat: NDArray[np.int8], *, wrapping_bits: int = 64) -> NDArray[np.int8]:
    """One layer: signed bytes (n, inputs) → signed bytes (n, outputs)."""
    if layer.kind == "relu":
        return np.maximum(flat, np.int8(0))
    if layer.kind == "table":
        assert layer.table is not None
        return np.asarray(layer.table[flat.astype(np.intp) + 128])
    if layer.kind == "maxpool":
        seen = windows(flat.reshape(-1, *layer.input_shape), layer.size, layer.stride, "valid")
        return np.asarray(seen.max(axis=(3, 4)).reshape(len(flat), -1))
    sums = accumulate(layer, flat)
    if wrapping_bits < 64:
        half, rounding = 1 << (wrapping_bits - 1), 0 if layer.shift is None else 1 << layer.shift >> 1
        sums = ((sums + rounding + half) & (2 * half - 1)) - half - rounding
    return output(layer, sums).reshape(len(flat), -1)


def accumulate(layer: QuantizedLayer, flat: NDArray[np.int8]) -> NDArray[np.int64]:
    """The accumulators of a dense layer, convolution or average pooling: (n, …, outputs or channels), with the bias."""
    if layer.kind == "dense":
        assert layer.weights is not None
        assert layer.bias is not None
        return _product(flat, layer.weights) + layer.bias
    seen = windows(flat.reshape(-1, *layer.input_shape), layer.size, layer.stride, layer.padding)
    if layer.kind == "avgpool":
        return np.asarray(seen.sum(axis=(3, 4), dtype=np.int64))
    assert layer.weights is not None
    assert layer.bias is not None
    filters = layer.weights.reshape(len(layer.weights), -1)
    rows = _product(np.ascontiguousarray(seen).reshape(-1, filters.shape[1]), filters)
    return rows.reshape(*seen.shape[:3], len(filters)) + layer.bias


def _product(inputs: NDArray[np.int8], weights: NDArray[np.int8]) -> NDArray[np.int64]:
    return np.asarray(np.rint(inputs.astype(np.float64) @ weights.astype(np.float64).T).astype(np.int64))


def before_clamp(layer: QuantizedLayer, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Accumulators (…, outputs) → outputs by shift or multiplier, not yet clamped."""
    if layer.shift is not None:
        return np.asarray((sums + (1 << layer.shift >> 1)) >> layer.shift)
    assert layer.multipliers is not None
    assert layer.shifts is not None
    shifts = layer.shifts.astype(np.int64)
    return np.asarray((sums * layer.multipliers.astype(np.int64) + (np.int64(1) << (shifts - 1))) >> shifts)


def output(layer: QuantizedLayer, sums: NDArray[np.int64]) -> NDArray[np.int8]:
    """Accumulators (…, outputs) → signed bytes."""
    return np.asarray(np.clip(before_clamp(layer, sums), layer.low, 127).astype(np.int8))
