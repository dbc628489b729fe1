"""One pass of one meter: from what the driver publishes to the pass's trace and documents.

The driver calls from its own thread and must not be held up; so what it publishes goes into a bounded queue, and a
thread of ours takes it from there, puts the signals side by side and writes. Whatever goes wrong on the way ends up in
a fault: nothing here is raised to the caller.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from instruments.joulescope.alignment import Aligner, GridChangedError
from instruments.joulescope.block_queue import Arrival, BlockQueue
from instruments.joulescope.counter import Unwrapper, UtcWatch
from instruments.joulescope.driver import Value
from instruments.joulescope.models import ranges_by_code
from instruments.joulescope.ranges import RangeWatch
from instruments.joulescope.settings import JoulescopeSettings
from instruments.joulescope.signals import CURRENT, MalformedBlockError, Signal, decode
from instruments.joulescope.statistics import Comparison, EnergyCheck, MeterSum, meter_sum
from instruments.protocol import Observation, PassContext
from instruments.stream_recorder import END_TOLERANCE_S, Block, StreamFormat, StreamRecorder
from lab.record.documents import Fault, Reading

STATISTICS = "statistics"
"""The name under which the meter's own sums are received."""

LEAST_COVERAGE = 0.9
"""A pass of which the meter gave less is worth nothing, even where the missing samples' places are unknown."""

_LAGGARD_S = 2.0
"""A signal that stays behind the others by more holds them up no longer."""

_DELIVERY_S = 0.25
"""What was sampled before an instant has arrived this much later: the driver publishes 20 times a second."""

_FORWARD_S = 10.0
"""The sample counter may run ahead of the host's clock by so much from one block to the next."""

_BACKWARD_S = 1.0
"""Blocks that begin more than this before the last one's end are no repetition: the counter went back."""


class _CounterJumpedError(Exception):
    """The sample counter did what no counter does."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a meter, in s: for its first samples, and for the next ones at a pass's end."""

    start_s: float = 3.0
    stall_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _Trouble:
    code: str
    detail: str


