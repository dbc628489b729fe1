"""Whether the bytes of a JLS file are those that were written: all its checksums, in one read of the file."""

from __future__ import annotations

from collections.abc import Callable

from lab.record.traces.crc32c import crc32c
from lab.record.traces.jls_layout import CHUNK_HEADER, END, HEADER_BYTES, Chunk, JlsBytes

_READ_AT_ONCE = 1 << 20


def verify(file: JlsBytes, each: Callable[[memoryview], object] | None = None) -> int:
    """Walk over every chunk from the first to the end mark and check all checksums; returns the number of chunks.

    The file is read once, in order, and all of it shown to ``each`` in passing: who wants a checksum of the whole file
    besides gets it without another read. Raises :class:`lab.errors.DataError` for the first chunk that is not sound.
    """
    buffer = memoryview(bytearray(_READ_AT_ONCE))
    begin, held = 0, 0  # the buffer holds the ``held`` bytes of the file from ``begin`` on
    offset, before, count, ended = HEADER_BYTES, 0, 0, False
    while begin + held < file.size:
        fresh = buffer[held : held + min(len(buffer) - held, file.size - begin - held)]
        file.read_into(begin + held, [fresh], len(fresh))
        if each is not None:
            each(fresh)
        held += len(fresh)
        needed = HEADER_BYTES
        while not ended and offset + HEADER_BYTES <= begin + held:
            at = offset - begin
            _, _, tag, _, meta, length, previous, _ = CHUNK_HEADER.unpack_from(buffer, at)
            chunk = file.expect(Chunk(offset, 0, tag, meta, length))
            if previous != before and count:
                raise file.broken(offset, "a chunk does not fit onto the one before it")
            needed = chunk.end - offset
            if at + needed > held:
                break
            _verify_chunk(file, chunk, buffer[at : at + needed])
            count, before, offset, ended = count + 1, length or before, chunk.end, tag == END
        if ended and offset != file.size:
            raise file.broken(offset, "something follows the end mark")
        done = min(offset - begin, held)
        rest = bytes(buffer[done:held])
        if needed > len(buffer):
            buffer = memoryview(bytearray(needed))
        buffer[: len(rest)] = rest
        begin, held = begin + done, len(rest)
    if not ended:
        raise file.broken(offset, "the chunks do not end with an end mark")
    return count


def _verify_chunk(file: JlsBytes, chunk: Chunk, data: memoryview) -> None:
    """Check both checksums of a chunk, all of whose bytes are ``data``."""
    if crc32c(data[:28]) != int.from_bytes(data[28:32], "little"):
        raise file.broken(chunk.offset, "a chunk header fails its checksum")
    payload = data[HEADER_BYTES : HEADER_BYTES + chunk.length]
    if chunk.length and crc32c(payload) != int.from_bytes(data[-4:], "little"):
        raise file.broken(chunk.offset, "a payload fails its checksum")
