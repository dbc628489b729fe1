"""What hdrnn reads and writes: networks come back as they were, and nothing damaged is taken for good."""

from __future__ import annotations

import gzip
import json
import random
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import Hdrnn, idx_bytes, network_bytes, order_bytes, random_network, read_idx, read_network
from hypothesis import given, settings
from hypothesis import strategies as st

Unpack = Callable[[bytes], "bytes | None"]


def unpacker(folder: Path, scratch: Path) -> Unpack:
    """What hdrnn's gzip decoder makes of some bytes; ``None`` if it calls them damaged."""

    def unpack(data: bytes) -> bytes | None:
        scratch.write_bytes(data)
        done = subprocess.run([folder / "hdrnn_selftest", "gunzip", scratch], capture_output=True, check=False)
        assert done.returncode in (0, 2), done.stderr.decode()
        assert (done.returncode == 0) == (done.stderr == b"")
        return done.stdout if done.returncode == 0 else None

    return unpack


@pytest.fixture(scope="module")
def unpack(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpack:
    return unpacker(built, tmp_path_factory.mktemp("gzip") / "file")


@pytest.fixture(scope="module")
def checked_unpack(checked: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpack:
    return unpacker(checked, tmp_path_factory.mktemp("gzip") / "file")


HEADER = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])


def deflated(data: bytes, level: int, strategy: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    return packer.compress(data) + packer.flush()


def member(body: bytes, data: bytes) -> bytes:
    return HEADER + body + struct.pack("<II", zlib.crc32(data), len(data) % 2**32)


contents = st.one_of(
    st.binary(max_size=2000),
    st.text("ab \n", max_size=3000).map(str.encode),
    # long, with matches from near and far: repeated pieces of something random
    st.tuples(st.integers(0, 2**32), st.integers(1, 400), st.integers(1, 200)).map(
        lambda t: b"".join(random.Random(t[0] + i % 7).randbytes(t[1]) + bytes(i % 50) for i in range(t[2]))
    ),
)
levels = st.integers(0, 9)
strategies = st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED])


class TestGzip:
    @settings(deadline=None, max_examples=150)
    @given(contents, levels, strategies)
    def test_whole_files_as_zlib_packs_them(self, unpack: Unpack, data: bytes, level: int, strategy: int) -> None:
        assert unpack(member(deflated(data, level, strategy), data)) == data

    def test_a_long_file_with_matches_across_the_whole_window(self, unpack: Unpack) -> None:
        noise = random.Random(1).randbytes(32768)
        data = noise + noise + bytes(100_000) + noise[:20_000] + noise
        assert unpack(gzip.compress(data)) == data

    @settings(deadline=None, max_examples=60)
    @given(contents, levels, strategies, st.data())
    def test_damaged_streams_are_taken_exactly_when_zlib_takes_them(
        self, checked_unpack: Unpack, data: bytes, level: int, strategy: int, draw: st.DataObject
    ) -> None:
        body = bytearray(deflated(data, level, strategy))
        for _ in range(draw.draw(st.integers(0, 3))):
            # most of what can be wrong stands at the beginning: the codes
            at = draw.draw(st.integers(0, min(len(body) - 1, 80)) | st.integers(0, len(body) - 1))
            body[at] ^= draw.draw(st.integers(1, 255))
        del body[draw.draw(st.integers(1, len(body)) | st.just(len(body))) :]
        reference = zlib.decompressobj(-15)
        try:
            expected = reference.decompress(bytes(body))
        except zlib.error:
            assert checked_unpack(HEADER + bytes(body) + bytes(8)) is None
            return
        if reference.eof:
            whole = bytes(body[: len(body) - len(reference.unused_data)])
            assert checked_unpack(member(whole, expected)) == expected
        else:
            assert checked_unpack(member(bytes(body), expected)) is None

    @settings(deadline=None, max_examples=60)
    @given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: HEADER + tail))
    def test_garbage_is_refused(self, checked_unpack: Unpack, data: bytes) -> None:
        try:
            expected = gzip.decompress(data) if data else None
        except (OSError, EOFError, zlib.error):
            expected = None
        assert checked_unpack(data) in (None, expected)

    @pytest.mark.parametrize("part", ["checksum", "length", "cut"])
    def test_trailer_is_checked(self, unpack: Unpack, part: str) -> None:
        good = gzip.compress(b"some text")
        bad = bytearray(good)
        bad[-8 if part == "checksum" else -1] ^= 1
        assert unpack(good) == b"some text"
        assert unpack(good[:-1] if part == "cut" else bytes(bad)) is None

    def test_members_and_optional_header_fields(self, unpack: Unpack) -> None:
        one = member(deflated(b"one ", 6, 0), b"one ")
        flags = 2 | 4 | 8 | 16  # header checksum, extra field, name, comment
        fields = struct.pack("<H", 3) + b"abc" + b"name\0" + b"comment\0" + b"\0\0"
        two = HEADER[:3] + bytes([flags]) + HEADER[4:] + fields + member(deflated(b"two", 6, 0), b"two")[10:]
        assert unpack(one + two) == b"one two"
        assert unpack(one + b"x") is None


