"""An NVIDIA GPU's energy counter, and its power beside it (or in its place), as NVML gives them.

``nvmlDeviceGetTotalEnergyConsumption`` counts mJ since the driver was loaded (Volta and newer); it is renewed some ten
times a second. Power is ``NVML_FI_DEV_POWER_INSTANT`` where the driver has it, else ``nvmlDeviceGetPowerUsage``, which
from Ampere on is the mean over the last second (NVML API reference).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from instruments.nvml import devices
from instruments.nvml.library import (
    DRIVER_ADVICE,
    JETSON_ADVICE,
    PERMISSION_ADVICE,
    NvmlFactory,
    as_meter_error,
    initialized,
    is_unsupported,
    shut_down,
    vendor_library,
)
from instruments.polling.source import Asked
from instruments.protocol import Probe
from lab.errors import HardwareError
from lab.record.traces.readings import Channel

ENERGY, POWER = "energy", "power"

PERIOD_S = 0.01
"""Ten questions for each renewal of the counter: its edges are then known to a tenth of its period."""

_POWER_EVERY = 5
"""Rounds from one sample of power to the next where they only check the counter: each costs the GPU's driver time."""

_AVERAGED_S = 1.0
_MILLI = 1e-3

_FIELD_VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Which part of the union holds the value, by NVML's code of the value's type."""


class NvmlSource:
    """A GPU as a :class:`~instruments.polling.source.Source`.

    ``device`` is its index, UUID or PCI bus id, ``None`` the only one there is; ``factory`` gives the library.
    """

    def __init__(
        self,
        device: str | None = None,
        *,
        scope: str = "gpu",
        period_s: float = PERIOD_S,
        factory: NvmlFactory = vendor_library,
    ) -> None:
        self.measures: tuple[str, ...] = ("energy",)
        self.assumes: tuple[str, ...] = ()
        self.scope = scope
        self.period_s = period_s
        self.channels: Mapping[str, Asked] = {}
        self._device = device
        self._factory = factory
        self._nvml: Any = None
        self._reads: dict[str, Callable[[], int]] = {}

    def probe(self) -> Probe:
        """Find the GPU and read its energy and power."""
        nvml = self._factory()
        try:
            with initialized(nvml):
                handle = devices.find(nvml, self._device)
                known = devices.facts(nvml, handle)
                channels, reads = _readable(nvml, handle)
                shown = {name: read() for name, read in reads.items()}
        except HardwareError as error:
            return Probe(False, error.message, error.advice or "")
        except nvml.NVMLError as error:
            return Probe(False, f"the GPU cannot be read: {error}", "try again; see `dmesg` for what the driver says")
        known["channels"] = {name: _described(item.channel) for name, item in channels.items()}
        power = f", {shown[POWER] * _MILLI:.4g} W now" if POWER in shown else ""
        how = "energy counter" if ENERGY in channels else "power only, no energy counter"
        detail = f"{known.get('name', 'a GPU')}, driver {known.get('driver', 'unknown')}: {how}{power}"
        return Probe(True, detail, facts=known)

    def open(self) -> None:
        """Find the GPU and what it can be asked for. Raises :class:`HardwareError`."""
        if self._nvml is not None:
            return
        nvml = self._factory()
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            raise HardwareError(f"NVML does not start: {error}", advice=DRIVER_ADVICE) from error
        try:
            handle = devices.find(nvml, self._device)
            self.channels, self._reads = _readable(nvml, handle)
        except HardwareError:
            shut_down(nvml)
            raise
        self._nvml = nvml
        self.measures = tuple(self.channels)
        self.assumes = tuple(_assumptions(self.channels))

    def read(self, channel: str) -> int:
        """The energy in mJ or the power in mW."""
        nvml = self._nvml
        try:
            return self._reads[channel]()
        except nvml.NVMLError as error:
            raise as_meter_error(nvml, error) from error

    def close(self) -> None:
        """Let go of the library. Idempotent."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            shut_down(nvml)


def _readable(nvml: Any, handle: Any) -> tuple[dict[str, Asked], dict[str, Callable[[], int]]]:
    """What a GPU answers when it is asked. Raises :class:`HardwareError` if that is neither energy nor power."""
    reads: dict[str, Callable[[], int]] = {
        ENERGY: lambda: int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)),
        POWER: lambda: _instant_power(nvml, handle),
    }
    has_energy, refusal = _answers(nvml, reads[ENERGY])
    refusals = [refusal]
    averaged_s = 0.0
    has_power, _ = _answers(nvml, reads[POWER])
    if not has_power:
        reads[POWER] = lambda: int(nvml.nvmlDeviceGetPowerUsage(handle))
        averaged_s = _averaged_s(nvml, handle)
        has_power, refusal = _answers(nvml, reads[POWER])
        refusals.append(refusal)
    channels: dict[str, Asked] = {}
    if has_energy:
        channels[ENERGY] = Asked(Channel(measures="energy", scale=_MILLI))
    if has_power:
        power = Channel(measures="power", scale=_MILLI, averaged_s=averaged_s, cross_check=has_energy)
        channels[POWER] = Asked(power, every=_POWER_EVERY if has_energy else 1)
    if not channels:
        # That one may not read it says more than that there is no such thing.
        told = min((item for item in refusals if item), key=lambda item: item.advice != PERMISSION_ADVICE)
        raise HardwareError(f"the GPU gives neither energy nor power: {told.why}", advice=told.advice)
    return channels, {name: reads[name] for name in channels}


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why something cannot be read, and what to do."""

    why: str
    advice: str


def _answers(nvml: Any, read: Callable[[], int]) -> tuple[bool, _Refusal | None]:
    """Can it be read? If this GPU has no such thing, or we may not read it, why."""
    try:
        read()
    except nvml.NVMLError as error:
        if is_unsupported(nvml, error):
            return False, _Refusal(str(error), JETSON_ADVICE)
        if error.value == nvml.NVML_ERROR_NO_PERMISSION:
            return False, _Refusal(str(error), PERMISSION_ADVICE)
        raise HardwareError(
            f"the GPU cannot be read: {error}", advice="see `dmesg` for what the driver says"
        ) from error
    return True, None


def _instant_power(nvml: Any, handle: Any) -> int:
    field = nvml.nvmlDeviceGetFieldValues(handle, [nvml.NVML_FI_DEV_POWER_INSTANT])[0]
    if field.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(field.nvmlReturn)
    return int(getattr(field.value, _FIELD_VALUES[field.valueType]))


def _averaged_s(nvml: Any, handle: Any) -> float:
    """Before Ampere the power is that of the instant; GA100 too, which NVML does not tell from the others."""
    try:
        older = nvml.nvmlDeviceGetArchitecture(handle) < nvml.NVML_DEVICE_ARCH_AMPERE
    except nvml.NVMLError:
        older = False
    return 0.0 if older else _AVERAGED_S


def _described(channel: Channel) -> str:
    role = "a cross-check" if channel.cross_check else "the energy"
    averaged = f", mean over {channel.averaged_s:g} s" if channel.averaged_s else ""
    return f"{role}{averaged}"


def _assumptions(channels: Mapping[str, Asked]) -> list[str]:
    if ENERGY in channels:
        return []
    averaged = channels[POWER].channel.averaged_s
    shown = [f"the power shown is the mean over the {averaged:g} s before"] if averaged else []
    return ["power stays on a straight line between two samples", *shown]
