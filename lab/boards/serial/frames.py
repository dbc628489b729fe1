"""The frames of the serial protocol: how one is packed, and how they are found again in whatever a line brings.

A frame is version, kind, session, sequence (one byte each), its body, and the CRC-16/CCITT-FALSE of all that, low byte
first. It is stuffed so that it has no zero in it (S. Cheshire, M. Baker, *Consistent Overhead Byte Stuffing*, IEEE/ACM
Trans. Networking 7, 1999) and stands between two zeros: whatever garbage came before, after the next zero a frame
begins anew.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

VERSION = 1
HEADER_BYTES, CHECKSUM_BYTES = 4, 2
OVERHEAD_BYTES = HEADER_BYTES + CHECKSUM_BYTES

SHORTEST_LIMIT, LONGEST = 64, 254
"""Between these both sides agree on how long a frame may be. One block of the stuffing holds the longest."""

_STUFFED = LONGEST + 1


class FrameError(ValueError):
    """Bytes that are no frame, and why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A request or an answer. ``session`` and ``sequence`` of an answer are those of its request."""

    kind: int
    session: int
    sequence: int
    body: bytes = b""
    version: int = VERSION


def checksum(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, begun with 0xFFFF, not reflected."""
    return binascii.crc_hqx(data, 0xFFFF)


def stuff(data: bytes) -> bytes:
    """At most :data:`LONGEST` bytes, without a zero among them. Raises ``ValueError`` for more."""
    if len(data) > LONGEST:
        raise ValueError(f"{len(data)} bytes are more than a frame may have ({LONGEST})")
    return b"".join(bytes((len(part) + 1,)) + part for part in data.split(b"\0"))


def unstuff(block: bytes) -> bytes:
    """The bytes that :func:`stuff` was given. Raises :class:`FrameError` for what it cannot have made."""
    parts = []
    at = 0
    while at < len(block):
        length = block[at]
        if length == 0 or at + length > len(block):
            raise FrameError("the stuffing is broken")
        parts.append(block[at + 1 : at + length])
        at += length
        if length == _STUFFED and at < len(block):
            raise FrameError("longer than any frame")
    return b"\0".join(parts)


def pack(frame: Frame) -> bytes:
    """What goes over the line. Raises ``ValueError`` for a body that is too long."""
    data = bytes((frame.version, frame.kind, frame.session, frame.sequence)) + frame.body
    return b"\0" + stuff(data + checksum(data).to_bytes(2, "little")) + b"\0"


def unpack(block: bytes) -> Frame:
    """The frame between two zeros. Raises :class:`FrameError` if it is none, or is damaged."""
    data = unstuff(block)
    if len(data) < OVERHEAD_BYTES:
        raise FrameError("shorter than any frame")
    if checksum(data[:-CHECKSUM_BYTES]) != int.from_bytes(data[-CHECKSUM_BYTES:], "little"):
        raise FrameError("the checksum does not fit")
    version, kind, session, sequence = data[:HEADER_BYTES]
    return Frame(kind, session, sequence, data[HEADER_BYTES:-CHECKSUM_BYTES], version)


class FrameReader:
    """Takes bytes as they come; gives the sound frames among them and counts the rest. Never holds more than a frame's
    worth."""

    def __init__(self) -> None:
        self._block = bytearray()
        self._too_long = False
        self.damaged = 0
        """Blocks between zeros that were no frame."""
        self.bytes_read = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now."""
        found = []
        self.bytes_read += len(data)
        *ended, rest = data.split(b"\0")
        for piece in ended:
            self._add(piece)
            if self._block:
                frame = self._taken()
                if frame is not None:
                    found.append(frame)
        self._add(rest)
        return found

    def _add(self, piece: bytes) -> None:
        room = _STUFFED + 1 - len(self._block)
        self._too_long = self._too_long or len(piece) > room
        self._block += piece[: max(0, room)]

    def _taken(self) -> Frame | None:
        block, too_long = bytes(self._block), self._too_long
        self._block.clear()
        self._too_long = False
        try:
            if too_long:
                raise FrameError("longer than any frame")
            return unpack(block)
        except FrameError:
            self.damaged += 1
            return None
