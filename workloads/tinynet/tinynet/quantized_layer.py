# SPDX-License-Identifier: Apache-2.0
"""One layer of 8-bit integers: what it holds, what it writes, and what must hold of it (see ``ARITHMETIC.md``)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError
from tinynet.windows import window_count

LayerKind = Literal["dense", "conv2d", "maxpool", "avgpool", "relu", "table"]

LARGEST_WEIGHT = 127
SHIFTS = (0, 31)
CHANNEL_SHIFTS = (14, 31)
MULTIPLIERS = (16384, 32767)
MOST_NUMBERS = 1 << 25
"""Numbers of a layer's inputs, outputs or windows: far beyond any microcontroller, and within a host's memory."""


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedLayer:
    """One layer of integers.

    ``weights`` int8 (outputs, inputs) or (filters, height, width, channels); ``bias`` int32 (outputs,). Either
    ``shift`` (one for the layer) or ``multipliers`` int16 and ``shifts`` uint8 (one per output; average pooling has one
    in all) make the output. ``table`` is int8 (256,). ``input_step`` and ``output_step`` are the real values of one
    unit; no integer is computed from them. ``accumulator_bits`` is 16, 24 or 32, or 0 where nothing is summed.
    """

    kind: LayerKind
    name: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    weights: NDArray[np.int8] | None = None
    bias: NDArray[np.int32] | None = None
    shift: int | None = None
    multipliers: NDArray[np.int16] | None = None
    shifts: NDArray[np.uint8] | None = None
    table: NDArray[np.int8] | None = None
    relu: bool = False
    size: int = 0
    stride: int = 1
    padding: Literal["valid", "same"] = "valid"
    input_step: float = 1.0
    output_step: float = 1.0
    accumulator_bits: int = 0

    @property
    def low(self) -> int:
        """The least byte the layer's clamp lets through: 0 with a ReLU, else -128."""
        return 0 if self.relu else -128

    @property
    def inputs(self) -> int:
        """Bytes it reads."""
        return math.prod(self.input_shape)

    @property
    def outputs(self) -> int:
        """Bytes it writes."""
        return math.prod(self.output_shape)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference (padding counted as if multiplied)."""
        if self.weights is None:
            return 0
        return self.outputs * int(self.weights[0].size)


ARRAYS: dict[str, np.dtype[Any]] = {
    "weights": np.dtype("<i1"),
    "bias": np.dtype("<i4"),
    "multipliers": np.dtype("<i2"),
    "shifts": np.dtype("<u1"),
    "table": np.dtype("<i1"),
}
ARITHMETIC_FIELDS = ("kind", "input_shape", "output_shape", "shift", "relu", "size", "stride", "padding")


def layer_header(layer: QuantizedLayer) -> dict[str, Any]:
    """What the file says of a layer besides its arrays."""
    return {
        "kind": layer.kind,
        "name": layer.name,
        "input_shape": list(layer.input_shape),
        "output_shape": list(layer.output_shape),
        "shift": layer.shift,
        "relu": layer.relu,
        "size": layer.size,
        "stride": layer.stride,
        "padding": layer.padding,
        "input_step": layer.input_step,
        "output_step": layer.output_step,
        "accumulator_bits": layer.accumulator_bits,
    }


def output_shape(layer: QuantizedLayer) -> tuple[int, ...]:
    """The shape that a layer's weights, windows and input give. Raises TinynetError where they do not fit."""
    shape, weights = layer.input_shape, layer.weights
    if layer.kind in ("relu", "table"):
        return shape
    if layer.kind == "dense":
        if weights is None or weights.ndim != 2 or weights.shape[1] != layer.inputs:
            raise TinynetError(f"layer {layer.name} has no weights (outputs, {layer.inputs})")
        return (int(weights.shape[0]),)
    if len(shape) != 3:
        raise TinynetError(f"layer {layer.name} takes images (height, width, channels), not {shape}")
    if layer.size < 1 or layer.stride < 1:
        raise TinynetError(f"layer {layer.name} has windows of {layer.size} with stride {layer.stride}")
    channels = shape[2]
    if layer.kind == "conv2d":
        wanted = (layer.size, layer.size, channels)
        if weights is None or weights.ndim != 4 or weights.shape[1:] != wanted:
            raise TinynetError(f"layer {layer.name} has no weights (filters, {', '.join(map(str, wanted))})")
        channels = int(weights.shape[0])
    elif layer.padding != "valid":
        raise TinynetError(f"layer {layer.name}: pooling has no padding")
    rows, columns = (window_count(side, layer.size, layer.stride, layer.padding) for side in shape[:2])
    if rows < 1 or columns < 1:
        raise TinynetError(f"layer {layer.name}: a window of {layer.size} does not fit {shape[0]} × {shape[1]}")
    return (rows, columns, channels)


