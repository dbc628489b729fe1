"""The agent's line protocol, this side of it: one line. ``wire.h`` and docs/agent.md describe it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_LINE = 1 << 20
"""The agent takes no longer one, in bytes."""

MOST_WORDS = 1 << 15
_CHECKSUM_LENGTH = 8
_TAIL = len(" *") + _CHECKSUM_LENGTH
_PLAIN = frozenset(range(0x21, 0x7F)) - {ord("%")}
_ENCODED = [bytes([byte]) if byte in _PLAIN else b"%%%02x" % byte for byte in range(256)]


@dataclass(frozen=True, slots=True)
class Message:
    """A line that was whole: its checksum is right. Values are decoded; a key may stand there several times."""

    verb: str
    sequence: int
    fields: tuple[tuple[str, str], ...]

    def get(self, key: str, missing: str = "") -> str:
        """The first value of that key."""
        return next((value for name, value in self.fields if name == key), missing)

    def all(self, key: str) -> list[str]:
        """All values of that key, in their order."""
        return [value for name, value in self.fields if name == key]

    def number(self, key: str) -> int:
        """The first value of that key as a whole number. Raises ``ValueError``."""
        return int(self.get(key))


def compose(verb: str, sequence: int, fields: Iterable[tuple[str, str | bytes]] = ()) -> bytes:
    """A line with its checksum and its end. Text is UTF-8, with what Python could not decode as it was.

    Raises ``ValueError`` for a zero byte in a value, and for what the agent would take for too much.
    """
    words = [f"{verb} {sequence}".encode("ascii")]
    for key, value in fields:
        content = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        if 0 in content:
            raise ValueError(f"{key}: a zero byte cannot be passed to a program")
        words.append(key.encode("ascii") + b"=" + b"".join(_ENCODED[byte] for byte in content))
    body = b" ".join(words)
    if len(words) > MOST_WORDS or len(body) + _TAIL >= LONGEST_LINE:
        raise ValueError(f"{len(words) - 1} values of {len(body)} bytes in all are more than the agent takes")
    return body + b" *%08x\n" % zlib.crc32(body)


def parse(line: bytes) -> Message | None:
    """A line (without its end), or ``None`` if it is not one of the agent's: a banner, a kernel's message, garbage."""
    line = line.removesuffix(b"\r")
    body, tail = line[:-_TAIL], line[-_TAIL:]
    if len(line) <= _TAIL or tail != b" *%08x" % zlib.crc32(body):
        return None
    try:
        verb, sequence, *words = body.decode("ascii").split(" ")
        fields = tuple((key, _decoded(value)) for key, _, value in (word.partition("=") for word in words))
        return Message(verb, int(sequence), fields)
    except ValueError:
        return None


def _decoded(value: str) -> str:
    """Raises ``ValueError`` if ``%`` is not followed by two hexadecimal digits."""
    first, *rest = value.split("%")
    parts = [first.encode("ascii")]
    for part in rest:
        if len(part) < 2:
            raise ValueError(value)
        parts.append(bytes.fromhex(part[:2]) + part[2:].encode("ascii"))
    return b"".join(parts).decode("utf-8", "replace")
