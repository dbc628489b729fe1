"""A model of a power meter's converter: from the true signal on the supply line to a stream of samples.

The order is that of the physical thing. Each sample is the time average of the true current or voltage over the
sample's interval (computed exactly, since the signal is piecewise constant), by a clock that errs; gain and offset
of the range err within its limits; the converter's own noise is added; what lies beyond full scale is clipped; the
average of ``n`` whole conversions lies on a grid of one ``n``-th of the converter's step. Then blocks get lost.

Current and voltage are averaged apart, as a Joulescope's reduced streams are. Inside one sample their product
therefore lacks their covariance, ``−r·var(i)``: nothing for a steady load, and with a source resistance of 50 mΩ
and a current that alternates between 0.2 A and 0.4 A faster than the samples, 1.4e-4 of the power at 12 V.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from instruments.stream_checks import Gap
from instruments.stream_recorder import Block

CHUNK_SAMPLES = 1 << 18
"""Samples rendered at once: bounds the memory, whatever the length of the pass."""


@dataclass(frozen=True, slots=True)
class ConverterModel:
    """What a simulated meter's converter is like. Assumptions of the simulation, in the size of a real meter's.

    ``adc_rate_hz`` conversions per second of ``bits`` bits over ± full scale, with ``noise_steps`` rms of white
    noise on each conversion, in steps of the converter.
    """

    adc_rate_hz: float
    bits: int
    noise_steps: float
    full_scale_v: float
    logic_inputs: tuple[str, ...]

    def step(self, full_scale: float) -> float:
        """One step of the converter in the unit of ``full_scale``."""
        return full_scale / float(2 ** (self.bits - 1))


MODELS: Mapping[str, ConverterModel] = {
    # Rates, number of logic inputs and the 15 V input are the products'; resolution and noise are round assumptions.
    "JS110": ConverterModel(2e6, 14, 2.0, 15.0, ("gpi0", "gpi1")),
    "JS220": ConverterModel(1e6, 16, 4.0, 15.0, ("gpi0", "gpi1", "gpi2", "gpi3")),
    "JS320": ConverterModel(1e6, 16, 4.0, 15.0, ("gpi0", "gpi1", "gpi2", "gpi3")),
}


@dataclass(frozen=True, slots=True)
class RangeErrors:
    """How one range of one meter really errs: relative gains, offsets in A and V."""

    name: str
    full_scale_a: float
    gain_i: float
    offset_i_a: float
    gain_v: float
    offset_v_v: float


@dataclass(frozen=True, slots=True)
class Signal:
    """The truth: ``times_s`` (n + 1) borders of segments, ``voltage_v`` and ``current_a`` (n) in them.

    ``edges`` are those of the lines wired to the logic inputs, as (instant in s, new level).
    """

    times_s: NDArray[np.float64]
    voltage_v: NDArray[np.float64]
    current_a: NDArray[np.float64]
    edges: Mapping[str, list[tuple[float, int]]]


@dataclass(frozen=True, slots=True)
class Conversion:
    """How one pass is converted.

    Sample ``k`` covers ``first_instant_s + [k, k + 1)·period_s`` of true time; there are ``samples`` of them, of which
    those from ``received`` on, and the ``lost`` ones, never arrive. ``ranges`` are in the order of the range codes;
    the range in use is code 0 up to ``range_change_at`` and code 1 from there on. The offset of the current moves by
    ``drift_a`` in a straight line over all samples.
    """

    model: ConverterModel
    rate_hz: float
    samples: int
    received: int
    first_instant_s: float
    period_s: float
    ranges: tuple[RangeErrors, ...]
    noise_seed: int
    drift_a: float = 0.0
    range_change_at: int | None = None
    lost: tuple[Gap, ...] = field(default=())


def blocks(signal: Signal, conversion: Conversion, chunk_samples: int = CHUNK_SAMPLES) -> Iterator[Block]:
    """The stream of samples; the same whatever ``chunk_samples`` is, but for where the blocks are cut."""
    noise_i, noise_v = (np.random.default_rng([conversion.noise_seed, channel]) for channel in (0, 1))
    levels = {channel: _LevelTable(edges) for channel, edges in signal.edges.items()}
    cuts = set(range(0, conversion.received, chunk_samples)) | {conversion.received}
    if conversion.range_change_at is not None and conversion.range_change_at < conversion.received:
        cuts.add(conversion.range_change_at)
    borders = sorted(cuts)
    for first, end in pairwise(borders):
        code = int(conversion.range_change_at is not None and first >= conversion.range_change_at)
        indices = np.arange(first, end + 1, dtype=np.float64)
        instants_s: NDArray[np.float64] = conversion.first_instant_s + indices * conversion.period_s
        current = _converted_current(signal, conversion, conversion.ranges[code], instants_s, first, noise_i)
        voltage = _converted_voltage(signal, conversion, conversion.ranges[code], instants_s, noise_v)
        logic = {channel: table.at(instants_s[:-1]) for channel, table in levels.items()}
        for begin, stop in _present(first, end, conversion.lost):
            part = slice(begin - first, stop - first)
            yield Block(
                first_sample=begin,
                current_a=current[part],
                voltage_v=voltage[part],
                range_codes=np.full(stop - begin, code, dtype=np.uint8),
                logic={channel: values[part] for channel, values in logic.items()},
            )


def interval_means(
    times_s: NDArray[np.float64], values: NDArray[np.float64], instants_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Means of a piecewise constant signal between consecutive instants, exact but for rounding.

    ``values`` (n) hold between ``times_s`` (n + 1), zero outside; ``instants_s`` (m + 1) rise. Returns m means. The
    integral runs from the first instant on, so rounding does not grow with the length of the signal before it.
    """
    low = max(int(np.searchsorted(times_s, instants_s[0], side="right")) - 1, 0)
    high = max(int(np.searchsorted(times_s, instants_s[-1], side="left")), low + 1)
    borders = times_s[low : high + 1] - instants_s[0]
    if borders.size < 2:
        return np.zeros(instants_s.size - 1)
    integral = np.concatenate([np.zeros(1), np.cumsum(values[low:high] * np.diff(borders))])
    at_instants = np.interp(instants_s - instants_s[0], borders, integral)
    return np.asarray(np.diff(at_instants) / np.diff(instants_s))


