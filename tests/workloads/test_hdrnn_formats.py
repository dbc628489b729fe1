"""Network files of both versions and of the published programs, and the network after each epoch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import (
    Hdrnn,
    Layers,
    network_bytes,
    network_of,
    published_bytes,
    random_network,
    read_network,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def untrained(hdrnn: Hdrnn, digits: Path, init: Path, out: Path, *arguments: object) -> Layers:
    """What hdrnn writes of a network it has only read."""
    done = hdrnn("train", "-q", "-e", 0, "--data", digits, "--init", init, "-n", out, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return read_network(out)


def refused(hdrnn: Hdrnn, network: Path, *arguments: object) -> str:
    done = hdrnn("infer", "-i", network, "-n", network, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    return done.stderr


class TestVersions:
    def test_version_2_comes_back_bit_for_bit(self, checked_hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        layers = [
            (rng.standard_normal((5, 784)), rng.standard_normal(5)),
            (rng.standard_normal((10, 5)), rng.standard_normal(10)),
        ]
        original = network_bytes(layers, version=2)  # type: ignore[arg-type]
        (tmp_path / "a.nn").write_bytes(original)
        untrained(checked_hdrnn, digits, tmp_path / "a.nn", tmp_path / "b.nn", "--precision", "float64")
        assert (tmp_path / "b.nn").read_bytes() == original

    def test_each_version_is_read_in_either_precision(self, checked_hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        rng = np.random.default_rng(2)
        wide = [(rng.standard_normal((10, 784)), rng.standard_normal(10))]
        for version in (1, 2):
            (tmp_path / "x.nn").write_bytes(network_bytes(wide, version=version))  # type: ignore[arg-type]
            kept = read_network(tmp_path / "x.nn")
            for precision in (np.float32, np.float64):
                out = untrained(
                    checked_hdrnn, digits, tmp_path / "x.nn", tmp_path / "y.nn", "--precision", precision.__name__
                )
                assert out[0][0].dtype == precision
                np.testing.assert_array_equal(out[0][0], kept[0][0].astype(precision))
                np.testing.assert_array_equal(out[0][1], kept[0][1].astype(precision))

    def test_first_weights_of_a_seed_are_the_same_in_both(self, hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        for precision in ("float32", "float64"):
            hdrnn("train", "-e", 0, "-s", 7, "--data", digits, "-n", tmp_path / precision, "--precision", precision)
        single, double = (read_network(tmp_path / precision) for precision in ("float32", "float64"))
        for (weights, biases), (w, b) in zip(single, double, strict=True):
            assert (weights.dtype, w.dtype) == (np.float32, np.float64)
            np.testing.assert_array_equal(weights, w)
            np.testing.assert_array_equal(biases, b)

    def test_number_too_large_for_float32(self, checked_hdrnn: Hdrnn, tmp_path: Path) -> None:
        layers = [(np.full((10, 784), 1e300), np.zeros(10))]
        (tmp_path / "x.nn").write_bytes(network_bytes(layers, version=2))  # type: ignore[arg-type]
        assert "not a finite number in float32" in refused(checked_hdrnn, tmp_path / "x.nn")

    def test_precision_that_is_none(self, checked_hdrnn: Hdrnn, tmp_path: Path) -> None:
        assert "expected float32 or float64" in refused(checked_hdrnn, tmp_path / "x.nn", "--precision", "float16")

    def test_answers_with_more_digits_in_float64(self, hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        (tmp_path / "x.nn").write_bytes(network_bytes(random_network(np.random.default_rng(4), 784, 3, 10)))
        image = ("-i", digits / "t10k-images-idx3-ubyte", "-n", tmp_path / "x.nn", "--json")
        said = [json.loads(hdrnn("infer", *image, "--precision", p).stdout) for p in ("float32", "float64")]
        assert said[0]["outputs"] == pytest.approx(said[1]["outputs"], abs=1e-6)
        assert said[0]["outputs"] != said[1]["outputs"]


class TestPublished:
    @pytest.mark.parametrize("by_columns", [False, True], ids=["C and NumPy", "Eigen"])
    @pytest.mark.parametrize("shape", [(10,), (7, 10), (30, 12, 10), (255, 10)])
    def test_is_read(
        self, checked_hdrnn: Hdrnn, digits: Path, tmp_path: Path, shape: tuple[int, ...], by_columns: bool
    ) -> None:
        layers = random_network(np.random.default_rng(3), 784, *shape)
        (tmp_path / "x.nn").write_bytes(published_bytes(layers, by_columns=by_columns))
        out = untrained(checked_hdrnn, digits, tmp_path / "x.nn", tmp_path / "y.nn")
        for (weights, biases), (w, b) in zip(out, layers, strict=True):
            np.testing.assert_array_equal(weights, w)
            np.testing.assert_array_equal(biases, b)

    @settings(deadline=None, max_examples=40)
    @given(draw=st.data())
    def test_wrong_lengths_are_refused(
        self, checked_hdrnn: Hdrnn, tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
    ) -> None:
        """The format has no checksum: its length is all that can be checked."""
        data = published_bytes(random_network(np.random.default_rng(1), 784, 2, 10))
        at = draw.draw(st.integers(1, 40) | st.integers(1, len(data) - 1))
        path = tmp_path_factory.getbasetemp() / "published.nn"
        path.write_bytes(data[:at] if draw.draw(st.booleans()) else data + bytes(at + 1))
        said = refused(checked_hdrnn, path)
        assert "damaged network file" in said or "not a network file" in said

    def test_what_it_cannot_hold_is_refused(self, checked_hdrnn: Hdrnn, tmp_path: Path) -> None:
        layers = random_network(np.random.default_rng(1), 784, 2, 10)
        layers[0][0][0, 0] = np.nan
        good = published_bytes(random_network(np.random.default_rng(1), 784, 10))
        for message, data in {
            "not a finite number": published_bytes(layers),
            "of the published form": good + b"\n",
            "not a network file": bytes([7, 16]) + bytes(100),
        }.items():
            (tmp_path / "x.nn").write_bytes(data)
            assert message in refused(checked_hdrnn, tmp_path / "x.nn")


class TestEveryEpoch:
    def test_files_are_those_of_shorter_trainings(self, hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        arguments = ("train", "-q", "--data", digits, "-s", 5, "--train-limit", 100)
        assert hdrnn(*arguments, "-e", 3, "--save-epochs", tmp_path / "all").returncode == 0
        names = [f"epoch-{epoch:04d}.nn" for epoch in range(4)]
        assert sorted(path.name for path in (tmp_path / "all").iterdir()) == names
        for epoch, name in enumerate(names):
            hdrnn(*arguments, "-e", epoch, "-n", tmp_path / "x.nn")
            assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "x.nn").read_bytes()

    def test_folder_that_cannot_be_made(self, hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        done = hdrnn("train", "--data", digits, "-e", 1, "--save-epochs", tmp_path / "no" / "all")
        assert (done.returncode, done.stdout) == (2, "")
        assert "cannot be made" in done.stderr


def test_description_in_this_file_reads_what_it_writes() -> None:
    layers = random_network(np.random.default_rng(1), 784, 3, 10)
    for version, element in ((1, np.float32), (2, np.float64)):
        for (weights, _), (w, _) in zip(layers, network_of(network_bytes(layers, version=version)), strict=True):
            assert w.dtype == element
            np.testing.assert_array_equal(weights, w)
