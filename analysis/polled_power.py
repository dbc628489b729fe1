"""Power that was asked for again and again: summed by the trapezoidal rule, with what that leaves open.

Power goes straight from one reading to the next; an interval longer than :data:`GAP_PERIODS` typical ones is a gap. A
power that is a mean over the last a seconds stands for the middle of them. The errors of a stretch:

``sampling``
    what lies between readings by chance. From the distance r of each reading to the straight line through its
    neighbours: σ² is the mean of r²/(1 + w₁² + w₂²) with the line's weights w, and u = σ·√Σh² with each reading's
    share h of the time. For power that comes and goes faster than it is asked for that is its scatter over √n; a steady
    slope adds nothing. Overlapping triples of white noise leave 0.51 degrees of freedom each (that is 36/70, from the
    correlations 6, −4, 1 of second differences).
``reading interval``
    power that steps somewhere between two readings Δp apart: h·Δp/√12. The trapezoid misplaces a step at a *window's
    end* always the same way, so that error is common to all repeats.
``read instants``
    each reading's instant u_t moves the energy by (p₊ − p₋)/2·u_t.
``averaging``
    a step ΔP at a window's end is smeared over the a seconds: a/8·ΔP falls outside at each end. That is no limit but
    what is to be expected where the window is right, so it counts as it is; it is not corrected, because the step may
    lie beside the mark. Common.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.energy import Float64s, StretchEnergy, StretchError, from_readings
from analysis.power_source import Kind, Padded, Places, PowerSource
from analysis.reading_instants import NS_S, Bools, Origins, hole_s, outward
from analysis.uncertainty import uniform_width
from lab.errors import DataError
from lab.record.traces.readings import RATE_HZ

GAP_PERIODS = 3.0
"""An interval between two readings of power this many times the typical one (or the update period, if that is longer)
is a gap: nothing is known of what lies in it."""

DOF_PER_TRIPLE = 36.0 / 70.0
"""Degrees of freedom that each further triple of neighbouring readings adds to σ."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of readings, cut at its ends: ``first`` … ``last`` are the readings inside; ``time`` [ns] and
    ``power_w`` are those with both ends added; ``interval`` counts the intervals they make, ``seen`` which are no
    gaps."""

    first: int
    last: int
    time: Float64s
    interval: NDArray[np.intp]
    seen: Bools
    widths_s: Float64s

    def sum(self, values: Float64s) -> float:
        """The integral of values at ``time``, over what was seen."""
        return float(((values[:-1] + values[1:]) / 2.0 * self.widths_s)[self.seen].sum())


class PolledPower:
    """Power that was asked for again and again. ``voltage_v`` and ``current_a`` are those at the same instants."""

    kind = Kind.POLLED
    rate_hz = RATE_HZ
    lost = "readings_sparse"

    def __init__(
        self,
        at: Origins,
        power_w: Float64s,
        *,
        length: float,
        period_s: float = 0.0,
        averaged_s: float = 0.0,
        voltage_v: Float64s | None = None,
        current_a: Float64s | None = None,
        reasons: tuple[str, ...] = (),
        checks: tuple[PowerSource, ...] = (),
    ) -> None:
        """Raises :class:`DataError` for fewer than two readings."""
        rising = np.flatnonzero(np.diff(at.at, prepend=-math.inf) > 0.0)
        if rising.size < 2:
            raise DataError("a trace of fewer than two readings of power")
        self._at, self._power = at.chosen(rising), power_w[rising]
        self._voltage = None if voltage_v is None else voltage_v[rising]
        self._current = None if current_a is None else current_a[rising]
        self._reach = self._at.limit + averaged_s / NS_S / 2.0
        self._averaged_s = averaged_s
        self.length = length
        intervals = np.diff(self._at.at)
        typical = max(float(np.median(intervals)), period_s / NS_S)
        self._gap = intervals > GAP_PERIODS * typical
        self.step_s = typical * NS_S
        self.reasons = reasons
        self.checks = checks

    def energy(self, begin: float, end: float, steps: Places = ()) -> StretchEnergy | None:
        """By the trapezoidal rule."""
        piece = self._piece(begin, end)
        if piece is None:
            return None
        seen_s = float(piece.widths_s[piece.seen].sum())
        power_w = self._at_times(self._power, piece.time)
        energy_j = piece.sum(power_w)
        inside = power_w[np.append(piece.seen, False) | np.insert(piece.seen, 0, False)]
        found = from_readings((end - begin) * NS_S, seen_s, energy_j, inside, self._errors(piece, begin, end, steps))
        voltage_v, current_a = (self._mean(channel, piece, seen_s) for channel in (self._voltage, self._current))
        return replace(found, voltage_v=voltage_v, current_a=current_a)

    def block_powers(self, begin: float, end: float, blocks: int) -> Float64s:
        """Means of as many readings each."""
        first, last = np.searchsorted(self._at.at, [begin, end]).tolist()
        inside = self._power[first:last]
        blocks = min(blocks, inside.size)
        if blocks < 1:
            return np.empty(0)
        size = inside.size // blocks
        return np.asarray(inside[: size * blocks].reshape(blocks, size).mean(axis=1))

    def settled(self, begin: float, end: float) -> tuple[float, float] | None:
        """From the first reading that is wholly from inside to the last."""
        inside = np.flatnonzero((self._at.at - self._reach >= begin) & (self._at.at + self._reach <= end))
        if inside.size < 2:
            return None
        return float(self._at.at[inside[0]]), float(self._at.at[inside[-1]])

    def hole_s(self, place: float) -> float:
        """Between the reading before and the reading after."""
        return hole_s(self._at.at, place)

    def padded(self, begin: float, end: float, clear_s: float) -> Padded | None:
        """To the second reading outside that shows nothing of the window."""
        return outward(self._at.at, self._reach, begin, end, clear_s)

    def _piece(self, begin: float, end: float) -> _Piece | None:
        """The readings of a stretch, ``None`` if all of it lies in gaps or outside."""
        at = self._at.at
        low, high = max(begin, float(at[0])), min(end, float(at[-1]))
        if not high > low:
            return None
        first, last = int(np.searchsorted(at, low, side="right")), int(np.searchsorted(at, high, side="left"))
        time = np.concatenate([[low], at[first:last], [high]])
        interval = np.arange(first - 1, last)
        seen = ~self._gap[interval]
        if not seen.any():
            return None
        return _Piece(first, last, time, interval, seen, np.diff(time) * NS_S)

    def _at_times(self, values: Float64s, time: Float64s) -> Float64s:
        return np.interp(time, self._at.at, values)

    def _mean(self, values: Float64s | None, piece: _Piece, seen_s: float) -> float | None:
        return None if values is None else piece.sum(self._at_times(values, piece.time)) / seen_s

    def _errors(self, piece: _Piece, begin: float, end: float, steps: Places) -> tuple[StretchError, ...]:
        stepping = self._stepping(piece, steps or ((begin, begin), (end, end)))
        sigma_w, triples = self._scatter(piece, stepping)
        errors = [self._sampling(piece, sigma_w, triples), self._intervals(piece, stepping, sigma_w, not steps)]
        errors.append(self._instants(piece))
        if self._averaged_s and not steps:
            errors.append(self._averaging(begin, end))
        return tuple(errors)

    def _stepping(self, piece: _Piece, places: Places) -> Bools:
        """In which of the piece's intervals the power is taken to step, as far as the trace shows it."""
        left, right = self._at.at[piece.interval], self._at.at[piece.interval + 1]
        reach = np.maximum(self._reach[piece.interval], self._reach[piece.interval + 1])
        found = np.zeros(piece.interval.size, np.bool_)
        for low, high in places:
            found |= (right + reach >= low) & (left - reach <= high)
        return found & piece.seen

    def _scatter(self, piece: _Piece, stepping: Bools) -> tuple[float, int]:
        """σ of single readings about the line through their neighbours, and from how many of them."""
        middle = np.arange(piece.first + 1, piece.last - 1)
        if middle.size == 0:
            return 0.0, 0
        plain = np.zeros(self._gap.size, np.bool_)
        plain[piece.interval] = piece.seen & ~stepping
        middle = middle[plain[middle - 1] & plain[middle]]
        if middle.size == 0:
            return 0.0, 0
        at, power = self._at.at, self._power
        after = (at[middle] - at[middle - 1]) / (at[middle + 1] - at[middle - 1])
        apart = power[middle] - (1.0 - after) * power[middle - 1] - after * power[middle + 1]
        squares = apart**2 / (1.0 + after**2 + (1.0 - after) ** 2)
        return math.sqrt(float(squares.mean())), middle.size

    def _sampling(self, piece: _Piece, sigma_w: float, triples: int) -> StretchError:
        widths = np.where(piece.seen, piece.widths_s, 0.0)
        if triples == 0:
            spread_w = float(np.ptp(self._power[piece.interval[0] : piece.interval[-1] + 2]))
            note = "too few readings to tell: uniform between the least and the greatest"
            return StretchError("sampling", uniform_width(spread_w) * float(widths.sum()), note=note)
        shares = (np.append(widths, 0.0) + np.insert(widths, 0, 0.0)) / 2.0
        u_j = sigma_w * math.sqrt(float((shares**2).sum()))
        note = f"readings scatter by {sigma_w:.3g} W about the line through their neighbours, {triples} of them"
        return StretchError("sampling", u_j, "A", dof=max(1.0, DOF_PER_TRIPLE * triples), note=note)

    def _intervals(self, piece: _Piece, stepping: Bools, sigma_w: float, at_ends: bool) -> StretchError:
        step_w = np.diff(self._power)[piece.interval]
        # Their scatter alone makes readings differ; that part is in ``sampling``.
        excess_w = np.sqrt(np.maximum(step_w**2 - 2.0 * sigma_w**2, 0.0))
        widths_s = np.diff(self._at.at)[piece.interval] * NS_S
        u_j = uniform_width(math.sqrt(float(((excess_w * widths_s)[stepping] ** 2).sum())))
        note = f"{int(np.count_nonzero(excess_w[stepping]))} steps of power, each somewhere between two readings"
        return StretchError("reading interval", u_j, common=at_ends, note=note)

    def _instants(self, piece: _Piece) -> StretchError:
        first, last = max(int(piece.interval[0]), 1), min(int(piece.interval[-1]) + 2, self._power.size - 1)
        moved_w = (self._power[first + 1 : last + 1] - self._power[first - 1 : last - 1]) / 2.0
        u_j = math.sqrt(float(((moved_w * self._at.u[first:last] * NS_S) ** 2).sum()))
        widest_s = float(self._at.limit[piece.interval].max()) * NS_S
        return StretchError("read instants", u_j, note=f"each reading's instant known to ±{widest_s:.3g} s at worst")

    def _averaging(self, begin: float, end: float) -> StretchError:
        half = self._averaged_s / NS_S / 2.0
        around = self._at_times(self._power, np.array([begin - half, begin + half, end - half, end + half]))
        lost_j = (abs(around[1] - around[0]) + abs(around[3] - around[2])) * self._averaged_s / 8.0
        note = f"each reading is the mean over {self._averaged_s:g} s: the window's ends are smeared"
        return StretchError("averaging", float(lost_j), common=True, note=note)
