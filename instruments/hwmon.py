"""A power sensor among the kernel's hardware monitors as a source of readings: INA219, INA226, INA3221 and their like.

Where the chip multiplies itself (``power1_input``) its power is taken; else voltage and current are read back to back
and both go into the trace. Each reading is a question over I²C, some tenths of a millisecond long. What the chip
renews less often than it is asked shows up as the same value twice; all of it is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from instruments.hwmon_sensors import NO_SENSOR_ADVICE, ROOT, Sensor, choose
from instruments.polling.meter import PATIENCE_S, PolledMeter
from instruments.polling.pace import Time
from instruments.polling.source import Asked, MeterSilentError, said
from instruments.protocol import Accuracy, Probe
from lab.errors import HardwareError
from lab.record.traces.readings import Channel

POWER, VOLTAGE, CURRENT = "power", "voltage", "current"

PERIOD_S = 0.01
"""How often a chip is asked that does not say how often it renews its values."""
SHORTEST_S = 0.002
"""More often would only keep the bus busy."""

_ASKED_PER_UPDATE = 2
"""So that no value is missed, and each is seen within half an interval of its renewal."""

_VALUE = re.compile(rb"-?[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class SensorName:
    """Which sensor is meant; what is ``None`` may be anything, but only one sensor may fit."""

    chip: str | None = None
    address: str | None = None
    label: str | None = None
    channel: int | None = None

    def find(self, root: Path) -> Sensor:
        """It. Raises :class:`HardwareError`."""
        return choose(root, chip=self.chip, address=self.address, label=self.label, channel=self.channel)

    def __str__(self) -> str:
        said_of_it = [self.chip, self.address, self.label, None if self.channel is None else str(self.channel)]
        return " ".join(item for item in said_of_it if item) or "sensor"


class HwmonSource:
    """A sensor as a :class:`~instruments.polling.source.Source`.

    Without a ``period_s`` it is asked twice in each of the chip's update intervals. ``root`` is where the kernel's
    ``/sys/class/hwmon`` lies.
    """

    def __init__(
        self, sensor: SensorName, *, scope: str | None = None, period_s: float | None = None, root: Path = ROOT
    ) -> None:
        self.measures: tuple[str, ...] = (POWER,)
        self.assumes: tuple[str, ...] = ("power stays on a straight line between two samples",)
        self.scope = scope or str(sensor)
        self.period_s = period_s or PERIOD_S
        self.channels: Mapping[str, Asked] = {}
        self._sensor = sensor
        self._asked_period_s = period_s
        self._root = root
        self._files: dict[str, Path] = {}
        self._held: dict[str, int] = {}

    def probe(self) -> Probe:
        """Find the sensor and read it."""
        try:
            sensor = self._sensor.find(self._root)
        except HardwareError as error:
            return Probe(False, error.message, error.advice or "")
        try:
            shown = ", ".join(_shown(name, _read(path)) for name, path in _files(sensor).items())
        except (OSError, MeterSilentError) as error:
            return Probe(False, f"{sensor} cannot be read ({said(error)})", _advice(error), facts=sensor.facts())
        return Probe(True, f"{sensor}: {shown} now", facts=sensor.facts())

    def open(self) -> None:
        """Find the sensor and hold its files open. Raises :class:`HardwareError`."""
        if self._held:
            return
        sensor = self._sensor.find(self._root)
        self._files = _files(sensor)
        try:
            for name, path in self._files.items():
                self._held[name] = os.open(path, os.O_RDONLY)
                self.read(name)
        except (OSError, MeterSilentError) as error:
            self.close()
            raise HardwareError(f"{sensor} cannot be read ({said(error)})", advice=_advice(error)) from error
        self.channels = {name: Asked(_channel(name, sensor)) for name in self._files}
        self.measures = tuple(self.channels)
        if self._asked_period_s is None and sensor.update_interval_s is not None:
            self.period_s = max(SHORTEST_S, sensor.update_interval_s / _ASKED_PER_UPDATE)

    def read(self, channel: str) -> int:
        """µW, mV or mA."""
        return _number(os.pread(self._held[channel], 64, 0))

    def close(self) -> None:
        """Let go. Idempotent."""
        while self._held:
            os.close(self._held.popitem()[1])


def _files(sensor: Sensor) -> dict[str, Path]:
    if sensor.power is not None:
        return {POWER: sensor.power}
    assert sensor.voltage is not None
    assert sensor.current is not None
    return {VOLTAGE: sensor.voltage, CURRENT: sensor.current}


def _channel(name: str, sensor: Sensor) -> Channel:
    interval_s = sensor.update_interval_s
    averaged_s = interval_s if sensor.averages and interval_s is not None else 0.0
    if name == POWER:
        return Channel(measures="power", scale=1e-6, update_period_s=interval_s, averaged_s=averaged_s)
    if name == VOLTAGE:
        return Channel(measures="voltage", scale=1e-3, update_period_s=interval_s, averaged_s=averaged_s)
    return Channel(measures="current", scale=1e-3, update_period_s=interval_s, averaged_s=averaged_s)


def _read(path: Path) -> int:
    return _number(path.read_bytes())


def _number(data: bytes) -> int:
    text = data.strip()
    if _VALUE.fullmatch(text) is None:
        raise MeterSilentError(f"it says {text[:20]!r}")
    return int(text)


def _shown(name: str, raw: int) -> str:
    if name == POWER:
        return f"{raw * 1e-6:.4g} W"
    return f"{raw * 1e-3:.4g} {'V' if name == VOLTAGE else 'A'}"


def _advice(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "run as someone who may read it"
    return NO_SENSOR_ADVICE


def hwmon_meter(
    name: str,
    sensor: SensorName,
    *,
    scope: str | None = None,
    period_s: float | None = None,
    accuracy: Accuracy | None = None,
    root: Path = ROOT,
    time: Time | None = None,
    patience_s: float = PATIENCE_S,
) -> PolledMeter:
    """The meter of a sensor."""
    source = HwmonSource(sensor, scope=scope, period_s=period_s, root=root)
    return PolledMeter(name, source, accuracy=accuracy, time=time, patience_s=patience_s)
