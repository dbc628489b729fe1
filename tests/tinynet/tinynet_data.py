"""Digits for the tests of small networks, and a way to run ``tn.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tinynet.data import DataSet, Examples, write_idx

REPOSITORY = Path(__file__).parents[2]
TN = REPOSITORY / "workloads" / "tinynet" / "tn.py"


def blobs(count: int, *, classes: int = 4, side: int = 8, seed: int = 0) -> Examples:
    """Images that are easy to tell apart: a bright quarter for each class, in noise."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count).astype(np.uint8)
    images = generator.integers(0, 90, (count, side, side)).astype(np.uint8)
    half = side // 2
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[row * half : (row + 1) * half, column * half : (column + 1) * half] += np.uint8(120)
    return Examples(images, labels)


@cache
def blob_data() -> DataSet:
    """600 to train on, 200 to test with."""
    return DataSet(blobs(600), blobs(200, seed=1), "made")


def write_blobs(folder: Path) -> Path:
    """The same as files."""
    data = blob_data()
    for name, part in (("train", data.train), ("t10k", data.test)):
        write_idx(folder / f"{name}-images-idx3-ubyte", part.inputs)
        write_idx(folder / f"{name}-labels-idx1-ubyte", part.labels)
    return folder


def mnist() -> Path:
    """The folder with MNIST's test digits; the test is skipped where they are not at hand."""
    shared = Path(os.environ.get("LAB_SHARED", REPOSITORY.parent / "shared"))
    folder = shared / "data" / "mnist"
    if not folder.is_dir():
        pytest.skip("MNIST is not at hand: LAB_SHARED names a folder with data/mnist")
    return folder


def tn(*words: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run ``tn.py``; its exit code must be ``expect``."""
    argv = [sys.executable, str(TN), *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done
