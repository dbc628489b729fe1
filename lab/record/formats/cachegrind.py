"""Reads the file that valgrind's cachegrind writes: the totals of its events and the caches that it modelled.

The format is that of the Valgrind manual, "Cachegrind: Cachegrind File Format": ``desc:`` lines, one ``cmd:``, one
``events:``, counts per source line, and one ``summary:`` at the very end, which is therefore missing in a file that
was cut short.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

FILE_NAME = "cachegrind.out"
"""What the file is called in a pass's output folder."""

LAB_EVENTS: Mapping[str, str] = {
    "instructions": "Ir",
    "L1-icache-loads": "Ir",
    "L1-icache-load-misses": "I1mr",
    "L1-dcache-loads": "Dr",
    "L1-dcache-load-misses": "D1mr",
    "L1-dcache-stores": "Dw",
    "L1-dcache-store-misses": "D1mw",
    "LLC-load-misses": "DLmr",
    "LLC-store-misses": "DLmw",
}
"""Names of the lab (those of Linux' perf) and cachegrind's own.

Loads are data reads, as instructions of the machine that valgrind ran on count them; each instruction is one load
of the instruction cache.
"""


@dataclass(frozen=True, slots=True)
class CacheLevel:
    """A cache as the file describes it: sizes in B."""

    size_bytes: int
    line_bytes: int
    ways: int


@dataclass(frozen=True, slots=True)
class CachegrindFile:
    """Totals by cachegrind's event name, caches by its names (``I1``, ``D1``, ``LL``), and the program's command."""

    totals: Mapping[str, int]
    caches: Mapping[str, CacheLevel] = field(default_factory=dict)
    command: str = ""


_CACHE = re.compile(r"(I1|D1|LL) cache:\s*(\d+) B, (\d+) B, (?:(\d+)-way associative|direct-mapped)")


def parse(text: str) -> CachegrindFile:
    """Read a whole cachegrind file.

    Raises ``ValueError``, with what is missing, on a file without its ``events:`` or ``summary:`` line (such as one
    that was cut short), and on totals that are not as many as the events.
    """
    events: list[str] | None = None
    totals: list[str] | None = None
    caches: dict[str, CacheLevel] = {}
    command = ""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if not colon:
            continue
        if key == "desc" and (cache := _CACHE.fullmatch(value.strip())):
            name, size, line_bytes, ways = cache.groups()
            caches[name] = CacheLevel(int(size), int(line_bytes), int(ways or 1))
        elif key == "cmd":
            command = value.strip()
        elif key == "events" and events is None:
            events = value.split()
        elif key == "summary":
            totals = value.split()
    if not events:
        raise ValueError("no 'events:' line: not a cachegrind file")
    if totals is None:
        raise ValueError("no 'summary:' line: the file was cut short")
    if len(totals) != len(events) or not all(re.fullmatch(r"[0-9]+", total) for total in totals):
        raise ValueError(f"{len(events)} events but the summary is {' '.join(totals)!r}")
    return CachegrindFile(dict(zip(events, map(int, totals), strict=True)), caches, command)
