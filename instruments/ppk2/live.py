"""A PPK2 that is watched and not recorded."""

from __future__ import annotations

import math
from collections.abc import Callable

from instruments.live_sums import LiveSums
from instruments.ppk2.calibration import FULL_SCALE_A, Calibration
from instruments.ppk2.intake import CLOCK_PPM, Converter, Intake
from instruments.ppk2.settings import RATE_HZ, Ppk2Settings
from instruments.protocol import LiveReading
from instruments.serial_port import Port
from instruments.stream_presence import StreamPresence
from instruments.stream_recorder import Block


class Live:
    """Adds up what a kit sends from :meth:`begin` to :meth:`end`."""

    def __init__(
        self, settings: Ppk2Settings, calibration: Calibration, port: Port, clock: Callable[[], float], name: str
    ) -> None:
        self._clock = clock
        self.presence = StreamPresence(RATE_HZ, CLOCK_PPM)
        self._sums = LiveSums(RATE_HZ, [FULL_SCALE_A], math.inf, assumes_voltage=True)
        self._intake = Intake(
            port, Converter(calibration, settings), settings, self.presence, self._feed, clock, f"{name}-live"
        )
        self._lost_bytes = 0

    def begin(self) -> None:
        """Listen. The kit is told to start after this."""
        self._intake.begin()

    def take(self, stall_s: float) -> LiveReading:
        """What came since the last call."""
        if self.presence.gone:
            self._sums.trouble("meter_unplugged", "the line is gone")
        elif self._clock() - self.presence.last_s > stall_s:
            self._sums.trouble("meter_timeout", f"nothing came for {self._clock() - self.presence.last_s:.1f} s")
        if (lost := self._intake.loss.bytes) > self._lost_bytes:
            self._sums.trouble("samples_dropped", f"{lost - self._lost_bytes} bytes came too fast")
            self._lost_bytes = lost
        return self._sums.take()

    def end(self) -> None:
        """Stop listening. The kit was told to stop before."""
        self._intake.end()

    def _feed(self, block: Block, at_s: float) -> None:
        self._sums.feed(block)
        self.presence.came(block.first_sample + int(block.current_a.size), at_s)