class TestNetworkFile:
    def test_comes_back_bit_for_bit(self, checked_hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        original = network_bytes(random_network(np.random.default_rng(1), 784, 7, 5, 10))
        (tmp_path / "a.nn").write_bytes(original)
        done = checked_hdrnn(
            "train", "-e", 0, "--data", digits, "--init", tmp_path / "a.nn", "-n", tmp_path / "b.nn"
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "b.nn").read_bytes() == original
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nn", "b.nn"]

    @settings(deadline=None, max_examples=60)
    @given(draw=st.data())
    def test_no_damage_goes_unseen(
        self, checked_hdrnn: Hdrnn, tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
    ) -> None:
        data = bytearray(network_bytes(random_network(np.random.default_rng(1), 784, 2, 10)))
        kind = draw.draw(st.sampled_from(["flip", "cut", "longer"]))
        if kind == "flip":
            at = draw.draw(st.integers(0, 40) | st.integers(0, len(data) - 1))
            data[at] ^= draw.draw(st.integers(1, 255))
        elif kind == "cut":
            del data[draw.draw(st.integers(0, 60) | st.integers(0, len(data) - 1)) :]
        else:
            data += bytes(draw.draw(st.integers(1, 9)))
        path = tmp_path_factory.getbasetemp() / "damaged.nn"
        path.write_bytes(data)
        done = checked_hdrnn("infer", "-i", path, "-n", path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"hdrnn: {path}: ")
        assert done.stderr.count("\n") == 1

    def test_later_version_strange_sizes_and_values_are_refused(self, checked_hdrnn: Hdrnn, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        layers = random_network(rng, 784, 2, 10)
        infinite = random_network(rng, 784, 2, 10)
        infinite[0][0][1, 5] = np.inf
        cases = {
            "of version 3": network_bytes(layers, version=3),
            "long, expected": network_bytes(layers)[:8] + b"\2" + network_bytes(layers)[9:],
            "checksum": network_bytes(layers, crc=1),
            "not a finite number": network_bytes(infinite),
            "784 inputs and 9 outputs": network_bytes(random_network(rng, 784, 2, 9)),
            "4294967295 neurons": network_bytes(layers)[:16] + b"\xff" * 4 + network_bytes(layers)[20:],
        }
        for message, data in cases.items():
            (tmp_path / "x.nn").write_bytes(data)
            done = checked_hdrnn("infer", "-i", "x", "-n", tmp_path / "x.nn")
            assert (done.returncode, message in done.stderr) == (2, True), done.stderr

    def test_shape_that_contradicts_the_file(self, hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        (tmp_path / "x.nn").write_bytes(network_bytes(random_network(np.random.default_rng(1), 784, 2, 10)))
        arguments = ("train", "--data", digits, "-e", 0, "--init", tmp_path / "x.nn", "-s")
        assert hdrnn(*arguments, 2).returncode == 0
        assert "its shape" in hdrnn(*arguments, 3).stderr

    def test_network_that_cannot_be_written(self, hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        done = hdrnn("train", "-q", "-e", 0, "--data", digits, "-n", tmp_path / "no" / "x.nn")
        assert (done.returncode, done.stdout) == (1, "")
        assert "cannot be written" in done.stderr


class TestDigitFiles:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A small whole set, to be damaged."""
        rng = np.random.default_rng(1)
        for name, count in (("train", 30), ("t10k", 20)):
            images = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
            (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(images))
            labels = rng.integers(0, 10, count).astype(np.uint8)
            (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
        return tmp_path

    @staticmethod
    def error_of(hdrnn: Hdrnn, folder: Path, *arguments: object) -> str:
        done = hdrnn("train", "-s", 2, "-e", 1, "--data", folder, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("hdrnn: ")
        assert done.stderr.count("\n") == 1
        return done.stderr

    def test_whole_set_is_taken(self, checked_hdrnn: Hdrnn, folder: Path) -> None:
        assert checked_hdrnn("train", "-s", 2, "-e", 1, "--data", folder).returncode == 0

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("train-images-idx3-ubyte", b"", "ends after 0 of 16 bytes"),
            ("train-images-idx3-ubyte", b"hello, world, this is text", "not an IDX file"),
            ("train-images-idx3-ubyte", idx_bytes(np.zeros((30, 28, 28), np.uint8))[:-1], "ends after"),
            ("train-images-idx3-ubyte", idx_bytes(np.zeros((30, 28, 28), np.uint8)) + b"x", "longer than"),
            ("train-images-idx3-ubyte", idx_bytes(np.zeros((30, 27, 28), np.uint8)), "dimension 1 of an item is 27"),
            ("train-images-idx3-ubyte", idx_bytes(np.zeros((30, 784), np.uint8)), "2 dimensions"),
            ("train-images-idx3-ubyte", idx_bytes(np.zeros((29, 28, 28), np.uint8)), "29 images but 30 labels"),
            ("train-images-idx3-ubyte", b"\0\0\x08\x03" + b"\xff" * 4 + b"\0\0\0\x1c" * 2, "4294967295 items"),
            ("train-images-idx3-ubyte", b"\0\0\x0d\x03" + bytes(12), "IDX type 0x0d"),
            ("train-labels-idx1-ubyte", idx_bytes(np.full(30, 10, np.uint8)), "label 0 is 10"),
            ("t10k-labels-idx1-ubyte", idx_bytes(np.zeros(0, np.uint8)), "0 items"),
            ("t10k-images-idx3-ubyte", b"\x1f\x8b\x08garbage after the magic", "damaged gzip"),
        ],
    )
    def test_damage_is_named(self, checked_hdrnn: Hdrnn, folder: Path, name: str, content: bytes, message: str) -> None:
        (folder / name).write_bytes(content)
        said = self.error_of(checked_hdrnn, folder)
        assert message in said
        assert str(folder) in said

    @pytest.mark.parametrize("kind", ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"])
    def test_missing_file_is_named(self, checked_hdrnn: Hdrnn, folder: Path, kind: str) -> None:
        (folder / f"{kind}-ubyte").unlink()
        assert f"no {kind}-ubyte" in self.error_of(checked_hdrnn, folder)

    def test_split_never_scores_what_it_trained_on(self, hdrnn: Hdrnn, folder: Path) -> None:
        """Images whose pixels say their label in the first part only: scores on the second must know nothing of it."""
        for path in folder.glob("train-*"):
            path.unlink()
        assert "--split" in self.error_of(hdrnn, folder)
        assert "too few for the split" in self.error_of(hdrnn, folder, "--split", "15/6")
        images = read_idx(folder / "t10k-images-idx3-ubyte")
        labels = read_idx(folder / "t10k-labels-idx1-ubyte")

        def accuracy() -> object:
            done = hdrnn("train", "-s", 4, "-e", 3, "--data", folder, "--split", "15/5", "--json", "-q")
            said = json.loads(done.stdout)
            assert (said["train_images"], said["test_images"]) == (15, 5)
            return said["loss"]

        before = accuracy()
        changed = images.copy()
        changed[15:] = 255 - changed[15:]
        (folder / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(changed))
        assert accuracy() == before  # the loss is of the trained images alone
        wrong = labels.copy()
        wrong[:15] = (wrong[:15] + 1) % 10
        (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(wrong))
        assert accuracy() != before

    def test_order_files(self, checked_hdrnn: Hdrnn, folder: Path) -> None:
        good = np.stack([np.arange(30), np.arange(30)])
        twice, far = good.copy(), good.copy()
        twice[0, 3], far[0, 3] = 2, 30
        cases = {
            "not an order file": b"x" * 40,
            "another version": order_bytes(good, version=2),
            "orders 29 images": order_bytes(good[:, :29]),
            "holds 2 epochs": order_bytes(good),
            "ends too early": order_bytes(np.tile(good, (2, 1)))[:-4],
            "there twice": order_bytes(np.tile(twice, (2, 1))),
            "not among those": order_bytes(np.tile(far, (2, 1))),
        }
        for message, data in cases.items():
            (folder / "order").write_bytes(data)
            done = checked_hdrnn("train", "-q", "-s", 2, "-e", 4, "--data", folder, "--order", folder / "order")
            assert (done.returncode, message in done.stderr) == (2, True), done.stderr


@pytest.fixture(scope="module")
def network(hdrnn: Hdrnn, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network file, trained a little."""
    path = tmp_path_factory.mktemp("network") / "digits.nn"
    assert hdrnn("train", "-q", "-e", 3, "--data", digits, "-n", path).returncode == 0
    return path


class TestInfer:
    def test_one_image_in_each_form(self, checked_hdrnn: Hdrnn, network: Path, digits: Path, tmp_path: Path) -> None:
        images = digits / "t10k-images-idx3-ubyte"
        pixels = read_idx(images)[41].tobytes()
        (tmp_path / "raw").write_bytes(pixels)
        (tmp_path / "x.pgm").write_bytes(b"P5\n# drawn\n28 28\n255\n" + pixels)
        (tmp_path / "x.gz").write_bytes(gzip.compress(images.read_bytes()))
        answers = [
            checked_hdrnn("infer", "-n", network, "--json", *arguments).stdout
            for arguments in (
                ("-i", tmp_path / "raw"),
                ("-i", tmp_path / "x.pgm"),
                ("-i", images, "--index", 41),
                ("-i", tmp_path / "x.gz", "--index=41"),
            )
        ]
        assert len(set(answers)) == 1
        said = json.loads(answers[0])
        outputs = pixels_through(network, pixels)
        assert said["outputs"] == pytest.approx(outputs, abs=1e-6)
        assert said["digit"] == int(np.argmax(outputs))
        plain = checked_hdrnn("infer", "-n", network, "-i", tmp_path / "raw")
        assert plain.stdout == f"{said['digit']}\n"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "not an image"),
            (bytes(783), "not an image"),
            (bytes(785), "not an image"),
            (b"P5 27 28 255\n" + bytes(784), "another kind"),
            (b"P5 28 28 65535\n" + bytes(1568), "another kind"),
            (b"P5 28 28 255\n" + bytes(783), "ends too early"),
            (b"P5 28 28 100\n" + bytes([101]) * 784, "brighter"),
            (b"P5 99999999999999999999 28 255\n", "another kind"),
            (b"P5 #", "another kind"),
        ],
    )
    def test_what_is_no_image(
        self, checked_hdrnn: Hdrnn, network: Path, tmp_path: Path, content: bytes, message: str
    ) -> None:
        (tmp_path / "x").write_bytes(content)
        done = checked_hdrnn("infer", "-n", network, "-i", tmp_path / "x")
        assert (done.returncode, done.stdout, message in done.stderr) == (2, "", True), done.stderr

    def test_image_past_the_last(self, checked_hdrnn: Hdrnn, network: Path, digits: Path) -> None:
        images = digits / "t10k-images-idx3-ubyte"
        assert "holds 1000 images" in checked_hdrnn("infer", "-n", network, "-i", images, "--index", 1000).stderr


def pixels_through(network: Path, pixels: bytes) -> list[float]:
    values = np.frombuffer(pixels, np.uint8) / 255.0
    for weights, biases in read_network(network):
        values = 1 / (1 + np.exp(-(weights.astype(np.float64) @ values + biases)))
    return [float(value) for value in values]
