# SPDX-License-Identifier: Apache-2.0
"""Makes a network of 8-bit integers of a trained one, and says where it saturates on data it was shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tinynet import reference
from tinynet.bounds import with_proved_widths
from tinynet.calibrate import Method, any_step, power_of_two_step, step_for
from tinynet.errors import TinynetError
from tinynet.inference import layer_outputs
from tinynet.network import Layer, Network
from tinynet.quantized import QuantizedNetwork, Scheme
from tinynet.quantized_layer import CHANNEL_SHIFTS, LARGEST_WEIGHT, MULTIPLIERS, SHIFTS, QuantizedLayer, output_shape

Floats = NDArray[np.float32]

LARGEST_BIAS = 1 << 22
"""A bias beyond that many units of its accumulator makes the weights' step larger, so that sums stay within bounds."""
FLAT_FROM = {"tanh": 4.0, "sigmoid": 8.0}
"""From where on a function is flat to half a unit or so: larger inputs need not be told apart."""


def quantize(network: Network, data: NDArray[np.uint8], scheme: Scheme, method: Method) -> QuantizedNetwork:
    """The network in integers, its steps calibrated on ``data``, bytes (n, …).

    The input's and the last layer's steps come from the largest value whatever the method: a clipped input or a clipped
    winner would be worse than a coarse one. Raises TinynetError for a network with values that are not finite, that
    ends in no layer that computes, or whose sums 32 bits do not hold.
    """
    if not len(data):
        raise TinynetError("there are no examples to calibrate on")
    with np.errstate(over="ignore", invalid="ignore"):
        seen = layer_outputs(network, data)
    if not all(np.isfinite(values).all() for values in seen):
        raise TinynetError("the network gives values that are not finite numbers")
    return _Maker(network, seen, scheme, method).make()


