"""How a trace's clock stands to the host's: from the anchors that an instrument left, or by what its format says.

Anchors are pairs (fractional sample, host's nanoseconds) of one instant, each right to a bound either way. Between two
of them a straight line is right to the same bound; before the first and after the last, the line through these two is
prolonged, and the bound grows with the lever. A trace of readings has the host's clock itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.clock_fit import RATE_LIMIT
from lab.errors import DataError
from lab.record.documents import TraceRef
from lab.record.reader import PassData, Record
from lab.record.traces import readings

RATE_TOLERANCE = 1e-3
"""Anchors that make the trace's rate differ from the stated one by more are not of this trace."""

SAME_CLOCK_S = 1e-6
"""What is left where the trace's clock is the host's: reading it."""


@dataclass(frozen=True, slots=True, eq=False)
class TraceOnHost:
    """The host's clock on a trace's. ``samples`` and ``since_ns`` (after ``zero_ns``) are the anchors."""

    samples: NDArray[np.float64]
    since_ns: NDArray[np.float64]
    zero_ns: int
    rate_hz: float
    anchor_bound_s: float

    def sample(self, host_ns: int) -> float:
        """Where an instant of the host's clock lies on the trace, in fractional samples."""
        since = float(host_ns - self.zero_ns)
        if self.samples.size == 1:
            return float(self.samples[0] + (since - self.since_ns[0]) * 1e-9 * self.rate_hz)
        if since < self.since_ns[0] or since > self.since_ns[-1]:
            samples_per_ns = float((self.samples[-1] - self.samples[0]) / (self.since_ns[-1] - self.since_ns[0]))
            return float(self.samples[0]) + (since - float(self.since_ns[0])) * samples_per_ns
        return float(np.interp(since, self.since_ns, self.samples))

    def bound_s(self, host_ns: int) -> float:
        """How far :meth:`sample` may lie from the truth there."""
        since = float(host_ns - self.zero_ns)
        first, last = float(self.since_ns[0]), float(self.since_ns[-1])
        away_ns = max(first - since, since - last, 0.0)
        if self.samples.size == 1:
            return self.anchor_bound_s + RATE_LIMIT * away_ns * 1e-9
        return self.anchor_bound_s * (1.0 + 2.0 * away_ns / (last - first))

    def change_s(self, span_s: float) -> float:
        """How much the error may change between two instants that lie ``span_s`` apart."""
        if self.samples.size == 1:
            return RATE_LIMIT * span_s
        shortest_s = float(np.diff(self.since_ns).min()) * 1e-9
        return 2.0 * self.anchor_bound_s * min(1.0, span_s / shortest_s)


def trace_on_host(record: Record, data: PassData, ref: TraceRef) -> TraceOnHost:
    """The host's clock on the trace ``ref``.

    Raises :class:`DataError` where the instrument left no anchors, or some that make no clock of that rate.
    """
    anchors: list[tuple[float, int]] = []
    bounds_s: list[float] = []
    for clock in data.clocks:
        if clock.instrument == ref.instrument:
            anchors += clock.anchors
            bounds_s.append(clock.bound_s)
    if ref.format == readings.FORMAT:
        return _readings_clock(record, ref)
    if not anchors:
        raise DataError(f"{ref.instrument} does not say how its trace's clock stands to the host's")
    zero_ns = anchors[0][1]
    samples = np.array([sample for sample, _ in anchors], dtype=np.float64)
    since_ns = np.array([ns - zero_ns for _, ns in anchors], dtype=np.float64)
    bound_s = max(bounds_s)
    if not (np.isfinite(samples).all() and np.isfinite(bound_s) and bound_s >= 0.0):
        raise DataError(f"the clock of {ref.instrument}'s trace has an anchor that is no number")
    if (np.diff(samples) <= 0.0).any() or (np.diff(since_ns) <= 0.0).any():
        raise DataError(f"the clock of {ref.instrument}'s trace does not rise from anchor to anchor")
    if samples.size > 1:
        length_s = float(since_ns[-1]) * 1e-9
        off = abs(float(samples[-1] - samples[0]) / length_s / ref.rate_hz - 1.0)
        if off > RATE_TOLERANCE + 2.0 * bound_s / length_s:
            raise DataError(f"by its anchors the rate of {ref.instrument}'s trace is {100 * off:.3g} % off")
    return TraceOnHost(samples, since_ns, zero_ns, ref.rate_hz, bound_s + SAME_CLOCK_S)


def _readings_clock(record: Record, ref: TraceRef) -> TraceOnHost:
    """Of a trace of readings: its first line says when its clock began."""
    path = record.path(ref.path)
    try:
        with path.open(encoding="ascii") as file:
            header = file.readline(1 << 20).partition("{")
        zero_ns = int(json.loads("{" + header[2])["zero_ns"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}:1: nothing is said of when the trace's clock began ({error})") from error
    ends = np.array([0.0, max(float(ref.samples), readings.RATE_HZ)])
    return TraceOnHost(ends, ends, zero_ns, readings.RATE_HZ, SAME_CLOCK_S)
