# SPDX-License-Identifier: Apache-2.0
"""Network files (.nn), described in c/netfile.h: versions 1 and 2, and the published programs' files read as well."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from hdrnn.digits import DIGITS, PIXELS
from hdrnn.errors import WrongInputError, cannot_read, cannot_write
from hdrnn.network import MOST_LAYERS, MOST_NEURONS, Floats, Network, layers_of, parameter_count

MAGIC = b"HDRNN\r\n\x1a"
_VERSIONS: dict[int, np.dtype[np.floating[Any]]] = {1: np.dtype("<f4"), 2: np.dtype("<f8")}
_PUBLISHED_MAGIC = 7


def read_network(path: Path, dtype: np.dtype[Any]) -> Network:
    """Read and check a file of any version, its parameters converted. Raises :class:`WrongInputError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None
    network = _published(path, data) if data[:1] == bytes([_PUBLISHED_MAGIC]) else network_from(path, data)
    with np.errstate(over="ignore"):
        converted = network.as_type(dtype)
    if not np.isfinite(converted.parameters).all():
        raise WrongInputError(f"{path}: a parameter is not a finite number in {dtype.name}")
    return converted


def network_from(path: Path, data: bytes) -> Network:
    """The network in the bytes of a file of version 1 or 2. Raises :class:`WrongInputError`."""
    if data[:8] != MAGIC:
        raise WrongInputError(f"{path}: not a network file")
    if len(data) < 12:
        raise WrongInputError(f"{path}: damaged network file (it ends too early)")
    version = int.from_bytes(data[8:12], "little")
    if version not in _VERSIONS:
        raise WrongInputError(f"{path}: network file of version {version} (this program reads versions 1 and 2)")
    layers = int.from_bytes(data[12:16], "little")
    if len(data) >= 16 and not 1 <= layers <= MOST_LAYERS:
        raise WrongInputError(f"{path}: damaged network file ({layers} layers)")
    at = 16 + 4 * (layers + 1)
    if len(data) < at:
        raise WrongInputError(f"{path}: damaged network file (it ends too early)")
    sizes = tuple(np.frombuffer(data[16:at], dtype="<u4").tolist())
    for size in sizes:
        if not 1 <= size <= MOST_NEURONS:
            raise WrongInputError(f"{path}: damaged network file (a layer of {size} neurons)")
    expected = at + _VERSIONS[version].itemsize * parameter_count(sizes) + 4
    if len(data) != expected:
        raise WrongInputError(f"{path}: damaged network file ({len(data)} bytes long, expected {expected})")
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise WrongInputError(f"{path}: damaged network file (its checksum is wrong)")
    network = Network(sizes, np.frombuffer(data[at:-4], dtype=_VERSIONS[version]))
    _check_finite(path, network)
    return network


def network_bytes(network: Network) -> bytes:
    """The file of a network: version 1 in single precision, 2 in double."""
    version = 2 if network.parameters.dtype.itemsize == 8 else 1
    header = np.array([version, len(network.sizes) - 1, *network.sizes], dtype="<u4")
    body = MAGIC + header.tobytes() + network.parameters.astype(_VERSIONS[version]).tobytes()
    return body + zlib.crc32(body).to_bytes(4, "little")


def write_network(path: Path, network: Network) -> None:
    """Write a network. Raises :class:`FailureError`."""
    write_whole(path, network_bytes(network))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place first, so that a file of that name is either the old one or whole.

    Raises :class:`FailureError`.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(path, error) from None


def _check_finite(path: Path, network: Network) -> None:
    if not np.isfinite(network.parameters).all():
        raise WrongInputError(f"{path}: a parameter is not a finite number")


def _published(path: Path, data: bytes) -> Network:
    """A file of the study's published programs: the biases of all layers, then the weights of all layers."""
    hidden = data[1] if len(data) > 1 else MOST_LAYERS
    if hidden >= MOST_LAYERS or len(data) < 2 + hidden:
        raise WrongInputError(f"{path}: not a network file")
    sizes = (PIXELS, *data[2 : 2 + hidden], DIGITS)
    at = 2 + hidden
    expected = at + 4 * parameter_count(sizes)
    by_eigen = len(data) == expected + 1 and data[at] == DIGITS
    at += int(by_eigen)
    if min(sizes) == 0 or (len(data) != expected and not by_eigen):
        raise WrongInputError(
            f"{path}: damaged network file (of the published form; {len(data)} bytes long, expected {expected})"
        )
    biases, weights = np.split(np.frombuffer(data[at:], dtype="<f4"), [sum(sizes[1:])])
    parameters: Floats = np.empty(parameter_count(sizes), dtype="<f4")
    for weight, bias in layers_of(sizes, parameters):
        bias[:], biases = biases[: bias.size], biases[bias.size :]
        block, weights = weights[: weight.size], weights[weight.size :]
        weight[:] = block.reshape(weight.shape, order="F" if by_eigen else "C")
    network = Network(sizes, parameters)
    _check_finite(path, network)
    return network
