"""NVIDIA's management library as its Python binding gives it, and what its errors mean to a meter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from instruments.polling.source import MeterGoneError, MeterSilentError
from lab.errors import HardwareError

Nvml = Any
"""The module ``pynvml`` of the package ``nvidia-ml-py``, or a stand-in with the same names."""

NvmlFactory = Callable[[], Nvml]

DRIVER_ADVICE = "install NVIDIA's driver; `nvidia-smi` must list the GPU"
PERMISSION_ADVICE = "run as root, or have the administrator let you read the GPU's energy and power"
JETSON_ADVICE = "on a Jetson the module's INA3221 has the power: an instrument of kind hwmon"

_GONE = (
    "NVML_ERROR_GPU_IS_LOST",
    "NVML_ERROR_RESET_REQUIRED",
    "NVML_ERROR_UNINITIALIZED",
    "NVML_ERROR_DRIVER_NOT_LOADED",
    "NVML_ERROR_NOT_FOUND",
    "NVML_ERROR_INVALID_ARGUMENT",
    "NVML_ERROR_NOT_SUPPORTED",
)
"""Errors after which asking again is pointless. A device that was read before and is now an invalid argument or not
supported is another one."""


def vendor_library() -> Nvml:
    """The real one. It is looked for only when something is asked of it."""
    import pynvml

    return pynvml


@contextmanager
def initialized(nvml: Nvml) -> Iterator[None]:
    """The library, ready to use; it counts how often it was, so several may. Raises :class:`HardwareError`."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise HardwareError(f"NVML does not start: {error}", advice=DRIVER_ADVICE) from error
    try:
        yield
    finally:
        shut_down(nvml)


def shut_down(nvml: Nvml) -> None:
    """Let go of the library; whether it minds changes nothing."""
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError:
        return


def is_unsupported(nvml: Nvml, error: Any) -> bool:
    """Does the error say that this GPU or this driver has no such thing?"""
    return error.value in (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND)


def as_meter_error(nvml: Nvml, error: Any) -> MeterGoneError | MeterSilentError:
    """What a failure to read a GPU that was read before means."""
    if error.value in {getattr(nvml, name) for name in _GONE}:
        return MeterGoneError(str(error))
    return MeterSilentError(str(error))
