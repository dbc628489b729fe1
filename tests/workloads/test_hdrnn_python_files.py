"""The Python programs' readers and files: what is written is read again, what is damaged is told in one line."""

from __future__ import annotations

import contextlib
import gzip
import struct
import subprocess
import sys
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hdrnn_files import idx_bytes, network_of, order_bytes, published_bytes, random_network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hdrnn.checkpoint import Progress, read_checkpoint, write_checkpoint
from hdrnn.digits import DigitRequest, read_digits
from hdrnn.errors import WrongInputError
from hdrnn.generator import STREAM_ORDER, STREAM_WEIGHTS, Random
from hdrnn.idx import read_idx
from hdrnn.image import read_image
from hdrnn.netfile import network_bytes, read_network, write_network
from hdrnn.network import Network, parameter_count
from hdrnn.options import parse_train
from hdrnn.order import Order, OrderFile, SeededOrder

FLOAT32: np.dtype[Any] = np.dtype(np.float32)
FLOAT64: np.dtype[Any] = np.dtype(np.float64)

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
"""Each example writes its own file anew."""


@st.composite
def networks(draw: st.DrawFn) -> Network:
    sizes = tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=5)))
    width = draw(st.sampled_from([32, 64]))
    values = st.floats(allow_nan=False, allow_infinity=False, width=width)
    count = parameter_count(sizes)
    parameters = draw(st.lists(values, min_size=count, max_size=count))
    return Network(sizes, np.array(parameters, dtype=f"f{width // 8}"))


# ------------------------------------------------------------------------------------------------------ network files


@given(network=networks())
@same_folder
def test_a_network_is_read_as_it_was_written(network: Network, tmp_path: Path) -> None:
    write_network(tmp_path / "x.nn", network)
    again = read_network(tmp_path / "x.nn", network.parameters.dtype)
    assert again.sizes == network.sizes
    assert again.parameters.tobytes() == network.parameters.tobytes()
    for (w, b), (weights, biases) in zip(network_of(network_bytes(network)), again.layers(), strict=True):
        assert w.tobytes() == weights.tobytes()
        assert b.tobytes() == biases.tobytes()


@given(network=networks(), data=st.data())
@same_folder
def test_a_network_file_with_one_wrong_byte_is_refused(network: Network, data: st.DataObject, tmp_path: Path) -> None:
    damaged = bytearray(network_bytes(network))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "x.nn").write_bytes(damaged)
    with pytest.raises(WrongInputError, match=r"x\.nn: "):
        read_network(tmp_path / "x.nn", FLOAT64)


@given(network=networks(), data=st.data())
@same_folder
def test_a_network_file_that_was_cut_is_refused(network: Network, data: st.DataObject, tmp_path: Path) -> None:
    whole = network_bytes(network)
    (tmp_path / "x.nn").write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(WrongInputError, match=r"x\.nn: "):
        read_network(tmp_path / "x.nn", FLOAT64)


@given(head=st.sampled_from([b"", b"\x07", b"HDRNN\r\n\x1a", b"HDRC", b"HDRO"]), tail=st.binary(max_size=80))
@same_folder
def test_any_bytes_are_a_file_or_told_in_one_line(head: bytes, tail: bytes, tmp_path: Path) -> None:
    """No reader ends in anything else than an answer or the one error that means wrong input."""
    path = tmp_path / "x"
    path.write_bytes(head + tail)
    for read in (
        lambda: read_network(path, FLOAT32),
        lambda: read_checkpoint(path, FLOAT32),
        lambda: OrderFile(path, 2, 1).next(),
        lambda: read_idx(path, (28, 28)),
        lambda: read_image(path, 0),
    ):
        try:
            read()
        except WrongInputError as error:
            assert "\n" not in str(error)  # noqa: PT017 - not raising is right as well


def test_parameters_that_are_too_large_for_the_precision_are_refused(tmp_path: Path) -> None:
    write_network(tmp_path / "x.nn", Network((1, 1), np.array([1e300, 0.0])))
    assert read_network(tmp_path / "x.nn", FLOAT64).parameters[0] == 1e300
    with pytest.raises(WrongInputError, match="not a finite number in float32"):
        read_network(tmp_path / "x.nn", FLOAT32)


@pytest.mark.parametrize("by_columns", [False, True])
def test_the_published_programs_networks_are_read(tmp_path: Path, by_columns: bool) -> None:
    layers = random_network(np.random.default_rng(5), 784, 6, 5, 10)
    data = published_bytes(layers, by_columns=by_columns)
    (tmp_path / "x.nn").write_bytes(data)
    network = read_network(tmp_path / "x.nn", FLOAT32)
    assert network.sizes == (784, 6, 5, 10)
    for (weights, biases), (w, b) in zip(network.layers(), layers, strict=True):
        assert np.array_equal(weights, w)
        assert np.array_equal(biases, b)
    # One byte less of a file with columns could be one with rows: its numbers are no numbers then, or senseless.
    cut = data[:-2] if by_columns else data[:-1]
    for wrong in (cut, data + b"\0\0", data[:1] + b"\x03" + data[2:], data[:2], b"\x07"):
        (tmp_path / "x.nn").write_bytes(wrong)
        with pytest.raises(WrongInputError, match="network file"):
            read_network(tmp_path / "x.nn", FLOAT32)


