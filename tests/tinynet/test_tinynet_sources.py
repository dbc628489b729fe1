"""Networks from files of Keras and TensorFlow Lite: those that Keras saves give what Keras predicts."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tinynet_data import tn

from tinynet.errors import TinynetError
from tinynet.inference import predict
from tinynet.network_file import load
from tinynet.scales import SCALES
from tinynet.sources import read_network

STUDY = SCALES["study"]


def dense(name: str, units: int, activation: str = "linear") -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": name, "units": units, "activation": activation}}


def write_keras(path: Path, layers: list[dict[str, Any]], weights: dict[str, list[Any]], inputs: int = 4) -> Path:
    """A .keras file as Keras 3 lays it out, written with h5py alone."""
    h5py = pytest.importorskip("h5py", reason="Keras files need h5py: pip install h5py")
    first = {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, inputs]}}
    config = {"class_name": "Sequential", "config": {"name": "small", "layers": [first, *layers]}}
    contents = io.BytesIO()
    with h5py.File(contents, "w") as file:
        for number, (name, arrays) in enumerate(weights.items()):
            group = file.create_group(f"layers/layer_{number}/vars")
            group.attrs["name"] = name
            for place, array in enumerate(arrays):
                group[str(place)] = np.asarray(array, np.float32)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", contents.getvalue())
    return path


def test_a_keras_file_is_read(tmp_path: Path) -> None:
    kernel = np.arange(8).reshape(4, 2) / 10
    path = write_keras(tmp_path / "a.keras", [dense("d", 2, "relu")], {"d": [kernel, [0.5, -9]]})
    network = read_network(path, SCALES["unit"])
    assert [layer.kind for layer in network.layers] == ["dense", "activation"]
    inputs = np.array([[255, 0, 0, 255]], np.uint8)
    assert predict(network, inputs).tolist() == [pytest.approx([0.0 + 0.6 + 0.5, 0.0])]


@pytest.mark.parametrize(
    ("layers", "weights", "match"),
    [
        ([{"class_name": "LSTM", "config": {"name": "l"}}], {}, "there is no LSTM here"),
        ([dense("d", 2, "selu")], {"d": [np.zeros((4, 2)), [0, 0]]}, "no function selu"),
        ([dense("d", 3)], {"d": [np.zeros((4, 2)), [0, 0]]}, "not those of 3 outputs"),
        ([dense("d", 2)], {}, "its weights are missing"),
        ([dense("d", 2)], {"d": [np.zeros((5, 2)), [0, 0]]}, "has weights for 5 inputs"),
        ([dense("d", 2)], {"d": [np.full((4, 2), np.nan), [0, 0]]}, "no finite numbers"),
        ([{"class_name": "Dense"}], {}, "kind that is read"),
    ],
)
def test_keras_files_that_cannot_be_taken_are_refused_in_words(
    tmp_path: Path, layers: list[dict[str, Any]], weights: dict[str, list[Any]], match: str
) -> None:
    path = write_keras(tmp_path / "a.keras", layers, weights)
    with pytest.raises(TinynetError, match=match):
        read_network(path, STUDY)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_that_are_none_are_refused_in_words(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("h5py", reason="Keras files need h5py: pip install h5py")
    path = tmp_path / f"a{suffix}"
    for contents in (b"", b"nothing of the kind", b"\x89HDF\r\n\x1a\n" + bytes(200)):
        path.write_bytes(contents)
        with pytest.raises(TinynetError, match=path.name):
            read_network(path, STUDY)


def test_a_tflite_file_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason=".tflite files need LiteRT: pip install ai-edge-litert")
    path = tmp_path / "a.tflite"
    for contents in (b"", b"nothing of the kind", b"\x14\0\0\0TFL3" + bytes(64)):
        path.write_bytes(contents)
        with pytest.raises(TinynetError, match=r"TensorFlow Lite file|damaged"):
            read_network(path, STUDY)


def test_without_the_packages_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, package in (("a.keras", "h5py"), ("a.tflite", "ai_edge_litert")):
        monkeypatch.setitem(sys.modules, package, None)
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(TinynetError, match="pip install"):
            read_network(tmp_path / name, STUDY)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_keras_saves_gives_what_keras_predicts(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="needs the extra 'keras': pip install -e '.[keras,tflite]'")
    tensorflow = pytest.importorskip("tensorflow", reason="needs the extra 'keras'")
    layers = keras.layers
    convolution = keras.Sequential(
        [
            layers.InputLayer(shape=(28, 28, 1)),
            layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.ReLU(),
            layers.MaxPool2D(2),
            layers.Conv2D(5, 3, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(12, activation="sigmoid", name="named"),
            layers.Dense(10),
            layers.Softmax(),
        ]
    )
    given = keras.Input((784,))
    row = keras.Model(given, layers.Dense(10, activation="softmax")(layers.Activation("tanh")(given)))
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (20, 28, 28)).astype(np.uint8)
    for model, shape in ((convolution, (20, 28, 28, 1)), (row, (20, 784))):
        for variable in model.weights:
            variable.assign(generator.normal(size=variable.shape) / 4)
        expected = model.predict((images.reshape(shape).astype(np.float32) - 127) / 8, verbose=0)
        for suffix in (".keras", ".h5"):
            model.save(tmp_path / f"model{suffix}")
        converted = tensorflow.lite.TFLiteConverter.from_keras_model(model).convert()
        (tmp_path / "model.tflite").write_bytes(converted)
        for suffix in (".keras", ".h5", ".tflite"):
            out = tmp_path / "out.npz"
            tn("convert", tmp_path / f"model{suffix}", "--scale", "study", "--input", "28x28", "--out", out)
            assert np.abs(predict(load(out), images) - expected).max() < 1e-5
