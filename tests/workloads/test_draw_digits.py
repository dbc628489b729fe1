"""The drawn digits: the same for the same arguments, in MNIST's form, all ten of them, none twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import read_idx

DRAW = Path(__file__).parents[2] / "workloads" / "digits" / "draw_digits.py"
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def draw(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, DRAW, "--out", folder, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_form(tmp_path: Path) -> None:
    done = draw(tmp_path / "new" / "set", "--train", 300, "--test", 200)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "new" / "set").iterdir()) == sorted(FILES)
    images, labels, *_ = (read_idx(tmp_path / "new" / "set" / name) for name in FILES)
    assert (images.shape, labels.shape) == ((300, 28, 28), (300,))
    assert set(labels) == set(range(10))


def test_images_are_bright_strokes_away_from_the_border(digits: Path) -> None:
    images = read_idx(digits / "train-images-idx3-ubyte").astype(float)
    ink = (images > 100).mean(axis=(1, 2))
    assert 0.02 < ink.min() < ink.max() < 0.5
    assert images.max(axis=(1, 2)).min() > 150
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]])
    assert border.mean() < 1.0


def test_no_image_is_there_twice_nor_in_both_sets(digits: Path) -> None:
    train, test = (read_idx(digits / f"{name}-images-idx3-ubyte") for name in ("train", "t10k"))
    assert len({image.tobytes() for image in (*train, *test)}) == len(train) + len(test)


def test_same_arguments_same_files_another_seed_others(tmp_path: Path) -> None:
    def files(*arguments: object) -> list[bytes]:
        assert draw(tmp_path, "--train", 50, "--test", 50, *arguments).returncode == 0
        return [(tmp_path / name).read_bytes() for name in FILES]

    first = files("--seed", 5)
    assert files("--seed", 5) == first
    assert all(a != b for a, b in zip(files("--seed", 6), first, strict=True))


def test_test_images_do_not_depend_on_how_many_are_trained_on(tmp_path: Path) -> None:
    for folder, count in (("a", 10), ("b", 20)):
        assert draw(tmp_path / folder, "--train", count, "--test", 50).returncode == 0
    assert (tmp_path / "a" / FILES[2]).read_bytes() == (tmp_path / "b" / FILES[2]).read_bytes()


def test_contact_sheet(tmp_path: Path) -> None:
    assert draw(tmp_path, "--train", 1, "--test", 7, "--sheet", tmp_path / "s.pgm").returncode == 0
    header, pixels = (tmp_path / "s.pgm").read_bytes().split(b"\n", 1)
    assert header == b"P5 280 280 255"
    sheet = np.frombuffer(pixels, np.uint8).reshape(280, 280)
    images = read_idx(tmp_path / FILES[2])
    np.testing.assert_array_equal(sheet[:28, 28:56], images[1])
    assert not sheet[28:].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--train", "0"), "--train"),
        (("--test", "many"), "--test"),
        (("--seed", "-1"), "--seed"),
        (("--colour",), "--colour"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = draw(tmp_path, *arguments)
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = draw(tmp_path / "file" / "set", "--train", 1, "--test", 1)
    assert done.returncode == 2
    assert done.stderr.startswith("draw_digits: ")
    assert done.stderr.count("\n") == 1
