"""One pass of one meter: from what the driver publishes to the pass's trace and documents.

Whatever goes wrong on the way ends up in a fault: nothing here is raised to the caller.
"""

from __future__ import annotations

import threading
from collections import deque

from instruments.arrival_clock import ArrivalClock
from instruments.joulescope.counter import UtcWatch
from instruments.joulescope.driver import Value
from instruments.joulescope.intake import Arrival, Clocks, Intake
from instruments.joulescope.models import ranges_by_code
from instruments.joulescope.settings import JoulescopeSettings
from instruments.joulescope.signals import CURRENT, POWER, TICKS_PER_S, VOLTAGE, Signal, SignalBlock
from instruments.joulescope.statistics import Comparison, EnergyCheck, MeterSum
from instruments.protocol import Observation, PassContext
from instruments.stream_presence import StreamPresence, Trouble
from instruments.stream_recorder import Block, StreamFormat, StreamRecorder
from lab.record.documents import Fault, Reading, TraceClock

_NS = 1e9


class Recording:
    """Records what a meter sends from its making to :meth:`finish`.

    :meth:`receive` and :meth:`removed` may be called from any thread.
    """

    def __init__(
        self,
        context: PassContext,
        instrument: str,
        serial: str,
        settings: JoulescopeSettings,
        signals: tuple[Signal, ...],
        clocks: Clocks,
    ) -> None:
        self._context = context
        self._instrument = instrument
        self._settings = settings
        self._clocks = clocks
        meter, ppm = settings.meter, settings.accuracy.timebase_ppm
        self.presence = StreamPresence(settings.rate_hz, ppm, settings.lag_counts / meter.counter_hz)
        self._utc = UtcWatch(meter.counter_hz)
        self._utc_seen: deque[tuple[int, int]] = deque(maxlen=4)
        self._arrivals = ArrivalClock(meter.counter_hz, ppm, numbered=meter.samples_are_numbered)
        self._check = EnergyCheck(meter.counter_hz, settings.rate_hz)
        form = StreamFormat(
            source=settings.model,
            serial=serial,
            rate_hz=settings.rate_hz,
            ranges=ranges_by_code(meter, settings.full_scales_a),
            full_scale_v=settings.voltage_range.full_scale_v,
            lines=settings.lines,
            power=settings.power,
        )
        self._recorder = StreamRecorder(context, instrument, form)
        self._first_index: int | None = None
        self._troubles: list[Trouble] = []
        self._lock = threading.Lock()
        self._intake = Intake(settings, signals, self.presence, self, clocks, instrument)
        self._intake.begin()

    # ------------------------------------------------------------------------------------- from the driver's thread

    def receive(self, name: str, value: Value) -> None:
        """Take a published value."""
        self._intake.receive(name, value)

    def removed(self) -> None:
        """The device went away."""
        self.presence.removed(self._clocks.host_s())

    # --------------------------------------------------------------------------------------- from the caller's thread

    def told_to_begin(self) -> None:
        """The current is about to be switched on."""
        self._arrivals.told_to_begin(round(self._clocks.host_s() * _NS))

    def trouble(self, code: str, detail: str) -> None:
        """Note that something went wrong; the pass is not waited for any longer, and what still comes is left out."""
        with self._lock:
            self._troubles.append(Trouble(code, detail))
        self.presence.give_up()

    def finish(self, stopped_s: float, started_s: float) -> Observation:
        """End the recording, which the host wanted from ``started_s`` to ``stopped_s``, and say what was seen."""
        self._intake.end()
        samples = self._recorder.samples
        observed = self._recorder.finish(None)
        self._recorder.close()
        comparison = self._check.compare()
        silent = ", ".join(self._intake.aligner.silent) or "nothing that fits together"
        troubles = [
            *self._troubles,
            *self.presence.missing(stopped_s, started_s, silent),
            *self._loss_troubles(),
            *self._range_troubles(),
            *self._utc_troubles(),
            *self._comparison_troubles(comparison),
        ]
        clock = self._clock(samples)
        return Observation(
            traces=observed.traces,
            marks=observed.marks,
            readings=() if comparison is None else (self._reading(comparison),),
            faults=(*observed.faults, *(self._fault(item) for item in troubles)),
            clocks=() if clock is None else (clock,),
        )

    # --------------------------------------------------------------------------------------- in the intake's thread

    def signal(self, channel: str, block: SignalBlock, arrival: Arrival) -> None:
        """Watch when a signal's block came, and its UTC."""
        at_ns = arrival.at_s * _NS
        if channel == CURRENT:
            self._arrivals.began(block.sample_id)
            self._utc.take(block.sample_id, block.utc)
            # A JS110's UTC is no more than the driver's idea of when its samples came.
            if self._settings.meter.samples_are_numbered:
                self._arrivals.by_utc(block.sample_id, at_ns - (arrival.utc - block.utc) / TICKS_PER_S * _NS)
            self._note_utc(block)
        filtered = channel in (CURRENT, VOLTAGE, POWER) and self._settings.meter.filters_on_host
        # A filtered sample carries the count of the last that went in; all others end one step after theirs.
        self._arrivals.reached(block.end - block.step if filtered else block.end, round(at_ns))

    def block(self, block: Block, at_s: float) -> None:
        """Write samples, and add up their energy."""
        self._recorder.feed(block)
        if self._first_index is None:
            self._first_index = block.first_sample
        if not self._utc.jumps:
            for sample, ticks in self._utc_seen:
                self._recorder.note_utc(sample, ticks)
        power_w = block.current_a * block.voltage_v if block.power_w is None else block.power_w
        self._check.add(self._intake.aligner.count(block.first_sample), self._settings.decimation, power_w)
        self.presence.came(self._recorder.samples, at_s)

    def meter_sum(self, item: MeterSum) -> None:
        """Keep a sum of the meter's own for the comparison."""
        self._check.add_meter(item)

    def _note_utc(self, block: SignalBlock) -> None:
        """Keep UTC of a sample for the trace: one that is not written yet."""
        index = self._intake.aligner.index(block.sample_id)
        counts = self._intake.aligner.count(index) - block.sample_id
        ticks = block.utc + counts * TICKS_PER_S // self._settings.meter.counter_hz
        self._utc_seen.append((index, ticks))

    # --------------------------------------------------------------------------------------------- what was seen

    def _clock(self, samples: int) -> TraceClock | None:
        if self._first_index is None:
            return None
        if self._utc.jumps:
            self._arrivals.forget_utc()
        begin = self._intake.aligner.count(self._first_index)
        return self._arrivals.document(self._context, self._instrument, begin, self._settings.decimation, samples)

    def _loss_troubles(self) -> list[Trouble]:
        troubles: list[Trouble] = []
        if (loss := self._intake.loss).blocks:
            detail = f"{loss.bytes} bytes in {loss.blocks} blocks came faster than they could be written"
            troubles.append(Trouble("samples_dropped", detail))
        if unmatched := self._intake.aligner.unmatched:
            each = ", ".join(f"{count} of {channel}" for channel, count in unmatched.items())
            troubles.append(Trouble("samples_dropped", f"samples without the other channels beside them: {each}"))
        return troubles

    def _range_troubles(self) -> list[Trouble]:
        wrong = self._intake.ranges.wrong
        if not wrong:
            return []
        detail = f"{wrong} samples were measured in another range than {self._settings.range_name}"
        return [Trouble("range_changed", detail)]

    def _utc_troubles(self) -> list[Trouble]:
        if not self._utc.jumps:
            return []
        first, largest = self._utc.jumps[0], max(self._utc.jumps, key=lambda jump: abs(jump.by_s))
        detail = f"{len(self._utc.jumps)} times, the most by {largest.by_s:+.3f} s; the first at count {first.at}"
        return [Trouble("utc_jumped", detail)]

    def _comparison_troubles(self, comparison: Comparison | None) -> list[Trouble]:
        if comparison is None or comparison.agrees:
            return []
        detail = (
            f"over {comparison.duration_s:.3f} s the meter's own sums give {comparison.instrument_j:.6g} J, "
            f"the trace {comparison.trace_j:.6g} J ({comparison.relative_difference:+.2%})"
        )
        return [Trouble("statistics_disagree", detail)]

    def _reading(self, comparison: Comparison) -> Reading:
        return Reading(
            pass_id=self._context.pass_id,
            attempt=self._context.attempt,
            instrument=self._instrument,
            name="energy_on_instrument_j",
            value=comparison.instrument_j,
            unit="J",
            scope=self._settings.scope,
            details={
                "trace_j": comparison.trace_j,
                "relative_difference": comparison.relative_difference,
                "duration_s": comparison.duration_s,
                "blocks": comparison.blocks,
            },
        )

    def _fault(self, trouble: Trouble) -> Fault:
        return Fault(
            pass_id=self._context.pass_id,
            attempt=self._context.attempt,
            source=self._instrument,
            code=trouble.code,
            detail=trouble.detail,
        )
