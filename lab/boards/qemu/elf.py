"""What the lab must know of an ELF file: what a program needs to be loaded, what a kernel module says of itself.

Layout: System V ABI, chapters 4 and 5 (ELF32 and ELF64, little-endian).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB = 1, 5
_LITTLE_ENDIAN = 1
_CLASS_64 = 2


@dataclass(frozen=True, slots=True)
class Needs:
    """What a program or a library needs to be loaded."""

    libraries: tuple[str, ...]
    interpreter: str | None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things are in the two classes of ELF files, as :mod:`struct` formats and offsets."""

    word: str
    table_offsets: tuple[int, int]
    counts_offset: int
    segment: str
    section: str


_ELF32 = _Layout("<I", (28, 32), 42, "<IIIIIIII", "<IIIIIIIIII")
_ELF64 = _Layout("<Q", (32, 40), 54, "<IIQQQQQQ", "<IIQQQQIIQQ")


class NotElfError(ValueError):
    """The bytes are no ELF file that can be read."""


def needs(data: bytes) -> Needs:
    """The libraries and the loader that a program or library names. Raises :class:`NotElfError`."""
    try:
        return _needs(data)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise NotElfError(f"damaged ELF file: {error}") from None


def section(data: bytes, name: str) -> bytes | None:
    """The content of a section, ``None`` if there is none of that name. Raises :class:`NotElfError`."""
    try:
        return _section(data, name.encode())
    except (struct.error, IndexError) as error:
        raise NotElfError(f"damaged ELF file: {error}") from None


def module_words(data: bytes) -> dict[str, str]:
    """What a kernel module says of itself: ``depends``, ``name``, ``vermagic`` … (the first of each)."""
    words: dict[str, str] = {}
    for item in (section(data, ".modinfo") or b"").split(b"\0"):
        key, equals, value = item.partition(b"=")
        if equals:
            words.setdefault(key.decode("ascii", "replace"), value.decode("utf-8", "replace"))
    return words


def _layout(data: bytes) -> _Layout:
    if data[:4] != b"\x7fELF" or len(data) < 52:
        raise NotElfError("this is no ELF file")
    if data[5] != _LITTLE_ENDIAN:
        raise NotElfError("big-endian ELF files are not read here")
    return _ELF64 if data[4] == _CLASS_64 else _ELF32


def _segments(data: bytes, layout: _Layout) -> list[tuple[int, int, int, int]]:
    """(type, offset in the file, address, size in the file) of each segment."""
    (start,) = struct.unpack_from(layout.word, data, layout.table_offsets[0])
    size, count = struct.unpack_from("<HH", data, layout.counts_offset)
    found = []
    for number in range(count):
        fields = struct.unpack_from(layout.segment, data, start + number * size)
        kind = fields[0]
        offset, address, length = fields[2:4] + fields[5:6] if layout is _ELF64 else fields[1:3] + fields[4:5]
        found.append((kind, offset, address, length))
    return found


def _needs(data: bytes) -> Needs:
    layout = _layout(data)
    segments = _segments(data, layout)
    interpreter = next((_text(data, offset) for kind, offset, _, _ in segments if kind == _PT_INTERP), None)
    width = struct.calcsize(layout.word)
    entries = [
        (
            struct.unpack_from(layout.word, data, at)[0],
            struct.unpack_from(layout.word, data, at + width)[0],
        )
        for kind, offset, _, length in segments
        if kind == _PT_DYNAMIC
        for at in range(offset, offset + length, 2 * width)
    ]
    addresses = [value for tag, value in entries if tag == _DT_STRTAB]
    if not addresses:
        return Needs((), interpreter)
    strings = _file_offset(segments, addresses[0])
    return Needs(tuple(_text(data, strings + value) for tag, value in entries if tag == _DT_NEEDED), interpreter)


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, start, length in segments:
        if kind == _PT_LOAD and start <= address < start + length:
            return offset + address - start
    raise NotElfError(f"damaged ELF file: nothing is loaded at {address:#x}")


def _section(data: bytes, name: bytes) -> bytes | None:
    layout = _layout(data)
    (start,) = struct.unpack_from(layout.word, data, layout.table_offsets[1])
    size, count, names_at = struct.unpack_from("<HHH", data, layout.counts_offset + 4)
    if not count:
        return None
    headers = [struct.unpack_from(layout.section, data, start + number * size) for number in range(count)]
    names = headers[names_at][4]
    for fields in headers:
        at = names + fields[0]
        if data[at : at + len(name) + 1] == name + b"\0":
            return data[fields[4] : fields[4] + fields[5]]
    return None


def _text(data: bytes, at: int) -> str:
    end = data.find(b"\0", at)
    if at < 0 or end < 0:
        raise NotElfError(f"damaged ELF file: no text at {at}")
    return data[at:end].decode()
