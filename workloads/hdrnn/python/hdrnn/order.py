# SPDX-License-Identifier: Apache-2.0
"""In which order an epoch sees the training images; order files are described in c/order.h."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO, Protocol
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from hdrnn.errors import WrongInputError, cannot_read
from hdrnn.generator import STREAM_ORDER, Random

_MAGIC, _VERSION = b"HDRO", 1
Numbers = NDArray[np.uint32]


class Source(Protocol):
    """Where an order comes from."""

    def next(self) -> Numbers:
        """The image numbers of the next epoch, shape (images,)."""
        ...


class Order:
    """Gives an epoch's image numbers, one epoch after the other.

    ``crc`` is the checksum of all of them so far, as they would stand in an order file.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.crc = 0

    def next(self) -> Numbers:
        """The image numbers of the next epoch, shape (images,)."""
        images = self._source.next()
        self.crc = zlib.crc32(images.astype("<u4", copy=False).data, self.crc)
        return images


class SequentialOrder:
    """Always as they come."""

    def __init__(self, images: int) -> None:
        self.images: Numbers = np.arange(images, dtype=np.uint32)

    def next(self) -> Numbers:
        """0 to images - 1."""
        return self.images


class SeededOrder:
    """Shuffled anew before each epoch, from the last epoch's order on."""

    def __init__(self, images: int, seed: int) -> None:
        self.images: Numbers = np.arange(images, dtype=np.uint32)
        self.random = Random(seed, STREAM_ORDER)

    def next(self) -> Numbers:
        """Every number once."""
        self.random.shuffle(self.images)
        return self.images


class OrderFile:
    """As an order file says. Raises :class:`WrongInputError` where it is not one for this training."""

    def __init__(self, path: Path, images: int, epochs: int) -> None:
        self._path, self._count = path, images
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise cannot_read(path, error) from None
        # Closed with the program, or with the last to know it.
        finalize(self, self._file.close)
        header = self._read(16)
        version, file_epochs, file_images = (int.from_bytes(header[at : at + 4], "little") for at in (4, 8, 12))
        if header[:4] != _MAGIC:
            raise WrongInputError(f"{path}: not an order file")
        if len(header) < 8 or version != _VERSION:
            raise WrongInputError(f"{path}: an order file of another version (this program reads version {_VERSION})")
        if len(header) < 16:
            raise WrongInputError(f"{path}: the order file ends too early")
        if file_images != images:
            raise WrongInputError(f"{path}: orders {file_images} images, but {images} are trained on")
        if file_epochs < epochs:
            raise WrongInputError(f"{path}: holds {file_epochs} epochs, but {epochs} are asked for")

    def next(self) -> Numbers:
        """The next epoch's numbers, checked."""
        data = self._read(4 * self._count)
        if len(data) < 4 * self._count:
            raise WrongInputError(f"{self._path}: the order file ends too early")
        images = np.frombuffer(data, dtype="<u4").astype(np.uint32)
        foreign = np.flatnonzero(images >= self._count)
        if len(foreign):
            raise WrongInputError(f"{self._path}: image {images[foreign[0]]} is not among those trained on")
        numbers, counts = np.unique(images, return_counts=True)
        if len(numbers) < self._count:
            raise WrongInputError(f"{self._path}: image {numbers[counts > 1][0]} is there twice in one epoch")
        return images

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise cannot_read(self._path, error) from None
