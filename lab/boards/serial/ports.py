"""The serial ports of this machine: which are there, and what hangs on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_GONE = "connect the board; its port may have got another number: /dev/serial/by-id/ has names that stay"


def facts(port: str) -> dict[str, Any]:
    """What the system knows of the adapter behind a port; empty for one that is no USB device."""
    from serial.tools.list_ports import comports

    device = str(Path(port).resolve())
    for item in comports():
        if item.device == device and item.vid is not None:
            return {
                "usb": f"{item.vid:04x}:{item.pid:04x}",
                "product": item.product,
                "manufacturer": item.manufacturer,
                "serial": item.serial_number,
            }
    return {}


def absent_advice(port: str) -> str:
    """What to do about a port that cannot be opened: connect it, or name one of those that are there."""
    if Path(port).exists():
        return "is it a serial device?"
    from serial.tools.list_ports import comports

    there = ", ".join(sorted(str(item.device) for item in comports() if item.vid is not None))
    return f"{_GONE}; there are: {there}" if there else _GONE
