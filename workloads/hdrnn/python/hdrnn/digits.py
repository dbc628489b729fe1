# SPDX-License-Identifier: Apache-2.0
"""A folder of handwritten digits in MNIST's four files, as a training set and a test set that share no image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdrnn.errors import WrongInputError
from hdrnn.idx import MOST_ITEMS, read_idx

SIDE, DIGITS = 28, 10
PIXELS = SIDE * SIDE


@dataclass(frozen=True, slots=True)
class DigitSet:
    """Images, shape (count, PIXELS), 0 paper and 255 ink, and their labels 0 to 9, shape (count,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, first: int, count: int) -> DigitSet:
        """Images ``first`` to ``first + count``, copied: the others need not stay in memory."""
        return DigitSet(self.pixels[first : first + count].copy(), self.labels[first : first + count].copy())


@dataclass(frozen=True, slots=True)
class DigitRequest:
    """What to read. With a ``split`` (training/test images) the t10k files alone give both sets."""

    folder: str = "."
    split: tuple[int, int] | None = None
    train_limit: int | None = None
    test_limit: int | None = None


def read_digits(request: DigitRequest) -> tuple[DigitSet, DigitSet]:
    """The training set and the test set. Raises :class:`WrongInputError`."""
    folder = Path(request.folder)
    if not folder.is_dir():
        raise WrongInputError(f"{request.folder}: no such folder")
    if request.split is not None:
        return _split(request, *request.split)
    if _find(request.folder, "train-images", "idx3") is None:
        _needed(request.folder, "t10k-images", "idx3", _missing(request.folder, "train-images", "idx3"))
        raise WrongInputError(
            f"{_missing(request.folder, 'train-images', 'idx3')} "
            "(with --split 8000/2000 the t10k files alone are enough)"
        )
    train, _ = _read_pair(request.folder, "train", request.train_limit or MOST_ITEMS)
    test, _ = _read_pair(request.folder, "t10k", request.test_limit or MOST_ITEMS)
    return train, test


def _split(request: DigitRequest, train: int, test: int) -> tuple[DigitSet, DigitSet]:
    whole, count = _read_pair(request.folder, "t10k", train + test)
    if len(whole) < train + test:
        raise WrongInputError(f"{request.folder}: {count} images in t10k are too few for the split {train}/{test}")
    return (
        whole.part(0, min(train, request.train_limit or train)),
        whole.part(train, min(test, request.test_limit or test)),
    )


def _read_pair(folder: str, name: str, most: int) -> tuple[DigitSet, int]:
    """Images with their labels, and how many the files hold."""
    image_path = _needed(folder, f"{name}-images", "idx3")
    label_path = _needed(folder, f"{name}-labels", "idx1")
    images = read_idx(image_path, (SIDE, SIDE), most)
    labels = read_idx(label_path, (), most)
    if images.whole_count != labels.whole_count:
        raise WrongInputError(f"{folder}: {images.whole_count} images but {labels.whole_count} labels for {name}")
    wrong = np.flatnonzero(labels.values >= DIGITS)
    if len(wrong):
        raise WrongInputError(f"{label_path}: label {wrong[0]} is {labels.values[wrong[0]]} (expected 0 to 9)")
    return DigitSet(images.values.reshape(-1, PIXELS), labels.values), images.whole_count


def _find(folder: str, name: str, kind: str) -> Path | None:
    """NAME-idx3-ubyte or NAME.idx3-ubyte, plain or with .gz, in that order."""
    names = (f"{name}{separator}{kind}-ubyte{suffix}" for separator in "-." for suffix in ("", ".gz"))
    return next((path for path in (Path(folder, file) for file in names) if path.is_file()), None)


def _needed(folder: str, name: str, kind: str, message: str | None = None) -> Path:
    path = _find(folder, name, kind)
    if path is None:
        raise WrongInputError(message or _missing(folder, name, kind))
    return path


def _missing(folder: str, name: str, kind: str) -> str:
    return f"{folder}: no {name}-{kind}-ubyte or {name}-{kind}-ubyte.gz there"
