"""A stand-in for the module ``pynvml``: same names, same arguments, its very constants and error classes.

Whatever is not a function comes from the real module, so that a test fails when a name or code here is not one there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pynvml
from fake_polled import FakeTime

CALL_S = 0.004
"""What a question costs: about what was seen on a real GPU."""


@dataclass
class FakeGpu:
    """A GPU. ``power_w(t)`` is what it draws; its energy is renewed every ``energy_s``, its power every ``power_s``.

    ``refuses`` maps a function's name to the code of the error that it answers with.
    """

    power_w: Callable[[float], float] = lambda _: 70.0
    energy_j: Callable[[float], float] = lambda t: 70.0 * t
    name: str = "NVIDIA H200"
    uuid: str = "GPU-11111111-2222-3333-4444-555555555555"
    bus: str = "00000000:65:00.0"
    energy_s: float = 0.1
    power_s: float = 0.082
    before_mj: int = 81_234_567_890
    instant: bool = True
    architecture: int = pynvml.NVML_DEVICE_ARCH_HOPPER
    refuses: dict[str, int] = field(default_factory=dict)


@dataclass
class FakeNvml:
    """The module, with these GPUs behind it. ``starts`` is the code that nvmlInit ends with."""

    time: FakeTime
    gpus: list[FakeGpu] = field(default_factory=lambda: [FakeGpu()])
    starts: int = pynvml.NVML_SUCCESS
    open_count: int = 0
    calls: int = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("nvml"):
            raise AssertionError(f"the fake has no {name}")
        return getattr(pynvml, name)

    def nvmlInit(self) -> None:  # noqa: N802
        if self.starts != pynvml.NVML_SUCCESS:
            raise pynvml.NVMLError(self.starts)
        self.open_count += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self._initialized()
        self.open_count -= 1

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        self._initialized()
        return "570.124.06"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self._initialized()
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:  # noqa: N802
        self._initialized()
        if not 0 <= index < len(self.gpus):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeGpu:  # noqa: N802
        return self._found(uuid, [gpu.uuid for gpu in self.gpus])

    def nvmlDeviceGetHandleByPciBusId(self, pciBusId: str) -> FakeGpu:  # noqa: N802
        return self._found(pciBusId, [gpu.bus for gpu in self.gpus])

    def nvmlDeviceGetName(self, handle: FakeGpu) -> str:  # noqa: N802
        return str(self._asked("nvmlDeviceGetName", handle).name)

    def nvmlDeviceGetUUID(self, handle: FakeGpu) -> str:  # noqa: N802
        return self._asked("nvmlDeviceGetUUID", handle).uuid

    def nvmlDeviceGetSerial(self, handle: FakeGpu) -> str:  # noqa: N802
        return "1652923012345" if self._asked("nvmlDeviceGetSerial", handle) else ""

    def nvmlDeviceGetPciInfo(self, handle: FakeGpu) -> Any:  # noqa: N802
        info = pynvml.nvmlPciInfo_t()
        info.busId = self._asked("nvmlDeviceGetPciInfo", handle).bus.encode()
        return info

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: FakeGpu) -> int:  # noqa: N802
        return 700_000 if self._asked("nvmlDeviceGetEnforcedPowerLimit", handle) else 0

    def nvmlDeviceGetPersistenceMode(self, handle: FakeGpu) -> int:  # noqa: N802
        self._asked("nvmlDeviceGetPersistenceMode", handle)
        return int(pynvml.NVML_FEATURE_ENABLED)

    def nvmlDeviceGetArchitecture(self, device: FakeGpu) -> int:  # noqa: N802
        return self._asked("nvmlDeviceGetArchitecture", device).architecture

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: FakeGpu) -> int:  # noqa: N802
        gpu = self._asked("nvmlDeviceGetTotalEnergyConsumption", handle, CALL_S)
        return gpu.before_mj + int(1e3 * gpu.energy_j(self._renewed(gpu.energy_s, CALL_S)))

    def nvmlDeviceGetPowerUsage(self, handle: FakeGpu) -> int:  # noqa: N802
        gpu = self._asked("nvmlDeviceGetPowerUsage", handle, CALL_S)
        return int(1e3 * gpu.power_w(self._renewed(gpu.power_s, CALL_S)))

    def nvmlDeviceGetFieldValues(self, handle: FakeGpu, fieldIds: list[int]) -> Any:  # noqa: N802
        gpu = self._asked("nvmlDeviceGetFieldValues", handle, CALL_S)
        assert fieldIds == [pynvml.NVML_FI_DEV_POWER_INSTANT]
        values = (pynvml.c_nvmlFieldValue_t * 1)()
        values[0].fieldId = fieldIds[0]
        values[0].nvmlReturn = pynvml.NVML_SUCCESS if gpu.instant else pynvml.NVML_ERROR_NOT_SUPPORTED
        values[0].valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT
        values[0].value.uiVal = int(1e3 * gpu.power_w(self._renewed(gpu.power_s, CALL_S)))
        assert isinstance(values[0].value, ctypes.Union)
        return values

    def _renewed(self, period_s: float, call_s: float) -> float:
        """The instant of the value's last renewal, as seen in the middle of the call."""
        return (self.time.now_s - call_s / 2) // period_s * period_s

    def _initialized(self) -> None:
        if not self.open_count:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)

    def _asked(self, function: str, gpu: FakeGpu, seconds: float = 1e-6) -> FakeGpu:
        self._initialized()
        self.calls += 1
        self.time.spend(seconds)
        if function in gpu.refuses:
            raise pynvml.NVMLError(gpu.refuses[function])
        return gpu

    def _found(self, what: str, known: list[str]) -> FakeGpu:
        self._initialized()
        if what not in known:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return self.gpus[known.index(what)]
