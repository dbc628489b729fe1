# SPDX-License-Identifier: Apache-2.0
"""Reads labelled data in MNIST's IDX files: bytes, one label per example. Gzipped or not.

A folder holds ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` and the same two of ``t10k``, also with a
dot for the last dash (``train-images.idx3-ubyte``), also with ``.gz``. Examples need not be images: of data of another
shape the name still says ``idx3``, and the file says the shape.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError

MOST_BYTES = 1 << 30
"""A larger array than any this package trains on; a header that promises more is damaged."""
_UNSIGNED_BYTE = 8


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """``inputs`` are bytes, (examples, …); ``labels`` are class numbers, (examples,)."""

    inputs: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Examples:
        """The first ``count`` examples, or all."""
        return self if count is None else Examples(self.inputs[:count], self.labels[:count])


@dataclass(frozen=True, slots=True)
class Split:
    """So many examples to train on, so many to test with."""

    train: int
    test: int


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """What to train on and what to test with. ``files`` says which files both came from."""

    train: Examples
    test: Examples
    files: str


def parse_split(text: str) -> Split:
    """``8000/2000``: train on 8,000, test with 2,000. Raises :class:`TinynetError`."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if match is None or int(match[1]) == 0 or int(match[2]) == 0:
        raise TinynetError(f"split {text!r}: expected two counts, such as 8000/2000")
    return Split(int(match[1]), int(match[2]))


def load_data(folder: Path, split: Split | None = None) -> DataSet:
    """Read a folder.

    Where the training files are there, the first ``split.train`` of them and the first ``split.test`` of the test
    files. Where only the test files are there, their first ``split.train`` to train on and the next ``split.test`` to
    test with. Without a split all examples; of the test files alone, every fifth of them, the last ones, tests.
    Raises :class:`TinynetError` for files that are missing, damaged, too short, or do not fit each other.
    """
    if not folder.is_dir():
        raise TinynetError(f"{folder}: no such folder")
    test = _load_pair(folder, "t10k")
    if _find(folder, "train-images-idx3-ubyte") is not None:
        train = _load_pair(folder, "train")
        if train.inputs.shape[1:] != test.inputs.shape[1:]:
            raise TinynetError(f"{folder}: training and test examples differ in shape")
        wanted = split or Split(len(train), len(test))
        if wanted.train > len(train) or wanted.test > len(test):
            raise TinynetError(
                f"{folder}: {len(train)} training and {len(test)} test examples are too few for the split "
                f"{wanted.train}/{wanted.test}"
            )
        return DataSet(train.first(wanted.train), test.first(wanted.test), "train and t10k")
    wanted = split or Split(len(test) - len(test) // 5, len(test) // 5)
    if wanted.train + wanted.test > len(test) or wanted.test == 0:
        raise TinynetError(
            f"{folder}: {len(test)} examples in t10k (there are no train files) are too few for the split "
            f"{wanted.train}/{wanted.test}"
        )
    rest = slice(wanted.train, wanted.train + wanted.test)
    return DataSet(test.first(wanted.train), Examples(test.inputs[rest], test.labels[rest]), "t10k alone")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes, gzipped or not. Raises :class:`TinynetError`."""
    try:
        raw = path.read_bytes()
        data = _unzipped(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise TinynetError(f"{path}: {getattr(error, 'strerror', None) or 'its gzip stream is damaged'}") from None
    if len(data) < 4 or data[:2] != b"\0\0":
        raise TinynetError(f"{path}: not an IDX file")
    if data[2] != _UNSIGNED_BYTE:
        raise TinynetError(f"{path}: IDX elements of type 0x{data[2]:02x}; only unsigned bytes (0x08) are read")
    dimensions = data[3]
    header = 4 + 4 * dimensions
    if dimensions == 0 or len(data) < header:
        raise TinynetError(f"{path}: the header ends early")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if math.prod(shape) != len(data) - header:
        expected = " × ".join(map(str, shape))
        raise TinynetError(f"{path}: {len(data) - header} bytes of data, the header says {expected}")
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write bytes as an IDX file; ``.gz`` at the end of the name gzips it, without a time stamp."""
    data = struct.pack(f">4B{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _unzipped(raw: bytes) -> bytes:
    """Decompressed as far as an array may go, so that a small file cannot fill the memory."""
    unzip = zlib.decompressobj(wbits=31)
    data = unzip.decompress(raw, MOST_BYTES)
    if not unzip.eof:
        raise EOFError
    return data


def _find(folder: Path, name: str) -> Path | None:
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / (base + suffix) for base in (name, dotted) for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _load_pair(folder: Path, part: str) -> Examples:
    paths = []
    for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
        path = _find(folder, name)
        if path is None:
            raise TinynetError(f"{folder}: no {name} there (gzipped or not)")
        paths.append(path)
    inputs, labels = read_idx(paths[0]), read_idx(paths[1])
    if labels.ndim != 1 or inputs.ndim < 2 or len(inputs) != len(labels):
        raise TinynetError(f"{paths[1]}: {labels.shape} labels for inputs of shape {inputs.shape}")
    if not len(labels):
        raise TinynetError(f"{paths[0]}: no examples")
    return Examples(inputs, labels)
