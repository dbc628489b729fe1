"""The settings of an open device: what is set, and how it is put back."""

from __future__ import annotations

from collections.abc import Iterable

from instruments.joulescope.driver import Driver, DriverError, Value
from instruments.joulescope.settings import JoulescopeSettings

_JS110_AUTO = 128
_JS110_NO_INVENTED_SAMPLES = 3
_STATISTICS_HZ = 10


def topics(settings: JoulescopeSettings) -> list[tuple[str, Value]]:
    """What to set below the device's path, in this order.

    A fixed range is selected before the meter is told to hold it, so that it never holds another one.
    """
    fixed = settings.fixed_range
    wanted: list[tuple[str, Value]] = [("h/fs", int(settings.rate_hz))]
    if settings.meter.has_range_mode:
        if fixed is None:
            wanted.append(("s/i/range/mode", "auto"))
        else:
            wanted += [("s/i/range/select", fixed.select), ("s/i/range/mode", "manual")]
        wanted += [("s/v/range/select", settings.voltage_range.select), ("s/v/range/mode", "manual")]
    else:
        # On the JS110 the mode says what stands in for the samples that a range switch spoils. By default they are
        # interpolated; as NaN they are what they are, missing.
        wanted += [
            ("s/i/range/mode", _JS110_NO_INVENTED_SAMPLES),
            ("s/i/range/select", _JS110_AUTO if fixed is None else fixed.select),
            ("s/v/range/select", settings.voltage_range.select),
        ]
    if settings.statistics and settings.meter.has_numbered_statistics:
        wanted += [("s/stats/scnt", settings.meter.analog_hz // _STATISTICS_HZ), ("s/stats/ctrl", 1)]
    return wanted


class Configuration:
    """Sets topics of one device, and remembers what they held."""

    def __init__(self, driver: Driver, path: str) -> None:
        self._driver = driver
        self._path = path
        self._before: list[tuple[str, Value]] = []

    def apply(self, wanted: Iterable[tuple[str, Value]]) -> None:
        """Set topics in order. Raises :data:`~instruments.joulescope.driver.DriverError`."""
        for topic, value in wanted:
            held = self.held(topic)
            if held is not None:
                self._before.append((topic, held))
            self._driver.publish(f"{self._path}/{topic}", value)

    def held(self, topic: str) -> Value:
        """What a topic holds, ``None`` if that cannot be told."""
        try:
            return self._driver.query(f"{self._path}/{topic}")
        except DriverError:
            return None

    def restore(self) -> list[str]:
        """Put everything back, last first; gives the topics that could not be."""
        failed: list[str] = []
        while self._before:
            topic, value = self._before.pop()
            try:
                self._driver.publish(f"{self._path}/{topic}", value)
            except DriverError:
                failed.append(topic)
        return failed
