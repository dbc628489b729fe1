"""A simulated Joulescope: watches the simulated supply line as the real one would, and errs as it is allowed to.

Its gain, offset and clock are wrong by amounts drawn once per campaign, uniformly within the limits that the bench
file states; so the budget that the analysis makes from those limits can be put to the test. Everything that it
writes says ``simulated``.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from instruments.protocol import Accuracy, Capabilities, LiveReading, Observation, PassContext, Probe
from instruments.simulated.converter import MODELS, Conversion, ConverterModel, RangeErrors, Signal, blocks
from instruments.simulated.faults import (
    ActiveFaults,
    Drift,
    Drops,
    EdgeJitter,
    MeterFault,
    RangeChange,
    Saturation,
    Unplug,
    active_faults,
    bouncing,
    lost_ranges,
    saturated_full_scale,
)
from instruments.simulated.live import live_reading
from instruments.simulated.rail import Rail
from instruments.stream_recorder import StreamFormat, StreamRecorder
from lab.errors import UsageError
from lab.record.documents import TraceClock
from lab.record.quantity import Origin

WANDER = 0.005
"""The current's offset wanders within a pass by up to this share of its limit, either way."""

CLOCK_BOUND_S = 100e-6
"""How far the trace's anchors on the host's clock may be off: a JS220's UTC is typically right to so much."""

_LINES = ("window", "warmup", "program")
"""The board's lines, in the order in which the logic inputs are wired to them where the bench does not say."""


@dataclass(frozen=True, slots=True)
class SimulatedJoulescopeSettings:
    """How a simulated Joulescope is set up.

    ``range_name`` names the fixed current range, one of ``accuracy.ranges``; ``window_line`` is the logic input
    that the board's window line is wired to. ``lines`` are the other wired inputs and the board's lines on them; where
    it is empty, ``warmup`` and ``program`` take the next free inputs. ``scope`` says whose energy it is, ``rail`` names
    the rail it watches. The errors of the instrument are drawn from ``campaign_seed`` and its name.

    Raises :class:`UsageError` if these do not fit together or the model does not exist.
    """

    model: str
    rate_hz: float
    range_name: str
    window_line: str
    accuracy: Accuracy
    campaign_seed: int
    faults: tuple[MeterFault, ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)
    scope: str = "board"
    rail: str = "board"

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise UsageError(f"no simulated meter of model {self.model!r}", advice=f"there are {', '.join(MODELS)}")
        converter = MODELS[self.model]
        if not 1 <= self.rate_hz <= converter.adc_rate_hz or self.rate_hz != int(self.rate_hz):
            raise UsageError(
                f"a simulated {self.model} gives a whole number of samples per second, "
                f"1 to {converter.adc_rate_hz:.0f}, not {self.rate_hz:g}"
            )
        if self.range_name not in self.accuracy.ranges:
            known = ", ".join(self.accuracy.ranges) or "none"
            raise UsageError(
                f"the range {self.range_name!r} has no accuracy", advice=f"ranges with an accuracy: {known}"
            )
        for line in (self.window_line, *self.lines):
            if line not in converter.logic_inputs:
                raise UsageError(
                    f"a {self.model} has no logic input {line!r}",
                    advice=f"it has {', '.join(converter.logic_inputs)}",
                )
        if self.window_line in self.lines:
            raise UsageError(f"two lines are wired to {self.window_line}", advice="give each an input of its own")

    @property
    def converter(self) -> ConverterModel:
        """The model's converter."""
        return MODELS[self.model]

    @property
    def wiring(self) -> dict[str, str]:
        """Logic input → line of the board."""
        if self.lines:
            return {self.window_line: _LINES[0], **self.lines}
        free = [line for line in self.converter.logic_inputs if line != self.window_line]
        return dict(zip([self.window_line, *free], _LINES, strict=False))


