"""A real Joulescope as an instrument.

**Opening a Joulescope can cut the power of the board behind it**: the meter is also the switch in the supply. It is
therefore opened once and held (``mode='restore'``: the driver takes over the meter's settings instead of resetting
them), and only its listing is asked by :meth:`Joulescope.probe`. A fixed range is never left during a campaign.

The trace holds current, voltage, the wired logic inputs and, if asked for, power, all at one rate on the meter's sample
counter, which is the time; UTC is an annotation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from instruments.arrival_clock import host_s
from instruments.joulescope.configuration import Configuration, topics
from instruments.joulescope.discovery import Device, choose, connected
from instruments.joulescope.driver import (
    DEVICE_REMOVED,
    Driver,
    DriverError,
    DriverFactory,
    OnValue,
    Value,
    shared_driver,
    vendor_version,
)
from instruments.joulescope.intake import STATISTICS, Clocks, utc_ticks
from instruments.joulescope.live import Live
from instruments.joulescope.recording import Recording
from instruments.joulescope.settings import JoulescopeSettings
from instruments.joulescope.signals import CURRENT, signals
from instruments.protocol import Capabilities, LiveReading, Observation, PassContext, Probe
from instruments.stream_presence import Patience
from lab.errors import HardwareError
from lab.record.quantity import Origin

_OPEN_TIMEOUT_S = 10.0

_IN_USE_ADVICE = "close the Joulescope UI and other programs that use it, or unplug it and plug it in again"

_OPEN_ADVICE = f"{_IN_USE_ADVICE}; where access is refused, install the vendor's udev rule (docs/joulescope.md)"


_STILL_CALLED: list[OnValue] = []
"""Functions whose unsubscribing failed: the driver may call them yet, by a bare pointer, so they are never let go."""


@dataclass(slots=True)
class _Held:
    """A device that is open."""

    driver: Driver
    device: Device
    configuration: Configuration
    subscriptions: list[tuple[str, OnValue]]
    gone: bool = False


class Joulescope:
    """An :class:`~instruments.protocol.Instrument` over a JS110, JS220 or JS320.

    ``factory`` gives the vendor's driver; all meters of a process share one by default. ``clock`` is the host's in s,
    ``utc`` its time of day as the driver counts it.
    """

    def __init__(
        self,
        name: str,
        settings: JoulescopeSettings,
        *,
        factory: DriverFactory = shared_driver,
        clock: Callable[[], float] = host_s,
        utc: Callable[[], int] = utc_ticks,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._factory = factory
        self._clock = clock
        self._clocks = Clocks(clock, utc)
        self._patience = patience or Patience()
        self._signals = signals(settings.lines, power=settings.power)
        self._held: _Held | None = None
        self._context: PassContext | None = None
        self._recording: Recording | None = None
        self._live: Live | None = None
        self._started_s = 0.0

    # ------------------------------------------------------------------------------------------------ what it is

    def probe(self) -> Probe:
        """Look for the meter among those connected. It is not opened for that: that could cut the board's power."""
        facts: dict[str, Any] = {"driver": vendor_version()}
        try:
            device = self._device()
        except HardwareError as error:
            return Probe(present=False, detail=error.message, advice=error.advice or "", facts=facts)
        settings = self._settings
        facts |= {"model": device.model, "serial": device.serial, "lines": settings.lines, **self._firmware()}
        return Probe(
            present=True,
            detail=f"{device}, range {settings.range_name}, {settings.rate_hz:g} samples/s",
            facts=facts,
        )

    def capabilities(self) -> Capabilities:
        """Current, voltage, logic, perhaps power; with a fixed range, the accuracy is that of this range alone."""
        settings, accuracy = self._settings, self._settings.accuracy
        if settings.fixed_range is not None:
            limits = settings.limits(settings.fixed_range.name)
            if limits is not None:
                accuracy = replace(accuracy, ranges={settings.range_name: limits})
        return Capabilities(
            measures=("current", "voltage", *(("power",) if settings.power else ()), "logic"),
            origin=Origin.MEASURED,
            scope=settings.scope,
            rate_hz=settings.rate_hz,
            accuracy=accuracy,
            assumes=tuple(self._assumptions()),
            clock="sample index",
        )

    def _assumptions(self) -> list[str]:
        settings = self._settings
        lowered = settings.rate_hz < settings.meter.analog_hz
        assumed: list[str] = []
        if settings.lag_counts:
            lag_s = settings.lag_counts / settings.meter.counter_hz
            assumed.append(f"the driver's filter delays current and voltage by {lag_s:.6f} s, which is taken out")
        elif lowered and settings.meter.samples_are_numbered:
            assumed.append("the meter's own decimation delays current and voltage against the logic inputs by nothing")
        if not settings.meter.samples_are_numbered:
            assumed.append("the driver does not number lost samples: losses show in the host's clock, not their places")
        return assumed

    # ---------------------------------------------------------------------------------------------- open and close

    def open(self) -> None:
        """Take hold of the meter and set it up. Idempotent.

        May interrupt the power of the board behind it. Raises :class:`HardwareError` if it is not there, several would
        fit, it is in use, or it refuses a setting.
        """
        if self._held is not None:
            return
        driver = self._factory()
        try:
            device = choose(connected(driver), self._settings.model, self._settings.serial)
            self._held = self._hold(driver, device)
        except HardwareError:
            driver.finalize()
            raise

    def close(self) -> None:
        """Put back every setting that ``open`` changed, and let go of the meter. Idempotent.

        If the meter was switched off before, so it is again, and the board behind it.
        """
        self._abandon()
        self.end_live()
        held, self._held = self._held, None
        if held is None:
            return
        self._release(held)
        held.driver.finalize()

    def _hold(self, driver: Driver, device: Device) -> _Held:
        held = _Held(driver, device, Configuration(driver, device.path), [])
        try:
            driver.open(device.path, mode="restore", timeout=_OPEN_TIMEOUT_S)
        except DriverError as error:
            raise HardwareError(f"{device} cannot be opened ({error})", advice=_OPEN_ADVICE) from error
        try:
            held.configuration.apply(topics(self._settings))
            for item in self._signals:
                self._subscribe(held, f"{device.path}/{item.data}", partial(self._on_value, item.channel))
            if self._settings.statistics and self._settings.meter.has_numbered_statistics:
                self._subscribe(held, f"{device.path}/s/stats/value", partial(self._on_value, STATISTICS))
            self._subscribe(held, DEVICE_REMOVED, partial(self._on_removed, held))
        except DriverError as error:
            self._release(held)
            raise HardwareError(f"{device} cannot be set up ({error})", advice=_IN_USE_ADVICE) from error
        return held

    def _release(self, held: _Held) -> None:
        """Undo :meth:`_hold`; what a device that is gone does not answer is left."""
        for topic, call in held.subscriptions:
            try:
                held.driver.unsubscribe(topic, call)
            except DriverError:
                _STILL_CALLED.append(call)
        if not held.gone:
            held.configuration.restore()
        with contextlib.suppress(*DriverError):
            held.driver.close(held.device.path)

    def _subscribe(self, held: _Held, topic: str, call: OnValue) -> None:
        # The driver's binding keeps only a bare pointer to the function: it must live until it is unsubscribed. And a
        # subscription that is not confirmed in time may be one all the same.
        held.subscriptions.append((topic, call))
        held.driver.subscribe(topic, "pub", call)

    def _device(self) -> Device:
        """The connected device; the one that is held if one is. Raises :class:`HardwareError`."""
        if self._held is not None and not self._held.gone:
            return self._held.device
        driver = self._factory() if self._held is None else self._held.driver
        try:
            return choose(connected(driver), self._settings.model, self._settings.serial)
        finally:
            if self._held is None:
                driver.finalize()

    def _firmware(self) -> dict[str, str]:
        """Versions of the meter's parts, where it is open and says them: 8 bits, 8 bits and 16 bits."""
        if self._held is None:
            return {}
        found: dict[str, str] = {}
        for name, topic in (("firmware", "c/fw/version"), ("hardware", "c/hw/version"), ("fpga", "s/fpga/version")):
            value = self._held.configuration.held(topic)
            if isinstance(value, int):
                found[name] = f"{value >> 24 & 0xFF}.{value >> 16 & 0xFF}.{value & 0xFFFF}"
        return found

    # ------------------------------------------------------------------------------------- from the driver's thread

    def _on_value(self, name: str, _: str, value: Value) -> None:
        receiver = self._recording or self._live
        if receiver is not None:
            receiver.receive(name, value)

    def _on_removed(self, held: _Held, _: str, path: Value) -> None:
        if path != held.device.path:
            return
        held.gone = True
        receiver = self._recording or self._live
        if receiver is not None:
            receiver.removed()

    # ------------------------------------------------------------------------------------------------- a pass

    def arm(self, context: PassContext) -> None:
        """Get ready for a pass. A meter that was unplugged and is back is opened again."""
        self._abandon()
        self._context = context
        held = self._held
        if held is not None and held.gone:
            with contextlib.suppress(HardwareError):
                device = choose(connected(held.driver), self._settings.model, self._settings.serial)
                self._release(held)
                self._held = self._hold(held.driver, device)

    def start(self) -> None:
        """Switch the streams on, and wait until samples come. What fails is told by :meth:`stop`.

        Raises ``RuntimeError`` if the instrument was not opened and armed.
        """
        context, held = self._context, self._held
        if context is None or held is None:
            raise RuntimeError(f"{self.name}: started before it was opened and armed")
        recording = Recording(context, self.name, held.device.serial, self._settings, self._signals, self._clocks)
        self._started_s = self._clock()
        if held.gone:
            self._recording = recording
            recording.trouble("meter_unplugged", f"{held.device} is not connected any more")
            return
        try:
            self._switch_on(held, recording)
        except DriverError as error:
            self._recording = recording
            recording.trouble("meter_timeout", f"{held.device} does not answer ({error})")
            return
        recording.presence.wait_for_first(self._start_patience_s)

    def stop(self) -> Observation:
        """Wait until all that was sampled up to now has come, and give it. Empty if nothing was started."""
        recording, held = self._recording, self._held
        self._context = None
        if recording is None or held is None:
            return Observation()
        stopped_s = self._clock()
        recording.presence.wait_until(stopped_s, self._patience.stall_s)
        self._recording = None
        self._switch_off(held)
        return recording.finish(stopped_s, self._started_s)

    def _abandon(self) -> None:
        """End a recording that nobody asked the end of."""
        recording, self._recording = self._recording, None
        self._context = None
        if recording is not None and self._held is not None:
            self._switch_off(self._held)
            recording.finish(self._clock(), self._started_s)

    @property
    def _start_patience_s(self) -> float:
        """The driver's filter must be filled before the first sample is one."""
        return self._patience.start_s + 3 * self._settings.lag_counts / self._settings.meter.counter_hz

    def _switch_on(self, held: _Held, receiver: Recording | Live) -> None:
        """Switch the streams on, the current last; blocks of the time before may still be on their way until then."""
        for item in self._signals:
            if item.channel == CURRENT:
                if isinstance(receiver, Recording):
                    self._recording = receiver
                    receiver.told_to_begin()
                else:
                    self._live = receiver
            held.driver.publish(f"{held.device.path}/{item.control}", 1)

    def _switch_off(self, held: _Held) -> None:
        for item in reversed(self._signals):
            if held.gone:
                return
            # A meter that does not answer here has shown it in its samples, or will at the next start.
            with contextlib.suppress(*DriverError):
                held.driver.publish(f"{held.device.path}/{item.control}", 0)

    # ---------------------------------------------------------------------------------------------- watched live

    def begin_live(self) -> None:
        """Measure without recording. Raises :class:`HardwareError` if the meter does not answer."""
        held = self._held
        if held is None or held.gone:
            raise HardwareError("the Joulescope is not open, or not connected any more", advice=_IN_USE_ADVICE)
        self.end_live()
        live = Live(self.name, self._settings, self._signals, self._clocks)
        try:
            self._switch_on(held, live)
        except DriverError as error:
            self._live = live
            self.end_live()
            raise HardwareError(f"{held.device} does not answer ({error})", advice=_IN_USE_ADVICE) from error
        if not live.presence.wait_for_first(self._start_patience_s):
            self.end_live()
            raise HardwareError(f"{held.device} sends no samples", advice=_IN_USE_ADVICE)

    def take_live(self) -> LiveReading:
        """What was seen since the last call."""
        if self._live is None:
            return LiveReading(duration_s=0.0)
        return self._live.take(max(self._patience.stall_s, 3 / self._settings.rate_hz))

    def end_live(self) -> None:
        """Stop measuring. Idempotent."""
        live, self._live = self._live, None
        if live is not None:
            if self._held is not None:
                self._switch_off(self._held)
            live.end()
