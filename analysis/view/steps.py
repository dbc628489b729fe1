"""Readings of a polled meter as something to draw: power that is held, or joined, from one instant to the next.

A counter of energy says what the mean power was between two of its steps, so it is a staircase whose treads are bounded
by the readings at which the counter moved: between those it said nothing new. Readings of power (voltage, current) are
points; the straight line between them is what an integral by the trapezoidal rule assumes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.view.tiles import Series, Tile
from lab.record.traces.readings import ChannelReadings, Readings

Float64s = NDArray[np.float64]

MOST_POINTS = 40_000
"""Points of one channel that are drawn as they are; more of them are thinned to buckets."""

HELD, JOINED = "held", "joined"


@dataclass(frozen=True, slots=True)
class Steps:
    """One channel of readings over the trace's own clock (ns since its zero).

    ``held``: ``value[k]`` lasts from ``at_ns[k]`` to ``at_ns[k + 1]``, and the last value is NaN. ``joined``: straight
    lines between the points. ``quantity`` is ``power``, ``current`` or ``voltage``; ``readings`` how many there were.
    """

    name: str
    quantity: str
    kind: str
    at_ns: Float64s
    value: Float64s
    readings: int
    cross_check: bool

    def mean(self, begin_ns: float, end_ns: float) -> tuple[float | None, float]:
        """The time-weighted mean over [begin, end) where something is known, and the share of it that is."""
        if self.at_ns.size < 2 or end_ns <= begin_ns:
            return None, 0.0
        low, high = max(begin_ns, float(self.at_ns[0])), min(end_ns, float(self.at_ns[-1]))
        if high <= low:
            return None, 0.0
        total = float(np.diff(self._integral(np.array([low, high])))[0])
        return total / (high - low), (high - low) / (end_ns - begin_ns)

    def _integral(self, at_ns: Float64s) -> Float64s:
        """The integral from the first point to each of ``at_ns``, which lie within the points."""
        widths = np.diff(self.at_ns)
        if self.kind == HELD:
            whole = np.concatenate([[0.0], np.cumsum(self.value[:-1] * widths)])
            return np.asarray(np.interp(at_ns, self.at_ns, whole))
        whole = np.concatenate([[0.0], np.cumsum((self.value[1:] + self.value[:-1]) / 2 * widths)])
        index = np.clip(np.searchsorted(self.at_ns, at_ns, side="right") - 1, 0, self.at_ns.size - 1)
        here = np.interp(at_ns, self.at_ns, self.value)
        return np.asarray(whole[index] + (here + self.value[index]) / 2 * (at_ns - self.at_ns[index]))


def steps_of(readings: Readings) -> list[Steps]:
    """All channels of a trace of readings that hold two instants or more, those that only check others last."""
    found = [_steps(name, channel) for name, channel in readings.channels.items()]
    kept = [item for item in found if item.at_ns.size > 1]
    return sorted(kept, key=lambda item: item.cross_check)


def _steps(name: str, readings: ChannelReadings) -> Steps:
    measures = readings.channel.measures
    at_ns, value = readings.middle_ns, readings.value
    rising = np.concatenate([[True], np.diff(at_ns) > 0]) if at_ns.size else np.zeros(0, np.bool_)
    count = int(at_ns.size)
    if measures != "energy":
        return Steps(name, measures, JOINED, at_ns[rising], value[rising], count, readings.channel.cross_check)
    if at_ns.size:
        rising &= np.concatenate([[True], np.diff(value) != 0])
    at_ns, value = at_ns[rising], value[rising]
    power = np.append(np.diff(value) / (np.diff(at_ns) * 1e-9), np.nan) if at_ns.size else value
    return Steps(name, "power", HELD, at_ns, power, count, readings.channel.cross_check)


def thinned(steps: Steps, per_ns: int, stop_ns: int) -> Tile:
    """The same in equal buckets of time from the trace's zero on: mean by time, least and largest that occurs in each.

    A bucket's count is the nanoseconds of it for which something is known.
    """
    edges = np.append(np.arange(0, stop_ns, per_ns, dtype=np.float64), float(stop_ns))
    first, last = float(steps.at_ns[0]), float(steps.at_ns[-1])
    low_edge, high_edge = np.clip(edges[:-1], first, last), np.clip(edges[1:], first, last)
    known = high_edge - low_edge
    mean = np.full(known.size, np.nan)
    whole = steps._integral(high_edge) - steps._integral(low_edge)
    np.divide(whole, known, out=mean, where=known > 0)
    # What occurs in a bucket: the points inside, and the value at its two edges.
    if steps.kind == HELD:
        values = steps.value[:-1]
        begin = np.searchsorted(steps.at_ns, low_edge, side="right") - 1
        end = np.searchsorted(steps.at_ns, high_edge, side="left")
        low, high = _extremes(values, begin, end)
    else:
        begin = np.searchsorted(steps.at_ns, low_edge, side="left")
        end = np.searchsorted(steps.at_ns, high_edge, side="right")
        low, high = _extremes(steps.value, begin, end)
        for edge in (low_edge, high_edge):
            there = np.interp(edge, steps.at_ns, steps.value)
            low, high = np.fmin(low, there), np.fmax(high, there)
    nothing = known <= 0
    low[nothing] = high[nothing] = np.nan
    # Rounded to float32 the mean may pass an extreme by a hair's breadth; the extremes are what the page keeps.
    series = Series(low.astype(np.float32), mean, high.astype(np.float32), known.astype(np.int64))
    return Tile(0, stop_ns, per_ns, {steps.quantity: series})


def _extremes(values: Float64s, begin: NDArray[np.intp], end: NDArray[np.intp]) -> tuple[Float64s, Float64s]:
    """Least and largest of values[begin:end] for each pair, NaN of an empty one."""
    size = values.size
    padded = np.append(values, np.nan)
    begin, end = np.clip(begin, 0, size), np.clip(end, 0, size)
    empty = end <= begin
    pairs = np.stack([np.where(empty, size, begin), np.where(empty, size, end)], axis=1).ravel()
    low = np.minimum.reduceat(padded, pairs)[::2].copy()
    high = np.maximum.reduceat(padded, pairs)[::2].copy()
    low[empty] = high[empty] = np.nan
    return low, high
