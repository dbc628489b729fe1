"""The meter's own sums of energy, held against the integral of what it sent us.

The meter adds up power over blocks of samples before anything is filtered or sent. Where its sums and ours over the
same samples differ, something on the way is wrong: samples counted twice, a rate so low that the filter took ripple out
of current and voltage, a range mistaken for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-3
"""Relative difference between the meter's energy and ours that is still agreement."""

FLOOR_W = 1e-6
"""Power below which a relative difference says nothing."""

_CHECKPOINT_S = 1e-3
"""Our running sum is kept at this spacing: fine against the meter's blocks, small against the trace."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The meter's energy and ours over the same ``duration_s``, a sum of ``blocks`` of the meter's."""

    instrument_j: float
    trace_j: float
    duration_s: float
    blocks: int

    @property
    def relative_difference(self) -> float:
        """By how much ours is larger, relative to the meter's."""
        return (self.trace_j - self.instrument_j) / abs(self.instrument_j) if self.instrument_j else 0.0

    @property
    def agrees(self) -> bool:
        """Is the difference within :data:`TOLERANCE`?"""
        bound_j = TOLERANCE * abs(self.instrument_j) + FLOOR_W * self.duration_s
        return abs(self.trace_j - self.instrument_j) <= bound_j


@dataclass(frozen=True, slots=True)
class MeterSum:
    """The meter's mean power over the counts ``begin`` to ``end``."""

    begin: int
    end: int
    power_w: float


def meter_sum(value: Any) -> MeterSum | None:
    """What a published block of statistics says; ``None`` where it is not one, or has no finite power."""
    try:
        begin, end = (int(count) for count in value["time"]["samples"]["value"])
        power_w = float(value["signals"]["power"]["avg"]["value"])
    except (KeyError, TypeError, ValueError):
        return None
    return MeterSum(begin, end, power_w) if end > begin and np.isfinite(power_w) else None


class EnergyCheck:
    """Collects the meter's sums and ours. Blocks of the trace come in order; the meter's sums come at any time."""

    def __init__(self, counter_hz: int, rate_hz: float) -> None:
        self._counter_hz = counter_hz
        self._rate_hz = rate_hz
        self._spacing = max(1, round(rate_hz * _CHECKPOINT_S))
        self._counts: list[NDArray[np.float64]] = []
        self._sums_j: list[NDArray[np.float64]] = []
        self._gaps: list[tuple[int, int]] = []
        self._end: int | None = None
        self._total_j = 0.0
        self._meter: list[MeterSum] = []

    def add(self, begin: int, step: int, power_w: NDArray[Any]) -> None:
        """Samples of power, the first beginning at the count ``begin``, one each ``step`` counts."""
        if self._end is None or begin != self._end:
            if self._end is not None:
                self._gaps.append((self._end, begin))
            self._note(np.array([begin]), np.array([self._total_j]))
        starts = np.arange(0, power_w.size, self._spacing)
        energies_j = np.add.reduceat(power_w, starts, dtype=np.float64) / self._rate_hz
        ends = np.minimum(starts + self._spacing, power_w.size)
        self._end = begin + step * int(power_w.size)
        if not np.isfinite(energies_j.sum()):
            # A block with holes is as good as missing here; the trace itself keeps what it has.
            self._gaps.append((begin, self._end))
            energies_j = np.nan_to_num(energies_j)
        sums_j = self._total_j + np.cumsum(energies_j)
        self._note(begin + step * ends, sums_j)
        self._total_j = float(sums_j[-1])

    def _note(self, counts: NDArray[Any], sums_j: NDArray[np.float64]) -> None:
        self._counts.append(counts.astype(np.float64))
        self._sums_j.append(sums_j)

    def add_meter(self, item: MeterSum) -> None:
        """A sum of the meter's, its counts continuous with those of the samples."""
        self._meter.append(item)

    def compare(self) -> Comparison | None:
        """Both energies over those of the meter's blocks that the trace covers whole; ``None`` without any."""
        if not self._counts or self._end is None:
            return None
        counts, sums_j = np.concatenate(self._counts), np.concatenate(self._sums_j)
        instrument_j = trace_j = duration_s = 0.0
        blocks = 0
        for item in self._meter:
            inside = counts[0] <= item.begin and item.end <= self._end
            if not inside or any(first < item.end and end > item.begin for first, end in self._gaps):
                continue
            begin_j, end_j = np.interp([item.begin, item.end], counts, sums_j).tolist()
            blocks += 1
            duration_s += (item.end - item.begin) / self._counter_hz
            instrument_j += item.power_w * (item.end - item.begin) / self._counter_hz
            trace_j += end_j - begin_j
        return Comparison(instrument_j, trace_j, duration_s, blocks) if blocks else None
