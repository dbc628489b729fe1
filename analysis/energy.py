"""Energy of a stretch of a trace: voltage times current, sample by sample, summed so that nothing is lost.

Sample ``k`` is the mean over the interval [k, k + 1) of the trace's own clock, so a stretch [a, b) in fractional
samples takes sample ``floor(a)`` with weight ``1 - frac(a)`` and sample ``floor(b)`` with weight ``frac(b)``; two
stretches that meet add up to the whole. The product of two float32 samples is exact in float64; sums are pairwise
inside a chunk and exact (Shewchuk's, :func:`math.fsum`) between chunks. Chunks bound the memory, whatever the length
of the trace.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError

CHUNK_SAMPLES = 1 << 18
"""Samples read at once: 2 MiB per float64 array, inside the last cache levels, and far above a read's overhead."""

Gaps = Sequence[tuple[int, int]]
Float64s = NDArray[np.float64]


class Trace(Protocol):
    """What is needed of an opened trace (:func:`lab.record.traces.open_trace` gives one)."""

    @property
    def rate_hz(self) -> float: ...
    @property
    def length(self) -> int: ...
    @property
    def channels(self) -> tuple[str, ...]: ...
    def read(self, channel: str, start: int, stop: int) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class StretchError:
    """What a source knows of one error of a stretch's energy: the standard uncertainty ``u_j`` of the whole stretch.

    ``name``, ``kind``, ``dof``, ``common`` and ``note`` are those of :class:`analysis.uncertainty.Term`.
    """

    name: str
    u_j: float
    kind: Literal["A", "B"] = "B"
    dof: float = math.inf
    common: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class StretchEnergy:
    """Energy and means of one stretch of a trace.

    ``coverage`` (0…1) is the share of the stretch for which there are samples. ``energy_j`` is the mean power of
    those times the whole ``duration_s``: where ``coverage`` is below one, the rest is an extrapolation and the caller
    must say so; ``seen_energy_j`` is what the samples alone hold. ``voltage_v`` and ``current_a`` are means, ``None``
    where the trace has no such channel. ``power_min_w`` and ``power_max_w`` are those of whole samples. ``errors`` are
    what follows from how the source came to its energy, where that is more than the rate says
    (:mod:`analysis.polled_power`, :mod:`analysis.energy_counter`).
    """

    duration_s: float
    coverage: float
    seen_energy_j: float
    energy_j: float
    power_w: float
    power_min_w: float
    power_max_w: float
    voltage_v: float | None
    current_a: float | None
    errors: tuple[StretchError, ...] = ()


def stretch_energy(trace: Trace, begin: float, end: float, gaps: Gaps = ()) -> StretchEnergy | None:
    """Energy of the stretch [begin, end) in fractional samples; ``None`` if not one sample of it is there.

    ``gaps`` are half-open index ranges in which samples are known to be missing, whatever the file holds there; NaN
    samples and what lies outside the trace are missing too. Raises :class:`lab.errors.DataError` for an empty stretch
    and for a trace that holds no power.
    """
    if not end > begin:
        raise DataError(f"an empty stretch of a trace was asked for: samples {begin} to {end}")
    powers, weights_sums, voltages, currents = [], [], [], []
    low, high = math.inf, -math.inf
    for chunk in _chunks(trace, begin, end, gaps):
        present = float(chunk.weights.sum())
        if present == 0.0:
            continue
        weights_sums.append(present)
        powers.append(_weighted_sum(chunk.power_w, chunk.weights, chunk.inner_full))
        if chunk.voltage_v is not None and chunk.current_a is not None:
            voltages.append(_weighted_sum(chunk.voltage_v, chunk.weights, chunk.inner_full))
            currents.append(_weighted_sum(chunk.current_a, chunk.weights, chunk.inner_full))
        seen = chunk.power_w if chunk.inner_full else chunk.power_w[chunk.weights > 0.0]
        low, high = min(low, float(seen.min())), max(high, float(seen.max()))
    weight = math.fsum(weights_sums)
    if weight == 0.0:
        return None
    mean_w = math.fsum(powers) / weight
    duration_s = (end - begin) / trace.rate_hz
    # Rounding of the weights' sum may leave a complete stretch an ulp short of one.
    coverage = weight / (end - begin)
    coverage = 1.0 if abs(coverage - 1.0) < 1e-12 else coverage
    return StretchEnergy(
        duration_s=duration_s,
        coverage=coverage,
        seen_energy_j=math.fsum(powers) / trace.rate_hz,
        energy_j=mean_w * duration_s,
        power_w=mean_w,
        power_min_w=low,
        power_max_w=high,
        voltage_v=math.fsum(voltages) / weight if voltages else None,
        current_a=math.fsum(currents) / weight if currents else None,
    )