class _Maker:
    """Goes through the layers and keeps the shape and the step so far."""

    def __init__(self, network: Network, seen: Sequence[Floats], scheme: Scheme, method: Method) -> None:
        self._network = network
        self._seen = seen
        self._scheme: Scheme = scheme
        self._method: Method = method
        self._power_of_two = scheme == "pow2"
        self._layers: list[QuantizedLayer] = []
        self._shape = network.input_shape
        self._step = self._step_for(seen[0], "max")
        self._input_step = self._step

    def make(self) -> QuantizedNetwork:
        layers = self._network.layers
        last = max((i for i, layer in enumerate(layers) if layer.weights is not None), default=-1)
        for index, layer in enumerate(layers):
            follower = layers[index + 1] if index + 1 < len(layers) else None
            before = layers[index - 1] if index else None
            self._add(index, layer, before, follower, final=index == last)
        if not self._layers:
            raise TinynetError("the network has no layer that computes anything")
        return QuantizedNetwork(
            scheme=self._scheme,
            input_shape=self._network.input_shape,
            input_step=self._input_step,
            input_scale=self._network.scale,
            layers=with_proved_widths(self._layers),
            facts={**self._network.facts, "calibration": self._method, "calibration_images": len(self._seen[0])},
        )

    def _add(self, index: int, layer: Layer, before: Layer | None, follower: Layer | None, *, final: bool) -> None:
        if layer.kind == "flatten":
            self._shape = (math.prod(self._shape),)
        elif layer.kind in ("dense", "conv2d"):
            self._push(self._weighted(index, layer, follower, final=final))
        elif layer.kind == "maxpool":
            self._push(self._pool("maxpool", layer))
        elif layer.kind == "avgpool":
            self._push(_averaging(self._pool("avgpool", layer, relu=_is_relu(follower))))
        elif layer.function == "relu":
            if before is None or before.kind not in ("dense", "conv2d", "avgpool"):
                self._push(self._plain("relu", layer.name))
        elif layer.function == "softmax":
            if index + 1 < len(self._network.layers):
                raise TinynetError(f"{layer.name}: softmax is only understood as the last layer")
        else:
            self._push(self._tabled(layer))

    def _push(self, layer: QuantizedLayer) -> None:
        layer = replace(layer, output_shape=output_shape(layer))
        self._layers.append(layer)
        self._shape, self._step = layer.output_shape, layer.output_step

    def _step_for(self, values: Floats, method: Method) -> float:
        return step_for(values, method=method, power_of_two=self._power_of_two)

    def _step_of(self, largest: float) -> float:
        return power_of_two_step(largest) if self._power_of_two else any_step(largest)

    def _plain(self, kind: Literal["relu", "table"], name: str) -> QuantizedLayer:
        return QuantizedLayer(kind, name, self._shape, self._shape, input_step=self._step, output_step=self._step)

    def _pool(self, kind: Literal["maxpool", "avgpool"], layer: Layer, *, relu: bool = False) -> QuantizedLayer:
        plain = self._plain("relu", layer.name)
        return replace(plain, kind=kind, size=layer.size, stride=layer.stride, padding=layer.padding, relu=relu)

    def _tabled(self, layer: Layer) -> QuantizedLayer:
        step = 1 / 128 if self._power_of_two else 1 / 127
        values = np.arange(-128, 128) * self._step
        made = np.tanh(values) if layer.function == "tanh" else 0.5 + 0.5 * np.tanh(0.5 * values)
        table = np.clip(np.floor(made / step + 0.5), -128, 127).astype(np.int8)
        return replace(self._plain("table", layer.name), table=table, output_step=step)

    def _weighted(self, index: int, layer: Layer, follower: Layer | None, *, final: bool) -> QuantizedLayer:
        assert layer.weights is not None
        assert layer.bias is not None
        relu = _is_relu(follower)
        output_step = self._step_for(self._seen[index + 1 + relu], "max" if final else self._method)
        if follower is not None and follower.function in FLAT_FROM:
            output_step = min(output_step, self._step_of(FLAT_FROM[follower.function]))
        weights, bias = layer.weights.astype(np.float64), layer.bias.astype(np.float64)
        kind: Literal["dense", "conv2d"] = "dense" if layer.kind == "dense" else "conv2d"
        bare = QuantizedLayer(
            kind,
            layer.name,
            self._shape,
            (),
            relu=relu,
            size=layer.size,
            stride=layer.stride,
            padding=layer.padding,
            input_step=self._step,
            output_step=output_step,
        )
        return _by_shift(bare, weights, bias) if self._power_of_two else _by_multipliers(bare, weights, bias)


def _is_relu(layer: Layer | None) -> bool:
    return layer is not None and layer.function == "relu"


def _averaging(layer: QuantizedLayer) -> QuantizedLayer:
    """Average pooling's output: the same step as its input's."""
    places = layer.size**2
    if places & (places - 1) == 0:
        return replace(layer, shift=places.bit_length() - 1)
    multiplier, shift = multiplier_for(1 / places)
    return replace(layer, multipliers=np.array([multiplier], np.int16), shifts=np.array([shift], np.uint8))


