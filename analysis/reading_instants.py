"""When the values of a meter that is asked again and again are from.

All that is known are two instants of the host's clock around each question. A value that is renewed every τ is at most
τ old; where it differs from the one before, it was renewed after that one was asked for. :func:`origins` takes the
instant as spread between those limits and its middle as the best guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.energy import Float64s
from analysis.power_source import Padded
from analysis.uncertainty import trapezoidal
from lab.record.traces.readings import RATE_HZ, ChannelReadings

NS_S = 1.0 / RATE_HZ

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Origins:
    """When values are from [ns]: the middle of what is possible, its standard uncertainty, and how far the truth may
    lie from the middle at most."""

    at: Float64s
    u: Float64s
    limit: Float64s

    def chosen(self, which: NDArray[np.intp]) -> Origins:
        """Some of them."""
        return Origins(self.at[which], self.u[which], self.limit[which])


def origins(readings: ChannelReadings, period_ns: float, renewed: Bools | None) -> Origins:
    """When each reading's value is from.

    ``period_ns`` is how old a value may be. ``renewed`` says which ones differ from the reading before, which bounds
    their age by that; ``None`` if the readings before say nothing of it.
    """
    begin, end = readings.begin_ns.astype(np.float64), readings.end_ns.astype(np.float64)
    # A value in the meter for up to the period, at an instant anywhere in the question: a trapezoid of two widths.
    low, base, top = begin - period_ns, end - begin + period_ns, np.abs(period_ns - (end - begin))
    if renewed is not None and begin.size > 1:
        before_begin, before_end = np.roll(begin, 1), np.roll(end, 1)
        closer = renewed & (before_begin > low)
        closer[0] = False
        low = np.where(closer, before_begin, low)
        base = np.where(closer, end - before_begin, base)
        top = np.where(closer, np.maximum(begin - before_end, 0.0), top)
    return Origins((low + end) / 2.0, trapezoidal(base, top), base / 2.0)


def hole_s(at: Float64s, place: float) -> float:
    """Time between the instants on both sides of a place; 0 outside of all."""
    after = int(np.searchsorted(at, place, side="right"))
    return float(at[after] - at[after - 1]) * NS_S if 0 < after < at.size else 0.0


def outward(at: Float64s, reach: Float64s, begin: float, end: float, clear_s: float) -> Padded | None:
    """From the second value before a window to the second after it that show nothing of it, if its ends are open by up
    to ``clear_s``; ``None`` if there are none. Each value is from within ``reach`` of its instant."""
    clear = clear_s / NS_S
    before, after = np.flatnonzero(at + reach <= begin - clear), np.flatnonzero(at - reach >= end + clear)
    if before.size < 2 or after.size < 2:
        return None
    return Padded(*(float(at[place]) for place in (before[-2], before[-1], after[0], after[1])))
