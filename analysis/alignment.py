"""Where the marks of a pass lie on one of its traces, whichever way they were found."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.energy import Trace
from lab.record.documents import Mark, TraceRef
from lab.record.reader import PassData, Record


OBSERVED = "observe"
"""The workload without a program: all of the trace is the window."""


@dataclass(frozen=True, slots=True)
class PlacedMarks:
    """The marks of a pass on the clock of one trace.

    ``bound_s`` is how far any of them may lie from the truth, all in the same direction (a common offset of two
    clocks); 0 where the marks lie on the trace's own clock. ``reasons`` are codes of what speaks against them.
    """

    marks: tuple[Mark, ...]
    bound_s: float = 0.0
    reasons: tuple[str, ...] = ()


def place_marks(record: Record, data: PassData, ref: TraceRef, trace: Trace | None) -> PlacedMarks:
    """The marks of a pass on the trace ``ref``; ``trace`` is it, open, or ``None`` where it is a trace of readings."""
    if record.manifest["workload"].get("kind") == OBSERVED:
        return PlacedMarks(whole_trace(data, ref))
    return PlacedMarks(tuple(mark for mark in data.marks if mark.instrument == ref.instrument))


def whole_trace(data: PassData, ref: TraceRef) -> tuple[Mark, ...]:
    """Marks that make all of a trace its window; none for an empty one."""
    if not ref.samples:
        return ()
    return tuple(
        Mark(
            pass_id=data.pass_id,
            attempt=data.end.attempt,
            instrument=ref.instrument,
            name=f"window_{edge}",
            sample=sample,
            method="whole",
        )
        for edge, sample in (("begin", 0.0), ("end", float(ref.samples)))
    )
