"""The window that energy net of idle is taken over: padded outward where the board is idle, else as it is.

Where the window's ends are open, by two clocks that may be off by a common offset or by a meter that shows the power
late and in steps, what lies just outside the ends is counted or not by chance. Net of idle it makes no difference
where that is idle: the window is widened by more than its ends are open, and all of the window is surely inside. What
remains is how the idle itself wanders in the padding. Where something else runs right beside the window (warm-up, the
program's own start) there is nothing to pad with, and the ends stay in the budget.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.energy import StretchEnergy, joined
from analysis.idle import IdlePower
from analysis.power_source import Kind, Padded, PowerSource
from analysis.uncertainty import rectangular
from analysis.windows import Stretch
from lab.record.documents import Mark

EDGE_SIGMAS = 3.0
"""Standard uncertainties of an edge by which a window is padded beyond the bound that all its edges share."""

IDLE_SIGMAS = 4.0
IDLE_LIKE = 0.05
LEAST_LIKE_WORK = 0.5
"""The power in the clear part of the padding counts as idle if it differs from it by no more than so many standard
errors and the first share of the step from idle to the window; never if it differs by the second share."""


@dataclass(frozen=True, slots=True)
class NetWindow:
    """What energy net of idle is taken from: the padded window or, with ``padded`` false, the window itself.

    ``note`` says which, and why. ``u_idle_j`` is what the idle in the padding leaves open.
    """

    energy: StretchEnergy
    padded: bool
    note: str
    u_idle_j: float = 0.0


def net_window(
    source: PowerSource,
    measured: Sequence[Stretch],
    active: StretchEnergy,
    idle: IdlePower,
    marks: Sequence[Mark],
    bound_s: float,
) -> NetWindow:
    """The window for the energy net of idle; ``bound_s`` is how far all its edges may be off together."""
    if source.kind is Kind.SAMPLED and bound_s == 0.0:
        return NetWindow(active, False, "")
    paddings: list[Padded] = []
    seen: list[StretchEnergy | None] = []
    u_idle_j: list[float] = []
    for stretch in measured:
        clear_s = bound_s + EDGE_SIGMAS * stretch.u_samples / source.rate_hz
        padding = source.padded(stretch.begin, stretch.end, clear_s)
        if padding is None:
            return NetWindow(active, False, "not padded: the trace ends too close to the window")
        if beside := _beside(stretch, padding, marks):
            return NetWindow(active, False, f"not padded: {beside} lies beside the window")
        u_j = _idle_u_j(source, padding, stretch, active, idle)
        if u_j is None:
            return NetWindow(active, False, "not padded: the board is not idle beside the window")
        clear = clear_s * source.rate_hz
        steps = [(edge - clear, edge + clear) for edge in (stretch.begin, stretch.end)]
        paddings.append(padding)
        u_idle_j.append(u_j)
        seen.append(source.energy(padding.begin, padding.end, steps))
    padded = joined(seen, math.fsum(item.end - item.begin for item in paddings) / source.rate_hz)
    if padded is None:
        return NetWindow(active, False, "not padded: nothing was seen of it")
    before = max(stretch.begin - item.begin for stretch, item in zip(measured, paddings, strict=True))
    after = max(item.end - stretch.end for stretch, item in zip(measured, paddings, strict=True))
    note = f"padded by {before / source.rate_hz:.3g} s before and {after / source.rate_hz:.3g} s after, net of idle"
    return NetWindow(padded, True, note, math.hypot(*u_idle_j))


def _beside(stretch: Stretch, padding: Padded, marks: Sequence[Mark]) -> str:
    """The first mark of something at work within the padding; empty if there is none."""
    for mark in marks:
        if mark.name.startswith("idle_"):
            continue
        own_begin = mark.name == "window_begin" and mark.sample == stretch.begin
        own_end = mark.name == "window_end" and mark.sample == stretch.end
        before = padding.begin <= mark.sample <= stretch.begin and not own_begin
        after = stretch.end <= mark.sample <= padding.end and not own_end
        if before or after:
            return mark.name
    return ""


def _idle_u_j(
    source: PowerSource, padding: Padded, stretch: Stretch, active: StretchEnergy, idle: IdlePower
) -> float | None:
    """What the idle in the padding leaves open of the energy; ``None`` if it is not idle there."""
    sides = (
        (padding.begin, padding.clear_begin, stretch.begin - padding.begin),
        (padding.clear_end, padding.end, padding.end - stretch.end),
    )
    found: list[float] = []
    for begin, end, samples in sides:
        clear = source.energy(begin, end, ((begin, begin),))
        if clear is None or clear.coverage < 1.0:
            return None
        apart_w, step_w = abs(clear.power_w - idle.power_w), abs(active.power_w - idle.power_w)
        scatter_w = math.sqrt(idle.u_w**2 + idle.wander_w2s / clear.duration_s)
        if apart_w > min(IDLE_SIGMAS * scatter_w + IDLE_LIKE * step_w, LEAST_LIKE_WORK * step_w):
            return None
        pad_s = samples / source.rate_hz
        found.append(max(math.sqrt(idle.wander_w2s * pad_s), rectangular(apart_w) * pad_s))
    return math.hypot(*found)
