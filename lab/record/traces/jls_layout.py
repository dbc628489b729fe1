"""Where everything lies in a closed JLS v2 file: chunk headers, signals, data chunks and the summary pyramid.

The format (Jetperch's ``include/jls/format.h``, file format 1.0, little-endian): a 32-byte file header, then chunks.
Each chunk is a 32-byte header with its own CRC-32C, a payload, padding to eight bytes and the payload's CRC-32C; each
is linked to the next of its kind. A signal has a list of data chunks (``samples_per_data`` samples each) and, level by
level, lists of index chunks, each followed by the summary chunk (mean, standard deviation, minimum, maximum) of its
stretch.

Everything is checked before it is believed: bounds, alignment, tags, header checksums, and that times and counts are
the ones their place demands. Links must lead forward, so no list can be endless. Payload checksums are verified here
for definitions and indices; for samples and summaries only by :mod:`lab.record.traces.jls_verify`, because that costs a
pass over them. A data chunk's header is compared with the one that is due at its place, field by field, which is
stricter than its checksum.

The file is read, not mapped into memory: where somebody cuts it short meanwhile, a read comes up short and is refused,
while a look into a map beyond its file's end kills the process.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.closing import ClosedOnExit
from lab.record.traces.crc32c import crc32c, crc32c_rows

Offsets = NDArray[np.int64]
Words = NDArray[np.uint32]

FLOAT32, LOGIC = 0x2004, 0x0103
"""Data types (without the fixed-point part) of the signals that can be read."""

HEADER_BYTES = 32
PAYLOAD_HEADER_BYTES = 16
SAMPLES_AT = HEADER_BYTES + PAYLOAD_HEADER_BYTES
"""Where the samples, index entries or summary entries begin, counted from the chunk's first byte."""

CHUNK_HEADER = struct.Struct("<QQBBHIII")
"""Next and previous chunk of the kind, tag, meta, length, length of the chunk before it in the file, checksum."""

_MAGIC = b"jlsfmt\r\n \n \x1a  \xb2\x1c"
_PAYLOAD_HEADER = struct.Struct("<qIHH")
_DATA_HEADERS = struct.Struct("<16xBxHI8xqIH2x")
"""Of both headers of a data chunk: tag, meta, length; first sample, samples, bits per sample."""

_SIGNAL = struct.Struct("<HBxIIIIIIII")
_SIGNAL_NAME_AT = _SIGNAL.size + 92

SOURCE_DEF, SIGNAL_DEF, END = 0x01, 0x02, 0xFF
SOURCE_TEXTS_AT = 64
FSR_HEAD, FSR_DATA, FSR_INDEX, FSR_SUMMARY = 0x21, 0x22, 0x23, 0x24
_TAGS = {SOURCE_DEF, SIGNAL_DEF, 0x40, END} | {0x20 | track << 3 | part for track in range(4) for part in range(5)}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk's header, found sound."""

    offset: int
    next: int
    tag: int
    meta: int
    length: int

    @property
    def end(self) -> int:
        """Offset of the byte after the chunk."""
        return self.offset + HEADER_BYTES + stored_bytes(self.length)


@dataclass(frozen=True, slots=True)
class Signal:
    """A fixed-rate signal as the file defines it; ``heads`` are the offsets of the first chunk of each level."""

    number: int
    name: str
    units: str
    data_type: int
    rate_hz: int
    samples_per_data: int
    samples_per_entry: int
    entries_per_summary: int
    entries_per_entry: int
    heads: tuple[int, ...] = ()

    @property
    def sample_bits(self) -> int:
        """Bits per sample."""
        return self.data_type >> 8 & 0xFF

    @property
    def samples_per_index(self) -> int:
        """Samples under one full index chunk of level 1."""
        return self.entries_per_summary * self.samples_per_entry


