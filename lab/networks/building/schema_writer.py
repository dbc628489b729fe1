"""MobileNet 32 as a float32 .tflite file without TensorFlow: written through LiteRT's schema from NumPy weights.

A chain of convolutions, each normalised and then cut off at 6, and two dense layers: simple enough to be written by
hand, operator for operator what TensorFlow's converter makes of the Keras model. So one real network runs where there
is LiteRT (``ai-edge-litert``) and neither Keras nor TensorFlow. Only at this input size do Keras's paddings and its
Flatten need no operators of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lab.errors import UsageError
from lab.networks.building.tflite_file import IDENTIFIER, schema_module
from lab.networks.tables import Layer, Network

Weights = NDArray[np.float32]

EPSILON: Final = 1e-3
"""Added to the variance by Keras's normalisation."""

_SCHEMA_VERSION: Final = 3


@dataclass(frozen=True, slots=True)
class _Step:
    """One operator: the layer that multiplies, its weights and bias as the schema has them, and its activation."""

    layer: Layer
    kind: str
    weights: Weights
    bias: Weights
    activation: str


def mobilenet_file(network: Network, weights: Mapping[str, list[Weights]]) -> bytes:
    """The content of a .tflite file for MobileNet 32 with these weights (layer → arrays, as Keras has them).

    Raises :class:`lab.errors.UsageError` for another network, ``ImportError`` without LiteRT.
    """
    if network.title != "MobileNet 32":
        raise UsageError(f"{network.title} cannot be written without TensorFlow: only MobileNet 32 can")
    return _File(schema_module(), network).content(list(_steps(network, weights)))


def _steps(network: Network, weights: Mapping[str, list[Weights]]) -> Iterator[_Step]:
    layers = network.layers
    for number, layer in enumerate(layers):
        if not layer.macs:
            continue
        kernel, *rest = weights[layer.name]
        if layer.kind == "Dense":
            last = layer is layers[-1]
            yield _Step(layer, "FULLY_CONNECTED", kernel.T, rest[0], "NONE" if last else "RELU")
            continue
        scale, offset, mean, variance = weights[layers[number + 1].name]
        factor = scale / np.sqrt(variance + np.float32(EPSILON))
        bias = offset - mean * factor
        if layer.kind == "DepthwiseConv2D":
            folded = kernel[..., 0] * factor
            yield _Step(layer, "DEPTHWISE_CONV_2D", folded[np.newaxis], bias, "RELU6")
        else:
            yield _Step(layer, "CONV_2D", (kernel * factor).transpose(3, 0, 1, 2), bias, "RELU6")


class _File:
    """The schema's objects, as they grow."""

    def __init__(self, schema: Any, network: Network) -> None:
        self._schema = schema
        self._size = network.input_size
        # By convention the first buffer is empty: that of tensors that are computed.
        self._buffers = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[str] = []

    def content(self, steps: list[_Step]) -> bytes:
        """The file with these operators, one after the other."""
        import flatbuffers

        schema = self._schema
        first = tensor = self._tensor("image", (1, self._size, self._size, 3))
        for step in steps:
            tensor = self._operator(step, tensor)
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = "main", self._tensors, self._operators
        graph.inputs, graph.outputs = [first], [tensor]
        model = schema.ModelT()
        model.version, model.description = _SCHEMA_VERSION, "written by embedded-lab"
        model.subgraphs, model.buffers = [graph], self._buffers
        model.operatorCodes = [self._code(kind) for kind in self._codes]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())

    def _operator(self, step: _Step, source: int) -> int:
        schema, layer = self._schema, step.layer
        if step.kind not in self._codes:
            self._codes.append(step.kind)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(step.kind)
        operator.inputs = [
            source,
            self._tensor(f"{layer.name}/weights", step.weights.shape, step.weights),
            self._tensor(f"{layer.name}/bias", step.bias.shape, step.bias),
        ]
        output = self._tensor(layer.name, (1, *layer.output_shape))
        operator.outputs = [output]
        name = {"FULLY_CONNECTED": "FullyConnected", "CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D"}
        options_name = f"{name[step.kind]}Options"
        options = getattr(schema, f"{options_name}T")()
        options.fusedActivationFunction = getattr(schema.ActivationFunctionType, step.activation)
        if layer.stride is not None:
            options.padding = schema.Padding.SAME
            options.strideH, options.strideW = layer.stride
        if step.kind == "DEPTHWISE_CONV_2D":
            options.depthMultiplier = 1
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, options_name)
        self._operators.append(operator)
        return output

    def _tensor(self, name: str, shape: tuple[int, ...], values: Weights | None = None) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), self._schema.TensorType.FLOAT32
        tensor.buffer = 0
        if values is not None:
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values, "<f4").tobytes(), np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _code(self, kind: str) -> Any:
        code = self._schema.OperatorCodeT()
        # Readers of before 2021 look at the deprecated field alone.
        code.builtinCode = code.deprecatedBuiltinCode = getattr(self._schema.BuiltinOperator, kind)
        code.version = 1
        return code
