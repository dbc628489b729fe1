"""Networks of random integers, far wilder than trained ones: every kind of layer, width, scheme and shift."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tinynet.bounds import with_proved_widths
from tinynet.network import InputScale
from tinynet.quantize import multiplier_for
from tinynet.quantized import QuantizedNetwork, Scheme
from tinynet.quantized_layer import LayerKind, QuantizedLayer, output_shape


class Draw:
    """Draws from a seed; the same seed gives the same network."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def whole(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def one_of(self, *items: str) -> str:
        return items[self.whole(0, len(items) - 1)]


def random_network(seed: int, *, images: bool | None = None) -> QuantizedNetwork:
    """A network of one to five layers. With ``images`` it begins with windows, without it is dense throughout."""
    draw = Draw(seed)
    scheme: Scheme = "pow2" if seed % 2 else "per-channel"
    images = seed % 4 < 2 if images is None else images
    shape: tuple[int, ...]
    if images:
        shape = (draw.whole(3, 10), draw.whole(3, 10), draw.whole(1, 4))
    else:
        shape = (draw.whole(1, 12) if draw.whole(0, 1) else draw.whole(100, 800),)
    layers: list[QuantizedLayer] = []
    for index in range(draw.whole(1, 5)):
        layer = random_layer(draw, index, shape, scheme)
        layers.append(layer)
        shape = layer.output_shape
    if layers[-1].kind != "dense" and draw.whole(0, 1):
        layers.append(dense(draw, len(layers), (int(np.prod(shape)),), scheme))
    return QuantizedNetwork(
        scheme, layers[0].input_shape, 1 / 8, InputScale(127.0, 8.0), with_proved_widths(layers), {"seed": seed}
    )


def random_layer(draw: Draw, index: int, shape: tuple[int, ...], scheme: Scheme) -> QuantizedLayer:
    kinds = ["dense", "dense", "dense", "relu", "table"]
    if len(shape) == 3:
        kinds = ["conv2d", "conv2d", "conv2d", "maxpool", "avgpool", "avgpool", "dense", "relu", "table"]
    kind = draw.one_of(*kinds)
    if kind == "dense":
        return dense(draw, index, (int(np.prod(shape)),), scheme)
    if kind in ("relu", "table"):
        table = draw.random.integers(-128, 128, 256, dtype=np.int8) if kind == "table" else None
        plain: LayerKind = "table" if kind == "table" else "relu"
        return QuantizedLayer(plain, f"{kind}_{index}", shape, shape, table=table)
    size = draw.whole(1, min(4, *shape[:2]))
    stride = draw.whole(1, 3)
    if kind == "conv2d":
        filters = draw.whole(1, 5)
        padding = draw.one_of("valid", "same")
        if padding == "same":
            size = draw.whole(1, 5)
        layer = QuantizedLayer(
            "conv2d",
            f"conv2d_{index}",
            shape,
            (),
            size=size,
            stride=stride,
            padding="same" if padding == "same" else "valid",
        )
        layer = weighted(draw, layer, (filters, size, size, shape[2]), scheme)
    elif kind == "maxpool":
        layer = QuantizedLayer("maxpool", f"maxpool_{index}", shape, (), size=size, stride=stride)
    else:
        layer = QuantizedLayer(
            "avgpool", f"avgpool_{index}", shape, (), size=size, stride=stride, relu=bool(draw.whole(0, 1))
        )
        places = size * size
        if places & (places - 1) == 0:
            layer = replace(layer, shift=places.bit_length() - 1)
        else:
            multiplier, shift = multiplier_for(1 / places)
            layer = replace(layer, multipliers=np.array([multiplier], np.int16), shifts=np.array([shift], np.uint8))
    return replace(layer, output_shape=output_shape(layer))


def dense(draw: Draw, index: int, shape: tuple[int, ...], scheme: Scheme) -> QuantizedLayer:
    outputs = draw.whole(1, 20)
    return weighted(draw, QuantizedLayer("dense", f"dense_{index}", shape, ()), (outputs, shape[0]), scheme)


