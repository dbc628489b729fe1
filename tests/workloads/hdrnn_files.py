"""hdrnn's file formats, written a second time from their description, so that program and description are tested."""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Hdrnn = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs hdrnn with some arguments."""

MAGIC = b"HDRNN\r\n\x1a"
Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Weights (neurons, inputs) and biases (neurons,) of each layer; of float64 where a file of version 2 was read."""

ELEMENTS = {1: "<f4", 2: "<f8"}
"""Version of a network file → its parameters' type."""


def network_bytes(layers: Layers, *, version: int = 1, crc: int | None = None) -> bytes:
    sizes = [layers[0][0].shape[1], *(len(biases) for _, biases in layers)]
    body = MAGIC + struct.pack(f"<{2 + len(sizes)}I", version, len(layers), *sizes)
    element = ELEMENTS.get(version, "<f4")
    for weights, biases in layers:
        body += weights.astype(element).tobytes() + biases.astype(element).tobytes()
    return body + struct.pack("<I", zlib.crc32(body) if crc is None else crc)


def published_bytes(layers: Layers, *, by_columns: bool = False) -> bytes:
    """As the study's programs in C and NumPy write it, or ``by_columns`` as the one with Eigen does."""
    sizes = [len(biases) for _, biases in layers]
    named = sizes if by_columns else sizes[:-1]
    body = bytes([7, len(sizes) - 1, *named]) + b"".join(biases.astype("<f4").tobytes() for _, biases in layers)
    return body + b"".join(weights.astype("<f4").tobytes("F" if by_columns else "C") for weights, _ in layers)


def read_network(path: Path) -> Layers:
    return network_of(path.read_bytes())


def network_of(data: bytes) -> Layers:
    """The network in the bytes of a file of version 1 or 2."""
    assert data[:8] == MAGIC
    version, count = struct.unpack_from("<2I", data, 8)
    element = np.dtype(ELEMENTS[version])
    sizes = struct.unpack_from(f"<{count + 1}I", data, 16)
    at = 16 + 4 * (count + 1)
    layers: Layers = []
    for inputs, neurons in pairwise(sizes):
        weights = np.frombuffer(data, element, inputs * neurons, at).reshape(neurons, inputs)
        at += element.itemsize * inputs * neurons
        layers.append((weights, np.frombuffer(data, element, neurons, at)))
        at += element.itemsize * neurons
    assert struct.unpack_from("<I", data, at) == (zlib.crc32(data[:at]),)
    assert at + 4 == len(data)
    return layers


def random_network(rng: np.random.Generator, *sizes: int) -> Layers:
    return [
        (
            rng.standard_normal((neurons, inputs), dtype=np.float32),
            rng.standard_normal(neurons, dtype=np.float32),
        )
        for inputs, neurons in pairwise(sizes)
    ]


def order_bytes(order: NDArray[np.int64], *, version: int = 1) -> bytes:
    epochs, images = order.shape
    return b"HDRO" + struct.pack("<3I", version, epochs, images) + order.astype("<u4").tobytes()


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def read_idx(path: Path) -> NDArray[np.uint8]:
    data = path.read_bytes()
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)
