"""A meter that is watched and not recorded."""

from __future__ import annotations

from instruments.joulescope.driver import Value
from instruments.joulescope.intake import Arrival, Clocks, Intake
from instruments.joulescope.models import ranges_by_code
from instruments.joulescope.settings import JoulescopeSettings
from instruments.joulescope.signals import Signal, SignalBlock
from instruments.joulescope.statistics import MeterSum
from instruments.live_sums import LiveSums
from instruments.protocol import LiveReading
from instruments.stream_presence import StreamPresence
from instruments.stream_recorder import Block


class Live:
    """Adds up what a meter sends from its making to :meth:`end`.

    :meth:`receive` and :meth:`removed` may be called from any thread.
    """

    def __init__(
        self, instrument: str, settings: JoulescopeSettings, signals: tuple[Signal, ...], clocks: Clocks
    ) -> None:
        self._clocks = clocks
        meter = settings.meter
        self.presence = StreamPresence(settings.rate_hz, settings.accuracy.timebase_ppm)
        full_scales_a = [full_scale for _, full_scale in ranges_by_code(meter, settings.full_scales_a)]
        self._sums = LiveSums(settings.rate_hz, full_scales_a, settings.voltage_range.full_scale_v)
        self._lost_bytes = self._unmatched = self._wrong_range = 0
        self._intake = Intake(settings, signals, self.presence, self, clocks, f"{instrument}-live")
        self._intake.begin()

    def receive(self, name: str, value: Value) -> None:
        """Take a published value."""
        self._intake.receive(name, value)

    def removed(self) -> None:
        """The device went away."""
        self.presence.removed(self._clocks.host_s())

    def take(self, stall_s: float) -> LiveReading:
        """What came since the last call; ``stall_s`` without a sample is told."""
        silent_s = self._clocks.host_s() - self.presence.last_s
        if self.presence.gone:
            self._sums.trouble("meter_unplugged", "the meter is not connected any more")
        elif silent_s > stall_s:
            self._sums.trouble("meter_timeout", f"no samples came for {silent_s:.1f} s")
        if (lost := self._intake.loss.bytes) > self._lost_bytes:
            self._sums.trouble("samples_dropped", f"{lost - self._lost_bytes} bytes came too fast")
            self._lost_bytes = lost
        if (wrong := self._intake.ranges.wrong) > self._wrong_range:
            self._sums.trouble("range_changed", f"{wrong - self._wrong_range} samples in another range than the fixed")
            self._wrong_range = wrong
        return self._sums.take()

    def end(self) -> None:
        """Add up no more."""
        self._intake.end()

    # --------------------------------------------------------------------------------------- in the intake's thread

    def signal(self, channel: str, block: SignalBlock, arrival: Arrival) -> None:
        """Nothing is done with single signals."""

    def block(self, block: Block, at_s: float) -> None:
        """Add samples up."""
        self._sums.feed(block)
        self.presence.came(block.first_sample + int(block.current_a.size), at_s)

    def meter_sum(self, item: MeterSum) -> None:
        """Nothing is done with the meter's own sums."""

    def trouble(self, code: str, detail: str) -> None:
        """Tell of it with the next reading."""
        self._sums.trouble(code, detail)
        self.presence.give_up()
