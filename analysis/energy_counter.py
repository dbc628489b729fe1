"""A counter of energy that was asked for again and again: summed from edge to edge, with what that leaves open.

An edge is the first reading of a new value; the energy at that edge is known exactly, its instant within limits
(:mod:`analysis.reading_instants`). A window's end between two edges is interpolated. The errors of a stretch:

``update period``
    for each end P·d, with d the distance to the nearest edge, but at most P·τ'/√12 with τ' between the edges around it:
    both ends together are then E·τ/(√6·T), and nothing where both lie on edges. A step of power at the end is always
    misplaced the same way, so it is common.
``counter edges``
    the instants of the edges around each end, times the power there.
``resolution``
    q/√6 for a counter that counts in steps of q.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from analysis.energy import Float64s, StretchEnergy, StretchError, from_readings
from analysis.power_source import Kind, Padded, Places, PowerSource
from analysis.reading_instants import NS_S, Bools, hole_s, origins, outward
from lab.record.traces.readings import RATE_HZ, ChannelReadings

WRAP_FACTOR, STEP_FACTOR = 10.0, 100.0
"""A step of a counter at so many times the largest mean power of all others is not believed: where the counter began
anew at zero in it (what looked like a wrap was a reset), and where it did not."""


class CounterEnergy:
    """A counter of energy that is asked for again and again."""

    kind = Kind.COUNTER
    rate_hz = RATE_HZ
    lost = "readings_sparse"

    def __init__(self, readings: ChannelReadings, *, length: float, checks: tuple[PowerSource, ...] = ()) -> None:
        moved = np.diff(readings.value, prepend=readings.value[:1]) > 0.0
        edges = np.flatnonzero(moved)
        stated_s = readings.channel.update_period_s
        # Without a stated period a value may be as old as the reading before it, which saw another.
        period_ns = math.inf if stated_s is None else stated_s / NS_S
        at = origins(readings, period_ns, moved).chosen(edges)
        # Of edges at one instant the last is what the counter showed then.
        apart = np.flatnonzero(np.diff(at.at, append=math.inf) > 0.0)
        self._at, edges = at.chosen(apart), edges[apart]
        self._value = readings.value[edges]
        self._scale_j = readings.channel.scale
        self.length = length
        self.checks = checks
        self._power = np.empty(0)
        self._gap = np.zeros(0, np.bool_)
        self.reasons: tuple[str, ...] = ()
        self.step_s = stated_s or 0.0
        if edges.size < 2:
            self.reasons = ("meter_stale",)
            return
        between = np.diff(self._at.at)
        self._power = np.diff(self._value) / (between * NS_S)
        self.step_s = max(self.step_s, float(np.median(between)) * NS_S)
        self._gap = _unbelievable(self._power, readings.wraps)
        if self._gap.any():
            self.reasons = ("counter_reset",)
        capacity_j = math.inf if readings.channel.modulus is None else readings.channel.modulus * self._scale_j
        if readings.channel.modulus is not None and not self._gap.all():
            # So long between two edges that the counter may have gone round unseen.
            fastest_w = float(self._power[~self._gap].max())
            unseen = between * NS_S * fastest_w >= capacity_j
            self._gap |= unseen
            if unseen.any():
                self.reasons += ("readings_sparse",)

    def energy(self, begin: float, end: float, steps: Places = ()) -> StretchEnergy | None:
        """The counter's difference, interpolated between edges."""
        at = self._at.at
        if at.size < 2:
            return None
        low, high = max(begin, float(at[0])), min(end, float(at[-1]))
        if not high > low:
            return None
        first, last = int(np.searchsorted(at, low, side="right")), int(np.searchsorted(at, high, side="left"))
        interval = np.arange(first - 1, last)
        widths_s = np.diff(np.concatenate([[low], at[first:last], [high]])) * NS_S
        seen = ~self._gap[interval]
        seen_s = float(widths_s[seen].sum())
        if seen_s <= 0.0:
            return None
        power_w = self._power[interval]
        # Whole intervals count as the counter did; only what is cut off at the ends is shared out.
        energy_j = math.fsum((power_w * widths_s)[seen].tolist())
        mean_w = energy_j / seen_s
        errors = self._errors(low, high, 0.0 if steps else mean_w)
        return from_readings((end - begin) * NS_S, seen_s, energy_j, power_w[seen], errors)

    def block_powers(self, begin: float, end: float, blocks: int) -> Float64s:
        """From edge to edge."""
        first, last = int(np.searchsorted(self._at.at, begin)), int(np.searchsorted(self._at.at, end, side="right"))
        intervals = last - first - 1
        blocks = min(blocks, intervals)
        if blocks < 1:
            return np.empty(0)
        size = intervals // blocks
        edges = first + size * np.arange(blocks + 1)
        powers = np.diff(self._value[edges]) / (np.diff(self._at.at[edges]) * NS_S)
        whole = [not self._gap[start:stop].any() for start, stop in itertools.pairwise(edges.tolist())]
        return np.asarray(powers[whole])

    def settled(self, begin: float, end: float) -> tuple[float, float] | None:
        """From the first edge inside to the last."""
        at, limit = self._at.at, self._at.limit
        inside = np.flatnonzero((at - limit >= begin) & (at + limit <= end))
        return (float(at[inside[0]]), float(at[inside[-1]])) if inside.size >= 2 else None

    def hole_s(self, place: float) -> float:
        """Between the edge before and the edge after."""
        return hole_s(self._at.at, place)

    def padded(self, begin: float, end: float, clear_s: float) -> Padded | None:
        """To the second edge outside: both ends wait for an edge."""
        return outward(self._at.at, self._at.limit, begin, end, clear_s)

    def _errors(self, low: float, high: float, mean_w: float) -> tuple[StretchError, ...]:
        """``mean_w`` is the power that may lie on one side of an end, whatever the counter shows around it."""
        ends = [self._end(low, mean_w), self._end(high, mean_w)]
        aligned = sum(update_j <= edge_j for update_j, edge_j, _ in ends)
        longest_s = max(apart_s for _, _, apart_s in ends)
        notes = {0: "both ends lie between edges", 1: "one end lies on an edge", 2: "both ends lie on edges"}
        note = f"{notes[aligned]} of the counter, {longest_s:.3g} s apart"
        return (
            StretchError("update period", math.hypot(*(end[0] for end in ends)), common=True, note=note),
            StretchError("counter edges", math.hypot(*(end[1] for end in ends)), note="the instants of its edges"),
            StretchError("resolution", self._scale_j / math.sqrt(6.0), note=f"counts steps of {self._scale_j:g} J"),
        )

    def _end(self, place: float, mean_w: float) -> tuple[float, float, float]:
        """For an end: the uncertainty from where it lies between its edges, that from their instants [J], and how far
        they are apart [s]."""
        at = self._at.at
        before = min(max(int(np.searchsorted(at, place, side="right")) - 1, 0), at.size - 2)
        apart = float(at[before + 1] - at[before])
        share = (place - float(at[before])) / apart
        here_w = float(self._power[before])
        distance = min(share, 1.0 - share) * apart
        update_j = max(abs(mean_w), abs(here_w)) * min(distance, apart / math.sqrt(12.0)) * NS_S
        u_ns = math.hypot((1.0 - share) * float(self._at.u[before]), share * float(self._at.u[before + 1]))
        return update_j, abs(here_w) * u_ns * NS_S, apart * NS_S


def _unbelievable(power_w: Float64s, wraps: int) -> Bools:
    """Which steps of a counter are of no power that this meter can have seen."""
    ordered = np.sort(power_w)
    others = ordered[: max(ordered.size - max(wraps, 1), 0)]
    if others.size == 0:
        # Nothing to compare it with; a counter that began anew in every step is not believed at all.
        return np.full(power_w.size, wraps > 0)
    return np.asarray(power_w > (WRAP_FACTOR if wraps else STEP_FACTOR) * others[-1])
