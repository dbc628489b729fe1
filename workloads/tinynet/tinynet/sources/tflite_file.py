# SPDX-License-Identifier: Apache-2.0
"""Reads TensorFlow Lite files of floating point, through the schema that LiteRT's package brings."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError
from tinynet.network import Function, InputScale, Layer, Network

_FUNCTIONS: dict[str, Function] = {"RELU": "relu", "TANH": "tanh", "LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}


def read(path: Path, scale: InputScale) -> Network:
    """A model whose operators follow one another, float32 throughout.

    Raises :class:`TinynetError` for any other, or without LiteRT's package.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError:
        raise TinynetError("reading .tflite files needs LiteRT's package: pip install ai-edge-litert") from None
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise TinynetError("not a TensorFlow Lite file")
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
        return _Reader(model, schema).network(scale)
    except (struct.error, IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise TinynetError(f"damaged, or not a model of a kind that is read: {error!r}") from None


class _Reader:
    """One model: its first graph's tensors and operators."""

    def __init__(self, model: Any, schema: Any) -> None:
        if len(model.subgraphs) != 1:
            raise TinynetError(f"{len(model.subgraphs)} graphs; only files of one are read")
        self._model, self._schema = model, schema
        self._graph = model.subgraphs[0]
        names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        self._codes = [names.get(max(c.builtinCode, c.deprecatedBuiltinCode), "?") for c in model.operatorCodes]
        kinds = {value: name for name, value in vars(schema.ActivationFunctionType).items() if name[0] != "_"}
        self._fused: dict[int, str] = kinds

    def network(self, scale: InputScale) -> Network:
        if len(self._graph.inputs) != 1 or len(self._graph.outputs) != 1:
            raise TinynetError("more than one input or output")
        current = int(self._graph.inputs[0])
        first = self._graph.tensors[current]
        if first.type != self._schema.TensorType.FLOAT32:
            raise TinynetError("its input is not float32; a quantised file cannot be read as a trained network")
        shape = tuple(int(side) for side in first.shape[1:])
        layers: list[Layer] = []
        for index, operator in enumerate(self._graph.operators):
            if self._computes_a_shape(operator):
                continue
            if int(operator.inputs[0]) != current or len(operator.outputs) != 1:
                raise TinynetError(f"operator {index} does not follow the one before it; only chains are read")
            layers += self._layers(index, operator, current)
            current = int(operator.outputs[0])
        if current != int(self._graph.outputs[0]):
            raise TinynetError("its output is not that of the last operator")
        return Network(shape, scale, tuple(layers), {"source": "tflite"})

    def _computes_a_shape(self, operator: Any) -> bool:
        """Whole numbers come of it: what a flattening of batches of any size reckons with."""
        results = [self._graph.tensors[int(output)].type for output in operator.outputs]
        return all(kind == self._schema.TensorType.INT32 for kind in results)

    def _layers(self, index: int, operator: Any, given: int) -> Iterator[Layer]:
        code, options = self._codes[operator.opcodeIndex], operator.builtinOptions
        name = f"{index}-{code.lower()}"
        if code in _FUNCTIONS:
            if code == "SOFTMAX" and options is not None and options.beta not in (0.0, 1.0):
                raise TinynetError(f"{name}: beta {options.beta}; only 1 is read")
            yield Layer("activation", name, function=_FUNCTIONS[code])
        elif code == "RESHAPE":
            shape = self._graph.tensors[int(operator.outputs[0])].shape
            if len(shape) != 2:
                raise TinynetError(f"{name}: to shape {list(shape)}; only flattening is read")
            yield Layer("flatten", name)
        elif code == "FULLY_CONNECTED":
            if len(self._graph.tensors[given].shape) > 2:
                yield Layer("flatten", f"{name} flatten")
            weights = self._constant(operator.inputs[1], name)
            yield Layer("dense", name, weights, self._bias(operator, name, len(weights)))
        elif code == "CONV_2D":
            weights = self._constant(operator.inputs[1], name)
            if weights.shape[1] != weights.shape[2] or max(options.dilationWFactor, options.dilationHFactor) > 1:
                raise TinynetError(f"{name}: only square windows without dilation are read")
            stride, bias = self._stride(options, name), self._bias(operator, name, len(weights))
            padding: Literal["valid", "same"] = self._padding(options)
            yield Layer("conv2d", name, weights, bias, size=weights.shape[1], stride=stride, padding=padding)
        elif code in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
            if options.filterWidth != options.filterHeight or self._padding(options) != "valid":
                raise TinynetError(f"{name}: only square windows without padding are read")
            kind: Literal["maxpool", "avgpool"] = "maxpool" if code.startswith("MAX") else "avgpool"
            yield Layer(kind, name, size=int(options.filterWidth), stride=self._stride(options, name))
        else:
            raise TinynetError(f"there is no {code} here")
        fused = self._fused.get(getattr(options, "fusedActivationFunction", 0), "?")
        if fused in ("RELU", "TANH"):
            yield Layer("activation", f"{name} activation", function=_FUNCTIONS[fused])
        elif fused != "NONE":
            raise TinynetError(f"{name}: there is no function {fused} here")

    def _bias(self, operator: Any, name: str, outputs: int) -> NDArray[np.float32]:
        if len(operator.inputs) < 3 or operator.inputs[2] < 0:
            return np.zeros(outputs, np.float32)
        return self._constant(operator.inputs[2], name).reshape(outputs)

    def _constant(self, index: int, name: str) -> NDArray[np.float32]:
        tensor = self._graph.tensors[index]
        data = self._model.buffers[tensor.buffer].data
        if data is None or tensor.type != self._schema.TensorType.FLOAT32:
            raise TinynetError(f"{name}: its weights are not constants of float32")
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), "<f4").reshape(tuple(tensor.shape))
        if not np.isfinite(values).all():
            raise TinynetError(f"{name}: weights that are not finite")
        return values.astype(np.float32)

    def _padding(self, options: Any) -> Literal["valid", "same"]:
        return "same" if options.padding == self._schema.Padding.SAME else "valid"

    def _stride(self, options: Any, name: str) -> int:
        if options.strideW != options.strideH:
            raise TinynetError(f"{name}: only the same stride in both directions is read")
        return int(options.strideW)
