# SPDX-License-Identifier: Apache-2.0
"""The worst case of each layer: what its sums can be for any input at all, and how many bits hold them.

Every input byte has a smallest and a largest value. A sum of products is smallest where each term is; its terms are
independent in the first layer, so the bound there is reached by an input (exact). Behind it the bytes of a layer hang
together, so the bound is safe and may not be reached. The input is taken as any signed bytes, whatever the scale of the
data would give: a broken host cannot make a sum overflow. Means of proof: integers only, no sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError
from tinynet.quantized_layer import QuantizedLayer
from tinynet.reference import before_clamp
from tinynet.windows import windows

WIDTHS = (16, 24, 32)
LARGEST_SCALED_SUM = 1 << 29
"""Below it a sum times a multiplier is computed in 32-bit steps (``tn_by_multiplier`` of the runtime)."""
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LayerProof:
    """What a layer's numbers can be. All bounds are inclusive; those of a layer that sums nothing are 0.

    ``low``, ``high``: the finished accumulator (with bias); ``partial_low``, ``partial_high``: any sum on the way, in
    any order, the rounding term of a shift included. ``lows``, ``highs`` are ``low``, ``high`` per output or filter.
    ``output_low``, ``output_high``: the output before its clamp. ``input_range`` and ``output_range``: smallest and
    largest byte, over all places.
    """

    kind: str
    name: str
    input_range: tuple[int, int]
    output_range: tuple[int, int]
    low: int = 0
    high: int = 0
    partial_low: int = 0
    partial_high: int = 0
    output_low: int = 0
    output_high: int = 0
    accumulator_bits: int = 0
    wrapping_bits: int = 0
    lows: tuple[int, ...] = ()
    highs: tuple[int, ...] = ()

    @property
    def sums(self) -> bool:
        """Whether the layer has accumulators."""
        return self.accumulator_bits > 0

    @property
    def may_saturate(self) -> bool:
        """Whether an input could exist whose output the upper clamp, or the lower one at -128, cuts off."""
        return self.sums and (self.output_high > 127 or (self.output_low < -128 and self.output_range[0] < 0))


def prove(layers: Sequence[QuantizedLayer]) -> tuple[LayerProof, ...]:
    """The proof of each layer, for any signed bytes at the input. Raises TinynetError past 32 bits."""
    low, high = (np.full(layers[0].input_shape, limit, dtype=np.int64) for limit in (-128, 127))
    proofs = []
    for layer in layers:
        proof, low, high = prove_layer(layer, low.reshape(layer.input_shape), high.reshape(layer.input_shape))
        proofs.append(proof)
    return tuple(proofs)


def with_proved_widths(layers: Sequence[QuantizedLayer]) -> tuple[QuantizedLayer, ...]:
    """The same layers, each with the accumulators that its proof asks for. Raises TinynetError past 32 bits."""
    return tuple(
        replace(layer, accumulator_bits=proof.accumulator_bits)
        for layer, proof in zip(layers, prove(layers), strict=True)
    )


def prove_layer(layer: QuantizedLayer, low: Integers, high: Integers) -> tuple[LayerProof, Integers, Integers]:
    """A layer whose inputs lie in ``low``…``high`` (of its input shape) → its proof and its outputs' limits."""
    given = (int(low.min()), int(high.max()))
    if layer.kind in ("relu", "table", "maxpool"):
        below, above = _plain(layer, low, high)
        return LayerProof(layer.kind, layer.name, given, (int(below.min()), int(above.max()))), below, above
    least, most = _sums(layer, low, high, bias=True)
    partial_least, partial_most = _sums(layer, np.minimum(low, 0), np.maximum(high, 0), bias=False)
    rounding = 0 if layer.shift is None else 1 << layer.shift >> 1
    bias = np.zeros(1, dtype=np.int64) if layer.bias is None else layer.bias.astype(np.int64)
    partial_low = int((partial_least + np.minimum(bias, 0)).min())
    partial_high = int((partial_most + np.maximum(bias, 0)).max()) + rounding
    if layer.multipliers is not None and max(-partial_low, partial_high) >= LARGEST_SCALED_SUM:
        raise TinynetError(
            f"the sums of layer {layer.name} can reach {partial_low}…{partial_high}: multipliers take sums below 2^29"
        )
    raw_least, raw_most = before_clamp(layer, least), before_clamp(layer, most)
    below, above = (np.clip(raw, layer.low, 127).reshape(layer.output_shape) for raw in (raw_least, raw_most))
    channels = tuple(range(least.ndim - 1))
    proof = LayerProof(
        kind=layer.kind,
        name=layer.name,
        input_range=given,
        output_range=(int(below.min()), int(above.max())),
        low=int(least.min()),
        high=int(most.max()),
        partial_low=partial_low,
        partial_high=partial_high,
        output_low=int(raw_least.min()),
        output_high=int(raw_most.max()),
        accumulator_bits=bits_for(partial_low, partial_high, layer.name),
        wrapping_bits=bits_for(int(least.min()), int(most.max()) + rounding, layer.name),
        lows=tuple(least.min(axis=channels).tolist()),
        highs=tuple(most.max(axis=channels).tolist()),
    )
    return proof, below, above


