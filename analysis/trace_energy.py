"""Energy of any set of windows of a trace, in one pass over the blocks they touch and in constant memory.

As in :mod:`analysis.energy`, sample ``k`` is the mean over [k, k + 1) of the trace's own clock, a window may begin and
end inside a sample and takes its share of it, and what is missing (NaN, in a stated gap, outside the trace) lowers the
coverage.

All edges of all windows cut the trace into stretches that no edge divides. Each stretch is summed once, as float64 from
exact products, and a window is the difference of two running totals over the stretches. The totals carry what rounding
took from them (T. Ogita, S. M. Rump, S. Oishi, *Accurate sum and dot product*, SIAM J. Sci. Comput. 26 (2005), Sum2),
so that a nanojoule window late in a trace of kilojoules is as good as an early one.

Where a trace has a power channel, the pyramid of means that JLS keeps of it gives one window without a pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.errors import DataError
from lab.record.traces.jls_trace import JlsTrace, joined

Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]
Gaps = Sequence[tuple[int, int]]

LARGEST_SUMS = (1 << 16, 10240)
"""Samples, and entries of one level of the pyramid, that are summed before a coarser level is used.

An entry is a float32, rounded by up to 6e-8 of itself. At least 512 of them are summed, whose roundings mostly cancel:
the sum is good to about 2e-9.
"""


class PowerBlocks(Protocol):
    """What is needed of a trace: :class:`lab.record.traces.jls_trace.JlsTrace` has it."""

    @property
    def rate_hz(self) -> float: ...
    @property
    def length(self) -> int: ...
    @property
    def block_samples(self) -> int: ...
    def block_sums(self, first: int = 0, stop: int | None = None) -> Float64s: ...
    def block_power(self, block: int) -> Float64s: ...


@dataclass(frozen=True, slots=True)
class WindowEnergies:
    """Energies of n windows; every array has shape (n,).

    ``seen_energy_j`` is the energy of the samples that are there, ``coverage`` (0…1) the share of the window they make
    up: where it is below one, the caller must say so, and where it is 0 nothing was measured.
    """

    duration_s: Float64s
    coverage: Float64s
    seen_energy_j: Float64s

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which windows have every sample."""
        return np.asarray(self.coverage == 1.0)


def window_energies(trace: PowerBlocks, begins: ArrayLike, ends: ArrayLike, gaps: Gaps = ()) -> WindowEnergies:
    """Energies of the windows [begins, ends) in fractional samples; they may overlap and come in any order.

    ``gaps`` are half-open index ranges in which samples are known to be missing, whatever the file holds there. Raises
    :class:`lab.errors.DataError` for an empty window or an edge that is not a number.
    """
    begin, end = _edges(begins, ends)
    known = joined([(max(start, 0), min(stop, trace.length)) for start, stop in gaps])
    low, high = np.clip(begin, 0.0, trace.length), np.clip(end, 0.0, trace.length)
    first, last = np.floor(low).astype(np.int64), np.floor(high).astype(np.int64)
    inner = np.ceil(low).astype(np.int64)
    # A window inside one sample has no inner part and only one share; else the share of sample ``first`` comes before
    # ``inner`` and that of sample ``last`` from ``last`` on.
    within = (first == last) & (high > low)
    head = np.where(within, high - low, inner - low)
    tail = np.where(within, 0.0, high - last)
    inner = np.where(inner > last, last, inner)

    cuts = _cuts(trace, (first, np.ceil(low), last, np.ceil(high)), known)
    sums, counts = _stretch_sums(trace, cuts, first, np.ceil(high).astype(np.int64))
    for start, stop in known:
        inside = slice(int(np.searchsorted(cuts, start)), int(np.searchsorted(cuts, stop)))
        sums[inside], counts[inside] = 0.0, 0
    total, lost = _running_total(sums)
    present = np.concatenate([[0], np.cumsum(counts)])

    from_, to = np.searchsorted(cuts, inner), np.searchsorted(cuts, last)
    power = (total[to] - total[from_]) + (lost[to] - lost[from_])
    weight = (present[to] - present[from_]).astype(np.float64)
    for index, share in ((first, head), (last, tail)):
        # A share is of a whole sample, which its own two cuts keep apart; where it is zero any stretch will do.
        place = np.minimum(np.searchsorted(cuts, index), max(sums.size - 1, 0))
        some = share > 0.0
        power[some] += share[some] * sums[place[some]]
        weight[some] += share[some] * counts[place[some]]
    coverage = weight / (end - begin)
    # The weights are sums of rounded shares, which may leave a complete window an ulp short of one.
    coverage = np.where(np.abs(coverage - 1.0) < 1e-12, 1.0, coverage)
    return WindowEnergies((end - begin) / trace.rate_hz, coverage, power / trace.rate_hz)


