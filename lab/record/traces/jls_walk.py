"""What is on disk of a JLS v2 file, whether it was closed, cut short or damaged: every chunk found by walking.

:mod:`lab.record.traces.jls_layout` follows a closed file's links and believes nothing that is out of place, which is
right for reading a trace again and again. Here the file is walked once from its first byte to its last, each chunk on
its own: a chunk counts if its header's checksum is right and its content fits what was defined before. Where that is
not so, the walk takes up again at the next sound header, and the bytes between are named. Links, indices of higher
levels and the end mark are not needed, so a file whose recorder was killed gives all that reached the disk.

Nothing is mapped into memory: a file that somebody cuts short meanwhile is a read that comes up short, not a signal
that ends the process.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.closing import ClosedOnExit
from lab.record.traces.crc32c import crc32c, crc32c_rows
from lab.record.traces.jls_layout import SOURCE_TEXTS_AT, texts_after

HEADER_BYTES = 32
PAYLOAD_HEADER_BYTES = 16

MAGIC = b"jlsfmt\r\n \n \x1a  \xb2\x1c"
MAGIC_V1 = b"\xd3tagfmt \r\n \n  \x1a\x1c"
"""How files of the first format begin, which the Joulescope UI wrote before version 1."""

LOGIC, U4, U8, FLOAT32, FLOAT64 = 0x0103, 0x0403, 0x0803, 0x2004, 0x4004
"""Data types (without the fixed-point part) whose samples are understood."""

READABLE = (LOGIC, U4, U8, FLOAT32, FLOAT64)

_SOURCE_DEF, _SIGNAL_DEF, _USER_DATA, _END = 0x01, 0x02, 0x40, 0xFF
_FSR_DATA, _FSR_INDEX, _FSR_SUMMARY, _ANNOTATION, _UTC = 0x22, 0x23, 0x24, 0x32, 0x3A
_TAGS = {_SOURCE_DEF, _SIGNAL_DEF, _USER_DATA, _END} | {
    0x20 | track << 3 | part for track in range(4) for part in range(5)
}

_HEADER = struct.Struct("<QQBBHIII")
_PAYLOAD_HEADER = struct.Struct("<qIHH")
_SIGNAL = struct.Struct("<HBxIIIIIIII")
_TEXTS_AT = {_SOURCE_DEF: SOURCE_TEXTS_AT, _SIGNAL_DEF: 128}
_ANNOTATION_HEAD = struct.Struct("<qQBBBBfI")

_LARGEST_PAYLOAD = 1 << 28
_LARGEST_INDEX = 1 << 62
_LARGEST_RATE_HZ = 1 << 28
_SEARCHED = 1 << 20
_MOST_TEXTS = 100_000


@dataclass(frozen=True, slots=True)
class Source:
    """Where signals come from, as the file says."""

    number: int
    name: str = ""
    vendor: str = ""
    model: str = ""
    version: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class WalkedSignal:
    """A fixed-rate signal as the file defines it."""

    number: int
    source: int
    name: str
    units: str
    data_type: int
    fraction_bits: int
    rate_hz: int
    samples_per_data: int
    samples_per_entry: int

    @property
    def sample_bits(self) -> int:
        """Bits per sample."""
        return self.data_type >> 8 & 0xFF

    @property
    def readable(self) -> bool:
        """Are its samples of a type that is understood?"""
        return self.data_type in READABLE and not self.fraction_bits


@dataclass(frozen=True, slots=True)
class Pieces:
    """Data chunks of a signal in the order of their samples, none overlapping another: first sample, number of samples
    and the payload's offset in the file, each of shape (pieces,).

    An offset of ``-1 - level`` stands for a chunk that the writer left out because all of it is at ``level``.
    """

    first: NDArray[np.int64]
    count: NDArray[np.int64]
    offset: NDArray[np.int64]

    @property
    def samples(self) -> int:
        """Samples that are there."""
        return int(self.count.sum())

    @property
    def begin(self) -> int:
        """Index of the first sample; 0 without any."""
        return int(self.first[0]) if self.first.size else 0

    @property
    def end(self) -> int:
        """Index after the last sample; 0 without any."""
        return int(self.first[-1] + self.count[-1]) if self.first.size else 0

    def holes(self) -> list[tuple[int, int]]:
        """Ranges of samples between pieces that are not there."""
        ends = self.first + self.count
        gaps = np.flatnonzero(self.first[1:] != ends[:-1])
        return [(int(ends[gap]), int(self.first[gap + 1])) for gap in gaps]


@dataclass(frozen=True, slots=True)
class Annotation:
    """A text or marker that somebody put at a sample of a signal."""

    signal: int
    sample: int
    kind: int
    storage: int
    group: int
    y: float
    data: bytes


@dataclass(slots=True)
class Contents:
    """What a walk found. ``damage`` are byte ranges that are no sound chunks, ``repeated`` counts data chunks left out
    because others hold their samples already."""

    path: Path
    size: int
    closed: bool
    ended: bool
    sources: dict[int, Source] = field(default_factory=dict)
    signals: dict[int, WalkedSignal] = field(default_factory=dict)
    pieces: dict[int, Pieces] = field(default_factory=dict)
    utc: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    annotations: list[Annotation] = field(default_factory=list)
    user_data: list[tuple[int, bytes]] = field(default_factory=list)
    damage: list[tuple[int, int]] = field(default_factory=list)
    repeated: int = 0

    @property
    def damaged_bytes(self) -> int:
        """Bytes that are no sound chunks."""
        return sum(stop - start for start, stop in self.damage)


class WalkedFile(ClosedOnExit):
    """A JLS file, walked when it is opened; a context manager.

    Raises :class:`DataError` if it is not a JLS v2 file or holds no signal.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DataError(f"{path}: cannot read the recording ({error.strerror})") from error
        try:
            self.contents = _Walk(self._file, path).contents
        except BaseException:
            self.close()
            raise

    def samples(self, signal: int, piece: int) -> NDArray[np.float64] | NDArray[np.float32] | NDArray[np.uint8] | None:
        """The samples of one piece of a signal, or ``None`` where its checksum is wrong.

        float32 or float64 as stored; whole numbers of up to eight bits as uint8, one each.
        """
        definition, pieces = self.contents.signals[signal], self.contents.pieces[signal]
        count, offset = int(pieces.count[piece]), int(pieces.offset[piece])
        if offset < 0:
            return np.full(count, -1 - offset, np.uint8)
        length = PAYLOAD_HEADER_BYTES + (count * definition.sample_bits + 7) // 8
        data = sound_payload(self._file, offset, length)
        return None if data is None else _unpacked(data[PAYLOAD_HEADER_BYTES:], definition.data_type, count)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def sound_payload(file: int, offset: int, length: int) -> bytes | None:
    """The payload at ``offset``, or ``None`` where it is cut short or its checksum is wrong."""
    stored = _stored_bytes(length)
    data = os.pread(file, stored, offset)
    if len(data) < stored or crc32c(data[:length]) != int.from_bytes(data[-4:], "little"):
        return None
    return data[:length]