def _converted_current(
    signal: Signal,
    conversion: Conversion,
    errors: RangeErrors,
    instants_s: NDArray[np.float64],
    first: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    gain, full_scale = 1 + errors.gain_i, errors.full_scale_a
    limit_a = (full_scale - errors.offset_i_a) / gain
    mean = interval_means(signal.times_s, signal.current_a, instants_s)
    ramp = (np.arange(first, first + mean.size) + 0.5) / conversion.samples
    reported = gain * mean + errors.offset_i_a + conversion.drift_a * ramp
    if (signal.current_a > limit_a).any():
        # A sample that the load overdrives only in part has its average lowered by what was clipped off.
        excess = np.maximum(signal.current_a - limit_a, 0.0)
        clipped = gain * interval_means(signal.times_s, excess, instants_s)
        reported = np.where(reported - clipped < full_scale * (1 - 1e-9), reported - clipped, reported)
    return _digitised(reported, full_scale, conversion, rng)


def _converted_voltage(
    signal: Signal,
    conversion: Conversion,
    errors: RangeErrors,
    instants_s: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    mean = interval_means(signal.times_s, signal.voltage_v, instants_s)
    reported = (1 + errors.gain_v) * mean + errors.offset_v_v
    return _digitised(reported, conversion.model.full_scale_v, conversion, rng)


def _digitised(
    reported: NDArray[np.float64], full_scale: float, conversion: Conversion, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Noise, clipping and the grid of an average of whole conversions."""
    averaged = max(1, round(conversion.model.adc_rate_hz / conversion.rate_hz))
    step = conversion.model.step(full_scale)
    noise = rng.standard_normal(reported.size, dtype=np.float32) * (
        conversion.model.noise_steps * step / np.sqrt(averaged)
    )
    grid = step / averaged
    values = np.clip(np.round((reported + noise) / grid) * grid, -full_scale, full_scale)
    return np.asarray(values, dtype=np.float32)


class _LevelTable:
    """A logic line's level at any instant, from its edges."""

    def __init__(self, edges: list[tuple[float, int]]) -> None:
        self._instants_s = np.array([instant for instant, _ in edges], dtype=np.float64)
        self._levels = np.array([0, *(level for _, level in edges)], dtype=np.uint8)

    def at(self, instants_s: NDArray[np.float64]) -> NDArray[np.uint8]:
        return np.asarray(self._levels[np.searchsorted(self._instants_s, instants_s, side="right")])


def _present(first: int, end: int, lost: tuple[Gap, ...]) -> Iterator[Gap]:
    """The parts of [first, end) that are not lost."""
    at = first
    for lost_first, lost_end in lost:
        if lost_end <= at or lost_first >= end:
            continue
        if lost_first > at:
            yield at, lost_first
        at = min(lost_end, end)
    if at < end:
        yield at, end
