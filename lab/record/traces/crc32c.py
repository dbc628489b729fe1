"""CRC-32C (Castagnoli) of many equally long pieces at once, by NumPy: the checksum that JLS files carry.

Reflected CRCs are linear over GF(2): feeding four bytes ``d`` to the register ``r`` gives ``A(r ^ d)``, with the linear
map ``A`` that shifts four zero bytes through. A stream of words is therefore folded in pairs, ``A(first) ^ second``, the
pairs in pairs with ``A²``, and so on: half of the work vanishes with each level, and each level is four table look-ups
over whole arrays. Zeros in front of a stream change nothing, so an odd number of words is made even by one.

Reference: G. Castagnoli, S. Bräuer, M. Herrmann, *Optimization of cyclic redundancy-check codes with 24 and 32 parity
bits*, IEEE Trans. Commun. 41 (1993); check value of ``123456789`` is 0xE3069283 (RFC 3720, appendix B.4).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_SHORT = 256
"""Up to so many bytes a plain loop is quicker than arrays."""

_ONES = np.uint32(0xFFFFFFFF)

Words = NDArray[np.uint32]


def crc32c_rows(words: Words) -> Words:
    """The checksum of every row of ``words`` (shape (rows, words), little-endian words), shape (rows,)."""
    level = np.array(words, dtype=np.uint32, ndmin=2)
    if level.shape[1] == 0:
        return np.zeros(level.shape[0], np.uint32)
    level[:, 0] ^= _ONES
    step = 0
    while level.shape[1] > 1:
        if level.shape[1] % 2:
            level = np.concatenate([np.zeros((level.shape[0], 1), np.uint32), level], axis=1)
        level = _mapped(level[:, ::2], step) ^ level[:, 1::2]
        step += 1
    return np.asarray(_mapped(level[:, 0], 0) ^ _ONES)


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of ``data``."""
    odd = len(data) % 4
    if len(data) <= _SHORT:
        register = 0xFFFFFFFF
        for byte in bytes(data):
            register = (register >> 8) ^ _BYTES[(register ^ byte) & 0xFF]
        return register ^ 0xFFFFFFFF
    # Zeros may stand in front, but the register's initial ones belong to the first four bytes of the data themselves.
    first = int.from_bytes(data[:4], "little") ^ 0xFFFFFFFF
    padded = bytes((4 - odd) % 4) + first.to_bytes(4, "little") + bytes(data[4:])
    words = np.frombuffer(padded, "<u4").copy()
    words[0] ^= _ONES
    return int(crc32c_rows(words)[0])


def _mapped(words: Words, step: int) -> Words:
    """``words`` with ``4 · 2^step`` zero bytes shifted through each."""
    low, high = _tables(step)
    return np.asarray(low[words & np.uint32(0xFFFF)] ^ high[words >> np.uint32(16)])


def _byte_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_BYTES = _byte_table()


@cache
def _columns(step: int) -> tuple[int, ...]:
    """The map of ``4 · 2^step`` zero bytes, as the images of the 32 bits."""
    columns = []
    for bit in range(32):
        image = 1 << bit
        if step == 0:
            for _ in range(4):
                image = (image >> 8) ^ _BYTES[image & 0xFF]
        else:
            image = _image(_image(image, step - 1), step - 1)
        columns.append(image)
    return tuple(columns)


def _image(value: int, step: int) -> int:
    result = 0
    for bit, column in enumerate(_columns(step)):
        if value >> bit & 1:
            result ^= column
    return result


@cache
def _tables(step: int) -> tuple[Words, Words]:
    """The map as two tables: one over the low 16 bits of a word, one over the high 16."""
    halves = []
    for columns in (_columns(step)[:16], _columns(step)[16:]):
        table = np.zeros(1, np.uint32)
        for column in columns:
            table = np.concatenate([table, table ^ np.uint32(column)])
        halves.append(table)
    return halves[0], halves[1]
