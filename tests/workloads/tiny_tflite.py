"""A real .tflite file of one fully connected layer, written through LiteRT's own schema: no TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_tiny_model(path: Path, *, inputs: int = 64, outputs: int = 32) -> None:
    """``outputs`` neurons on ``inputs`` numbers, float32."""
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    weights = np.random.default_rng(1).normal(size=(outputs, inputs)).astype(np.float32)
    contents = [b"", weights.tobytes(), np.zeros(outputs, np.float32).tobytes()]

    def tensor(name: str, shape: list[int], buffer: int) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.buffer, made.type = name, shape, buffer, schema.TensorType.FLOAT32
        return made

    layer = schema.OperatorT()
    layer.opcodeIndex, layer.inputs, layer.outputs = 0, [0, 1, 2], [3]
    layer.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    layer.builtinOptions = schema.FullyConnectedOptionsT()
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("in", [1, inputs], 0),
        tensor("weights", [outputs, inputs], 1),
        tensor("bias", [outputs], 2),
        tensor("out", [1, outputs], 0),
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [3], [layer]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], []
    for content in contents:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8) if content else None
        model.buffers.append(buffer)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
