# SPDX-License-Identifier: Apache-2.0
"""The study's own way to smaller forms: TensorFlow Lite's converter, where TensorFlow is installed."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gesture.judging import Shares
from gesture.scaling import as_network_inputs
from gesture.training import GestureData
from tinynet.network import Network

FORMS = ("float32", "float16", "dynamic", "int8_float_io", "int8")


def is_installed() -> bool:
    """Can TensorFlow and Keras be imported?"""
    return find_spec("tensorflow") is not None and find_spec("keras") is not None


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """``files`` are .tflite by form; ``keras_bytes`` is the trained model's own file, optimizer's state included."""

    files: dict[str, bytes]
    keras_bytes: int
    version: str


def convert(network: Network, data: GestureData) -> Converted:
    """All of :data:`FORMS`, made of the trained weights; integers calibrated on the training inputs."""
    with _quiet():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras
        import tensorflow

        model = _keras_model(keras, network)
        keras_bytes = _saved_bytes(keras, model)
        shown = as_network_inputs(network, data.training.inputs)
        files = {form: _converted(tensorflow, model, form, shown) for form in FORMS}
    return Converted(files, keras_bytes, str(tensorflow.__version__))


def shares(file: bytes, network: Network, inputs: NDArray[np.uint8]) -> Shares:
    """What a .tflite makes of inputs, one after the other."""
    with _quiet():
        import tensorflow

        interpreter = tensorflow.lite.Interpreter(model_content=file, num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for row in as_network_inputs(network, inputs):
        interpreter.set_tensor(source["index"], _as_tensor(row[None], source))
        interpreter.invoke()
        value = interpreter.get_tensor(result["index"])[0].astype(np.float64)
        step, zero = result["quantization"]
        found.append((value - zero) * step if step else value)
    return np.stack(found)


def _as_tensor(values: NDArray[np.float32], details: dict[str, Any]) -> NDArray[Any]:
    step, zero = details["quantization"]
    if not step:
        return values
    return np.asarray(np.clip(np.rint(values / step + zero), -128, 127).astype(np.int8))


def _keras_model(keras: Any, network: Network) -> Any:
    dense = [(layer.weights, layer.bias) for layer in network.layers if layer.weights is not None]
    words = ["relu"] * (len(dense) - 1) + ["softmax"]
    parts = [keras.Input(network.input_shape)]
    parts += [keras.layers.Dense(len(kept), activation=word) for (kept, _), word in zip(dense, words, strict=True)]
    model = keras.Sequential(parts)
    model.set_weights([array for weights, bias in dense for array in (weights.T, bias)])
    return model


def _saved_bytes(keras: Any, model: Any) -> int:
    """Of the .h5 file that a copy of the model leaves after a step of training with RMSprop."""
    copy = keras.models.clone_model(model)
    copy.compile(optimizer="rmsprop", loss="categorical_crossentropy")
    classes = copy.output_shape[-1]
    copy.train_on_batch(np.zeros((1, *model.input_shape[1:]), np.float32), np.eye(classes, dtype=np.float32)[:1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        copy.save(path)
        return path.stat().st_size


def _converted(tensorflow: Any, model: Any, form: str, shown: NDArray[np.float32]) -> bytes:
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    if form != "float32":
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    if form == "float16":
        converter.target_spec.supported_types = [tensorflow.float16]
    if form.startswith("int8"):
        converter.representative_dataset = lambda: ([row[None]] for row in shown)
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if form == "int8":
        converter.inference_input_type = converter.inference_output_type = tensorflow.int8
    return bytes(converter.convert())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What TensorFlow prints while it works goes nowhere: standard output is for results."""
    sys.stdout.flush()
    kept, nowhere = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    try:
        for file in (1, 2):
            os.dup2(nowhere, file)
        yield
    finally:
        sys.stdout.flush()
        for file, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, file)
            os.close(copy)
        os.close(nowhere)