def joined_energy(trace: Trace, stretches: Sequence[tuple[float, float]], gaps: Gaps = ()) -> StretchEnergy | None:
    """Several stretches as one: durations and energies added, means weighted by what was seen of each.

    ``None`` if there are no stretches, or not one sample of any.
    """
    parts = [stretch_energy(trace, begin, end, gaps) for begin, end in stretches]
    return joined(parts, math.fsum(end - begin for begin, end in stretches) / trace.rate_hz)


def from_readings(
    duration_s: float, seen_s: float, energy_j: float, power_w: Float64s, errors: tuple[StretchError, ...]
) -> StretchEnergy:
    """A stretch of which ``seen_s`` with ``energy_j`` is known from readings; ``power_w`` are the powers seen in it.

    Voltage and current are left open.
    """
    coverage = seen_s / duration_s
    mean_w = energy_j / seen_s
    return StretchEnergy(
        duration_s=duration_s,
        # Instants are float64 nanoseconds: their sums miss the whole by rounding.
        coverage=1.0 if abs(coverage - 1.0) < 1e-9 else coverage,
        seen_energy_j=energy_j,
        energy_j=mean_w * duration_s,
        power_w=mean_w,
        power_min_w=float(power_w.min()),
        power_max_w=float(power_w.max()),
        voltage_v=None,
        current_a=None,
        errors=errors,
    )


def joined(parts: Sequence[StretchEnergy | None], duration_s: float) -> StretchEnergy | None:
    """Stretches of ``duration_s`` together as one; of those that are ``None`` nothing was seen."""
    seen = [part for part in parts if part is not None]
    if len(parts) == 1 or not seen:
        return seen[0] if seen else None
    seen_s = [part.coverage * part.duration_s for part in seen]
    covered_s = math.fsum(seen_s)

    def mean(values: list[float | None]) -> float | None:
        known = [value * weight for value, weight in zip(values, seen_s, strict=True) if value is not None]
        return math.fsum(known) / covered_s if len(known) == len(values) else None

    seen_energy_j = math.fsum(part.seen_energy_j for part in seen)
    power_w = seen_energy_j / covered_s
    return StretchEnergy(
        duration_s=duration_s,
        coverage=1.0 if math.isclose(covered_s, duration_s, rel_tol=1e-12) else covered_s / duration_s,
        seen_energy_j=seen_energy_j,
        energy_j=power_w * duration_s,
        power_w=power_w,
        power_min_w=min(part.power_min_w for part in seen),
        power_max_w=max(part.power_max_w for part in seen),
        voltage_v=mean([part.voltage_v for part in seen]),
        current_a=mean([part.current_a for part in seen]),
        errors=joined_errors([part.errors for part in seen]),
    )


def joined_errors(parts: Sequence[Sequence[StretchError]]) -> tuple[StretchError, ...]:
    """The errors of a sum, name by name: common ones add up, others add in quadrature."""
    by_name: dict[str, list[StretchError]] = {}
    for error in (error for part in parts for error in part):
        by_name.setdefault(error.name, []).append(error)
    return tuple(
        replace(
            group[0],
            u_j=math.fsum(item.u_j for item in group) if group[0].common else math.hypot(*(item.u_j for item in group)),
            dof=min(item.dof for item in group),
        )
        for group in by_name.values()
    )


