# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what a training needs to go on as if it had never stopped, described in c/checkpoint.h."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hdrnn.errors import WrongInputError, cannot_read
from hdrnn.netfile import network_bytes, network_from, write_whole
from hdrnn.network import Network

_MAGIC, _VERSION = b"HDRC", 1
_HEAD = struct.Struct("<7I3dQ")


@dataclass(slots=True)
class Progress:
    """How far a training has come, and on what. The checksums are of the order so far and of the training images."""

    epochs: int
    images: int
    batch_size: int
    order_crc: int
    images_crc: int
    epochs_since_best: int
    rate: float
    loss: float
    best_accuracy: float


def write_checkpoint(path: Path, progress: Progress, network: Network) -> None:
    """Write a checkpoint, whole or not at all. Raises :class:`FailureError`."""
    kept = network_bytes(network)
    numbers = (
        progress.epochs,
        progress.images,
        progress.batch_size,
        progress.order_crc,
        progress.images_crc,
        progress.epochs_since_best,
        progress.rate,
        progress.loss,
        progress.best_accuracy,
    )
    head = _MAGIC + _HEAD.pack(_VERSION, *numbers, len(kept))
    write_whole(path, head + kept + zlib.crc32(head).to_bytes(4, "little"))


def read_checkpoint(path: Path, dtype: np.dtype[Any]) -> tuple[Progress, Network]:
    """Read and check a checkpoint whose network must be of this precision. Raises :class:`WrongInputError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None
    damaged = WrongInputError(f"{path}: damaged checkpoint")
    begin = len(_MAGIC) + _HEAD.size
    if data[:4] != _MAGIC:
        raise WrongInputError(f"{path}: not a checkpoint")
    if len(data) >= 8 and (version := int.from_bytes(data[4:8], "little")) != _VERSION:
        raise WrongInputError(f"{path}: a checkpoint of version {version} (this program reads version {_VERSION})")
    if len(data) < begin:
        raise damaged
    _, *numbers, length = _HEAD.unpack_from(data, len(_MAGIC))
    progress = Progress(*numbers)
    if len(data) != begin + length + 4 or zlib.crc32(data[:begin]) != int.from_bytes(data[-4:], "little"):
        raise damaged
    network = network_from(path, data[begin:-4])
    if not all(map(math.isfinite, (progress.rate, progress.loss, progress.best_accuracy))):
        raise damaged
    if network.parameters.dtype.itemsize != dtype.itemsize:
        raise WrongInputError(f"{path}: is not in {dtype.name} (see --precision)")
    return progress, network.as_type(dtype)
