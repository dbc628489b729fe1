"""One pass of one PPK2: from its blocks to the pass's trace and documents."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from instruments.arrival_clock import ArrivalClock
from instruments.ppk2.calibration import Calibration
from instruments.ppk2.intake import CLOCK_PPM, RANGE_TABLE, Converter, Intake
from instruments.ppk2.settings import RATE_HZ, Ppk2Settings
from instruments.protocol import Observation, PassContext
from instruments.serial_port import Port
from instruments.stream_presence import StreamPresence, Trouble
from instruments.stream_recorder import Block, StreamFormat, StreamRecorder
from lab.record.documents import Fault

SOURCE = "PPK2"


class Recording:
    """Records what a kit sends from :meth:`begin` to :meth:`finish`, which tells of all that failed."""

    def __init__(
        self,
        context: PassContext,
        instrument: str,
        serial: str,
        settings: Ppk2Settings,
        calibration: Calibration,
        port: Port,
        clock: Callable[[], float],
    ) -> None:
        self._context = context
        self._instrument = instrument
        self._settings = settings
        self._clock = clock
        clock_ppm = max(CLOCK_PPM, settings.accuracy.timebase_ppm)
        self.presence = StreamPresence(RATE_HZ, clock_ppm)
        self._arrivals = ArrivalClock(RATE_HZ, clock_ppm, numbered=False)
        form = StreamFormat(
            source=SOURCE,
            serial=serial,
            rate_hz=RATE_HZ,
            ranges=RANGE_TABLE,
            full_scale_v=math.inf,
            lines=settings.lines,
        )
        self._recorder = StreamRecorder(context, instrument, form)
        self._converter = Converter(calibration, settings)
        self._intake = Intake(port, self._converter, settings, self.presence, self._feed, clock, instrument)
        self._troubles: list[Trouble] = []
        self._begun = False

    def begin(self) -> None:
        """Listen. The kit is told to start after this."""
        self._begun = True
        self._arrivals.told_to_begin(self._now_ns())
        self._intake.begin()

    def trouble(self, code: str, detail: str) -> None:
        """Note that something went wrong outside of the stream; the pass is not waited for any longer."""
        self._troubles.append(Trouble(code, detail))
        self.presence.give_up()

    def finish(self, stopped_s: float, started_s: float) -> Observation:
        """End the recording, which the host wanted from ``started_s`` to ``stopped_s``, and say what was seen."""
        if self._begun:
            self._intake.end()
        samples = self._recorder.samples
        observed = self._recorder.finish(None)
        self._recorder.close()
        if self._intake.failure is not None:
            self._troubles.append(
                Trouble("trace_unreadable", f"the trace could not be written ({self._intake.failure})")
            )
        troubles = [*self._troubles, *self.presence.missing(stopped_s, started_s, "all of it"), *self._loss_troubles()]
        clock = self._arrivals.document(self._context, self._instrument, 0.0, 1.0, samples)
        return replace(
            observed,
            faults=(*observed.faults, *(self._fault(item) for item in troubles)),
            clocks=() if clock is None else (clock,),
        )

    def _feed(self, block: Block, at_s: float) -> None:
        self._recorder.feed(block)
        end = block.first_sample + int(block.current_a.size)
        self._arrivals.began(block.first_sample)
        self._arrivals.reached(end, round(at_s * 1e9))
        self.presence.came(end, at_s)

    def _loss_troubles(self) -> list[Trouble]:
        troubles: list[Trouble] = []
        if (loss := self._intake.loss).blocks:
            detail = f"{loss.bytes} bytes in {loss.blocks} pieces came faster than they could be decoded"
            troubles.append(Trouble("samples_dropped", detail))
        if self._intake.by_clock:
            detail = f"{self._intake.by_clock} of the missing samples are known by the host's clock alone"
            troubles.append(Trouble("samples_dropped", detail))
        if self._converter.unusable:
            detail = f"{self._converter.unusable} samples at the end of a range while it changed, or damaged"
            troubles.append(Trouble("samples_dropped", detail))
        if self._converter.ranges_seen > 1:
            detail = f"measured in {self._converter.ranges_seen} ranges; the meter chooses them by itself"
            troubles.append(Trouble("ranges_mixed", detail))
        return troubles

    def _now_ns(self) -> int:
        return round(self._clock() * 1e9)

    def _fault(self, trouble: Trouble) -> Fault:
        return Fault(
            pass_id=self._context.pass_id,
            attempt=self._context.attempt,
            source=self._instrument,
            code=trouble.code,
            detail=trouble.detail,
        )