def bits_for(low: int, high: int, name: str) -> int:
    """The smallest of 16, 24, 32 bits whose two's complement holds ``low``…``high``."""
    for bits in WIDTHS:
        if -(1 << bits - 1) <= low and high < 1 << bits - 1:
            return bits
    raise TinynetError(f"the sums of layer {name} can reach {low}…{high}: 32 bits do not hold them")


def _sums(layer: QuantizedLayer, low: Integers, high: Integers, *, bias: bool) -> tuple[Integers, Integers]:
    """Smallest and largest sums, shape (outputs,) of a dense layer, else (rows, columns, channels)."""
    if layer.kind == "dense":
        inputs_low, inputs_high = low.reshape(1, -1), high.reshape(1, -1)
    else:
        inputs_low, inputs_high = (
            windows(limit[np.newaxis], layer.size, layer.stride, layer.padding)[0] for limit in (low, high)
        )
        if layer.kind == "avgpool":
            return inputs_low.sum(axis=(2, 3)), inputs_high.sum(axis=(2, 3))
        inputs_low, inputs_high = (
            limit.reshape(limit.shape[0] * limit.shape[1], -1) for limit in (inputs_low, inputs_high)
        )
    assert layer.weights is not None
    assert layer.bias is not None
    # In binary64, for the speed of its matrix product: integers this small are exact there.
    weights = layer.weights.reshape(len(layer.weights), -1).astype(np.float64).T
    up, down = np.maximum(weights, 0), np.minimum(weights, 0)
    start = layer.bias.astype(np.int64) if bias else np.int64(0)
    least = np.rint(inputs_low @ up + inputs_high @ down).astype(np.int64) + start
    most = np.rint(inputs_high @ up + inputs_low @ down).astype(np.int64) + start
    shape = layer.output_shape if layer.kind == "conv2d" else (-1,)
    return least.reshape(shape), most.reshape(shape)


def _plain(layer: QuantizedLayer, low: Integers, high: Integers) -> tuple[Integers, Integers]:
    if layer.kind == "relu":
        return np.maximum(low, 0), np.maximum(high, 0)
    if layer.kind == "maxpool":
        seen = (windows(limit[np.newaxis], layer.size, layer.stride, "valid")[0] for limit in (low, high))
        below, above = (limit.max(axis=(2, 3)) for limit in seen)
        return below, above
    assert layer.table is not None
    table = layer.table.astype(np.int64)
    pairs, which = np.unique(np.stack([low.ravel(), high.ravel()]), axis=1, return_inverse=True)
    spans = [table[first + 128 : last + 129] for first, last in pairs.T.tolist()]
    below = np.array([span.min() for span in spans])[which.ravel()].reshape(low.shape)
    above = np.array([span.max() for span in spans])[which.ravel()].reshape(low.shape)
    return below, above
