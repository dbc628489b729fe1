"""MobileNet 32 written without TensorFlow is the network that the layer table describes, and LiteRT runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.errors import DataError, UsageError
from lab.networks.building.tflite_file import Model, read_model
from lab.networks.building.weights import kernel_elements, seeded_weights
from lab.networks.tables import load_network

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed: install the extra [tflite]")

NETWORK = load_network("MobileNet", 32)
Image = NDArray[np.float64]


@pytest.fixture(scope="module")
def content() -> bytes:
    from lab.networks.building.schema_writer import mobilenet_file

    return mobilenet_file(NETWORK, seeded_weights(NETWORK, 1))


@pytest.fixture(scope="module")
def model(content: bytes) -> Model:
    return read_model(content)


def test_each_layer_that_multiplies_is_an_operator(model: Model) -> None:
    layers = [layer for layer in NETWORK.layers if layer.macs]
    kinds = {"Conv2D": "CONV_2D", "DepthwiseConv2D": "DEPTHWISE_CONV_2D", "Dense": "FULLY_CONNECTED"}
    assert len(model.operators) == len(layers) == 29
    for layer, operator in zip(layers, model.operators, strict=True):
        assert operator.kind == kinds[layer.kind]
        assert operator.output_shape == (1, *layer.output_shape)
        assert operator.weights is not None
        assert operator.weights.size == kernel_elements(layer)
        assert operator.bias is not None
        assert operator.bias.shape == (layer.output_shape[-1],)
    assert model.input == {"dtype": "float32", "shape": [1, 32, 32, 3], "scale": None, "zero_point": None}
    assert model.output["shape"] == [1, 100]


def convolved(image: Image, layer: int, kernel: Image) -> Image:
    """A convolution by definition, padded as Keras pads these layers; (height, width, channels)."""
    described = [item for item in NETWORK.layers if item.macs][layer]
    assert described.kernel is not None
    assert described.stride is not None
    (high, wide), step = described.kernel, described.stride[0]
    rows, columns, _ = described.output_shape
    total = max((rows - 1) * step + high - image.shape[0], 0)
    before = total // 2
    padded = np.pad(image, ((before, total - before), (before, total - before), (0, 0)))
    result = np.zeros((rows, columns, kernel.shape[-1] if described.kind == "Conv2D" else kernel.shape[-2]))
    for y in range(high):
        for x in range(wide):
            part = padded[y : y + rows * step : step, x : x + columns * step : step][:rows, :columns]
            result += part @ kernel[y, x] if described.kind == "Conv2D" else part * kernel[y, x, :, 0]
    return result


def inferred(image: Image) -> Image:
    """The network's answer from Keras's own formulas, unfolded, in float64."""
    weights = seeded_weights(NETWORK, 1)
    activation, number = image, 0
    for layer in NETWORK.layers:
        arrays = [array.astype(np.float64) for array in weights.get(layer.name, [])]
        if layer.kind in ("Conv2D", "DepthwiseConv2D"):
            activation = convolved(activation, number, arrays[0])
            number += 1
        elif layer.kind == "BatchNormalization":
            scale, offset, mean, variance = arrays
            activation = (activation - mean) / np.sqrt(variance + 1e-3) * scale + offset
        elif layer.kind == "ReLU":
            activation = np.clip(activation, 0, 6)
        elif layer.kind == "Dense":
            activation = activation.reshape(-1) @ arrays[0] + arrays[1]
            activation = np.maximum(activation, 0) if layer.name == "dense" else activation
    return activation


def test_litert_answers_as_the_formulas_do(content: bytes, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    image = np.random.default_rng(6).uniform(-1, 1, (32, 32, 3)).astype(np.float32)
    file = tmp_path / "MobileNet_32.tflite"
    file.write_bytes(content)
    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    expected = inferred(image.astype(np.float64))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5)


def test_other_networks_are_refused() -> None:
    from lab.networks.building.schema_writer import mobilenet_file

    for name, size in (("MobileNet", 75), ("MobileNet", 128), ("VGG16", 32)):
        with pytest.raises(UsageError, match=f"{name} {size} cannot be written without TensorFlow"):
            mobilenet_file(load_network(name, size), {})


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x00" * 64, b"PK\x03\x04" + b"\x00" * 20])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"no \.tflite"):
        read_model(content)
