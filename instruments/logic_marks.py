"""Marks from the edges that a meter saw on its logic inputs: where the window was, and where the board was idle."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from instruments.protocol import PassContext
from instruments.stream_checks import LogicEdge
from lab.record.documents import Fault, Mark

METHOD = "gpio"

IDLE_GUARD_S = 0.1
"""Kept clear on either side of the first and the last edge: a program starts before it raises a line, and ends after it
lowered it."""


def edge_marks(context: PassContext, instrument: str, name: str, edges: Sequence[LogicEdge]) -> tuple[Mark, ...]:
    """``<name>_begin`` for each rising edge and ``<name>_end`` for each falling one, counted by ``index``.

    An edge that was not seen has no mark: a window may be left without its begin or its end.
    """
    marks: list[Mark] = []
    index = -1
    for edge in edges:
        if edge.level == 1 or index < 0:
            index += 1
        marks.append(
            Mark(
                pass_id=context.pass_id,
                attempt=context.attempt,
                instrument=instrument,
                name=f"{name}_begin" if edge.level else f"{name}_end",
                sample=edge.sample,
                u_samples=edge.u_samples,
                method=METHOD,
                index=index,
            )
        )
    return tuple(marks)


def idle_marks(
    context: PassContext,
    instrument: str,
    edges: Iterable[LogicEdge],
    *,
    samples: int,
    initial_levels: Iterable[int],
    final_levels: Iterable[int],
    rate_hz: float,
    guard_s: float = IDLE_GUARD_S,
) -> tuple[Mark, ...]:
    """Where the board was idle: from the start to the first edge of any line, and from the last one to the end.

    ``guard_s`` is kept clear of those edges' bounds. ``samples`` is the trace's length. No idle is claimed where
    none can be told: without any edge, before the first one if a line was high from the start, or after the last
    one while a line is high at the end.
    """
    seen = list(edges)
    if not seen:
        return ()
    guard = guard_s * rate_hz
    stretches: list[tuple[str, float, float]] = []
    if not any(initial_levels):
        earliest = min(edge.earliest for edge in seen)
        stretches.append(("idle_before", 0.0, math.floor(earliest - guard)))
    if not any(final_levels):
        latest = max(edge.latest for edge in seen)
        stretches.append(("idle_after", math.ceil(latest + guard), float(samples)))
    return tuple(
        Mark(
            pass_id=context.pass_id,
            attempt=context.attempt,
            instrument=instrument,
            name=f"{name}_{end}",
            sample=float(sample),
            method=METHOD,
        )
        for name, begin, finish in stretches
        if finish > begin
        for end, sample in (("begin", begin), ("end", finish))
    )


def bounce_faults(context: PassContext, instrument: str, lines: Mapping[str, Sequence[LogicEdge]]) -> tuple[Fault, ...]:
    """One fault for each line that bounced."""
    faults: list[Fault] = []
    for line, edges in lines.items():
        bounced = [edge for edge in edges if edge.bounced]
        if bounced:
            widest = max(edge.latest - edge.earliest for edge in bounced)
            detail = f"{line}: {len(bounced)} of {len(edges)} edges bounce, the widest over {widest} samples"
            faults.append(
                Fault(
                    pass_id=context.pass_id,
                    attempt=context.attempt,
                    source=instrument,
                    code="edge_jitter",
                    detail=detail,
                )
            )
    return tuple(faults)
