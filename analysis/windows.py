"""From the marks of a pass to its stretches: measured window, warm-up, idle before and after.

Marks are fractional sample indices on the trace's own clock, each with a standard uncertainty. What cannot be built
from them is left out with a reason; nothing is guessed from the shape of the power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.record.documents import Mark

START_GUARD_S = 0.02
"""Kept clear at the inner end of a planned idle: stopping and starting programs and streams takes milliseconds."""

LENGTH_TOLERANCE = 0.02
"""Share of the window by which it may be longer than the inferences' own time: bookkeeping between inferences."""

PER_INFERENCE_S = 100e-6
"""And for each inference: reading the clock twice and driving the loop."""

PER_EDGE_S = 5e-3
"""And once: the latency of writing to a pin through the kernel on a loaded board."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A half-open stretch [begin, end) of a trace, in fractional samples; ``u_samples`` the standard uncertainty of
    an edge (the larger of the two). ``method`` says how the edges were found."""

    begin: float
    end: float
    u_samples: float = 0.0
    method: str = ""

    @property
    def samples(self) -> float:
        """Its length in samples."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class PassStretches:
    """The stretches of one pass. ``measured`` is empty, with ``reasons``, where no window could be built."""

    measured: tuple[Stretch, ...]
    warmup: tuple[Stretch, ...]
    idle_before: Stretch | None
    idle_after: Stretch | None
    reasons: tuple[str, ...]


def pass_stretches(
    marks: Sequence[Mark], *, samples: int, rate_hz: float, planned_idle_s: float | None
) -> PassStretches:
    """The stretches of a pass from the marks on its trace of ``samples`` samples.

    The recorder starts before the planned idle begins and stops after it ends, so nothing but idle can lie in the
    trace's first and last ``planned_idle_s``: an idle stretch never reaches further than that, whatever the marks say
    (a program is at work before it raises its line), and where there are no idle marks the plan alone gives it.
    """
    measured, broken = _paired(marks, "window")
    warmup, _ = _paired(marks, "warmup")
    first = min((stretch.begin for stretch in (*warmup, *measured)), default=float(samples))
    last = max((stretch.end for stretch in (*warmup, *measured)), default=0.0)
    before, after = (_paired(marks, name)[0] for name in ("idle_before", "idle_after"))
    idle_before = before[0] if before else None
    idle_after = after[-1] if after else None
    complete = measured and not broken
    if planned_idle_s:
        length = (planned_idle_s - START_GUARD_S) * rate_hz
        idle_before = _common(idle_before, Stretch(0.0, min(math.floor(length), first), method="plan"))
        # A trace without the window's end may have been cut short: its last seconds need not be the planned idle.
        if idle_after is not None or complete:
            idle_after = _common(idle_after, Stretch(max(math.ceil(samples - length), last), samples, method="plan"))
    return PassStretches(
        measured=tuple(measured) if complete else (),
        warmup=tuple(warmup),
        idle_before=idle_before,
        idle_after=idle_after,
        reasons=() if complete else ("no_window",),
    )


def window_agrees(window_s: float, inference_time_s: float, inferences: int, u_edge_s: float) -> bool:
    """Does a window's length agree with the time that the program itself gives for its inferences?

    The window holds the inferences and what lies between them, so it may be longer by :data:`LENGTH_TOLERANCE` of
    itself, :data:`PER_INFERENCE_S` for each inference and :data:`PER_EDGE_S`; both ways its edges count with four
    standard uncertainties, and the clocks of board and meter with 1/1000.
    """
    edges_s = 4.0 * math.sqrt(2.0) * u_edge_s
    excess_s = window_s - inference_time_s
    longest_s = LENGTH_TOLERANCE * window_s + PER_INFERENCE_S * inferences + PER_EDGE_S
    return -(1e-3 * window_s + edges_s + PER_EDGE_S) <= excess_s <= longest_s + edges_s


def _paired(marks: Sequence[Mark], name: str) -> tuple[list[Stretch], bool]:
    """The stretches of a name by index, and whether any of them lacks an edge or ends before it begins."""
    begins = {mark.index: mark for mark in marks if mark.name == f"{name}_begin"}
    ends = {mark.index: mark for mark in marks if mark.name == f"{name}_end"}
    found, broken = [], begins.keys() != ends.keys()
    for index in sorted(begins.keys() & ends.keys()):
        begin, end = begins[index], ends[index]
        if end.sample <= begin.sample:
            broken = True
            continue
        u = max(begin.u_samples, end.u_samples)
        found.append(Stretch(begin.sample, end.sample, u, begin.method))
    return found, broken


def _common(marked: Stretch | None, planned: Stretch) -> Stretch | None:
    """What two stretches have in common; the planned one where none was marked; ``None`` if nothing is left."""
    begin = planned.begin if marked is None else max(marked.begin, planned.begin)
    end = planned.end if marked is None else min(marked.end, planned.end)
    method = planned.method if marked is None else marked.method
    return Stretch(begin, end, method=method) if end > begin else None