# -------------------------------------------------------------------------------------------------------- checkpoints


def some_progress() -> Progress:
    return Progress(3, 100, 10, 2**32 - 1, 7, 1, 3.0, 0.25, 0.5)


@given(network=networks(), data=st.data())
@same_folder
def test_a_checkpoint_is_read_as_written_and_refused_when_damaged(
    network: Network, data: st.DataObject, tmp_path: Path
) -> None:
    path, dtype = tmp_path / "x", network.parameters.dtype
    write_checkpoint(path, some_progress(), network)
    progress, again = read_checkpoint(path, dtype)
    assert progress == some_progress()
    assert (again.sizes, again.parameters.tobytes()) == (network.sizes, network.parameters.tobytes())
    other = FLOAT64 if dtype == FLOAT32 else FLOAT32
    with pytest.raises(WrongInputError, match="see --precision"):
        read_checkpoint(path, other)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(WrongInputError, match="x: "):
        read_checkpoint(path, dtype)
    path.write_bytes(whole[:at])
    with pytest.raises(WrongInputError, match="x: "):
        read_checkpoint(path, dtype)


# ------------------------------------------------------------------------------------------------------------- orders


@given(seed=st.integers(0, 2**32), epochs=st.integers(1, 3), images=st.integers(1, 40))
@same_folder
def test_an_order_file_is_read_epoch_by_epoch(seed: int, epochs: int, images: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    orders = np.stack([rng.permutation(images) for _ in range(epochs)])
    (tmp_path / "order").write_bytes(order_bytes(orders))
    order = Order(OrderFile(tmp_path / "order", images, epochs))
    for expected in orders:
        assert order.next().tolist() == expected.tolist()
    assert order.crc == zlib.crc32(orders.astype("<u4").tobytes())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-4], "ends too early"),
        (lambda data: data[:13], "ends too early"),
        (lambda data: b"HDRX" + data[4:], "not an order file"),
        (lambda data: data[:4] + b"\2" + data[5:], "of another version"),
        (lambda data: data[:-4] + struct.pack("<I", 3), "not among those trained on"),
        (lambda data: data[:-4] + data[-8:-4], "there twice in one epoch"),
    ],
)
def test_an_order_file_that_is_none(tmp_path: Path, change: Any, message: str) -> None:
    (tmp_path / "order").write_bytes(change(order_bytes(np.array([[2, 0, 1]]))))
    with pytest.raises(WrongInputError, match=message):
        OrderFile(tmp_path / "order", 3, 1).next()


def test_an_order_file_of_another_training(tmp_path: Path) -> None:
    (tmp_path / "order").write_bytes(order_bytes(np.array([[2, 0, 1]])))
    with pytest.raises(WrongInputError, match="orders 3 images, but 4 are trained on"):
        OrderFile(tmp_path / "order", 4, 1)
    with pytest.raises(WrongInputError, match="holds 1 epochs, but 2 are asked for"):
        OrderFile(tmp_path / "order", 3, 2)


# ----------------------------------------------------------------------------------------------------- random numbers


@given(seed=st.integers(0, 2**64 - 1), counts=st.lists(st.integers(0, 9000), max_size=4))
@settings(max_examples=8, deadline=None)
def test_many_numbers_at_once_are_those_of_single_steps(seed: int, counts: list[int]) -> None:
    at_once, stepped = Random(seed, STREAM_WEIGHTS), Random(seed, STREAM_WEIGHTS)
    for count in counts:
        assert at_once.take(count).tolist() == [stepped.next() for _ in range(count)]
        assert at_once.state == stepped.state
    at_once.skip(sum(counts))
    for _ in range(sum(counts)):
        stepped.next()
    assert at_once.state == stepped.state


@given(seed=st.integers(0, 2**64 - 1), counts=st.lists(st.integers(0, 3000), min_size=1, max_size=3))
@settings(max_examples=8, deadline=None)
def test_normal_numbers_do_not_depend_on_how_many_are_taken_together(seed: int, counts: list[int]) -> None:
    """What was drawn in advance is given back."""
    parts, whole = Random(seed, STREAM_WEIGHTS), Random(seed, STREAM_WEIGHTS)
    together = np.concatenate([parts.normals(count) for count in counts])
    assert together.tobytes() == whole.normals(sum(counts)).tobytes()
    assert parts.state == whole.state


def test_normal_numbers_are_normal() -> None:
    values = Random(1, STREAM_WEIGHTS).normals(200_000)
    assert values.mean() == pytest.approx(0, abs=0.01)
    assert values.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(values) < 1).mean() == pytest.approx(0.6827, abs=0.005)


