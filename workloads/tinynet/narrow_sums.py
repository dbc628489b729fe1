#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a quantised network would name if its arithmetic were narrower than its proof allows.

Two things that libraries for microcontrollers do, one at a time, on the same images: sums that wrap at 16 bits (an
``int`` of an 8-bit microcontroller), and biases kept as bytes with a power-of-two step of their own.

    narrow_sums.py NET.q.npz --data DIR --split 8000/2000 --images 1000

Prints one JSON object: the accuracy as it is, and with each of the two.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinynet import reference
from tinynet.data import load_data, parse_split
from tinynet.errors import TinynetError
from tinynet.quantized import QuantizedNetwork
from tinynet.quantized_layer import QuantizedLayer

Sums = NDArray[np.int64]
Narrowed = Callable[[QuantizedLayer, Sums], Sums]
"""What a layer's sums become."""


def wrapped(_: QuantizedLayer, sums: Sums) -> Sums:
    """The sums as 16 bits hold them."""
    return sums.astype(np.int16).astype(np.int64)


def with_byte_biases(layer: QuantizedLayer, sums: Sums) -> Sums:
    """The sums with biases of eight bits: the least shift with which the largest one still fits."""
    if layer.bias is None:
        return sums
    bias = layer.bias.astype(np.int64)
    shift = max(0, math.ceil(math.log2(max(1, int(np.abs(bias).max())) / 127)))
    coarse = np.clip(np.floor(bias / 2**shift + 0.5).astype(np.int64), -128, 127) << shift
    return np.asarray(sums - bias + coarse)


def classes(network: QuantizedNetwork, data: NDArray[np.uint8], narrowed: Narrowed | None) -> NDArray[np.intp]:
    """The class named for each image, shape (n,)."""
    flat = network.quantize_input(data).reshape(len(data), -1)
    for layer in network.layers:
        if narrowed is None or layer.weights is None:
            flat = reference.run_layer(layer, flat)
        else:
            sums = narrowed(layer, reference.accumulate(layer, flat))
            flat = reference.output(layer, sums).reshape(len(flat), -1)
    return np.asarray(flat.argmax(axis=1))


def main() -> int:
    """Read, infer three times, print."""
    parser = argparse.ArgumentParser(description="A quantised network with narrower arithmetic than proved")
    parser.add_argument("network", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", required=True)
    parser.add_argument("--images", type=int, default=1000)
    args = parser.parse_args()
    try:
        network = QuantizedNetwork.load(args.network)
        examples = load_data(args.data, parse_split(args.split)).test.first(args.images)
    except TinynetError as error:
        print(f"narrow_sums.py: {error}", file=sys.stderr)
        return 2
    ways: dict[str, Narrowed | None] = {"": None, "wrapping_": wrapped, "byte_bias_": with_byte_biases}
    said = {
        f"{name}accuracy": float(np.mean(classes(network, examples.inputs, way) == examples.labels))
        for name, way in ways.items()
    }
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
