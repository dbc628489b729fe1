# SPDX-License-Identifier: Apache-2.0
"""Reader of IDX files (the format of MNIST): big-endian magic 0x00 0x00 type dimensions, sizes, then the values.

The rules are those of c/idx.c: unsigned bytes only, gzipped or not, whole, and no longer than the header says.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hdrnn.errors import WrongInputError, cannot_read

MOST_ITEMS = 1_000_000
_UNSIGNED_BYTE = 0x08
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class IdxArray:
    """The first items of a file, ``values`` of shape (count, …); the file holds ``whole_count``."""

    values: NDArray[np.uint8]
    whole_count: int


def read_idx(path: Path, shape: tuple[int, ...], most: int = MOST_ITEMS) -> IdxArray:
    """Read a file whose items have this shape; ``()`` for labels. The first ``most`` items are kept, all are checked.

    Raises :class:`WrongInputError`.
    """
    try:
        with path.open("rb") as file:
            return _read(path, _content(path, file), shape, most)
    except OSError as error:
        raise cannot_read(path, error) from None


def is_idx(path: Path) -> bool:
    """True if the file begins as an IDX file does, gzipped or not."""
    with path.open("rb") as file:
        start = file.read(3)
    return start[:2] == b"\x1f\x8b" or start == bytes([0, 0, _UNSIGNED_BYTE])


def _read(path: Path, content: Iterator[bytes], shape: tuple[int, ...], most: int) -> IdxArray:
    header_size = 8 + 4 * len(shape)
    kept = bytearray()
    for chunk in content:
        kept += chunk
        if len(kept) >= header_size:
            break
    if len(kept) < header_size:
        raise WrongInputError(f"{path}: ends after {len(kept)} of {header_size} bytes")
    whole_count = _checked_header(path, bytes(kept[:header_size]), shape)
    item_size = int(np.prod(shape, dtype=np.int64))
    expected = header_size + whole_count * item_size
    wanted = header_size + min(whole_count, most) * item_size
    seen = len(kept)
    while seen <= expected:
        chunk = next(content, b"")
        if not chunk:
            break
        seen += len(chunk)
        if len(kept) < wanted:
            kept += chunk
    if seen > expected:
        raise WrongInputError(f"{path}: longer than the {expected} bytes its header promises")
    if seen < expected:
        raise WrongInputError(f"{path}: ends after {seen} of {expected} bytes")
    values = np.frombuffer(kept[header_size:wanted], dtype=np.uint8)
    return IdxArray(values.reshape(-1, *shape), whole_count)


def _checked_header(path: Path, header: bytes, shape: tuple[int, ...]) -> int:
    """The number of items."""
    if header[:2] != b"\0\0":
        raise WrongInputError(f"{path}: not an IDX file")
    dimensions = len(shape) + 1
    if header[2] != _UNSIGNED_BYTE or header[3] != dimensions:
        raise WrongInputError(
            f"{path}: IDX type 0x{header[2]:02x} with {header[3]} dimensions "
            f"(expected unsigned bytes, 0x08, with {dimensions})"
        )
    count, *sizes = (int.from_bytes(header[at : at + 4], "big") for at in range(4, len(header), 4))
    if not 1 <= count <= MOST_ITEMS:
        raise WrongInputError(f"{path}: says it holds {count} items (expected 1 to {MOST_ITEMS})")
    for number, (size, wanted) in enumerate(zip(sizes, shape, strict=True), start=1):
        if size != wanted:
            raise WrongInputError(f"{path}: dimension {number} of an item is {size} (expected {wanted})")
    return count


def _content(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """What a file holds, piece by piece, unpacked if it is gzipped."""
    gzipped = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if gzipped:
        yield from _unpacked(path, file)
        return
    while chunk := file.read(_CHUNK):
        yield chunk


def _unpacked(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """All members of a gzip file, their checksums and lengths checked, to the end of the file."""
    data = file.read(_CHUNK)
    while data:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            if not data and not (data := file.read(_CHUNK)):
                raise WrongInputError(f"{path}: damaged gzip file (it ends too early)")
            try:
                piece = member.decompress(data, _CHUNK)
            except zlib.error:
                raise WrongInputError(f"{path}: damaged gzip file") from None
            data = member.unconsumed_tail
            if piece:
                yield piece
        data = member.unused_data or file.read(_CHUNK)
