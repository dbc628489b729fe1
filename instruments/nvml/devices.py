"""Which GPUs there are, which one is meant, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instruments.nvml.library import DRIVER_ADVICE, Nvml, initialized
from lab.errors import HardwareError


def connected(nvml: Nvml) -> list[str]:
    """One line for each GPU: index, name, UUID. Raises :class:`HardwareError` without driver."""
    with initialized(nvml):
        return [_line(nvml, index) for index in range(_count(nvml))]


def find(nvml: Nvml, device: str | None) -> Any:
    """The handle of a GPU by its index (``0``), its UUID (``GPU-…``) or its PCI bus id (``00000000:65:00.0``).

    ``None`` is the only GPU there is. The library must be initialized. Raises :class:`HardwareError`.
    """
    count = _count(nvml)
    if count == 0:
        raise HardwareError("no NVIDIA GPU is here", advice=DRIVER_ADVICE)
    listed = "; ".join(_line(nvml, index) for index in range(count))
    if device is None and count > 1:
        raise HardwareError(f"there are {count} GPUs", advice=f"name one as device: {listed}")
    try:
        if device is None:
            return nvml.nvmlDeviceGetHandleByIndex(0)
        if device.isdecimal():
            return nvml.nvmlDeviceGetHandleByIndex(int(device))
        if ":" in device:
            return nvml.nvmlDeviceGetHandleByPciBusId(device)
        return nvml.nvmlDeviceGetHandleByUUID(device)
    except nvml.NVMLError as error:
        raise HardwareError(f"no GPU {device!r}: {error}", advice=f"there are: {listed}") from error


def facts(nvml: Nvml, handle: Any) -> dict[str, Any]:
    """What the driver says of a GPU; what it does not say is left out."""
    asked: dict[str, Callable[[], Any]] = {
        "name": lambda: nvml.nvmlDeviceGetName(handle),
        "uuid": lambda: nvml.nvmlDeviceGetUUID(handle),
        "serial": lambda: nvml.nvmlDeviceGetSerial(handle),
        "pci_bus_id": lambda: _text(nvml.nvmlDeviceGetPciInfo(handle).busId),
        "driver": lambda: nvml.nvmlSystemGetDriverVersion(),
        "power_limit_w": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3,
        "persistence_mode": lambda: nvml.nvmlDeviceGetPersistenceMode(handle) == nvml.NVML_FEATURE_ENABLED,
    }
    known: dict[str, Any] = {}
    for name, ask in asked.items():
        try:
            known[name] = ask()
        except nvml.NVMLError:
            continue
    return known


def _count(nvml: Nvml) -> int:
    try:
        return int(nvml.nvmlDeviceGetCount())
    except nvml.NVMLError as error:
        raise HardwareError(f"NVML does not list its GPUs: {error}", advice=DRIVER_ADVICE) from error


def _line(nvml: Nvml, index: int) -> str:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        return f"{index}: {nvml.nvmlDeviceGetName(handle)} ({nvml.nvmlDeviceGetUUID(handle)})"
    except nvml.NVMLError as error:
        return f"{index}: {error}"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
