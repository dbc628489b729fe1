"""Networks built for real, where there is an interpreter with the extra [keras]."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_interpreter import skip_without

from lab.networks.building.metadata import check_model, read_metadata
from lab.networks.building.weights import seeded_weights
from lab.networks.tables import load_network
from lab.networks.tables import variations as all_variations

ROOT = Path(__file__).resolve().parents[2]
TITLES = ["MobileNet 32", "MobileNet PQ 32", "MobileNet PWQ 32"]


def built(folder: Path, cache: Path, *words: str) -> dict[str, Any]:
    """What `lab models build --json` says; it is silent but for that."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", "models", "build", "--quiet", "--json", "--out", str(folder), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "LAB_CACHE": str(cache)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_without()
    base = tmp_path_factory.mktemp("models")
    result = built(base / "out", base / "cache", "--only", "MobileNet 32")
    assert [item["name"] for item in result["models"]] == TITLES
    assert result["peak_rss_bytes"] < 3e9
    return base / "out"


def metadata_of(folder: Path, name: str) -> dict[str, Any]:
    model = folder / f"{name.replace(' ', '_')}.tflite"
    metadata = read_metadata(model)
    check_model(model, metadata)
    return metadata


def test_a_quarter_is_left_of_a_file_after_quantisation_and_less_after_gzip(folder: Path) -> None:
    plain, pruned, clustered = (metadata_of(folder, name) for name in TITLES)
    assert plain["bytes"] == pytest.approx(4 * plain["parameters"], rel=0.02)
    assert pruned["bytes"] == clustered["bytes"] == pytest.approx(plain["bytes"] / 4, rel=0.15)
    assert plain["gzip_bytes"] > 0.9 * plain["bytes"]
    assert clustered["gzip_bytes"] < pruned["gzip_bytes"] < 0.75 * pruned["bytes"]


def test_pruning_and_clustering_are_in_the_files(folder: Path) -> None:
    plain, pruned, clustered = (metadata_of(folder, name) for name in TITLES)
    assert plain["sparsity"] < 0.01
    # Depthwise kernels, 44,640 weights of 3.2 million, stay as they are.
    assert 0.49 < pruned["sparsity"] < 0.51
    assert clustered["sparsity"] < 0.1
    kernels = [row["kernel_weights"] for row in clustered["layers"] if row["kernel_weights"]]
    assert len(kernels) == 16
    assert all(kernel["distinct"] <= 16 for kernel in kernels)


