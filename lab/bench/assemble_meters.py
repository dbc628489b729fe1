"""From a bench file's entries to meters that are asked again and again."""

from __future__ import annotations

from instruments.protocol import Instrument
from lab.bench import meters
from lab.bench.assemble_accuracy import make_accuracy


def make_polled_meter(name: str, item: meters.Nvml | meters.Rapl | meters.Hwmon) -> Instrument:
    """The meter that an entry names; nothing is opened, and no vendor's library loaded."""
    accuracy = make_accuracy(item.accuracy)
    if isinstance(item, meters.Nvml):
        from instruments.nvml.instrument import nvml_meter

        device = None if item.device is None else str(item.device)
        return nvml_meter(name, device, scope=item.scope, period_s=item.period, accuracy=accuracy)
    if isinstance(item, meters.Rapl):
        from instruments.rapl.counters import Domain
        from instruments.rapl.source import rapl_meter

        domain = Domain(item.domain, item.package)
        return rapl_meter(name, domain, way=item.source, scope=item.scope, period_s=item.period, accuracy=accuracy)
    from instruments.hwmon import SensorName, hwmon_meter

    sensor = SensorName(chip=item.chip, address=item.address, label=item.label, channel=item.channel)
    return hwmon_meter(name, sensor, scope=item.scope, period_s=item.period, accuracy=accuracy)
