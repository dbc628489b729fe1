"""What is known of a recording that was played: the instrument's notes beside it stand in for a program's output.

A file ``<instrument>.recorded.json`` says how many inferences the windows hold altogether, and where the recording
states it, how long they took and what energy was published of each window.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from analysis.readers.program_output import PrintedQuantity, ProgramOutput

SUFFIX = ".recorded.json"


def read_output(folder: Path) -> ProgramOutput:
    """What the notes of a pass say; never raises for notes it does not understand."""
    notes: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            note = None
        if not isinstance(note, dict):
            return ProgramOutput(reasons=("output_unreadable",))
        notes.append(note)
    if not notes:
        return ProgramOutput(reasons=("output_unreadable",))
    counts = {count for note in notes if (count := _count(note.get("inferences"))) is not None}
    if len(counts) != 1:
        # Two meters of one pass that were played from recordings of different runs cannot share a count.
        return ProgramOutput(reasons=("output_unreadable",) if counts else ())
    (inferences,) = counts
    runtime_s = _sum_of(notes, "windows", "runtime_s")
    published_j = _sum_of(notes, "published", "energy_j")
    quantities = [
        PrintedQuantity(name, total / inferences, unit)
        for name, total, unit in (("latency_s", runtime_s, "s"), ("energy_published_j", published_j, "J"))
        if total is not None
    ]
    return ProgramOutput(quantities=tuple(quantities), inferences=inferences, inference_time_s=runtime_s)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _sum_of(notes: list[dict[str, Any]], part: str, key: str) -> float | None:
    """The sum over the windows of the first recording that has windows; ``None`` unless each of them has the number."""
    for note in notes:
        items = note.get(part)
        if isinstance(items, list) and items:
            values = [item.get(key) if isinstance(item, dict) else None for item in items]
            numbers = [float(value) for value in values if isinstance(value, int | float) and value > 0]
            total = math.fsum(numbers)
            return total if len(numbers) == len(items) and math.isfinite(total) else None
    return None
