"""Marks that a program wrote on its board's clock, read as strictly as anything that a measurement hangs on.

The file (:mod:`lab.record.marks_file`) is text, one mark on a line::

    warmup_begin 81234567890123
    warmup_end 81234599990456
    window_begin 81234600000789

A name is lower-case letters, digits and underscores, beginning with a letter; the instant is in whole nanoseconds of a
clock that only counts (``CLOCK_MONOTONIC_RAW``), so it never falls from one line to the next. A last line without its
end was cut off with the process that wrote it, and is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lab.errors import DataError

MOST_MARKS = 4_000_000
"""More than a mark for each inference of a day; a longer file is not one of marks."""

_NAME = re.compile(rb"[a-z][a-z0-9_]{0,63}")
_INSTANT = re.compile(rb"[0-9]{1,19}")
_LARGEST_NS = 1 << 63


@dataclass(frozen=True, slots=True)
class BoardMark:
    """An instant on the board's clock. ``index`` counts the marks of one name, from 0."""

    name: str
    ns: int
    index: int


@dataclass(frozen=True, slots=True)
class BoardMarks:
    """A whole file. ``torn`` tells of a last line that was cut off."""

    marks: tuple[BoardMark, ...]
    torn: bool = False

    def named(self, *names: str) -> tuple[BoardMark, ...]:
        """The marks of some names, in their order."""
        return tuple(mark for mark in self.marks if mark.name in names)


def read_board_marks(path: Path) -> BoardMarks:
    """Read a file of marks. Raises :class:`DataError`, with line and column, for anything else."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return parse_board_marks(content, str(path))


def parse_board_marks(content: bytes, where: str) -> BoardMarks:
    """The marks of a file's content; ``where`` is what messages call it."""
    lines = content.split(b"\n")
    torn = lines.pop() != b""
    if len(lines) > MOST_MARKS:
        raise DataError(f"{where}: {len(lines)} lines, expected at most {MOST_MARKS}")
    counts: Counter[bytes] = Counter()
    marks: list[BoardMark] = []
    last_ns = 0
    for number, line in enumerate(lines, start=1):
        name, ns = _mark(line, f"{where}:{number}")
        if ns < last_ns:
            column = len(name) + 2
            raise DataError(f"{where}:{number}:{column}: found the instant {ns}, which lies before {last_ns}")
        last_ns = ns
        marks.append(BoardMark(name.decode("ascii"), ns, counts[name]))
        counts[name] += 1
    return BoardMarks(tuple(marks), torn)


def _mark(line: bytes, where: str) -> tuple[bytes, int]:
    """Name and instant of a line; ``where`` is file and line."""
    name = _NAME.match(line)
    if name is None:
        raise DataError(f"{where}:1: found {_shown(line)}, expected a name of lower-case letters, digits and _")
    column = name.end() + 1
    if line[name.end() : name.end() + 1] != b" ":
        raise DataError(f"{where}:{column}: found {_shown(line[name.end() :])}, expected one space and an instant")
    instant = _INSTANT.match(line, name.end() + 1)
    if instant is None:
        raise DataError(f"{where}:{column + 1}: found {_shown(line[name.end() + 1 :])}, expected nanoseconds")
    if instant.end() != len(line):
        rest = _shown(line[instant.end() :])
        raise DataError(f"{where}:{instant.end() + 1}: found {rest}, expected the end of the line")
    ns = int(instant.group())
    if ns >= _LARGEST_NS:
        raise DataError(f"{where}:{column + 1}: found {ns}, expected less than 2^63 nanoseconds")
    return name.group(), ns


def _shown(found: bytes) -> str:
    """What was found, for a message: printable and short."""
    return repr(found[:40].decode("utf-8", "backslashreplace")) if found else "the end of the line"
