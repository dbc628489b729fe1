"""The layer tables are those of the study's networks, and its variations are named as it names them."""

import contextlib
import csv
import io
import itertools
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_interpreter import skip_without

from lab.errors import UsageError
from lab.networks.tables import (
    INPUT_SIZES,
    Variation,
    load_network,
    parse_variation,
    variation,
    variations,
)

ROOT = Path(__file__).resolve().parents[2]

PRINTED_PARAMETERS = {
    ("InceptionV3", 75): 22_353_028,
    ("InceptionV3", 128): 23_925_892,
    ("ResNet50", 32): 24_137_956,
    ("ResNet50", 75): 28_332_260,
    ("ResNet50", 128): 32_002_276,
    ("MobileNet", 32): 3_516_964,
    ("MobileNet", 75): 4_303_396,
    ("MobileNet", 128): 7_449_124,
    ("VGG16", 32): 14_871_716,
    ("VGG16", 75): 15_264_932,
    ("VGG16", 128): 16_837_796,
}
KERAS_LAYERS = {"InceptionV3": 314, "ResNet50": 178, "MobileNet": 89, "VGG16": 22}
PAIRS = [(name, size) for name, sizes in INPUT_SIZES.items() for size in sizes]


@pytest.mark.parametrize(("name", "size"), PAIRS)
def test_parameters_are_those_the_study_prints(name: str, size: int) -> None:
    network = load_network(name, size)
    assert network.parameters == PRINTED_PARAMETERS[name, size]
    assert len(network.layers) == KERAS_LAYERS[name]
    assert network.title == f"{name} {size}"


def test_depth_counts_layers_with_parameters() -> None:
    # Keras lists 189, 107, 55 and 16 with the original top of one dense layer (VGG16: three); here there are two.
    depths = {name: load_network(name, 75).depth for name in INPUT_SIZES}
    assert depths == {"InceptionV3": 190, "ResNet50": 108, "MobileNet": 56, "VGG16": 15}


@pytest.mark.parametrize(("name", "size"), PAIRS)
def test_macs_follow_from_parameters_and_positions(name: str, size: int) -> None:
    for layer in load_network(name, size).layers:
        channels = layer.output_shape[-1]
        positions = layer.output_elements // channels
        if layer.kind == "Dense":
            assert layer.macs == layer.parameters - channels
            assert layer.macs == layer.input_elements * channels
        elif layer.kind in ("Conv2D", "DepthwiseConv2D"):
            weights = layer.macs // positions
            assert layer.parameters in (weights, weights + channels), layer.name
        else:
            assert layer.macs == 0


@pytest.mark.parametrize(("name", "size"), PAIRS)
def test_layers_of_a_chain_fit_together(name: str, size: int) -> None:
    layers = load_network(name, size).layers
    assert layers[0].output_shape == (size, size, 3)
    assert layers[-1].output_shape == (100,)
    if name in ("MobileNet", "VGG16"):
        for before, after in itertools.pairwise(layers[1:]):
            assert after.input_elements == before.output_elements, after.name


def test_a_known_network_has_its_published_macs() -> None:
    # MobileNet v1 at 224 × 224 has 569 M multiply-accumulates (A. Howard et al., 2017); convolutions scale with area.
    convolutions = sum(layer.macs for layer in load_network("MobileNet", 128).layers if layer.kind != "Dense")
    assert convolutions * (224 / 128) ** 2 == pytest.approx(569e6 - 1.0e6, rel=0.01)


def test_there_are_33_variations_named_as_in_the_study() -> None:
    names = [item.name for item in variations()]
    assert len(names) == len(set(names)) == 33
    assert names[:3] == ["InceptionV3 75", "InceptionV3 PQ 75", "InceptionV3 PWQ 75"]
    assert Variation("MobileNet", 32, "PQ").file_name == "MobileNet_PQ_32.tflite"
    assert Variation("MobileNet", 32).file_name == "MobileNet_32.tflite"


@given(st.sampled_from(variations()), st.sampled_from(["{}", "models/{}", "/opt/a b/{}", "C:\\m\\{}"]))
def test_names_and_file_names_are_read_back(item: Variation, place: str) -> None:
    assert parse_variation(item.name) == item
    assert parse_variation(item.name.lower()) == item
    assert parse_variation(place.format(item.file_name)) == item
    assert variation(item.network, str(item.input_size), item.compression) == item


@given(st.text(max_size=40))
def test_any_other_name_is_refused_with_a_message(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_variation(text) in variations()


def test_messages_help() -> None:
    with pytest.raises(UsageError, match="no network 'Mobilenett'") as wrong_name:
        variation("Mobilenett", 32)
    assert "did you mean 'MobileNet'" in str(wrong_name.value.advice)
    with pytest.raises(UsageError, match="no input size 32") as wrong_size:
        variation("InceptionV3", 32)
    assert "75, 128" in str(wrong_size.value.advice)
    with pytest.raises(UsageError, match="compression 'QP'"):
        variation("VGG16", 32, "QP")


def test_only_quantised_variations_have_one_byte_elements() -> None:
    assert {item.compression: item.element_bytes for item in variations()} == {"none": 4, "PQ": 1, "PWQ": 1}


def test_tables_are_small_and_name_their_origin() -> None:
    files = sorted((ROOT / "lab/networks/data").glob("*.csv"))
    assert len(files) == 11
    assert sum(file.stat().st_size for file in files) < 300_000
    for file in files:
        assert "make_layer_tables.py with Keras" in file.read_text(encoding="utf-8").splitlines()[0]


@pytest.mark.slow
def test_a_table_is_what_keras_gives(tmp_path: Path) -> None:
    python = skip_without()
    script = ROOT / "workloads/networks/make_layer_tables.py"
    environment = {**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "tensorflow")}
    subprocess.run([python, script, "--output", tmp_path], check=True, env=environment, capture_output=True)
    for shipped in sorted((ROOT / "lab/networks/data").glob("*.csv")):
        assert rows(tmp_path / shipped.name) == rows(shipped)


def rows(path: Path) -> list[dict[str, str]]:
    """The table without its comment, in which versions may differ."""
    text = path.read_text(encoding="utf-8").split("\n", 1)[1]
    return list(csv.DictReader(io.StringIO(text)))