class Recording:
    """Receives what a meter sends during one pass; :meth:`receive` and :meth:`removed` may be called from any thread.

    ``clock`` is the host's monotonic clock in s.
    """

    def __init__(
        self,
        context: PassContext,
        instrument: str,
        serial: str,
        settings: JoulescopeSettings,
        signals: tuple[Signal, ...],
        clock: Callable[[], float],
    ) -> None:
        self._context = context
        self._instrument = instrument
        self._settings = settings
        self._clock = clock
        meter = settings.meter
        self._signals = {item.channel: item for item in signals}
        self._queue = BlockQueue(settings.queue_bytes)
        self._unwrapper = Unwrapper()
        self._utc = UtcWatch(meter.counter_hz)
        self._utc_seen: deque[tuple[int, int]] = deque(maxlen=4)
        patience = round(_LAGGARD_S * settings.rate_hz)
        self._aligner = Aligner(signals, settings.decimation, settings.lag_counts, patience)
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
        self._ranges = RangeWatch(meter, settings.fixed_range)
        self._troubles: list[_Trouble] = []
        self._began_s: float | None = None
        self._removed_s: float | None = None
        self._current_end: int | None = None
        self._next_index: int | None = None
        self._last_s = 0.0
        self._samples = 0
        self._useless = False
        self._changed = threading.Condition()
        self._writer = threading.Thread(target=self._write, name=f"{instrument}-writer", daemon=True)
        self._writer.start()

    # ------------------------------------------------------------------------------------- from the driver's thread

    def receive(self, name: str, value: Value) -> None:
        """Take a published value: a block of the signal ``name``, or :data:`STATISTICS`."""
        self._queue.put(Arrival(name, value, self._clock()))

    def removed(self) -> None:
        """The device went away."""
        with self._changed:
            self._removed_s = self._clock()
            self._changed.notify_all()

    # --------------------------------------------------------------------------------------- from the caller's thread

    def trouble(self, code: str, detail: str) -> None:
        """Note that something went wrong outside of the stream; the pass is not waited for any longer."""
        with self._changed:
            self._troubles.append(_Trouble(code, detail))
            self._useless = True
            self._changed.notify_all()

    def wait_for_samples(self, at_most_s: float) -> bool:
        """Wait until samples come; false if none came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._began_s is not None or self._over, timeout=at_most_s)
            return self._began_s is not None

    def wait_for_samples_until(self, until_s: float, stall_s: float) -> None:
        """Wait until what was sampled before the instant ``until_s`` is there, or nothing came for ``stall_s``."""
        with self._changed:
            while not self._over and not self._covers(until_s):
                if not self._changed.wait(timeout=stall_s):
                    return

    def finish(self, stopped_s: float, started_s: float) -> Observation:
        """End the recording, which the host wanted from ``started_s`` to ``stopped_s``, and say what was seen."""
        self._queue.close()
        self._writer.join()
        observed = self._recorder.finish(None)
        self._recorder.close()
        comparison = self._check.compare()
        troubles = [
            *self._troubles,
            *self._end_troubles(stopped_s, started_s),
            *self._loss_troubles(),
            *self._range_troubles(),
            *self._utc_troubles(),
            *self._comparison_troubles(comparison),
        ]
        return Observation(
            traces=observed.traces,
            marks=observed.marks,
            readings=() if comparison is None else (self._reading(comparison),),
            faults=(*observed.faults, *(self._fault(item) for item in troubles)),
        )

    @property
    def _over(self) -> bool:
        return self._removed_s is not None or self._useless

    def _covers(self, until_s: float) -> bool:
        if self._began_s is None:
            return False
        enough = (until_s - self._began_s) * self._settings.rate_hz
        return self._samples >= enough or self._last_s >= until_s + _DELIVERY_S

    # --------------------------------------------------------------------------------------- in the writer's thread

    def _write(self) -> None:
        while (arrival := self._queue.get()) is not None:
            if self._useless:
                continue
            try:
                self._take(arrival)
            except (MalformedBlockError, GridChangedError, _CounterJumpedError) as error:
                self.trouble("counter_jumped", f"{error}; what follows is left out")
            except (OSError, RuntimeError, ValueError, MemoryError) as error:
                self.trouble("trace_unreadable", f"the trace could not be written ({error})")

    def _take(self, arrival: Arrival) -> None:
        if arrival.name == STATISTICS:
            item = meter_sum(arrival.value)
            if item is not None:
                begin = self._unwrapper.take(item.begin)
                self._check.add_meter(MeterSum(begin, begin + item.end - item.begin, item.power_w))
            return
        block = decode(self._signals[arrival.name], arrival.value)
        block = replace(block, sample_id=self._unwrapper.take(block.sample_id))
        if arrival.name == CURRENT:
            self._watch_counter(block.sample_id, block.end)
            self._utc.take(block.sample_id, block.utc)
            self._utc_seen.append((self._aligner.index(block.sample_id), block.utc))
        self._aligner.add(arrival.name, block)
        for aligned in self._aligner.ready():
            self._feed(aligned, arrival.at_s)

    def _watch_counter(self, begin: int, end: int) -> None:
        counter_hz = self._settings.meter.counter_hz
        if self._current_end is not None and begin < self._current_end - _BACKWARD_S * counter_hz:
            back_s = (self._current_end - begin) / counter_hz
            raise _CounterJumpedError(f"the sample counter went back by {back_s:.3f} s")
        self._current_end = end

    def _feed(self, block: Block, at_s: float) -> None:
        rate_hz = self._settings.rate_hz
        if self._next_index is not None:
            ahead_s = (block.first_sample - self._next_index) / rate_hz
            if ahead_s > at_s - self._last_s + _FORWARD_S:
                raise _CounterJumpedError(f"the sample counter ran ahead by {ahead_s:.3f} s")
        count = int(block.current_a.size)
        self._next_index = block.first_sample + count
        block = replace(block, range_codes=self._ranges.known(block.range_codes))
        self._recorder.feed(block)
        if not self._utc.jumps:
            for sample, ticks in self._utc_seen:
                self._recorder.note_utc(sample, ticks)
        power_w = block.current_a * block.voltage_v if block.power_w is None else block.power_w
        self._check.add(self._aligner.count(block.first_sample), self._settings.decimation, power_w)
        with self._changed:
            if self._began_s is None:
                # Its last sample was taken before it came: the recording began at this instant, or a little earlier.
                self._began_s = at_s - count / rate_hz
            self._samples = self._recorder.samples
            self._last_s = at_s
            self._changed.notify_all()

    # --------------------------------------------------------------------------------------------- what was seen

    def _end_troubles(self, stopped_s: float, started_s: float) -> list[_Trouble]:
        if self._useless:
            return []
        if self._began_s is None:
            silent = ", ".join(self._aligner.silent) or "nothing that fits together"
            detail = f"no samples came in {stopped_s - started_s:.3g} s; silent: {silent}"
            return [_Trouble("meter_timeout" if self._removed_s is None else "meter_unplugged", detail)]
        length_s = stopped_s - self._began_s
        missing_s = length_s - self._samples / self._settings.rate_hz
        if missing_s <= END_TOLERANCE_S:
            return []
        if self._removed_s is not None:
            return [_Trouble("meter_unplugged", f"the stream ended {missing_s:.3f} s before the pass did")]
        if self._last_s < stopped_s:
            return [_Trouble("meter_timeout", f"no samples came in the last {missing_s:.3f} s of the pass")]
        missing = round(missing_s * self._settings.rate_hz)
        troubles = [_Trouble("samples_dropped", f"{missing} samples are missing somewhere, by the host's clock")]
        if missing_s > (1 - LEAST_COVERAGE) * length_s:
            troubles.append(_Trouble("coverage_too_low", f"{missing_s / length_s:.0%} of the pass are missing"))
        return troubles

    def _loss_troubles(self) -> list[_Trouble]:
        troubles: list[_Trouble] = []
        if (loss := self._queue.loss).blocks:
            detail = f"{loss.bytes} bytes in {loss.blocks} blocks came faster than they could be written"
            troubles.append(_Trouble("samples_dropped", detail))
        if unmatched := self._aligner.unmatched:
            each = ", ".join(f"{count} of {channel}" for channel, count in unmatched.items())
            troubles.append(_Trouble("samples_dropped", f"samples without the other channels beside them: {each}"))
        return troubles

    def _range_troubles(self) -> list[_Trouble]:
        if not self._ranges.wrong:
            return []
        detail = f"{self._ranges.wrong} samples were measured in another range than {self._settings.range_name}"
        return [_Trouble("range_changed", detail)]

    def _utc_troubles(self) -> list[_Trouble]:
        if not self._utc.jumps:
            return []
        first, largest = self._utc.jumps[0], max(self._utc.jumps, key=lambda jump: abs(jump.by_s))
        detail = f"{len(self._utc.jumps)} times, the most by {largest.by_s:+.3f} s; the first at count {first.at}"
        return [_Trouble("utc_jumped", detail)]

    def _comparison_troubles(self, comparison: Comparison | None) -> list[_Trouble]:
        if comparison is None or comparison.agrees:
            return []
        detail = (
            f"over {comparison.duration_s:.3f} s the meter's own sums give {comparison.instrument_j:.6g} J, "
            f"the trace {comparison.trace_j:.6g} J ({comparison.relative_difference:+.2%})"
        )
        return [_Trouble("statistics_disagree", detail)]

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

    def _fault(self, trouble: _Trouble) -> Fault:
        return Fault(
            pass_id=self._context.pass_id,
            attempt=self._context.attempt,
            source=self._instrument,
            code=trouble.code,
            detail=trouble.detail,
        )
