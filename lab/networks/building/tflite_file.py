"""What is in a .tflite file: its operators in order, and the weights that each multiplies with.

Read through the schema's own module, which TensorFlow and LiteRT (``ai-edge-litert``) both bring.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError

SCHEMA_MODULES: Final = ("ai_edge_litert.schema_py_generated", "tensorflow.lite.python.schema_py_generated")
WEIGHTED: Final = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators that have weights: their inputs are activations, weights, and a bias if there is one."""

IDENTIFIER: Final = b"TFL3"


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. Shapes are with the batch axis; ``weights`` and ``bias`` are ``None`` where it has none, and so is
    ``output_scale``, the value of a step of its output, where that is not quantised."""

    kind: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    weights: NDArray[Any] | None
    bias: NDArray[Any] | None
    options: dict[str, Any]
    output_scale: float | None


@dataclass(frozen=True, slots=True)
class Model:
    """Input and output as {"dtype", "shape", "scale", "zero_point"}, the latter two ``None`` for float32."""

    input: dict[str, Any]
    output: dict[str, Any]
    operators: tuple[Operator, ...]


def schema_module() -> Any:
    """The schema's generated module. Raises ``ImportError`` if neither TensorFlow nor LiteRT is installed."""
    for name in SCHEMA_MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError(f"none of {', '.join(SCHEMA_MODULES)} can be imported")


def read_model(content: bytes) -> Model:
    """The model in a .tflite file's content.

    Raises :class:`lab.errors.DataError` if it is none, ``ImportError`` as :func:`schema_module` does.
    """
    schema = schema_module()
    if content[4:8] != IDENTIFIER:
        raise DataError("this is no .tflite file: it does not say TFL3")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    (graph,) = model.subgraphs
    names = _names_of_types(schema.TensorType)
    operators = _names_of_types(schema.BuiltinOperator)

    def constant(index: int) -> NDArray[Any] | None:
        tensor = graph.tensors[index]
        data = model.buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        return np.asarray(data, np.uint8).view(names[tensor.type].lower()).reshape(_shape(tensor))

    def described(operator: Any) -> Operator:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = operators[max(code.builtinCode, code.deprecatedBuiltinCode)]
        inputs = [int(index) for index in operator.inputs]
        weighted = kind in WEIGHTED
        return Operator(
            kind=kind,
            input_shapes=tuple(_shape(graph.tensors[index]) for index in inputs if index >= 0),
            output_shape=_shape(graph.tensors[operator.outputs[0]]),
            weights=constant(inputs[1]) if weighted else None,
            bias=constant(inputs[2]) if weighted and len(inputs) > 2 and inputs[2] >= 0 else None,
            options=dict(_plain_fields(operator.builtinOptions)),
            output_scale=_end(graph.tensors[operator.outputs[0]], names)["scale"],
        )

    return Model(
        input=_end(graph.tensors[graph.inputs[0]], names),
        output=_end(graph.tensors[graph.outputs[0]], names),
        operators=tuple(map(described, graph.operators)),
    )


def operator_rows(model: Model) -> list[dict[str, Any]]:
    """The operators as metadata has them: kind and output, and of the weights their type, number, zeros and how many
    different values there are."""
    return [_row(operator) for operator in model.operators]


def _row(operator: Operator) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": operator.kind,
        "output_shape": list(operator.output_shape),
        "output_scale": operator.output_scale,
    }
    if operator.weights is not None:
        row |= {"weights": str(operator.weights.dtype), **counted(operator.weights)}
    return row


def counted(weights: NDArray[Any]) -> dict[str, int]:
    """Number of weights, of zeros among them, and of different values."""
    return {
        "elements": int(weights.size),
        "zeros": int(weights.size - np.count_nonzero(weights)),
        "distinct": int(np.unique(weights).size),
    }


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def _end(tensor: Any, names: dict[int, str]) -> dict[str, Any]:
    quantization = tensor.quantization
    scaled = quantization is not None and quantization.scale is not None and len(quantization.scale) == 1
    return {
        "dtype": names[tensor.type].lower(),
        "shape": list(_shape(tensor)),
        "scale": float(quantization.scale[0]) if scaled else None,
        "zero_point": int(quantization.zeroPoint[0]) if scaled else None,
    }


def _names_of_types(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _plain_fields(options: Any) -> Iterator[tuple[str, Any]]:
    for name, value in ({} if options is None else vars(options)).items():
        if isinstance(value, bool | int | float):
            yield name, value
