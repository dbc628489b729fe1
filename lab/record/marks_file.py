"""Where programs and the lab write marks on the board's own clock: names of files, of the variable, of the marks.

A program appends lines ``NAME NANOSECONDS`` to the file that the environment variable :data:`LAB_MARKS` names, the
instant being one of its machine's ``CLOCK_MONOTONIC_RAW``. Without the variable it writes nothing. The runner fetches
that file into the pass's output folder as :data:`MARKS_FILE`. :mod:`analysis.board_marks` reads it.
"""

from __future__ import annotations

from collections.abc import Iterable

LAB_MARKS = "LAB_MARKS"
"""The environment variable with the path of the file on the board."""

MARKS_FILE = "marks.txt"
"""In the pass's output folder: marks on the board's clock, by the program and by the coded load."""

HOST_MARKS_FILE = "host_marks.txt"
"""Beside it: ``program_begin`` and ``program_end`` on the host's clock, taken before the lab asked the board to run the
program and after it was told of the end. Both lie outside the program; ``PassEnd.elapsed_s`` says by how much."""

CODE_BEGIN, CODE_BUSY, CODE_IDLE, CODE_END = "code_begin", "code_busy", "code_idle", "code_end"
"""Marks of the coded load: where it begins and ends, and each change between busy and idle in between."""


def mark_lines(marks: Iterable[tuple[str, int]]) -> str:
    """The lines of some marks (name, ns)."""
    return "".join(f"{name} {ns}\n" for name, ns in marks)
