"""A trace thinned to equal buckets without losing what matters: the least, the mean and the largest of each.

One pass over the samples in constant memory. What is missing (NaN, infinite, or named as a gap) is counted as missing
and enters no mean; a bucket of which nothing is there is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.view.runs import RunCollector, Runs
from lab.errors import DataError
from lab.record.traces import TraceReader

Float32s = NDArray[np.float32]
Ranges = Sequence[tuple[int, int]]

QUANTITIES = ("power", "current", "voltage")
"""What can be drawn, in W, A and V."""

CHUNK = 1 << 16
"""Samples read at once: 256 KiB of a channel, which stays in the second-level cache."""

MOST_RUNS = 20_000
"""Gaps, and edges of each logic line, that are kept apart."""


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity in buckets: ``low``, ``mean`` and ``high`` of the samples present, NaN where there are none.

    ``count`` is how many samples of each bucket are present. Where a bucket is one sample the three are one array.
    """

    low: Float32s
    mean: NDArray[np.float64]
    high: Float32s
    count: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tile:
    """Samples [start, stop) in buckets of ``per`` samples each; the last bucket may be shorter."""

    start: int
    stop: int
    per: int
    series: Mapping[str, Series]

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return -(-(self.stop - self.start) // self.per)

    def sizes(self) -> NDArray[np.int64]:
        """Samples that each bucket spans, there or not."""
        sizes = np.full(self.buckets, self.per, np.int64)
        if sizes.size:
            sizes[-1] = self.stop - self.start - (sizes.size - 1) * self.per
        return sizes


@dataclass(frozen=True, slots=True)
class Line:
    """A logic line: its level at the first sample that is there (``None`` if none is) and where it changes.

    A change lies in [start, stop): the last sample at the old level, and the first at the new one. Samples missing in
    between leave that open.
    """

    first_level: int | None
    changes: Runs


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a trace gives. ``missing`` are the samples of which the power (or else the first quantity)
    is not there."""

    tile: Tile
    missing: Runs
    lines: Mapping[str, Line]


def quantities_of(trace: TraceReader) -> tuple[str, ...]:
    """Which of :data:`QUANTITIES` a trace gives, directly or by multiplying."""
    channels = set(trace.channels)
    has_power = {"current", "voltage"} <= channels or "power" in channels or "energy" in channels
    return tuple(name for name in QUANTITIES if name in channels or (name == "power" and has_power))


def lines_of(trace: TraceReader) -> tuple[str, ...]:
    """The logic lines of a trace."""
    return tuple(name for name in trace.channels if name.startswith("gpi"))


def scan(
    trace: TraceReader,
    per: int,
    *,
    start: int = 0,
    stop: int | None = None,
    quantities: Sequence[str] = QUANTITIES,
    lines: Sequence[str] = (),
    gaps: Ranges = (),
) -> Scan:
    """Thin samples [start, stop) of a trace to buckets of ``per``, and find what is missing and where lines change.

    ``gaps`` are half-open ranges of samples that are missing whatever the file holds there. Raises ``ValueError`` for a
    bucket of no samples, :class:`DataError` if the trace has none of ``quantities``.
    """
    stop = trace.length if stop is None else stop
    chosen = [name for name in quantities if name in quantities_of(trace)]
    if per < 1:
        raise ValueError(f"buckets of {per} samples")
    if not chosen:
        raise DataError(f"the trace holds no {' or '.join(quantities)}: its channels are {_listed(trace.channels)}")
    held = {name: _Buckets(start, stop, per) for name in chosen}
    missing = RunCollector(MOST_RUNS, touching=True)
    watched = {name: _LineWatch() for name in lines}
    places = sorted((max(first, start), min(last, stop)) for first, last in gaps if first < stop and last > start)
    # What is infinite, or becomes so, is missing; that is not worth a warning.
    with np.errstate(invalid="ignore", over="ignore"):
        for begin, end in _pieces(start, stop, per):
            inside = [(max(a, begin) - begin, min(b, end) - begin) for a, b in places if a < end and b > begin]
            absent: NDArray[np.bool_] | None = None
            for name, samples in _samples(trace, chosen, begin, end).items():
                bad = held[name].take(begin, samples, inside)
                if name == chosen[0]:
                    absent = bad
            if absent is not None:
                edges = np.flatnonzero(np.diff(absent, prepend=False, append=False)).astype(np.int64) + begin
                missing.add(edges[::2], edges[1::2])
            for name, watch in watched.items():
                watch.take(trace.read(name, begin, end), begin, absent)
    series = {name: buckets.series() for name, buckets in held.items()}
    return Scan(Tile(start, stop, per, series), missing.runs(), {name: watch.line() for name, watch in watched.items()})


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _pieces(start: int, stop: int, per: int) -> Iterator[tuple[int, int]]:
    """Pieces of at most about :data:`CHUNK` samples: whole buckets (the last may be short), or parts of one."""
    if per <= CHUNK:
        step = CHUNK // per * per
        for begin in range(start, stop, step):
            yield begin, min(begin + step, stop)
        return
    for bucket in range(start, stop, per):
        end = min(bucket + per, stop)
        for begin in range(bucket, end, CHUNK):
            yield begin, min(begin + CHUNK, end)


def _samples(trace: TraceReader, chosen: Sequence[str], start: int, stop: int) -> dict[str, Float32s]:
    """The samples of each quantity as float32.

    A product of two samples is rounded to float32 once, which keeps its order: least and largest are those of the
    exact products, rounded.
    """
    needed = {name for name in ("current", "voltage") if name in trace.channels}
    if "power" not in chosen:
        needed &= set(chosen)
    read: dict[str, Float32s] = {name: trace.read(name, start, stop) for name in sorted(needed)}
    if "power" in chosen:
        if len(needed) == 2:
            read["power"] = read["current"] * read["voltage"]
        elif "power" in trace.channels:
            read["power"] = trace.read("power", start, stop)
        else:
            read["power"] = (trace.read("energy", start, stop) * trace.rate_hz).astype(np.float32)
    return {name: read[name] for name in chosen}


class _Buckets:
    """The buckets of one quantity, filled piece by piece."""

    def __init__(self, start: int, stop: int, per: int) -> None:
        self._start, self._per = start, per
        count = max(-(-(stop - start) // per), 0)
        self._low = np.full(count, np.nan, np.float32)
        self._high = np.full(count, np.nan, np.float32)
        self._sum = np.zeros(count)
        self._count = np.zeros(count, np.int64)

    def take(self, begin: int, samples: Float32s, gaps: Ranges) -> NDArray[np.bool_] | None:
        """Add a piece as :func:`_pieces` cuts it; which of its samples are missing, or ``None`` if all are there."""
        bucket, within = divmod(begin - self._start, self._per)
        whole = 0 if within else samples.size // self._per
        if not gaps:
            middle = samples[: whole * self._per].reshape(whole, self._per)
            total = middle.sum(axis=1, dtype=np.float64)
            rest = samples[whole * self._per :]
            # A sum is finite only if all that went into it is: no mask is needed then.
            if np.isfinite(total).all() and np.isfinite(rest.sum(dtype=np.float64)):
                self._put(bucket, middle.min(axis=1), middle.max(axis=1), total, self._per)
                if rest.size:
                    sums = rest.sum(dtype=np.float64, keepdims=True)
                    self._put(bucket + whole, rest.min(keepdims=True), rest.max(keepdims=True), sums, rest.size)
                return None
        bad = ~np.isfinite(samples)
        for first, last in gaps:
            bad[first:last] = True
        at = np.arange(0, samples.size, self._per) if not within else np.zeros(1, np.intp)
        count = np.add.reduceat(~bad, at, dtype=np.int64)
        total = np.add.reduceat(np.where(bad, 0.0, samples), at, dtype=np.float64)
        low = np.minimum.reduceat(np.where(bad, np.float32(np.inf), samples), at)
        high = np.maximum.reduceat(np.where(bad, np.float32(-np.inf), samples), at)
        nothing = count == 0
        low[nothing] = high[nothing] = np.nan
        self._put(bucket, low, high, total, count)
        return bad if bad.any() else None

    def _put(
        self, bucket: int, low: Float32s, high: Float32s, total: NDArray[np.float64], count: int | NDArray[np.int64]
    ) -> None:
        place = slice(bucket, bucket + low.size)
        np.fmin(self._low[place], low, out=self._low[place])
        np.fmax(self._high[place], high, out=self._high[place])
        self._sum[place] += total
        self._count[place] += count

    def series(self) -> Series:
        mean = np.full(self._sum.size, np.nan)
        np.divide(self._sum, self._count, out=mean, where=self._count > 0)
        return Series(self._low, mean, self._high, self._count)


class _LineWatch:
    """Watches one logic line for changes; a level during missing samples is unknown, not low."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last = (0, 0)
        self._changes = RunCollector(MOST_RUNS, touching=False)

    def take(self, levels: NDArray[np.uint8], begin: int, absent: NDArray[np.bool_] | None) -> None:
        where = None if absent is None else np.flatnonzero(~absent)
        if where is not None:
            levels = levels[where]
        if not levels.size:
            return
        before = int(levels[0]) if self._first is None else self._last[1]
        if self._first is None:
            self._first = before
        lowest, highest = int(levels.min()), int(levels.max())
        if lowest != highest or lowest != before:
            at = np.flatnonzero(levels[1:] != levels[:-1]) + 1
            samples = np.arange(begin, begin + levels.size, dtype=np.int64) if where is None else where + begin
            start, stop = samples[at - 1], samples[at]
            level = levels[at].astype(np.int64)
            if int(levels[0]) != before:
                start, stop = np.append(self._last[0], start), np.append(samples[0], stop)
                level = np.append(int(levels[0]), level)
            self._changes.add(start, stop, level)
        last = begin + int(levels.size) - 1 if where is None else begin + int(where[-1])
        self._last = (last, int(levels[-1]))

    def line(self) -> Line:
        return Line(self._first, self._changes.runs())
