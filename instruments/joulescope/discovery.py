"""Which Joulescopes are connected, and which of them a bench means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from instruments.joulescope.driver import Driver, DriverError
from lab.errors import HardwareError

CONNECT_ADVICE = (
    "connect it to a USB port of this machine, close the Joulescope UI, and install the vendor's udev rule "
    "(72-joulescope.rules of github.com/jetperch/joulescope_driver)"
)


@dataclass(frozen=True, slots=True)
class Device:
    """A connected device: its path in the driver's tree, its model (``JS220``) and serial number."""

    path: str
    model: str
    serial: str

    def __str__(self) -> str:
        return f"{self.model} {self.serial}"


def connected(driver: Driver) -> tuple[Device, ...]:
    """The connected Joulescopes. Nothing is opened. Raises :class:`HardwareError` if the driver cannot say."""
    try:
        paths = driver.device_paths()
    except DriverError as error:
        raise HardwareError(f"the Joulescope driver does not list its devices ({error})") from error
    found: list[Device] = []
    for path in paths:
        parts = path.split("/")
        # A device in its updater (model &js220) cannot measure.
        if len(parts) == 3 and parts[1].startswith("js"):
            found.append(Device(path, parts[1].upper(), parts[2]))
    return tuple(found)


def choose(devices: Iterable[Device], model: str, serial: str | None) -> Device:
    """The device of that model, and of that serial number where one is given.

    Raises :class:`HardwareError` if it is not connected, or several would fit.
    """
    present = list(devices)
    there = ", ".join(map(str, present))
    fitting = [item for item in present if item.model == model and (serial is None or same_serial(item.serial, serial))]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise HardwareError(
            f"several {model} are connected: {', '.join(item.serial for item in fitting)}",
            advice="name one with `serial:` in the bench file",
        )
    wanted = f"{model} {serial}" if serial else model
    if not present:
        raise HardwareError(f"no Joulescope is connected ({wanted} is wanted)", advice=CONNECT_ADVICE)
    raise HardwareError(
        f"no {wanted} is connected; there is {there}", advice="check `model:` and `serial:` in the bench file"
    )


def same_serial(one: str, other: str) -> bool:
    """Serial numbers are printed with and without leading zeros."""
    return one.lstrip("0").upper() == other.lstrip("0").upper()
