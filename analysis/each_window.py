"""The windows of one pass one by one: where each lies in its trace, and its energy."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.alignment import place_marks
from analysis.energy import stretch_energy
from analysis.windows import pass_stretches
from lab.record.documents import TraceRef
from lab.record.reader import PassData, Record
from lab.record.traces import open_trace

SAMPLED = ("jls", "energyrunner")
"""Formats of traces whose samples are summed one by one."""


@dataclass(frozen=True, slots=True)
class WindowSeen:
    """One window of a trace. ``energy_j`` is what its samples hold: with a ``coverage`` below one some are missing;
    ``None`` where all are. ``u_edge_s`` is how far each edge is open (standard uncertainty)."""

    number: int
    method: str
    begin_s: float
    duration_s: float
    u_edge_s: float
    energy_j: float | None
    power_w: float | None
    coverage: float


def each_window(record: Record, data: PassData, ref: TraceRef) -> list[WindowSeen]:
    """The windows in the order of their numbers; none of a trace of another format.

    Raises :class:`lab.errors.DataError` if the trace cannot be read.
    """
    if ref.format not in SAMPLED:
        return []
    found: list[WindowSeen] = []
    with open_trace(record.root, ref) as trace:
        placed = place_marks(record, data, ref, trace)
        stretches = pass_stretches(placed.marks, samples=trace.length, rate_hz=trace.rate_hz, planned_idle_s=None)
        for number, stretch in enumerate(stretches.measured, start=1):
            energy = stretch_energy(trace, stretch.begin, stretch.end, ref.gaps)
            found.append(
                WindowSeen(
                    number=number,
                    method=stretch.method,
                    begin_s=stretch.begin / trace.rate_hz,
                    duration_s=stretch.samples / trace.rate_hz,
                    u_edge_s=stretch.u_samples / trace.rate_hz,
                    energy_j=None if energy is None else energy.seen_energy_j,
                    power_w=None if energy is None else energy.power_w,
                    coverage=0.0 if energy is None else energy.coverage,
                )
            )
    return found
