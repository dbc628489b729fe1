"""An NVIDIA GPU as a power meter."""

from __future__ import annotations

from instruments.nvml.library import NvmlFactory, vendor_library
from instruments.nvml.source import PERIOD_S, NvmlSource
from instruments.polling.meter import PATIENCE_S, PolledMeter
from instruments.polling.pace import Time
from instruments.protocol import Accuracy


def nvml_meter(
    name: str,
    device: str | None = None,
    *,
    scope: str = "gpu",
    period_s: float = PERIOD_S,
    accuracy: Accuracy | None = None,
    factory: NvmlFactory = vendor_library,
    time: Time | None = None,
    patience_s: float = PATIENCE_S,
) -> PolledMeter:
    """The GPU with that index, UUID or PCI bus id, asked every ``period_s``."""
    source = NvmlSource(device, scope=scope, period_s=period_s, factory=factory)
    return PolledMeter(name, source, accuracy=accuracy, time=time, patience_s=patience_s)