def test_int8_goes_in_and_comes_out(folder: Path) -> None:
    assert metadata_of(folder, TITLES[0])["input"]["dtype"] == "float32"
    for name in TITLES[1:]:
        metadata = metadata_of(folder, name)
        # Preprocessed images go from -1 to 1.
        assert metadata["input"]["scale"] == pytest.approx(2 / 255, rel=0.01)
        assert metadata["output"]["dtype"] == "int8"
        kinds = {row["kind"] for row in metadata["operators"]}
        assert kinds == {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


def test_the_file_written_without_tensorflow_is_the_converted_one_layer_for_layer(folder: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed: install the extra [tflite]")
    from lab.networks.building.schema_writer import mobilenet_file
    from lab.networks.building.tflite_file import read_model

    network = load_network("MobileNet", 32)
    written = read_model(mobilenet_file(network, seeded_weights(network, 1)))
    converted = read_model((folder / "MobileNet_32.tflite").read_bytes())
    assert (written.input, written.output) == (converted.input, converted.output)
    assert len(written.operators) == len(converted.operators)
    for ours, theirs in zip(written.operators, converted.operators, strict=True):
        assert (ours.kind, ours.input_shapes, ours.output_shape) == (
            theirs.kind,
            theirs.input_shapes,
            theirs.output_shape,
        )
        assert ours.options == theirs.options
        assert ours.weights is not None
        assert theirs.weights is not None
        np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-6, atol=0)
        np.testing.assert_allclose(ours.bias, theirs.bias, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_quantisation_keeps_what_the_network_computes(folder: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed: install the extra [tflite]")
    from ai_edge_litert.interpreter import Interpreter

    def answers(name: str) -> Any:
        interpreter = Interpreter(str(folder / f"{name.replace(' ', '_')}.tflite"), num_threads=1)
        interpreter.allocate_tensors()
        (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
        found = []
        for image in np.random.default_rng(8).uniform(-1, 1, (20, 1, 32, 32, 3)):
            scale, zero = source["quantization"]
            given = np.clip(np.rint(image / scale + zero), -128, 127) if scale else image
            interpreter.set_tensor(source["index"], given.astype(source["dtype"]))
            interpreter.invoke()
            value = interpreter.get_tensor(sink["index"])[0].astype(float)
            scale, zero = sink["quantization"]
            found.append((value - zero) * scale if scale else value)
        return np.array(found)

    plain, pruned, clustered = (answers(name).reshape(-1) for name in TITLES)
    # Half of the weights, the small ones, are gone: the answers are related, not the same.
    assert np.corrcoef(plain, pruned)[0, 1] > 0.5
    # Without its biases corrected, what plain clustering leaves is related to nothing.
    assert np.corrcoef(plain, clustered)[0, 1] > 0.5


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = built(tmp_path / "out", tmp_path / "cache", "--only", "MobileNet 32")
    assert {item["state"] for item in again["models"]} == {"built"}
    assert {item["name"]: item["sha256"] for item in again["models"]} == {
        name: metadata_of(folder, name)["sha256"] for name in TITLES
    }


@pytest.mark.slow
def test_sparse_clustering_keeps_the_zeros_in_the_file(folder: Path, tmp_path: Path) -> None:
    built(tmp_path / "out", tmp_path / "cache", "--only", "MobileNet PWQ 32", "--pwq", "sparse")
    sparse, plain = metadata_of(tmp_path / "out", TITLES[2]), metadata_of(folder, TITLES[2])
    assert sparse["sparsity"] > 0.49
    assert plain["sparsity"] < 0.1


@pytest.mark.slow
def test_weights_are_taken_from_the_users_folder(tmp_path: Path) -> None:
    python = skip_without()
    script = """
import sys
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group
import h5py
from lab.networks.building.definitions import base_model, with_head
base = base_model("MobileNet", 32)
for layer in base.layers:
    layer.set_weights([array * 0 + 0.5 for array in layer.get_weights()])
with h5py.File(sys.argv[1] + "/published/mobilenet_1_0_224_tf_no_top.h5", "w") as file:
    save_weights_to_hdf5_group(file, base)
whole = with_head(base)
whole.layers[-1].set_weights([array * 0 + 0.5 for array in whole.layers[-1].get_weights()])
whole.save_weights(sys.argv[1] + "/own/MobileNet_32.weights.h5")
"""
    folders = {name: tmp_path / name for name in ("published", "own")}
    for folder in folders.values():
        folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"}
    subprocess.run([python, "-B", "-c", script, str(tmp_path)], env=environment, check=True, capture_output=True)
    for name, folder in folders.items():
        out = tmp_path / f"out_{name}"
        built(out, tmp_path / "cache", "--only", "MobileNet none 32", "--weights", str(folder))
        metadata = metadata_of(out, TITLES[0])
        distinct = {
            row["name"]: row["kernel_weights"]["distinct"] for row in metadata["layers"] if row["kernel_weights"]
        }
        assert distinct["conv1"] == 1
        # The published files are without the head, which is drawn; one's own are of the whole network.
        assert (distinct["dense_1"] == 1) is (name == "own")
        assert metadata["weights"]["whole"] is (name == "own")


@pytest.mark.slow
def test_all_variations_of_all_networks_are_the_studys(tmp_path: Path) -> None:
    skip_without()
    result = built(tmp_path / "out", tmp_path / "cache")
    assert [item["name"] for item in result["models"]] == [item.name for item in all_variations()]
    # One process per network: the largest bounds the memory.
    assert result["peak_rss_bytes"] < 8e9