def _by_shift(layer: QuantizedLayer, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> QuantizedLayer:
    """Power-of-two steps, one for the layer's weights."""
    weight_step = power_of_two_step(float(np.abs(weights).max()))
    needed = float(np.abs(bias).max(initial=0.0)) / LARGEST_BIAS / layer.input_step
    while weight_step < needed or layer.input_step * weight_step * 2.0 ** SHIFTS[1] < layer.output_step:
        weight_step *= 2
    unit = layer.input_step * weight_step
    output_step = max(layer.output_step, unit)
    return replace(
        layer,
        weights=_rounded(weights / weight_step),
        bias=np.floor(bias / unit + 0.5).astype(np.int32),
        shift=round(math.log2(output_step / unit)),
        output_step=output_step,
    )


def _by_multipliers(layer: QuantizedLayer, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> QuantizedLayer:
    """One step per output's or filter's weights; a multiplier and a shift bring each to the layer's output step."""
    largest = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
    weight_steps = np.array([any_step(value) for value in largest.tolist()])
    weight_steps = np.maximum(weight_steps, np.abs(bias) / LARGEST_BIAS / layer.input_step)
    output_step = max(layer.output_step, float(weight_steps.max()) * layer.input_step)
    least = MULTIPLIERS[0] / 2.0 ** CHANNEL_SHIFTS[1]
    weight_steps = np.maximum(weight_steps, output_step * least / layer.input_step)
    units = weight_steps * layer.input_step
    pairs = [multiplier_for(float(ratio)) for ratio in units / output_step]
    return replace(
        layer,
        weights=_rounded(weights / weight_steps.reshape(-1, *[1] * (weights.ndim - 1))),
        bias=np.floor(bias / units + 0.5).astype(np.int32),
        multipliers=np.array([multiplier for multiplier, _ in pairs], np.int16),
        shifts=np.array([shift for _, shift in pairs], np.uint8),
        output_step=output_step,
    )


def _rounded(values: NDArray[np.float64]) -> NDArray[np.int8]:
    return np.asarray(np.clip(np.floor(values + 0.5), -LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int8))


def multiplier_for(ratio: float) -> tuple[int, int]:
    """The multiplier and shift nearest to ``ratio`` in 2^-17…1: ``multiplier / 2^shift``."""
    fraction, exponent = math.frexp(ratio)
    multiplier, shift = math.floor(fraction * 32768 + 0.5), 15 - exponent
    if multiplier > MULTIPLIERS[1]:
        multiplier, shift = multiplier // 2, shift - 1
    if shift > CHANNEL_SHIFTS[1]:  # a rounding error below the least ratio
        multiplier, shift = MULTIPLIERS[0], CHANNEL_SHIFTS[1]
    return multiplier, shift


# ------------------------------------------------------------------------------------------------- what was observed


@dataclass(frozen=True, slots=True)
class Observed:
    """What a layer's numbers were over the data shown; nothing is proved by it.

    ``low``, ``high``: the finished accumulators. ``saturated``: outputs that the clamp cut off at -128 or 127 (what a
    ReLU sets to 0 is not counted). ``beyond_16_bits``: accumulators, rounding term included, that a 16-bit ``int``
    would have wrapped, on the way or at the end. All of ``values``.
    """

    low: int
    high: int
    saturated: int
    beyond_16_bits: int
    values: int


def observe(network: QuantizedNetwork, inputs: NDArray[np.int8]) -> tuple[Observed | None, ...]:
    """Each layer's accumulators over signed bytes (n, …); None for layers that sum nothing."""
    flat = inputs.reshape(len(inputs), -1)
    found: list[Observed | None] = []
    for layer, proof in zip(network.layers, network.proof, strict=True):
        lots = [_observe(layer, flat[start : start + 500]) for start in range(0, len(flat), 500)] if proof.sums else []
        found.append(_together(lots) if lots else None)
        flat = np.concatenate([reference.run_layer(layer, flat[i : i + 500]) for i in range(0, len(flat), 500)])
    return tuple(found)


def _observe(layer: QuantizedLayer, flat: NDArray[np.int8]) -> Observed:
    sums = reference.accumulate(layer, flat)
    raw = reference.before_clamp(layer, sums)
    rounding = 0 if layer.shift is None else 1 << layer.shift >> 1
    cut = raw > 127 if layer.relu else (raw > 127) | (raw < -128)
    beyond = (sums < -(1 << 15)) | (sums + rounding >= 1 << 15)
    return Observed(int(sums.min()), int(sums.max()), int(cut.sum()), int(beyond.sum()), sums.size)


def _together(lots: Sequence[Observed]) -> Observed:
    return Observed(
        min(lot.low for lot in lots),
        max(lot.high for lot in lots),
        sum(lot.saturated for lot in lots),
        sum(lot.beyond_16_bits for lot in lots),
        sum(lot.values for lot in lots),
    )