def check_layer(layer: QuantizedLayer, where: str) -> None:
    """Raises TinynetError, beginning with ``where``, for a layer that the kernels cannot compute."""
    if layer.kind not in get_args(LayerKind):
        raise TinynetError(f"{where}: there is no kind {layer.kind!r}")
    if min((*layer.input_shape, *layer.output_shape), default=0) < 1:
        raise TinynetError(f"{where}: shapes {layer.input_shape} → {layer.output_shape} hold nothing")
    if not isinstance(layer.name, str) or layer.padding not in ("valid", "same"):
        raise TinynetError(f"{where}: its name or padding is damaged")
    if not all(np.isfinite(step) and step > 0 for step in (layer.input_step, layer.output_step)):
        raise TinynetError(f"{where}: its steps are {layer.input_step} and {layer.output_step}, not positive numbers")
    windows = layer.size**2 * layer.input_shape[-1] if layer.kind in ("conv2d", "maxpool", "avgpool") else 1
    if max(layer.inputs, layer.outputs * windows) > MOST_NUMBERS:
        raise TinynetError(f"{where} is too large: {layer.input_shape} → {layer.output_shape}")
    if layer.output_shape != output_shape(layer):
        raise TinynetError(f"{where} gives {output_shape(layer)}, not {layer.output_shape}")
    if layer.accumulator_bits not in (0, 16, 24, 32):
        raise TinynetError(f"{where}: accumulators have 16, 24 or 32 bits, not {layer.accumulator_bits}")
    if layer.kind in ("dense", "conv2d"):
        weights, bias = layer.weights, layer.bias
        if weights is None or bias is None:
            raise TinynetError(f"{where} has no weights or no bias")
        if int(np.abs(weights.astype(np.int16)).max(initial=0)) > LARGEST_WEIGHT:
            raise TinynetError(f"{where} has a weight of -128; weights are -127…127")
        if bias.shape != weights.shape[:1]:
            raise TinynetError(f"{where} has {bias.size} biases for {weights.shape[0]} outputs")
        _check_output(layer, where, weights.shape[0])
    elif layer.kind == "avgpool":
        _check_output(layer, where, 1)
    elif layer.kind == "table" and (layer.table is None or layer.table.shape != (256,)):
        raise TinynetError(f"{where} needs a table of 256 bytes")


def _check_output(layer: QuantizedLayer, where: str, channels: int) -> None:
    if layer.shift is not None:
        if layer.multipliers is not None or layer.shifts is not None:
            raise TinynetError(f"{where} has both a shift and multipliers")
        if not SHIFTS[0] <= layer.shift <= SHIFTS[1]:
            raise TinynetError(f"{where} shifts by {layer.shift}; a shift is {SHIFTS[0]}…{SHIFTS[1]}")
        return
    if layer.multipliers is None or layer.shifts is None:
        raise TinynetError(f"{where} has neither a shift nor multipliers")
    if layer.multipliers.shape != (channels,) or layer.shifts.shape != (channels,):
        raise TinynetError(f"{where} needs {channels} multipliers and shifts")
    for name, values, limits in (
        ("multipliers", layer.multipliers, MULTIPLIERS),
        ("shifts", layer.shifts, CHANNEL_SHIFTS),
    ):
        if int(values.min()) < limits[0] or int(values.max()) > limits[1]:
            raise TinynetError(f"{where}: {name} are {limits[0]}…{limits[1]}, not {values.min()}…{values.max()}")