class SimulatedJoulescope:
    """An :class:`~instruments.protocol.Instrument` over a :class:`~instruments.simulated.rail.Rail`."""

    def __init__(self, name: str, settings: SimulatedJoulescopeSettings, rail: Rail) -> None:
        self.name = name
        self._settings = settings
        self._rail = rail
        self._context: PassContext | None = None
        self._started_s: float | None = None
        self._live_since_s = 0.0
        rng = np.random.default_rng([settings.campaign_seed, zlib.crc32(name.encode())])
        self._clock_error = 1e-6 * settings.accuracy.timebase_ppm * float(rng.uniform(-1, 1))
        self._errors = self._drawn_errors(rng, settings.range_name)

    def probe(self) -> Probe:
        """Always there."""
        settings = self._settings
        return Probe(
            present=True,
            detail=f"simulated {settings.model}, range {settings.range_name}, {settings.rate_hz:g} samples/s",
            facts={
                "model": settings.model,
                "serial": self._serial,
                "simulated": True,
                "wiring": settings.wiring,
                "rail": settings.rail,
            },
        )

    def capabilities(self) -> Capabilities:
        """Current, voltage and logic; the accuracy is that of the range in use alone."""
        settings = self._settings
        in_use = {settings.range_name: settings.accuracy.ranges[settings.range_name]}
        return Capabilities(
            measures=("current", "voltage", "logic"),
            origin=Origin.SIMULATED,
            scope=settings.scope,
            rate_hz=settings.rate_hz,
            accuracy=replace(settings.accuracy, ranges=in_use),
            clock="sample index",
        )

    def open(self) -> None:
        """Nothing to take hold of."""

    def arm(self, context: PassContext) -> None:
        """Get ready for a pass."""
        self._context = context
        self._started_s = None

    def start(self) -> None:
        """Record from now on, in the line's virtual time. Raises ``RuntimeError`` if it was not armed."""
        if self._context is None:
            raise RuntimeError(f"{self.name}: started before it was armed")
        self._started_s = self._rail.now_s

    def stop(self) -> Observation:
        """Turn what happened on the line since ``start`` into the pass's trace. Empty if nothing was started."""
        context, started_s = self._context, self._started_s
        self._context = self._started_s = None
        if context is None or started_s is None:
            return Observation()
        elapsed_s = self._rail.now_s - started_s
        hit = active_faults(self._settings.faults, context.pass_id, context.seed)
        signal = self._signal(hit)
        conversion = self._conversion(signal, started_s, context.seed, hit)
        form = StreamFormat(
            source=f"simulated {self._settings.model}",
            serial=self._serial,
            rate_hz=self._settings.rate_hz,
            ranges=[(each.name, each.full_scale_a) for each in conversion.ranges],
            full_scale_v=self._settings.converter.full_scale_v,
            lines=self._settings.wiring,
        )
        with StreamRecorder(context, self.name, form) as recorder:
            for block in blocks(signal, conversion):
                recorder.feed(block)
            return self._with_clock(recorder.finish(elapsed_s), context, conversion)

    def _with_clock(self, seen: Observation, context: PassContext, conversion: Conversion) -> Observation:
        """Add how the trace's clock stands to the host's, which here is the line's virtual time: wrong by an amount
        within :data:`CLOCK_BOUND_S` that each pass draws, as a meter's UTC is."""
        if not seen.traces:
            return seen
        error_s = CLOCK_BOUND_S * float(np.random.default_rng([context.seed, 0xC10C]).uniform(-1, 1))
        # The trace begins with the first sample that arrived.
        origin = conversion.lost[0][1] if conversion.lost and conversion.lost[0][0] == 0 else 0
        anchors = tuple(
            (
                float(sample),
                round(1e9 * (conversion.first_instant_s + (origin + sample) * conversion.period_s + error_s)),
            )
            for sample in (0, seen.traces[0].samples)
        )
        clock = TraceClock(
            pass_id=context.pass_id,
            attempt=context.attempt,
            instrument=self.name,
            anchors=anchors,
            bound_s=CLOCK_BOUND_S,
            method="utc",
        )
        return replace(seen, clocks=(clock,))

    def begin_live(self) -> None:
        """Watch from now on, in the line's virtual time."""
        self._live_since_s = self._rail.now_s

    def take_live(self) -> LiveReading:
        """What was on the line since the last call."""
        since_s, self._live_since_s = self._live_since_s, self._rail.now_s
        return live_reading(self._rail, self._errors, since_s)

    def end_live(self) -> None:
        """Nothing to stop."""

    def close(self) -> None:
        """Let go."""
        self._context = self._started_s = None

    @property
    def _serial(self) -> str:
        return f"SIMULATED-{self.name}"

    def _drawn_errors(self, rng: np.random.Generator, range_name: str) -> RangeErrors:
        limits = self._settings.accuracy.ranges[range_name]
        gain_i, offset_i, gain_v, offset_v = rng.uniform(-1, 1, 4).tolist()
        return RangeErrors(
            name=range_name,
            full_scale_a=limits.full_scale_a,
            gain_i=gain_i * limits.gain_i,
            # What the wander takes is left free, so that the offset stays within its limit.
            offset_i_a=offset_i * limits.offset_i_a * (1 - WANDER),
            gain_v=gain_v * limits.gain_v,
            offset_v_v=offset_v * limits.offset_v_v,
        )

    def _other_range(self, rng: np.random.Generator) -> RangeErrors:
        """The range that the meter changes to: a larger one, or, where none is known, one like its own."""
        ranges, own = self._settings.accuracy.ranges, self._settings.range_name
        larger = [name for name, limits in ranges.items() if limits.full_scale_a > ranges[own].full_scale_a]
        if larger:
            return self._drawn_errors(rng, larger[0])
        return replace(self._drawn_errors(rng, own), name=f"other than {own}")

    def _signal(self, hit: ActiveFaults) -> Signal:
        """What is on the line, with the faults that lie in the signal itself."""
        times_s, voltage_v, current_a = self._rail.segments()
        edges = {channel: self._rail.edges(line) for channel, line in self._settings.wiring.items()}
        if jitter := hit.of(EdgeJitter):
            edges = {channel: bouncing(of_line, *jitter) for channel, of_line in edges.items()}
        return Signal(times_s, voltage_v, current_a, edges)

    def _conversion(self, signal: Signal, started_s: float, seed: int, hit: ActiveFaults) -> Conversion:
        """How this pass is converted, with the faults that lie in the meter and its link."""
        settings = self._settings
        rng = np.random.default_rng([seed, 0xADC])
        period_s = 1 / (settings.rate_hz * (1 + self._clock_error))
        # The meter samples all the time; the recording begins with the first sample after the start.
        phase_s = float(rng.random()) * period_s
        samples = max(0, int((self._rail.now_s - started_s - phase_s) / period_s))
        limits = settings.accuracy.ranges[settings.range_name]
        drift_a = float(rng.uniform(-1, 1)) * WANDER * limits.offset_i_a
        noise_seed = int(rng.integers(2**63))
        ranges = [self._errors]
        if saturation := hit.of(Saturation):
            full_scale_a = saturated_full_scale(
                saturation[0], signal.times_s, signal.current_a, self._errors.full_scale_a
            )
            ranges = [replace(self._errors, full_scale_a=full_scale_a)]
        range_change_at: int | None = None
        if change := hit.of(RangeChange):
            range_change_at = int(samples * change[0].at)
            ranges.append(self._other_range(change[1]))
        if drift := hit.of(Drift):
            drift_a += drift[0].current_a
        unplug, drops = hit.of(Unplug), hit.of(Drops)
        return Conversion(
            model=settings.converter,
            rate_hz=settings.rate_hz,
            samples=samples,
            received=samples if unplug is None else int(samples * unplug[0].at),
            first_instant_s=started_s + phase_s,
            period_s=period_s,
            ranges=tuple(ranges),
            noise_seed=noise_seed,
            drift_a=drift_a,
            range_change_at=range_change_at,
            lost=lost_ranges(*drops, samples, settings.rate_hz) if drops is not None and samples else (),
        )
