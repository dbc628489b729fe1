"""The serial line to a PPK2, and which lines have one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from instruments import serial_port
from instruments.serial_port import Port
from lab.errors import HardwareError

CONNECT_ADVICE = (
    "connect it by its data USB port and switch it on; where access is refused, add yourself to the group that owns "
    "the device file (dialout), and close the Power Profiler app"
)

_VENDOR, _PRODUCT = 0x1915, 0xC00A
_BAUD = 115200
"""The line is USB: any will do."""


OpenPort = Callable[[str], Port]
"""Gives an open port by its name. Raises :class:`HardwareError` if it cannot be opened."""


class SerialPort(serial_port.SerialPort):
    """A kit's line. Raises :class:`HardwareError` if it cannot be opened."""

    def __init__(self, name: str) -> None:
        super().__init__(name, _BAUD, advice=CONNECT_ADVICE)


@dataclass(frozen=True, slots=True)
class Kit:
    """A connected PPK2: its serial number and its port's name."""

    serial: str
    port: str

    def __str__(self) -> str:
        return f"PPK2 {self.serial} on {self.port}" if self.serial else f"PPK2 on {self.port}"


FindKits = Callable[[], tuple[Kit, ...]]


def connected() -> tuple[Kit, ...]:
    """The connected PPK2s. Nothing is opened. A kit with several ports measures on its first."""
    from serial.tools.list_ports import comports

    found: dict[str, Kit] = {}
    for port in sorted(comports(), key=lambda item: str(item.device)):
        if (port.vid, port.pid) == (_VENDOR, _PRODUCT) or port.product == "PPK2":
            serial = port.serial_number or port.device
            found.setdefault(serial, Kit(serial, port.device))
    return tuple(found.values())


def choose(kits: Iterable[Kit], serial: str | None) -> Kit:
    """The kit with that serial number, or the only one; its first digits do.

    Raises :class:`HardwareError` if it is not connected, or several would fit.
    """
    present = list(kits)
    fitting = [item for item in present if serial is None or item.serial.upper().startswith(serial.upper())]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise HardwareError(
            f"several PPK2 are connected: {', '.join(item.serial for item in fitting)}",
            advice="name one with `serial:` or `port:` in the bench file",
        )
    wanted = f"PPK2 {serial}" if serial else "PPK2"
    if not present:
        raise HardwareError(f"no {wanted} is connected", advice=CONNECT_ADVICE)
    raise HardwareError(
        f"no {wanted} is connected; there is {', '.join(map(str, present))}", advice="check `serial:` in the bench file"
    )