def _stored_bytes(length: int) -> int:
    return (length + 4 + 7) & ~7 if length else 0


def _unpacked(data: bytes, data_type: int, count: int) -> NDArray[np.float64] | NDArray[np.float32] | NDArray[np.uint8]:
    if data_type == FLOAT32:
        return np.frombuffer(data, "<f4", count)
    if data_type == FLOAT64:
        return np.frombuffer(data, "<f8", count)
    raw = np.frombuffer(data, np.uint8)
    if data_type == U8:
        return raw[:count]
    if data_type == U4:
        return np.stack([raw & 0x0F, raw >> 4], axis=1).ravel()[:count]
    return np.unpackbits(raw, bitorder="little")[:count]


@dataclass(slots=True)
class _Found:
    """The pieces of one signal as they were met, and the chunks that an index says were left out."""

    first: list[int] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    offset: list[int] = field(default_factory=list)
    left_out: dict[int, int] = field(default_factory=dict)


class _Walk:
    """One walk over a file."""

    def __init__(self, file: int, path: Path) -> None:
        self._file = file
        self._path = path
        size = os.fstat(file).st_size
        head = os.pread(file, HEADER_BYTES, 0)
        _check_magic(head, path)
        length, _, checksum = struct.unpack_from("<QII", head, 16)
        closed = crc32c(head[:28]) == checksum and length == size
        self.contents = Contents(path, size, closed, ended=False)
        self._found: dict[int, _Found] = {}
        self._index: tuple[int, int, list[int]] | None = None
        self._walk()
        if not self.contents.signals:
            raise DataError(
                f"{path}: nothing can be recovered: no definition of a signal is left in {size} bytes",
                advice="was the recorder killed before it wrote anything?",
            )
        for number in self.contents.signals:
            self.contents.pieces[number] = self._pieces(number)

    def _walk(self) -> None:
        contents = self.contents
        offset = HEADER_BYTES
        while offset < contents.size:
            end = self._chunk(offset)
            if end is not None:
                offset = end
                continue
            resumed = self._next_sound(offset + 8)
            if contents.damage and contents.damage[-1][1] == offset:
                contents.damage[-1] = contents.damage[-1][0], resumed
            else:
                contents.damage.append((offset, resumed))
            offset = resumed

    def _chunk(self, offset: int) -> int | None:
        """Take the chunk at ``offset``; returns where it ends, or ``None`` if none is there.

        A chunk of sound header and broken content is none: what follows it is looked for from its header on.
        """
        head = os.pread(self._file, HEADER_BYTES + PAYLOAD_HEADER_BYTES, offset)
        if len(head) < HEADER_BYTES:
            return None
        _, _, tag, _, meta, length, _, checksum = _HEADER.unpack_from(head)
        if tag not in _TAGS or crc32c(head[:28]) != checksum:
            return None
        end = offset + HEADER_BYTES + _stored_bytes(length)
        if length > _LARGEST_PAYLOAD or end > self.contents.size:
            return None
        if tag == _END:
            self.contents.ended = True
        elif tag == _FSR_DATA:
            if not self._data(meta, offset + HEADER_BYTES, length, head[HEADER_BYTES:]):
                return None
        elif tag in _SMALL:
            data = sound_payload(self._file, offset + HEADER_BYTES, length) if length else b""
            if data is None:
                return None
            _SMALL[tag](self, meta, data)
        if tag not in (_FSR_INDEX, _FSR_SUMMARY):
            self._index = None
        return end

    def _next_sound(self, offset: int) -> int:
        """Where the next header with a right checksum lies, from ``offset`` on; the file's end if there is none."""
        size = self.contents.size
        while offset + HEADER_BYTES <= size:
            data = os.pread(self._file, _SEARCHED + HEADER_BYTES, offset)
            count = (len(data) - HEADER_BYTES) // 8 + 1
            if count <= 0:
                break
            words = np.frombuffer(data, "<u4", len(data) // 4)
            places = np.arange(count)
            tags = words[2 * places + 4] & np.uint32(0xFF)
            lengths = words[2 * places + 5]
            likely = places[np.isin(tags, _TAG_ARRAY) & (lengths <= size)]
            if likely.size:
                heads = words[2 * likely[:, None] + np.arange(8)]
                sound = likely[crc32c_rows(np.ascontiguousarray(heads[:, :7])) == heads[:, 7]]
                if sound.size:
                    return offset + 8 * int(sound[0])
            offset += 8 * count
        return size

    # ----------------------------------------------------------------------------------------------- kinds of chunks

    def _source(self, meta: int, data: bytes) -> None:
        texts = texts_after(data, _TEXTS_AT[_SOURCE_DEF])
        if meta <= 0xFF and len(texts) >= 5:
            self.contents.sources.setdefault(meta, Source(meta, *texts[:5]))

    def _signal(self, meta: int, data: bytes) -> None:
        texts = texts_after(data, _TEXTS_AT[_SIGNAL_DEF])
        if not 0 < meta <= 0xFF or len(texts) < 2 or meta in self.contents.signals:
            return
        source, kind, data_type, rate, per_data, per_entry, *_ = _SIGNAL.unpack_from(data)
        bits = data_type >> 8 & 0xFF
        if kind != 0 or not 0 < rate <= _LARGEST_RATE_HZ or not 0 < per_data <= _LARGEST_PAYLOAD or not bits:
            return
        self.contents.signals[meta] = WalkedSignal(
            meta, source, texts[0], texts[1], data_type & 0xFFFF, data_type >> 16 & 0xFF, rate, per_data, per_entry
        )
        self._found[meta] = _Found()

    def _data(self, meta: int, offset: int, length: int, head: bytes) -> bool:
        definition, found = self.contents.signals.get(meta), self._found.get(meta)
        if definition is None or found is None or len(head) < PAYLOAD_HEADER_BYTES:
            return False
        first, count, bits, _ = _PAYLOAD_HEADER.unpack(head)
        fits = bits == definition.sample_bits and length == PAYLOAD_HEADER_BYTES + (count * bits + 7) // 8
        if not fits or not 0 < count <= definition.samples_per_data or abs(first) > _LARGEST_INDEX:
            return False
        found.first.append(first)
        found.count.append(count)
        found.offset.append(offset)
        return True

    def _fsr_index(self, meta: int, data: bytes) -> None:
        """Note an index of level 1: entries of 0 are chunks that the writer left out, and the summary that follows
        tells their level."""
        self._index = None
        if meta >> 12 != 1 or len(data) < PAYLOAD_HEADER_BYTES:
            return
        first, count, bits, _ = _PAYLOAD_HEADER.unpack_from(data)
        if bits == 64 and len(data) == PAYLOAD_HEADER_BYTES + 8 * count and abs(first) <= _LARGEST_INDEX:
            offsets = np.frombuffer(data, "<u8", count, PAYLOAD_HEADER_BYTES)
            self._index = meta, first, np.flatnonzero(offsets == 0).tolist()

    def _fsr_summary(self, meta: int, data: bytes) -> None:
        index, self._index = self._index, None
        signal = self.contents.signals.get(meta & 0xFF)
        if (
            index is None
            or index[0] != meta
            or signal is None
            or signal.sample_bits > 8
            or not signal.samples_per_entry
            or len(data) < PAYLOAD_HEADER_BYTES
        ):
            return
        each = signal.samples_per_data // signal.samples_per_entry
        entries = np.frombuffer(data, "<f4", (len(data) - PAYLOAD_HEADER_BYTES) // 16 * 4, PAYLOAD_HEADER_BYTES)
        entries = entries.reshape(-1, 4)
        for place in index[2]:
            part = entries[place * each : (place + 1) * each]
            level = float(part[0, 0]) if part.size else -1.0
            if part.shape[0] == each and (part[:, [0, 2, 3]] == level).all() and level in range(256):
                start = index[1] + place * signal.samples_per_data
                self._found[signal.number].left_out[start] = int(level)

    def _utc(self, meta: int, data: bytes) -> None:
        if len(data) == PAYLOAD_HEADER_BYTES + 8 and len(self.contents.utc.get(meta, ())) < _MOST_TEXTS:
            sample, _, _, _ = _PAYLOAD_HEADER.unpack_from(data)
            (ticks,) = struct.unpack_from("<q", data, PAYLOAD_HEADER_BYTES)
            self.contents.utc.setdefault(meta & 0xFF, []).append((sample, ticks))

    def _annotation(self, meta: int, data: bytes) -> None:
        if len(data) < _ANNOTATION_HEAD.size or len(self.contents.annotations) >= _MOST_TEXTS:
            return
        sample, _, kind, storage, group, _, y, size = _ANNOTATION_HEAD.unpack_from(data)
        content = data[_ANNOTATION_HEAD.size :]
        if size <= len(content):
            item = Annotation(meta & 0xFF, sample, kind, storage, group, y, content[:size])
            self.contents.annotations.append(item)

    def _user_data(self, meta: int, data: bytes) -> None:
        if data and len(self.contents.user_data) < _MOST_TEXTS:
            self.contents.user_data.append((meta, data))

    # ------------------------------------------------------------------------------------------------------- pieces

    def _pieces(self, number: int) -> Pieces:
        """The pieces of a signal in order, without those whose samples another piece holds."""
        signal, found = self.contents.signals[number], self._found[number]
        known = set(found.first)
        left_out = [start for start in found.left_out if start not in known]
        first = np.array([*found.first, *left_out], np.int64)
        count = np.array([*found.count, *(signal.samples_per_data for _ in left_out)], np.int64)
        offset = np.array([*found.offset, *(-1 - found.left_out[start] for start in left_out)], np.int64)
        order = np.argsort(first, kind="stable")
        first, count, offset = first[order], count[order], offset[order]
        ends = np.maximum.accumulate(first + count) if first.size else first
        fresh = np.ones(first.size, np.bool_)
        fresh[1:] = first[1:] >= ends[:-1]
        self.contents.repeated += int((~fresh).sum())
        return self._filled(signal, Pieces(first[fresh], count[fresh], offset[fresh]))

    def _filled(self, signal: WalkedSignal, pieces: Pieces) -> Pieces:
        """With chunks of constant level that the writer left out and no index tells of, where both neighbours agree.

        The index is written every dozen of chunks, so a file that was never closed lacks the last one. Bytes that were
        lost between the neighbours could have been anything: then nothing is filled in.
        """
        if signal.sample_bits > 8:
            return pieces
        added: list[tuple[int, int, int]] = []
        ends = pieces.first + pieces.count
        for place in np.flatnonzero(pieces.first[1:] != ends[:-1]).tolist():
            begin, end = int(ends[place]), int(pieces.first[place + 1])
            missing, odd = divmod(end - begin, signal.samples_per_data)
            if odd or missing > _MOST_LEFT_OUT or self._lost_between(pieces, place):
                continue
            level = self._level(signal, pieces, place, last=True)
            if level is not None and level == self._level(signal, pieces, place + 1, last=False):
                added.append((begin, end - begin, -1 - level))
        if not added:
            return pieces
        extra = np.array(added, np.int64)
        first = np.concatenate([pieces.first, extra[:, 0]])
        order = np.argsort(first, kind="stable")
        count, offset = np.concatenate([pieces.count, extra[:, 1]]), np.concatenate([pieces.offset, extra[:, 2]])
        return Pieces(first[order], count[order], offset[order])

    def _lost_between(self, pieces: Pieces, place: int) -> bool:
        low, high = sorted((int(pieces.offset[place]), int(pieces.offset[place + 1])))
        return low < 0 or any(start < high and stop > low for start, stop in self.contents.damage)

    def _level(self, signal: WalkedSignal, pieces: Pieces, place: int, *, last: bool) -> int | None:
        """The last or the first level of a piece; ``None`` where it cannot be read."""
        count, offset = int(pieces.count[place]), int(pieces.offset[place])
        if offset < 0:
            return -1 - offset
        length = PAYLOAD_HEADER_BYTES + (count * signal.sample_bits + 7) // 8
        data = sound_payload(self._file, offset, length)
        if data is None:
            return None
        return int(_unpacked(data[PAYLOAD_HEADER_BYTES:], signal.data_type, count)[-1 if last else 0])


_MOST_LEFT_OUT = 4096
"""Chunks between two written ones: an index is due long before."""

_TAG_ARRAY = np.array(sorted(_TAGS), np.uint32)

_SMALL = {
    _SOURCE_DEF: _Walk._source,
    _SIGNAL_DEF: _Walk._signal,
    _FSR_INDEX: _Walk._fsr_index,
    _FSR_SUMMARY: _Walk._fsr_summary,
    _UTC: _Walk._utc,
    _ANNOTATION: _Walk._annotation,
    _USER_DATA: _Walk._user_data,
}
"""Kinds of chunks whose content is looked at, and by whom."""


def _check_magic(head: bytes, path: Path) -> None:
    if head.startswith(MAGIC_V1[: len(head)]) and len(head) >= len(MAGIC_V1):
        raise DataError(
            f"{path}: a JLS file of the first format, which is not read",
            advice="open it in the Joulescope UI and save it again",
        )
    if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
        raise DataError(f"{path}: not a JLS v2 file")
