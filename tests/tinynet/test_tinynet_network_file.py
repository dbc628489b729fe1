"""Files of trained networks: the same back, the same bytes, and nothing but words for what is no such file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.architecture import create_network
from tinynet.array_file import read_arrays, write_arrays
from tinynet.errors import TinynetError
from tinynet.network import InputScale, Network
from tinynet.network_file import load, save, to_bytes

WORDS = st.sampled_from(
    [
        "flatten dense3 softmax",
        "maxpool2 flatten dense2 relu dense4",
        "conv2x3s2same tanh avgpool2 flatten dense3 sigmoid",
    ]
)


def sample(words: str = "conv2x3 relu flatten dense3 softmax", seed: int = 0) -> Network:
    network = create_network(words, (8, 8), InputScale(127.0, 8.0), seed)
    return Network(network.input_shape, network.scale, network.layers, {"seed": seed, "test_accuracy": 0.5})


@given(WORDS, st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_what_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, words: str, seed: int) -> None:
    network, path = sample(words, seed), tmp_path_factory.getbasetemp() / "net.npz"
    save(network, path)
    loaded = load(path)
    assert (loaded.input_shape, loaded.scale, loaded.facts) == (network.input_shape, network.scale, network.facts)
    for one, other in zip(network.layers, loaded.layers, strict=True):
        assert (one.kind, one.name, one.function, one.size, one.stride, one.padding) == (
            other.kind, other.name, other.function, other.size, other.stride, other.padding
        )  # fmt: skip
        for part in ("weights", "bias"):
            assert np.array_equal(getattr(one, part), getattr(other, part))
    assert to_bytes(loaded) == path.read_bytes() == to_bytes(network)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_refused_in_words(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = bytearray(to_bytes(sample()))
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(bytes(whole))
    said = ""
    try:
        to_bytes(load(path))  # where what was struck was padding, it is still a network
    except TinynetError as error:
        said = str(error)
    assert not said or str(path) in said


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": "other/1"}, "not a trained network"),
        ({"input_shape": [0, 8, 1]}, "is no size"),
        ({"input_shape": [9, 9, 1]}, "has weights for"),
        ({"scale": [0, 0]}, "scale is damaged"),
        ({"facts": 3}, "facts are damaged"),
        ({"layers": 5}, "header is damaged"),
        ({"layers": []}, "belongs to no layer"),
    ],
)
def test_headers_that_do_not_hold_together_are_refused(tmp_path: Path, change: dict[str, object], match: str) -> None:
    save(sample(), tmp_path / "net.npz")
    header, arrays = read_arrays(tmp_path / "net.npz")
    write_arrays(tmp_path / "net.npz", header | change, arrays)
    with pytest.raises(TinynetError, match=match):
        load(tmp_path / "net.npz")


@pytest.mark.parametrize(
    ("name", "array", "match"),
    [
        ("000.weights", np.zeros((2, 3, 3, 2), np.float32), "has weights for 2 channels"),
        ("000.weights", np.zeros((2, 3, 3, 1)), "expected binary32"),
        ("000.bias", np.zeros(3, np.float32), "with biases of shape"),
        ("000.bias", np.full(2, np.nan, np.float32), "not finite"),
        ("009.bias", np.zeros(2, np.float32), "belongs to no layer"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, name: str, array: np.ndarray, match: str) -> None:
    save(sample(), tmp_path / "net.npz")
    header, arrays = read_arrays(tmp_path / "net.npz")
    write_arrays(tmp_path / "net.npz", header, arrays | {name: array})
    with pytest.raises(TinynetError, match=match):
        load(tmp_path / "net.npz")


def test_nothing_is_left_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TinynetError, match="cannot be written"):
        save(sample(), tmp_path / "file" / "net.npz")
    with pytest.raises(TinynetError, match="no file"):
        load(tmp_path / "none.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_promises_more_than_there_is_is_refused(tmp_path: Path) -> None:
    whole = zipfile.ZipFile(io.BytesIO(to_bytes(sample())))
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        for name in whole.namelist():
            contents = whole.read(name)
            if name.startswith("000.weights"):
                contents = contents.replace(b"(2, 3, 3, 1)", b"(9999999999999,)").replace(b"    \n", b"\n")
                assert b"9999" in contents
            archive.writestr(name, contents)
    with pytest.raises(TinynetError, match="damaged"):
        load(tmp_path / "net.npz")
