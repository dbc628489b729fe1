"""Reading data: IDX files as MNIST's, and what is wrong with others."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinynet_data import write_blobs

from tinynet.data import Split, load_data, parse_split, read_idx, write_idx
from tinynet.errors import TinynetError
from tinynet.scales import parse_scale, scaled


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 3, 5), (1, 2, 3, 2)])
def test_what_is_written_is_read(tmp_path: Path, shape: tuple[int, ...], suffix: str) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    write_idx(tmp_path / f"a{suffix}", array)
    assert (read_idx(tmp_path / f"a{suffix}") == array).all()


@given(st.binary(max_size=80), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, zipped: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(gzip.compress(data) if zipped else data)
    said = ""
    try:
        array = read_idx(path)
    except TinynetError as error:
        said = str(error)
    assert str(path) in said if said else array.size == len(data) - 4 - 4 * array.ndim


def test_a_cut_gzip_file_is_damaged_and_a_missing_one_missing(tmp_path: Path) -> None:
    whole = gzip.compress(b"\0\0\x08\x01\0\0\0\x04abcd")
    (tmp_path / "cut").write_bytes(whole[:-6])
    with pytest.raises(TinynetError, match="damaged"):
        read_idx(tmp_path / "cut")
    with pytest.raises(TinynetError, match="No such file"):
        read_idx(tmp_path / "none")


def test_training_and_test_files_are_each_taken_from_their_beginning(tmp_path: Path) -> None:
    folder = write_blobs(tmp_path)
    whole, part = load_data(folder), load_data(folder, Split(100, 50))
    assert (len(whole.train), len(whole.test), part.files) == (600, 200, "train and t10k")
    assert (part.train.inputs == whole.train.inputs[:100]).all()
    assert (part.test.inputs == whole.test.inputs[:50]).all()


def test_of_test_files_alone_none_is_trained_on_and_tested_with(tmp_path: Path) -> None:
    folder = write_blobs(tmp_path)
    every = load_data(folder).test
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (folder / name).unlink()
    data = load_data(folder, Split(150, 50))
    assert data.files == "t10k alone"
    assert (np.concatenate([data.train.inputs, data.test.inputs]) == every.inputs).all()
    assert (np.concatenate([data.train.labels, data.test.labels]) == every.labels).all()
    with pytest.raises(TinynetError, match=r"too few for the split 160/50"):
        load_data(folder, Split(160, 50))


@pytest.mark.parametrize("text", ["8000", "0/5", "5/0", "-1/2", "a/b", "1/2/3"])
def test_a_split_is_two_counts(text: str) -> None:
    with pytest.raises(TinynetError, match="expected two counts"):
        parse_split(text)


def test_labels_must_match_the_images(tmp_path: Path) -> None:
    folder = write_blobs(tmp_path)
    write_idx(folder / "t10k-labels-idx1-ubyte", np.zeros(3, np.uint8))
    with pytest.raises(TinynetError, match="labels for inputs"):
        load_data(folder)


def test_scales_by_name_and_by_numbers() -> None:
    data = np.array([0, 127, 255], np.uint8)
    assert scaled(parse_scale("study"), data).tolist() == [-15.875, 0.0, 16.0]
    assert scaled(parse_scale("unit"), data).tolist() == [0.0, np.float32(127 / 255), 1.0]
    assert scaled(parse_scale("signed"), data).tolist() == [-1.0, -1 / 128, 127 / 128]
    assert scaled(parse_scale("100/50"), data).tolist() == [-2.0, np.float32(0.54), np.float32(3.1)]
    for text in ("", "half", "1/0", "nan/1", "1/inf", "3"):
        with pytest.raises(TinynetError, match="expected one of study, unit, signed"):
            parse_scale(text)
