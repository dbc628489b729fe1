# SPDX-License-Identifier: Apache-2.0
"""Write the layer tables of the benchmark's networks, computed from the Keras definitions.

    KERAS_BACKEND=jax python workloads/networks/make_layer_tables.py --output lab/networks/data

Each network is a Keras application without its top, followed by Flatten, Dense(256, relu) and Dense(100): the head that
gives the parameter counts printed in E. Frennborn, A. Oliv, "Neural Networks, Edge Computing or Offloading", Chalmers
2022. Weights are not downloaded; only shapes matter here. One CSV file per network and input size, one row per Keras
layer, in the order of execution.

Columns: ``name``; ``kind`` (the Keras class); ``parameters`` (trainable or not); ``macs`` (multiply-accumulates of one
inference; 0 for layers that only move or compare data); ``input_elements`` (of all inputs together) and
``output_elements``, for one image; ``kernel`` and ``stride`` as HxW, empty where there is none; ``output_shape``
without the batch axis, as HxWxC.

Needs Keras 3 with any backend (``pip install keras jax``); nothing else of this repository.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import platform
import sys
from pathlib import Path
from typing import Any

INPUT_SIZES = {
    "InceptionV3": (75, 128),
    "ResNet50": (32, 75, 128),
    "MobileNet": (32, 75, 128),
    "VGG16": (32, 75, 128),
}
"""The networks and the edge lengths (pixels) of their square RGB inputs."""

HIDDEN_UNITS = 256
CLASSES = 100

COLUMNS = (
    "name",
    "kind",
    "parameters",
    "macs",
    "input_elements",
    "output_elements",
    "kernel",
    "stride",
    "output_shape",
)


def build(network: str, input_size: int) -> Any:
    """The Keras model: the application without its top, Flatten, Dense(256, relu), Dense(100)."""
    import keras

    application = getattr(keras.applications, network)
    base = application(include_top=False, weights=None, input_shape=(input_size, input_size, 3))
    hidden = keras.layers.Flatten(name="flatten")(base.output)
    hidden = keras.layers.Dense(HIDDEN_UNITS, activation="relu", name="dense")(hidden)
    return keras.Model(base.input, keras.layers.Dense(CLASSES, name="dense_1")(hidden))


def layer_row(layer: Any) -> dict[str, str | int]:
    """One row of the table for one Keras layer."""
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    output_shape = tuple(int(size) for size in layer.output.shape[1:])
    kernel = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    stride = getattr(layer, "strides", None)
    return {
        # Keras numbers unnamed layers on through a process (conv2d_94); the names that the applications give stay.
        "name": layer.name,
        "kind": type(layer).__name__,
        "parameters": int(layer.count_params()),
        "macs": multiply_accumulates(layer, output_shape),
        "input_elements": sum(math.prod(int(size) for size in tensor.shape[1:]) for tensor in inputs),
        "output_elements": math.prod(output_shape),
        "kernel": times(kernel),
        "stride": times(stride),
        "output_shape": times(output_shape),
    }


def multiply_accumulates(layer: Any, output_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of one inference: output elements times the length of the sum behind each."""
    kind = type(layer).__name__
    outputs = math.prod(output_shape)
    if kind == "Conv2D":
        return outputs * math.prod(layer.kernel_size) * int(layer.input.shape[-1]) // layer.groups
    if kind == "DepthwiseConv2D":
        return outputs * math.prod(layer.kernel_size)
    if kind == "Dense":
        return outputs * int(layer.input.shape[-1])
    if layer.count_params() and kind != "BatchNormalization":
        raise NotImplementedError(f"no rule for the multiply-accumulates of {kind} ({layer.name})")
    return 0


def times(sizes: tuple[int, ...] | None) -> str:
    """Sizes as ``3x3``; empty for ``None``."""
    return "" if sizes is None else "x".join(str(int(size)) for size in sizes)


def table(network: str, input_size: int) -> tuple[str, int, int]:
    """The CSV text of one network, its number of layers and its parameters."""
    import keras

    # Layer names then do not depend on which networks were built before in this process.
    keras.backend.clear_session()
    model = build(network, input_size)
    text = io.StringIO()
    text.write(
        f"# {network}, input {input_size}x{input_size}x3, without top, then Flatten, Dense({HIDDEN_UNITS}, relu), "
        f"Dense({CLASSES}). Made by workloads/networks/make_layer_tables.py with Keras {keras.__version__} "
        f"({keras.backend.backend()}), Python {platform.python_version()}.\n"
    )
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(layer_row(layer) for layer in model.layers)
    return text.getvalue(), len(model.layers), int(model.count_params())


def main() -> int:
    """Write all tables into the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Write the layer tables of the benchmark's networks.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the CSV files")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for network, input_sizes in INPUT_SIZES.items():
        for input_size in input_sizes:
            text, layers, parameters = table(network, input_size)
            path = arguments.output / f"{network}_{input_size}.csv"
            path.write_text(text, encoding="utf-8")
            print(f"{path}: {layers} layers, {parameters} parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