def _edges(begins: ArrayLike, ends: ArrayLike) -> tuple[Float64s, Float64s]:
    begin, end = np.broadcast_arrays(np.atleast_1d(begins).astype(np.float64), np.atleast_1d(ends).astype(np.float64))
    wrong = ~(np.isfinite(begin) & np.isfinite(end) & (end > begin))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise DataError(f"window {place} is empty or not a number: samples {begin[place]} to {end[place]}")
    return begin, end


def _cuts(trace: PowerBlocks, edges: tuple[NDArray[np.generic], ...], known: Gaps) -> Int64s:
    """All sample indices that no stretch may cross: edges, ends of gaps, and the boundaries of blocks."""
    blocks = np.arange(0, trace.length + trace.block_samples, trace.block_samples)
    gap_ends = np.array(known, np.int64).ravel()
    gathered = np.concatenate(
        [np.asarray(edge, np.int64) for edge in edges] + [gap_ends, np.minimum(blocks, trace.length)]
    )
    return np.unique(gathered)


def _stretch_sums(trace: PowerBlocks, cuts: Int64s, begins: Int64s, ends: Int64s) -> tuple[Float64s, Int64s]:
    """Sum of the power over each stretch between cuts, and how many of its samples are there.

    Blocks that no window [begins, ends) touches are not read; their stretches are 0.
    """
    sums, counts = np.zeros(max(cuts.size - 1, 0)), np.diff(cuts)
    size = trace.block_samples
    blocks = -(-trace.length // size)
    touched = np.zeros(blocks + 1, np.int64)
    some = ends > begins
    np.add.at(touched, begins[some] // size, 1)
    np.add.at(touched, -(-ends[some] // size), -1)
    used = np.cumsum(touched[:blocks]) > 0
    # Stretches of block k are stretch[k] … stretch[k + 1].
    stretch = np.searchsorted(cuts, np.minimum(np.arange(blocks + 1) * size, trace.length))
    whole = used & (np.diff(stretch) == 1)
    for start, stop in _runs(whole):
        sums[stretch[start:stop]] = trace.block_sums(start, stop)
    divided = used & ~whole
    divided[whole] = ~np.isfinite(sums[stretch[:-1][whole]])
    for block in np.flatnonzero(divided).tolist():
        start, stop = int(stretch[block]), int(stretch[block + 1])
        power = trace.block_power(block)
        places = cuts[start:stop] - block * size
        part = np.add.reduceat(power, places)
        if not np.isfinite(part).all():
            there = np.isfinite(power)
            part = np.add.reduceat(np.where(there, power, 0.0), places)
            counts[start:stop] = np.add.reduceat(there, places, dtype=np.int64)
        sums[start:stop] = part
    return sums, counts


def _runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).tolist()
    return zip(edges[::2], edges[1::2], strict=True)


def _running_total(values: Float64s) -> tuple[Float64s, Float64s]:
    """Running total of ``values`` from 0 on, and the running total of what rounding took from it."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    before, after = total[:-1], total[1:]
    # Knuth's TwoSum: after = before + values, rounded; the rest is exact.
    taken = after - before
    rest = (before - (after - taken)) + (values - taken)
    return total, np.concatenate([[0.0], np.cumsum(rest)])


class PowerPyramid:
    """One window at a time from the summary of a power channel: no pass, whatever the window's length.

    Whole entries of the pyramid are used inside a window, and samples at its edges and around gaps, so that edges are
    as exact as by :func:`window_energies`. Summaries average over gaps without saying so, and a short gap leaves no
    trace in them; so the gaps must be known: they are ``gaps`` if the caller knows them (the record does), else found
    in one pass.

    Raises :class:`DataError` if there is no power channel, its pyramid is damaged, or samples are missing that ``gaps``
    does not name.
    """

    def __init__(self, trace: JlsTrace, gaps: Gaps | None = None, channel: str = "power") -> None:
        if channel not in trace.channels:
            raise DataError(f"the trace has no channel {channel!r}, only {', '.join(trace.channels) or 'none'}")
        self._trace, self._channel = trace, channel
        self._origin, self._levels = trace.pyramid(channel)
        known = trace.missing(channel) if gaps is None else gaps
        self._gaps = joined([(max(start, 0), min(stop, trace.length)) for start, stop in known])
        self._gap_stops = [stop for _, stop in self._gaps]

    def window(self, begin: float, end: float) -> WindowEnergies:
        """Energy of the window [begin, end) in fractional samples, as arrays of one."""
        if not (math.isfinite(begin) and math.isfinite(end) and end > begin):
            raise DataError(f"an empty window of a trace was asked for: samples {begin} to {end}")
        low, high = max(begin, 0.0), min(end, float(self._trace.length))
        parts: list[float] = []
        weight = 0.0
        for start, stop in self._stretches(low, high):
            parts.extend(self._sums(start, stop))
            weight += stop - start
        power = math.fsum(parts)
        if not math.isfinite(power):
            raise DataError(f"samples are missing between {low} and {high} that no stated gap names")
        coverage = weight / (end - begin)
        return WindowEnergies(
            np.array([(end - begin) / self._trace.rate_hz]),
            np.array([1.0 if abs(coverage - 1.0) < 1e-12 else coverage]),
            np.array([power / self._trace.rate_hz]),
        )

    def _stretches(self, low: float, high: float) -> Iterator[tuple[float, float]]:
        """What lies between the gaps."""
        place = int(np.searchsorted(self._gap_stops, low, side="right")) if self._gaps else 0
        while low < high:
            start, stop = self._gaps[place] if place < len(self._gaps) else (self._trace.length, self._trace.length)
            if min(start, high) > low:
                yield low, min(start, high)
            low, place = max(low, float(stop)), place + 1

    def _sums(self, begin: float, end: float) -> Iterator[float]:
        """Sums of power, in units of one sample, that together make up [begin, end)."""
        first, last = math.floor(begin), math.floor(end)
        if first == last:
            yield (end - begin) * float(self._trace.read(self._channel, first, first + 1)[0])
            return
        if begin > first:
            first += 1
            yield (first - begin) * float(self._trace.read(self._channel, first - 1, first)[0])
        if end > last:
            yield (end - last) * float(self._trace.read(self._channel, last, last + 1)[0])
        unit, level = 1, -1
        while True:
            # Climb while a coarser level holds whole entries inside and this one would take too many.
            if level + 1 < len(self._levels) and last - first > LARGEST_SUMS[level >= 0]:
                above = self._levels[level + 1]
                ratio = above.samples // unit
                origin = self._origin if level < 0 else 0
                inside = -(-(first - origin) // ratio), min((last - origin) // ratio, above.entries)
                if inside[1] > inside[0]:
                    yield from self._level_sums(level, first, inside[0] * ratio + origin)
                    yield from self._level_sums(level, inside[1] * ratio + origin, last)
                    first, last, unit, level = *inside, above.samples, level + 1
                    continue
            yield from self._level_sums(level, first, last)
            return

    def _level_sums(self, level: int, first: int, last: int) -> Iterator[float]:
        """Sums over entries ``first`` … ``last`` of a level; of samples for level −1."""
        if level < 0:
            if last > first:
                yield float(self._trace.read(self._channel, first, last).sum(dtype=np.float64))
            return
        chosen = self._levels[level]
        for means in self._trace.level_means(chosen, first, last):
            yield float(means.sum(dtype=np.float64)) * chosen.samples
