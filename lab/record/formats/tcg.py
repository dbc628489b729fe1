"""Reads the file that the counting plugin for QEMU leaves (``instruments/tcg/plugin.c``): counts of one process.

A JSON object: ``format`` is ``lab.tcg/1``; ``complete`` is false if the plugin ran out of room; ``threads`` how many
ran; ``whole`` the counts of the process; where a window was to be watched, ``window`` the counts inside it and
``windows`` how often it was opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FILE_NAME = "tcg.json"
"""What the file is called in a pass's output folder."""

FORMAT = "lab.tcg/1"

LAB_EVENTS: Mapping[str, str] = {
    "instructions": "instructions",
    "L1-dcache-loads": "loads",
    "L1-dcache-stores": "stores",
    "L1-dcache-load-misses": "l1d_load_misses",
    "L1-dcache-store-misses": "l1d_store_misses",
    "L1-icache-loads": "instructions",
    "L1-icache-load-misses": "l1i_misses",
}
"""Names of the lab (those of Linux' perf) and the plugin's own.

Loads and stores are *instructions* that do it; each instruction is one load of the instruction cache. Misses are lines.
"""


@dataclass(frozen=True, slots=True)
class TcgCounts:
    """Counts by the plugin's names: of the whole process and inside its window (``None`` if that was not watched)."""

    whole: Mapping[str, int]
    window: Mapping[str, int] | None = None
    windows: int = 0
    threads: int = 1


def parse(text: str) -> TcgCounts:
    """Read a whole file. Raises ``ValueError``, with what is wrong, for anything that the plugin does not write."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"not a file of format {FORMAT}")
    if document.get("complete") is not True:
        raise ValueError("more threads at once than the plugin has room for, or no memory: counts are missing")
    window = document.get("window")
    return TcgCounts(
        whole=_counts(document.get("whole"), "whole"),
        window=None if window is None else _counts(window, "window"),
        windows=0 if window is None else _count(document.get("windows"), "windows"),
        threads=_count(document.get("threads"), "threads"),
    )


def _counts(found: Any, name: str) -> dict[str, int]:
    if not isinstance(found, dict):
        raise ValueError(f"no counts under {name!r}")
    return {key: _count(value, key) for key, value in found.items()}


def _count(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {value!r}, which is no count")
    return value