def trace_energy(trace: Trace, gaps: Gaps = ()) -> StretchEnergy | None:
    """Energy of the whole trace."""
    return stretch_energy(trace, 0.0, float(trace.length), gaps)


def block_powers(trace: Trace, begin: float, end: float, blocks: int, gaps: Gaps = ()) -> Float64s:
    """Mean power [W] of equally long, consecutive blocks of whole samples inside [begin, end).

    The samples that do not fill a last block are left out, and so are blocks of which less than half is there; there
    are fewer blocks where there are fewer samples than ``blocks``.
    """
    first, last = math.ceil(begin), math.floor(end)
    blocks = min(blocks, last - first)
    if blocks < 1:
        return np.empty(0)
    size = (last - first) // blocks
    sums, counts = np.zeros(blocks), np.zeros(blocks)
    for chunk in _chunks(trace, float(first), float(first + size * blocks), gaps):
        index = (np.arange(chunk.start, chunk.start + chunk.power_w.size) - first) // size
        sums += np.bincount(index, weights=chunk.power_w * chunk.weights, minlength=blocks)
        counts += np.bincount(index, weights=chunk.weights, minlength=blocks)
    kept = counts >= size / 2
    return np.asarray(sums[kept] / counts[kept])


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Consecutive samples from ``start`` on, missing ones with weight 0 and value 0.

    ``inner_full`` is true when all weights are one, which lets sums skip the multiplication.
    """

    start: int
    weights: Float64s
    inner_full: bool
    power_w: Float64s
    voltage_v: Float64s | None
    current_a: Float64s | None


def _chunks(trace: Trace, begin: float, end: float, gaps: Gaps) -> Iterator[_Chunk]:
    first, last = max(math.floor(begin), 0), min(math.ceil(end), trace.length)
    for start in range(first, last, CHUNK_SAMPLES):
        stop = min(start + CHUNK_SAMPLES, last)
        voltage_v, current_a, power_w = samples_of(trace, start, stop)
        weights = np.ones(stop - start)
        # Differences of neighbours are exact; taking what is cut off from one would lose a short stretch's digits.
        if start < begin:
            weights[0] = start + 1 - begin
        if stop > end:
            weights[-1] = end - (stop - 1) if begin <= stop - 1 else end - begin
        for gap_first, gap_last in gaps:
            if gap_first < stop and gap_last > start:
                weights[max(gap_first - start, 0) : gap_last - start] = 0.0
        # One pass over the sum tells of any NaN; the mask is made only then.
        if not math.isfinite(float(power_w.sum())):
            weights[~np.isfinite(power_w)] = 0.0
        missing = weights == 0.0
        if missing.any():
            power_w = np.where(missing, 0.0, power_w)
            voltage_v = None if voltage_v is None else np.where(missing, 0.0, voltage_v)
            current_a = None if current_a is None else np.where(missing, 0.0, current_a)
        yield _Chunk(start, weights, bool((weights == 1.0).all()), power_w, voltage_v, current_a)


def samples_of(trace: Trace, start: int, stop: int) -> tuple[Float64s | None, Float64s | None, Float64s]:
    """Voltage, current (where there are such channels) and power of some samples, as float64."""
    power_w = trace.read("power", start, stop).astype(np.float64) if "power" in trace.channels else None
    if "current" in trace.channels and "voltage" in trace.channels:
        voltage_v = trace.read("voltage", start, stop).astype(np.float64)
        current_a = trace.read("current", start, stop).astype(np.float64)
        # A meter that gives power too multiplied before it averaged: the product of means is something else.
        return voltage_v, current_a, voltage_v * current_a if power_w is None else power_w
    if power_w is not None:
        return None, None, power_w
    if "energy" in trace.channels:
        return None, None, trace.read("energy", start, stop).astype(np.float64) * trace.rate_hz
    raise DataError(f"the trace holds no power: its channels are {', '.join(trace.channels) or 'none'}")


def _weighted_sum(values: Float64s, weights: Float64s, all_one: bool) -> float:
    # numpy's sum over contiguous float64 is pairwise; a dot product is not.
    return float(values.sum() if all_one else (values * weights).sum())