@dataclass(frozen=True, slots=True)
class DataChunks:
    """The data chunks of a signal in order: all full but the last.

    An offset of 0 means that the writer left out a chunk of constant level, which only the summary tells. ``indices``
    are the level-1 index chunks, ``summaries`` the summary chunks that follow them.
    """

    first_sample: int
    length: int
    offsets: Offsets
    indices: Offsets
    summaries: Offsets


@dataclass(frozen=True, slots=True)
class SummaryLevel:
    """One level of a signal's pyramid: summary chunks, full but the last, of ``per_chunk`` entries of ``samples``."""

    samples: int
    per_chunk: int
    entries: int
    offsets: Offsets


def stored_bytes(length: int) -> int:
    """Bytes that a payload of ``length`` takes with padding and checksum."""
    return (length + 4 + 7) & ~7 if length else 0


class JlsBytes(ClosedOnExit):
    """The bytes of a closed JLS file, and the checks on them.

    Raises :class:`DataError` naming file and offset whenever something is not as it must be; also where the file is cut
    short, or cannot be read any more, while it is open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        try:
            self._opened = path.open("rb", buffering=0)
        except OSError as error:
            raise DataError(f"{path}: cannot read the trace ({error.strerror})") from error
        try:
            self._descriptor = self._opened.fileno()
            self.size = os.fstat(self._descriptor).st_size
            self._check_file_header(os.pread(self._descriptor, HEADER_BYTES, 0))
            last = self.chunk(self.size - HEADER_BYTES)
        except OSError as error:
            self.close()
            raise DataError(f"{path}: cannot read the trace ({error.strerror})") from error
        except DataError:
            self.close()
            raise
        if last.tag != END:
            self.close()
            raise self.broken(last.offset, "the file does not end with an end mark")

    def broken(self, offset: int, what: str) -> DataError:
        """The error to raise for something wrong at ``offset``."""
        return DataError(f"{self.path}: damaged JLS file: {what} (at byte {offset})", advice=self._advice)

    @property
    def _advice(self) -> str:
        return f"`lab recover {self.path}` writes what is left of it to a new file"

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._descriptor = -1
        self._opened.close()

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on."""
        try:
            data = os.pread(self._descriptor, count, offset)
        except OSError as error:
            raise self._unreadable(error) from error
        if len(data) != count:
            raise self._short(offset + len(data))
        return data

    def read_into(self, offset: int, places: Sequence[memoryview], count: int) -> None:
        """The ``count`` bytes from ``offset`` on into ``places``, one after the other, which they must fill."""
        try:
            found = os.preadv(self._descriptor, places, offset)
        except OSError as error:
            raise self._unreadable(error) from error
        if found != count:
            raise self._short(offset + found)

    def _unreadable(self, error: OSError) -> DataError:
        return DataError(f"{self.path}: cannot read the trace any more ({error.strerror})")

    def _short(self, offset: int) -> DataError:
        return DataError(f"{self.path}: the file was cut short while it was read (at byte {offset} of {self.size})")

    def chunk(self, offset: int, tag: int | None = None, meta: int | None = None) -> Chunk:
        """The chunk at ``offset``, whose header must be sound and of the kind given."""
        self.check_place(offset)
        header = self.read(offset, HEADER_BYTES)
        following, _, found, _, found_meta, length, _, checksum = CHUNK_HEADER.unpack(header)
        if crc32c(header[:28]) != checksum:
            raise self.broken(offset, "a chunk header fails its checksum")
        return self.expect(Chunk(offset, following, found, found_meta, length), tag, meta)

    def payload(self, chunk: Chunk) -> bytes:
        """A chunk's payload, whose checksum must be right."""
        if not chunk.length:
            return b""
        stored = self.read(chunk.offset + HEADER_BYTES, stored_bytes(chunk.length))
        data = stored[: chunk.length]
        if crc32c(data) != int.from_bytes(stored[-4:], "little"):
            raise self.broken(chunk.offset, "a payload fails its checksum")
        return data

    def payload_header(self, chunk: Chunk, first: int, item_bits: int) -> int:
        """The number of items of a data, index or summary chunk that must begin at sample ``first``."""
        if chunk.length < PAYLOAD_HEADER_BYTES:
            raise self.broken(chunk.offset, "a payload is too short")
        stamp, count, bits, _ = _PAYLOAD_HEADER.unpack(self.read(chunk.offset + HEADER_BYTES, PAYLOAD_HEADER_BYTES))
        if stamp != first:
            raise self.broken(chunk.offset, f"a chunk begins at sample {stamp} where {first} was due")
        if bits != item_bits or chunk.length != PAYLOAD_HEADER_BYTES + (count * bits + 7) // 8 or count == 0:
            raise self.broken(chunk.offset, f"{count} items of {bits} bits in a payload of {chunk.length} bytes")
        return int(count)

    def chain(self, first: int, tag: int, meta: int) -> Iterator[Chunk]:
        """A linked list from ``first`` on; links must lead forward."""
        offset = first
        while offset:
            chunk = self.chunk(offset, tag, meta)
            yield chunk
            if chunk.next and chunk.next <= offset:
                raise self.broken(offset, f"a link leads back to byte {chunk.next}")
            offset = chunk.next

    def check_data_header(self, signal: Signal, data: DataChunks, number: int) -> None:
        """Compare both headers of data chunk ``number`` of a signal with those that must be there.

        Their checksum, and the links, which nobody uses, are left out.
        """
        offset, first = int(data.offsets[number]), number * signal.samples_per_data
        count = min(data.length - first, signal.samples_per_data)
        length = PAYLOAD_HEADER_BYTES + (count * signal.sample_bits + 7) // 8
        due = FSR_DATA, signal.number, length, data.first_sample + first, count, signal.sample_bits
        if _DATA_HEADERS.unpack(self.read(offset, SAMPLES_AT)) != due:
            raise self.broken(offset, f"this is not the data chunk due here for {signal.name!r}")

    def check_full_data_headers(self, signal: Signal, data: DataChunks, first: int, found: Words) -> None:
        """As :meth:`check_data_header`, for the headers of full chunks from ``first`` on, shape (chunks, 12)."""
        numbers = np.arange(first, first + len(found))
        stamps = (data.first_sample + numbers * signal.samples_per_data).astype("<i8").view("<u4").reshape(-1, 2)
        length = PAYLOAD_HEADER_BYTES + signal.samples_per_data * signal.sample_bits // 8
        good = (found[:, 4] & np.uint32(0xFFFF00FF)) == np.uint32(FSR_DATA | signal.number << 16)
        good &= (found[:, 5] == length) & (found[:, 8:10] == stamps).all(axis=1)
        good &= found[:, 10] == signal.samples_per_data
        good &= (found[:, 11] & np.uint32(0xFFFF)) == signal.sample_bits
        self._report(data.offsets[numbers], good, f"this is not the data chunk due here for {signal.name!r}")

    def check_full_indices(
        self, offsets: Offsets, begins: Offsets, length: int, chunks: Sequence[bytes]
    ) -> NDArray[np.uint64]:
        """Check index ``chunks`` of equal ``length`` that must begin at samples ``begins``; returns their entries."""
        found = np.frombuffer(b"".join(chunks), "<u4").reshape(len(chunks), -1)
        payload = found[:, 8 : 8 + length // 4]
        good = (crc32c_rows(found[:, :7]) == found[:, 7]) & (crc32c_rows(payload) == found[:, -1])
        self._report(offsets, good, "an index chunk fails its checksum")
        fitting = (payload[:, :2] == begins.astype("<i8").view("<u4").reshape(-1, 2)).all(axis=1)
        fitting &= (payload[:, 2] == (length - PAYLOAD_HEADER_BYTES) // 8) & (payload[:, 3] & np.uint32(0xFFFF) == 64)
        self._report(offsets, fitting, "an index chunk is not the one due here")
        return np.ascontiguousarray(payload[:, 4:]).view("<u8")

    def _report(self, offsets: Offsets, good: NDArray[np.bool_], what: str) -> None:
        if not good.all():
            raise self.broken(int(offsets[~good][0]), what)

    def check_place(self, offset: int) -> None:
        """Raise unless a chunk header can lie at ``offset``."""
        if offset % 8 or not HEADER_BYTES <= offset <= self.size - HEADER_BYTES:
            raise self.broken(offset, "a link leads to where no chunk can be")

    def expect(self, chunk: Chunk, tag: int | None = None, meta: int | None = None) -> Chunk:
        """The chunk, which must be of the kind given and inside the file."""
        if chunk.tag not in _TAGS or tag not in (None, chunk.tag) or meta not in (None, chunk.meta):
            raise self.broken(chunk.offset, f"a chunk of an unexpected kind ({chunk.tag:#04x}, {chunk.meta:#06x})")
        if chunk.end > self.size:
            raise self.broken(chunk.offset, "a chunk reaches beyond the file")
        return chunk

    def _check_file_header(self, head: bytes) -> None:
        if len(head) < HEADER_BYTES or not head.startswith(_MAGIC):
            raise DataError(f"{self.path}: not a JLS v2 file")
        length, version, checksum = struct.unpack_from("<QII", head, 16)
        if length == 0:
            raise DataError(
                f"{self.path}: the trace was never closed (its recorder died)",
                advice=self._advice,
            )
        if crc32c(head[:28]) != checksum:
            raise self.broken(0, "the file header fails its checksum")
        if version >> 24 != 1:
            raise DataError(f"{self.path}: JLS file format {version >> 24} is not known")
        if length != self.size or length % 8 or length < 2 * HEADER_BYTES:
            raise self.broken(self.size, f"the file has {self.size} bytes and says it has {length}")


def texts_after(data: bytes, start: int) -> list[str]:
    """The texts at the end of a definition, each followed by a zero and a unit separator."""
    if len(data) <= start:
        return []
    return [text.lstrip(b"\x1f").decode("utf-8", "replace") for text in data[start:].split(b"\0")[:-1]]


def read_models(file: JlsBytes) -> tuple[str, ...]:
    """The models of the meters that a file names as its sources."""
    models: list[str] = []
    offset = HEADER_BYTES
    while (chunk := file.chunk(offset)).tag != SOURCE_DEF:
        if chunk.tag == END:
            return ()
        offset = chunk.end
    # The sources form a list of their own.
    while offset and (chunk := file.chunk(offset)).tag == SOURCE_DEF:
        # name, vendor, model, version, serial number
        models += texts_after(file.payload(chunk), SOURCE_TEXTS_AT)[2:3]
        if chunk.next and chunk.next <= offset:
            raise file.broken(offset, f"a link leads back to byte {chunk.next}")
        offset = chunk.next
    return tuple(models)


def read_signals(file: JlsBytes) -> list[Signal]:
    """The fixed-rate signals that a file defines, signal 0 (which holds annotations only) left out."""
    offset = HEADER_BYTES
    while (chunk := file.chunk(offset)).tag != SIGNAL_DEF:
        if chunk.tag == END:
            return []
        offset = chunk.end
    defined: dict[int, Signal] = {}
    heads: dict[int, tuple[int, ...]] = {}
    # Signal and track definitions form one list, in which each kind has its own tag: follow it by hand.
    while offset:
        chunk = file.chunk(offset)
        number = chunk.meta & 0xFF
        if chunk.tag == SIGNAL_DEF and (signal := _signal(file, chunk)) is not None:
            if number in defined:
                raise file.broken(offset, f"signal {number} is defined twice")
            defined[number] = signal
        elif chunk.tag == FSR_HEAD:
            if chunk.length != 128:
                raise file.broken(offset, "a track head has the wrong size")
            heads[number] = struct.unpack("<16Q", file.payload(chunk))
        if chunk.next and chunk.next <= offset:
            raise file.broken(offset, f"a link leads back to byte {chunk.next}")
        offset = chunk.next
    missing = defined.keys() - heads.keys()
    if missing:
        raise file.broken(0, f"signal {min(missing)} has no track of samples")
    return [replace(signal, heads=heads[number]) for number, signal in defined.items()]


def _signal(file: JlsBytes, chunk: Chunk) -> Signal | None:
    data = file.payload(chunk)
    if len(data) < _SIGNAL_NAME_AT:
        raise file.broken(chunk.offset, "a signal definition is too short")
    _, kind, data_type, rate, per_data, per_entry, per_summary, per_level, _, _ = _SIGNAL.unpack_from(data)
    if kind != 0 or chunk.meta == 0:
        return None
    texts = data[_SIGNAL_NAME_AT:].split(b"\0")
    if chunk.meta > 0xFF or len(texts) < 3:
        raise file.broken(chunk.offset, "a signal definition is damaged")
    name, units = (text.lstrip(b"\x1f").decode("utf-8", "replace") for text in texts[:2])
    signal = Signal(chunk.meta, name, units, data_type & 0xFFFF, rate, per_data, per_entry, per_summary, per_level)
    whole = per_entry and per_level > 1 and per_data and per_data % per_entry == 0
    # An index chunk of level 1 holds whole data chunks, and the next level whole groups of entries.
    if not (
        whole and rate and per_summary and per_summary % (per_data // per_entry) == 0 and per_summary % per_level == 0
    ):
        raise file.broken(chunk.offset, f"the chunk sizes of signal {name!r} do not fit each other")
    if per_data % 8 or per_data > 1 << 28:
        raise file.broken(chunk.offset, f"signal {name!r} has chunks of {per_data} samples")
    return signal


def read_data_chunks(file: JlsBytes, signal: Signal) -> DataChunks:
    """Find the data chunks of a signal, through its level-1 index and, behind its end, their own links.

    A writer leaves the last samples out of the index where they do not fill an entry of the summary.
    """
    nothing = np.empty(0, np.int64)
    if not signal.heads[0]:
        return DataChunks(0, 0, nothing, nothing, nothing)
    first = file.chunk(signal.heads[0], FSR_DATA, signal.number)
    first_sample = int.from_bytes(file.read(first.offset + HEADER_BYTES, 8), "little", signed=True)
    if abs(first_sample) > 1 << 62:
        raise file.broken(first.offset, f"the samples begin at {first_sample}")
    indices, summaries, entries = _level_1(file, signal, first_sample)
    offsets = np.concatenate([*entries, nothing])
    present = offsets[offsets != 0]
    if present.size and (int(present[0]) != first.offset or offsets[0] == 0):
        raise file.broken(first.offset, "the index does not begin with the first data chunk")
    if present.size < offsets.size and signal.data_type == FLOAT32:
        raise file.broken(int(indices[0]), f"samples of {signal.name!r} were left out of the file")
    if (np.diff(present) <= 0).any() or (present.size and int(present[-1]) > file.size - SAMPLES_AT):
        raise file.broken(int(indices[0]), f"the index of {signal.name!r} does not lead forward")
    if present.size and offsets[-1] == 0:
        # The writer always stores the last chunk of a signal, even one of constant level.
        raise file.broken(int(indices[-1]), f"the index of {signal.name!r} ends with a left-out chunk")
    tail: list[int] = []
    number, count = max(offsets.size - 1, 0), signal.samples_per_data
    for chunk in file.chain(int(present[-1]) if present.size else first.offset, FSR_DATA, signal.number):
        if count != signal.samples_per_data:
            raise file.broken(chunk.offset, "a data chunk follows one that is not full")
        count = file.payload_header(chunk, first_sample + number * signal.samples_per_data, signal.sample_bits)
        if count > signal.samples_per_data:
            raise file.broken(chunk.offset, f"a data chunk of {count} samples")
        if number >= offsets.size:
            tail.append(chunk.offset)
        number += 1
    length = (number - 1) * signal.samples_per_data + count
    return DataChunks(first_sample, length, np.concatenate([offsets, np.array(tail, np.int64)]), indices, summaries)


def _level_1(file: JlsBytes, signal: Signal, first_sample: int) -> tuple[Offsets, Offsets, list[Offsets]]:
    """Index chunks, the summary chunks behind them, and the index entries of level 1.

    There is one per 80,000 samples or so: they are walked by their links, then checked all at once. Only the last may
    hold less than it could.
    """
    meta = 1 << 12 | signal.number
    full = signal.samples_per_index // signal.samples_per_data
    length = PAYLOAD_HEADER_BYTES + 8 * full
    whole = HEADER_BYTES + stored_bytes(length)
    offsets: list[int] = []
    chunks: list[bytes] = []
    offset = signal.heads[1]
    while offset:
        file.check_place(offset)
        chunk = file.read(offset, min(whole, file.size - offset))
        following, _, tag, _, found_meta, found_length, _, _ = CHUNK_HEADER.unpack_from(chunk)
        another = following and (following < offset + whole or found_length != length)
        if tag != FSR_INDEX or found_meta != meta or another:
            raise file.broken(offset, f"this is not the full index chunk due here for {signal.name!r}")
        offsets.append(offset)
        chunks.append(chunk)
        offset = following
    if not offsets:
        return np.empty(0, np.int64), np.empty(0, np.int64), []
    indices = np.array(offsets, np.int64)
    last = file.chunk(offsets[-1], FSR_INDEX, meta)
    begins = first_sample + np.arange(indices.size) * signal.samples_per_index
    entries = [file.check_full_indices(indices[:-1], begins[:-1], length, chunks[:-1])] if len(offsets) > 1 else []
    payload = file.payload(last)
    count = file.payload_header(last, int(begins[-1]), 64)
    if count > full:
        raise file.broken(last.offset, f"an index chunk of {count} entries")
    entries.append(np.frombuffer(payload, "<u8", count, PAYLOAD_HEADER_BYTES).reshape(1, -1))
    for rows, owners in zip(entries, (indices[:-1], indices[-1:]) if len(entries) == 2 else (indices,), strict=True):
        wrong = ((rows % 8 != 0) | (rows >= owners[:, None].astype(np.uint64))).any(axis=1)
        if wrong.any():
            raise file.broken(int(owners[wrong][0]), "an index leads to where no data chunk can be")
    summaries = indices + HEADER_BYTES + stored_bytes(length)
    summaries[-1] = last.end
    return indices, summaries, [rows.astype(np.int64).ravel() for rows in entries]


def read_summary_levels(file: JlsBytes, signal: Signal, data: DataChunks) -> list[SummaryLevel]:
    """The pyramid of a float32 signal, level 1 first, as far up as it goes."""
    levels: list[SummaryLevel] = []
    samples, summaries = signal.samples_per_entry, [int(offset) for offset in data.summaries]
    for depth in range(1, len(signal.heads)):
        if depth > 1:
            meta = depth << 12 | signal.number
            summaries = [chunk.end for chunk in file.chain(signal.heads[depth], FSR_INDEX, meta)]
        if not summaries:
            break
        entries = 0
        for position, offset in enumerate(summaries):
            if entries != position * signal.entries_per_summary:
                raise file.broken(offset, "a summary follows one that is not full")
            chunk = file.chunk(offset, FSR_SUMMARY, depth << 12 | signal.number)
            begin = data.first_sample + position * signal.entries_per_summary * samples
            entries += file.payload_header(chunk, begin, 128)
        if entries > len(summaries) * signal.entries_per_summary or entries * samples > data.length:
            raise file.broken(summaries[-1], f"level {depth} of the summary is longer than the signal")
        levels.append(SummaryLevel(samples, signal.entries_per_summary, entries, np.array(summaries, np.int64)))
        samples *= signal.entries_per_entry
    return levels