def weighted(draw: Draw, layer: QuantizedLayer, weights: tuple[int, ...], scheme: Scheme) -> QuantizedLayer:
    """Weights from a few units to the largest, biases from none to as many as the sums may hold."""
    most = (1, 7, 127, 127)[draw.whole(0, 3)]
    large = (1, 100, 1 << 10, 1 << 16, (1 << 28) - 1)[draw.whole(0, 4)]
    values = draw.random.integers(-most, most + 1, weights, dtype=np.int8)
    if draw.whole(0, 9) == 0:  # all the same sign: as far from the middle as sums go
        values = np.abs(values)
    channels = weights[0]
    layer = replace(
        layer,
        weights=values,
        bias=draw.random.integers(-large, large + 1, channels, dtype=np.int32),
        relu=bool(draw.whole(0, 1)),
    )
    # Mostly shifts that spread the outputs over the bytes, so that the next layer gets something; else any.
    spread = round(math.log2(max(64.0, math.sqrt(values[0].size) * most * 40, large) / 64))
    if scheme == "pow2":
        layer = replace(layer, shift=spread if draw.whole(0, 4) else draw.whole(0, 31))
    else:
        shifts = np.clip(spread + draw.random.integers(14, 17, channels), 14, 31) if draw.whole(0, 4) else None
        shifts = draw.random.integers(14, 32, channels) if shifts is None else shifts
        layer = replace(
            layer,
            multipliers=draw.random.integers(16384, 32768, channels, dtype=np.int16),
            shifts=shifts.astype(np.uint8),
        )
    return replace(layer, output_shape=output_shape(layer))


def random_inputs(network: QuantizedNetwork, count: int, seed: int) -> np.ndarray:
    """Random bytes, and the extremes: all -128, all 127, 0, and what drives the first layer's sums farthest."""
    random = np.random.default_rng(seed)
    inputs = random.integers(-128, 128, (count, network.inputs), dtype=np.int8)
    inputs[0], inputs[1], inputs[2] = -128, 127, 0
    first = network.layers[0]
    if first.kind == "dense" and first.weights is not None:
        inputs[3] = np.where(first.weights[0] > 0, 127, -128)
        inputs[4] = np.where(first.weights[0] > 0, -128, 127)
    return inputs


def edge_networks() -> list[QuantizedNetwork]:
    """One layer each: every shift, and multipliers at every shift, with sums beside each rounding; each pooling."""
    networks = [one_layer(_beside_roundings_of_shift(shift)) for shift in range(0, 24, 3)]
    networks.append(one_layer(_beside_roundings_of_multipliers()))
    shape = (7, 6, 3)
    pool = QuantizedLayer("maxpool", "pool", shape, (), size=2, stride=2)
    networks.append(one_layer(replace(pool, output_shape=output_shape(pool))))
    for size in (1, 2, 3, 5):
        pool = QuantizedLayer("avgpool", "pool", shape, (), size=size, stride=1)
        multiplier, shift = multiplier_for(1 / size**2)
        if size & (size - 1) == 0:
            pool = replace(pool, shift=2 * size.bit_length() - 2)
        else:
            pool = replace(pool, multipliers=np.array([multiplier], np.int16), shifts=np.array([shift], np.uint8))
        networks.append(one_layer(replace(pool, output_shape=output_shape(pool))))
    return networks


def one_layer(layer: QuantizedLayer) -> QuantizedNetwork:
    scheme: Scheme = "pow2" if layer.shift is not None else "per-channel"
    return QuantizedNetwork(scheme, layer.input_shape, 1.0, InputScale(0.0, 1.0), with_proved_widths([layer]))


def _of_biases(bias: np.ndarray) -> QuantizedLayer:
    """Sums that lie at the biases and closely beside them."""
    weights = np.ones((len(bias), 1), np.int8)
    return QuantizedLayer("dense", "edges", (1,), (len(bias),), weights=weights, bias=bias.astype(np.int32))


def _beside_roundings_of_shift(shift: int) -> QuantizedLayer:
    wanted = np.array([-129, -128, -127, -2, -1, 0, 1, 2, 126, 127, 128])
    return replace(_of_biases((wanted << shift) + (1 << shift >> 1)), shift=shift)


def _beside_roundings_of_multipliers() -> QuantizedLayer:
    bias, multipliers, shifts = [], [], []
    for shift in range(14, 32):
        for multiplier in (16384, 16385, 23171, 32766, 32767):
            for wanted in (-128.5, -1.5, -0.5, 0.5, 63.5, 126.5):
                bias.append(round(wanted * 2**shift / multiplier))
                multipliers.append(multiplier)
                shifts.append(shift)
    layer = _of_biases(np.array(bias))
    return replace(layer, multipliers=np.array(multipliers, np.int16), shifts=np.array(shifts, np.uint8))
