"""The study's networks as Keras models, and their layers as rows of a table.

Each is a Keras application without its top, followed by Flatten, Dense(256, relu) and Dense(100): the head that gives
the parameter counts printed in Table 2.1 of E. Frennborn, A. Oliv, *Neural Networks, Edge Computing or Offloading*,
Chalmers 2022. Needs Keras 3; any backend will do.
"""

from __future__ import annotations

import math
from typing import Any

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
"""Of the layer tables under ``lab/networks/data``."""


def base_model(network: str, input_size: int) -> Any:
    """The Keras application without its top, for square RGB images, with weights drawn by Keras."""
    import keras

    # Layers that the applications leave unnamed are numbered through a process (conv2d_94): start again at none.
    keras.backend.clear_session()
    application = getattr(keras.applications, network)
    return application(include_top=False, weights=None, input_shape=(input_size, input_size, 3))


def with_head(base: Any) -> Any:
    """The whole network: the application, then Flatten, Dense(256, relu), Dense(100)."""
    import keras

    hidden = keras.layers.Flatten(name="flatten")(base.output)
    hidden = keras.layers.Dense(HIDDEN_UNITS, activation="relu", name="dense")(hidden)
    return keras.Model(base.input, keras.layers.Dense(CLASSES, name="dense_1")(hidden))


def layer_rows(model: Any) -> list[dict[str, str | int]]:
    """The table of a Keras model: one row per layer, in the order of execution."""
    return [layer_row(layer) for layer in model.layers]


def layer_row(layer: Any) -> dict[str, str | int]:
    """One row of the table for one Keras layer."""
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    output_shape = tuple(int(size) for size in layer.output.shape[1:])
    kernel = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    stride = getattr(layer, "strides", None)
    return {
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
    """Multiply-accumulates of one inference: output elements times the length of the sum behind each.

    Raises ``NotImplementedError`` for a kind of layer with weights that the study's networks do not have.
    """
    kind = type(layer).__name__
    outputs: int = math.prod(output_shape)
    if kind == "Conv2D":
        return outputs * int(math.prod(layer.kernel_size)) * int(layer.input.shape[-1]) // int(layer.groups)
    if kind == "DepthwiseConv2D":
        return outputs * int(math.prod(layer.kernel_size))
    if kind == "Dense":
        return outputs * int(layer.input.shape[-1])
    if layer.count_params() and kind != "BatchNormalization":
        raise NotImplementedError(f"no rule for the multiply-accumulates of {kind} ({layer.name})")
    return 0


def times(sizes: tuple[int, ...] | None) -> str:
    """Sizes as ``3x3``; empty for ``None``."""
    return "" if sizes is None else "x".join(str(int(size)) for size in sizes)
