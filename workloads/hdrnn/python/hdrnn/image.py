# SPDX-License-Identifier: Apache-2.0
"""One image to be named: a binary PGM (P5) of 28 × 28, 784 raw bytes, or one image of an IDX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdrnn.digits import PIXELS, SIDE
from hdrnn.errors import WrongInputError, cannot_read
from hdrnn.idx import is_idx, read_idx

_SPACE = b" \t\n\v\f\r"


def read_image(path: Path, index: int) -> NDArray[np.uint8]:
    """PIXELS bytes, 0 paper and 255 ink. ``index`` chooses the image of an IDX file.

    Raises :class:`WrongInputError`.
    """
    try:
        with path.open("rb") as file:
            start = file.read(PIXELS + 128 + 1)
        # An image of exactly 784 bytes is raw, even where its first three are those of an IDX file.
        if len(start) == PIXELS:
            return np.frombuffer(start, dtype=np.uint8)
        if start[:2] == b"P5":
            return _pgm(path, path.read_bytes())
        if is_idx(path):
            return _from_idx(path, index)
    except OSError as error:
        raise cannot_read(path, error) from None
    raise WrongInputError(f"{path}: not an image (expected a 28 x 28 PGM, 784 raw bytes or an IDX file)")


def _from_idx(path: Path, index: int) -> NDArray[np.uint8]:
    images = read_idx(path, (SIDE, SIDE)).values
    if index >= len(images):
        raise WrongInputError(f"{path}: holds {len(images)} images, so there is no number {index}")
    image: NDArray[np.uint8] = images[index].reshape(PIXELS)
    return image


def _pgm(path: Path, data: bytes) -> NDArray[np.uint8]:
    at, numbers = 2, []
    for _ in range(3):
        number, at = _header_number(data, at)
        numbers.append(number)
    width, height, white = numbers
    if width != SIDE or height != SIDE or not 1 <= white <= 255:
        raise WrongInputError(f"{path}: a PGM image of another kind (expected 28 x 28 with at most 255 grey levels)")
    pixels = np.frombuffer(data[at : at + PIXELS], dtype=np.uint8).astype(np.int64)
    if len(pixels) < PIXELS:
        raise WrongInputError(f"{path}: the image ends too early")
    bright = np.flatnonzero(pixels > white)
    if len(bright):
        raise WrongInputError(f"{path}: pixel {bright[0]} is brighter than the header's {white}")
    stretched: NDArray[np.uint8] = ((pixels * 255 + white // 2) // white).astype(np.uint8)
    return stretched


def _header_number(data: bytes, at: int) -> tuple[int, int]:
    """A number after white space and comments, -1 if there is none, and where what follows begins, one byte behind."""
    while at < len(data) and (data[at] in _SPACE or data[at : at + 1] == b"#"):
        if data[at : at + 1] == b"#":
            end = data.find(b"\n", at)
            at = len(data) if end < 0 else end
        at += 1
    begin = at
    while at < len(data) and data[at : at + 1].isdigit() and at - begin < 6:
        at += 1
    good = begin < at < len(data) and data[at] in _SPACE
    return (int(data[begin:at]) if good else -1), at + 1
