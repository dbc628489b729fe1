"""CRC-32C (Castagnoli), the checksum that JLS files carry: of one piece of data, and of many equally long ones.

The vendor's library for JLS computes it with the processor's own instruction, at some 9 GB/s, and its function can be
called where the platform shows it to others (Linux does). Elsewhere it is done by NumPy, at some 0.4 GB/s.

Reflected CRCs are linear over GF(2): feeding four bytes ``d`` to the register ``r`` gives ``A(r ^ d)``, where the
linear map ``A`` shifts four zero bytes through. A stream of words is therefore folded in pairs, ``A(first) ^ second``,
these in pairs with ``A²``, and so on: half of the work vanishes with each level, and each level is two table look-ups
per pair over whole arrays. Zeros in front of a stream change nothing, so an odd number of words is made even by one.

Reference: G. Castagnoli, S. Bräuer, M. Herrmann, *Optimization of cyclic redundancy-check codes with 24 and 32 parity
bits*, IEEE Trans. Commun. 41 (1993); check value of ``123456789`` is 0xE3069283 (RFC 3720, appendix B.4).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_SHORT = 256
"""Up to so many bytes a plain loop is quicker than arrays."""

_CHECK_DATA, _CHECK_SUM = b"123456789", 0xE3069283

_TOGETHER = 1 << 17
"""Words folded at once: enough that the tables of a level (half a megabyte) are fetched for many of them."""

_ONES = np.uint32(0xFFFFFFFF)

Words = NDArray[np.uint32]


def crc32c_rows(words: Words) -> Words:
    """The checksum of every row of ``words`` (shape (rows, words), little-endian words), shape (rows,)."""
    rows, width = words.shape
    library = vendor_crc32c()
    if library is None:
        return folded_rows(words)
    whole = np.ascontiguousarray(words, "<u4")
    begin, length = whole.ctypes.data, 4 * width
    return np.array([library(begin + row * length, length) for row in range(rows)], np.uint32)


def folded_rows(words: Words) -> Words:
    """:func:`crc32c_rows` by NumPy alone."""
    rows, width = words.shape
    sums = np.zeros(rows, np.uint32)
    if not width:
        return sums
    # Padded in front so that the first, heavy levels halve evenly.
    even = 1 << min(width.bit_length() - 1, 6)
    padded = -(-width // even) * even
    together = max(_TOGETHER // padded, 1)
    fold = _Fold(min(together, rows) * padded)
    for start in range(0, rows, together):
        part = words[start : start + together]
        level = fold.begin(part.shape[0], padded)
        level[:, : padded - width] = 0
        level[:, padded - width :] = part
        level[:, padded - width] ^= _ONES
        sums[start : start + together] = fold.end(level)
    return sums


class _Fold:
    """Working memory for folding, reused: fresh pages would cost more than the folding itself."""

    def __init__(self, words: int) -> None:
        self._now, self._next, self._other = (np.empty(words, np.uint32) for _ in range(3))
        self._index = np.empty(words // 2 + 1, np.intp)

    def begin(self, rows: int, width: int) -> Words:
        """Where to write the words."""
        return self._now[: rows * width].reshape(rows, width)

    def end(self, level: Words) -> Words:
        """The checksums of the rows that were written."""
        step = 0
        while level.shape[1] > 1:
            if level.shape[1] % 2:
                level = np.concatenate([np.zeros((level.shape[0], 1), np.uint32), level], axis=1)
            rows, half = level.shape[0], level.shape[1] // 2
            # Bits 0 to 15 and 16 to 31 of every other word.
            parts = np.ascontiguousarray(level, "<u4").view("<u2")
            index = self._index[: rows * half].reshape(rows, half)
            folded = self._next[: rows * half].reshape(rows, half)
            other = self._other[: rows * half].reshape(rows, half)
            for table, bits, out in zip(_tables(step), (parts[:, ::4], parts[:, 1::4]), (folded, other), strict=True):
                np.copyto(index, bits)
                table.take(index, out=out, mode="clip")
            folded ^= other
            folded ^= level[:, 1::2]
            self._now, self._next = self._next, self._now
            level, step = folded, step + 1
        low, high = _tables(0)
        last = level[:, 0]
        return np.asarray(low[last & np.uint32(0xFFFF)] ^ high[last >> np.uint32(16)] ^ _ONES)


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of ``data``."""
    library = vendor_crc32c()
    return folded(data) if library is None else library(bytes(data), len(data))


def folded(data: bytes | memoryview) -> int:
    """:func:`crc32c` by NumPy alone."""
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
    return int(folded_rows(words.reshape(1, -1))[0])


@cache
def vendor_crc32c() -> Callable[[int | bytes, int], int] | None:
    """The vendor's function, of an address (or bytes) and a length; ``None`` where there is none that is right."""
    try:
        from pyjls import binding

        function = ctypes.CDLL(binding.__file__).jls_crc32c
    except (ImportError, OSError, AttributeError):
        return None
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_uint32], ctypes.c_uint32
    right = function(_CHECK_DATA, len(_CHECK_DATA)) == _CHECK_SUM and function(b"", 0) == 0
    return function if right else None


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