def test_a_shuffle_is_a_fair_permutation() -> None:
    """Each of six orders of three images comes about equally often; each epoch goes on from the last one."""
    order = SeededOrder(3, 1)
    met = [tuple(order.next().tolist()) for _ in range(6000)]
    counts = {each: met.count(each) for each in set(met)}
    assert len(counts) == 6
    assert all(abs(count - 1000) < 150 for count in counts.values())
    assert Random(1, STREAM_ORDER).state != Random(1, STREAM_WEIGHTS).state


# --------------------------------------------------------------------------------------------------------------- data


@given(count=st.integers(1, 5), seed=st.integers(0, 2**32), most=st.integers(1, 6), members=st.integers(0, 3))
@same_folder
def test_images_are_read_plain_or_packed_in_any_number_of_members(
    count: int, seed: int, most: int, members: int, tmp_path: Path
) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    whole = idx_bytes(images)
    cuts = np.linspace(0, len(whole), members + 1).astype(int)
    packed = b"".join(gzip.compress(whole[a:b]) for a, b in pairwise(cuts))
    (tmp_path / "x").write_bytes(packed or whole)
    read = read_idx(tmp_path / "x", (28, 28), most)
    assert read.whole_count == count
    assert np.array_equal(read.values, images[:most])


@given(data=st.data(), packed=st.booleans())
@same_folder
def test_images_that_were_cut_are_refused(data: st.DataObject, packed: bool, tmp_path: Path) -> None:
    whole = idx_bytes(np.arange(2 * 784, dtype=np.uint8).reshape(2, 28, 28))
    whole = gzip.compress(whole) if packed else whole
    (tmp_path / "x").write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(WrongInputError, match="ends"):
        read_idx(tmp_path / "x", (28, 28), 1)


@given(data=st.data())
@same_folder
def test_packed_images_with_one_wrong_bit_are_refused_or_the_same(data: st.DataObject, tmp_path: Path) -> None:
    """A bit of the gzip header (time, name, system) may change nothing; any other is found by the checksum."""
    images = np.random.default_rng(1).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    damaged = bytearray(gzip.compress(idx_bytes(images), mtime=0))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "x").write_bytes(damaged)
    with contextlib.suppress(WrongInputError):
        assert np.array_equal(read_idx(tmp_path / "x", (28, 28)).values, images)


def test_labels_and_images_must_belong_together(tmp_path: Path) -> None:
    images = np.zeros((3, 28, 28), dtype=np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx_bytes(np.array([1, 2], dtype=np.uint8)))
    with pytest.raises(WrongInputError, match="3 images but 2 labels"):
        read_digits(DigitRequest(str(tmp_path), split=(1, 1)))
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx_bytes(np.array([1, 2, 10], dtype=np.uint8)))
    with pytest.raises(WrongInputError, match="label 2 is 10"):
        read_digits(DigitRequest(str(tmp_path), split=(2, 1)))
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx_bytes(np.array([1, 2, 3], dtype=np.uint8)))
    train, test = read_digits(DigitRequest(str(tmp_path), split=(2, 1), train_limit=1))
    assert (train.labels.tolist(), test.labels.tolist()) == ([1], [3])
    with pytest.raises(WrongInputError, match="too few for the split 3/1"):
        read_digits(DigitRequest(str(tmp_path), split=(3, 1)))
    with pytest.raises(WrongInputError, match=r"no train-images-idx3-ubyte.*--split 8000/2000"):
        read_digits(DigitRequest(str(tmp_path)))


@given(st.lists(st.text(max_size=12), max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_arguments_are_options_or_told_in_one_line(arguments: list[str]) -> None:
    try:
        parse_train([argument.replace("\n", "") for argument in arguments])
    except WrongInputError as error:
        assert "\n" not in str(error)  # noqa: PT017 - not raising is right as well


# -------------------------------------------------------------------------------------------------------- comparing


def test_networks_are_compared_parameter_by_parameter(tmp_path: Path) -> None:
    for name, sizes, values in (("a", (1, 1), [1, 2]), ("b", (1, 1), [1, 2.5]), ("c", (1, 2), [1, 2, 3, 4])):
        write_network(tmp_path / name, Network(sizes, np.array(values, dtype=np.float32)))
    script = Path(__file__).parents[2] / "workloads" / "hdrnn" / "python" / "hdrnn_compare.py"

    def compare(*names: str) -> tuple[int, str, str]:
        argv = [sys.executable, "-B", script, *names]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    said = "a: at most 0 apart, 0 root mean square\nb: at most 0.5 apart, 0.35 root mean square\n"
    assert compare("a", "a", "b") == (0, said, "")
    assert compare("a", "c") == (2, "", "hdrnn_compare: c: of another shape than a\n")
    assert compare("a", "none") == (2, "", "hdrnn_compare: none: No such file or directory\n")
    assert compare("a")[0] == 2
