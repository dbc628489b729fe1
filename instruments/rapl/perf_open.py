"""``perf_event_open(2)`` by hand: a counter of the kernel's that is read like a file.

Only what energy needs: one event, counting from now on, on one CPU. The layout is the first published one
(``PERF_ATTR_SIZE_VER0``, 64 bytes), which every kernel takes.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_SYSTEM_CALL = {
    "x86_64": 298,
    "i386": 336,
    "i686": 336,
    "aarch64": 241,
    "riscv64": 241,
    "armv7l": 364,
    "ppc64le": 319,
}
"""The system call's number by the machine's name (the kernel's syscall tables)."""

_ATTRIBUTES = struct.Struct("=IIQQQQQIIQ")
"""type, size, config, sample_period, sample_type, read_format, flags, wakeup_events, bp_type, config1."""

_EXCLUDE_KERNEL = 1 << 5
_CLOSE_ON_EXEC = 8
_VALUE = struct.Struct("=Q")

TYPE_SOFTWARE = 1
SOFTWARE_CPU_CLOCK = 0
"""The CPU's clock in ns: an event that every kernel has, to try the mechanics on."""


def open_event(kind: int, config: int, *, cpu: int, pid: int = -1, exclude_kernel: bool = False) -> int:
    """Open a counter and give its file descriptor.

    ``kind`` is the PMU's ``type``, ``config`` the event's code. ``pid`` −1 counts everything on the CPU ``cpu``, which
    needs root, CAP_PERFMON or ``kernel.perf_event_paranoid`` ≤ 0; ``pid`` 0 with ``cpu`` −1 counts this process.
    Raises ``OSError`` as the kernel says.
    """
    number = _SYSTEM_CALL.get(platform.machine())
    if number is None:
        raise OSError(0, f"the number of perf_event_open on {platform.machine()} is not known")
    flags = _EXCLUDE_KERNEL if exclude_kernel else 0
    attributes = _ATTRIBUTES.pack(kind, _ATTRIBUTES.size, config, 0, 0, 0, flags, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(
        libc.syscall(
            ctypes.c_long(number),
            ctypes.c_char_p(attributes),
            ctypes.c_int(pid),
            ctypes.c_int(cpu),
            ctypes.c_int(-1),
            ctypes.c_ulong(_CLOSE_ON_EXEC),
        )
    )
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return descriptor


def read_event(descriptor: int) -> int:
    """The count since it was opened. Raises ``OSError``."""
    data = os.read(descriptor, _VALUE.size)
    if len(data) != _VALUE.size:
        # The kernel's way to say that the event is in an error state.
        raise OSError(5, "the counter gives no value")
    return int(_VALUE.unpack(data)[0])
