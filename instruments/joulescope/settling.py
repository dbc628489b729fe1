"""What the driver's decimating filter gives before it is filled.

The driver fills its filter with the first sample that comes, as if the meter had shown that all the time before, and
does not empty it where samples were lost. Until as many samples went in as the filter is long, what comes out is partly
made up, or made of both sides of a gap: such samples are left out.
"""

from __future__ import annotations

from dataclasses import replace

from instruments.joulescope.models import filter_delay
from instruments.joulescope.settings import JoulescopeSettings
from instruments.joulescope.signals import CURRENT, POWER, VOLTAGE, SignalBlock


class Settling:
    """Takes the unsettled samples from the blocks of current, voltage and power; each channel's come in order."""

    def __init__(self, settings: JoulescopeSettings) -> None:
        meter = settings.meter
        self._input = meter.counter_hz // meter.analog_hz
        """Counts of one input sample of the filter."""
        factor = settings.decimation // self._input
        # The stages are symmetric, so each is twice as long as it delays.
        self._length = round(2 * filter_delay(factor)) * self._input if meter.filters_on_host else 0
        self._ends: dict[str, int] = {}
        self._settled: dict[str, int] = {}

    def take(self, channel: str, block: SignalBlock) -> SignalBlock:
        """The block without the samples that are unsettled: perhaps an empty one."""
        if channel not in (CURRENT, VOLTAGE, POWER) or not self._length:
            return block
        end = self._ends.get(channel)
        if end is None or block.sample_id > end:
            first_input = block.sample_id - (block.step - self._input)
            self._settled[channel] = first_input + self._length
        self._ends[channel] = block.end if end is None else max(end, block.end)
        unsettled = max(0, -((block.sample_id - self._settled[channel]) // block.step))
        if not unsettled:
            return block
        return replace(block, sample_id=block.sample_id + unsettled * block.step, samples=block.samples[unsettled:])
