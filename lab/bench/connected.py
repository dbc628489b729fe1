"""A bench for whoever has none: the power meters that are connected to this machine, as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lab.bench.model import Bench
from lab.errors import HardwareError

if TYPE_CHECKING:
    from instruments.joulescope.discovery import Device

NAME = "connected"
"""What such a bench is called."""

_PLACEHOLDER = {
    "source": "placeholder",
    "timebase_ppm": 100,
    "note": "enter the limits of your device's data sheet in a bench file",
}


def connected_bench(find: Callable[[], tuple[Device, ...]] | None = None) -> tuple[Bench, str]:
    """The connected Joulescopes, each at its full rate with the range it chooses, and the same as a bench file's text.

    Nothing is known of their accuracy, so no expanded uncertainty will be claimed. ``find`` lists the devices. Raises
    :class:`HardwareError` if none is there.
    """
    from instruments.joulescope.models import MODELS

    devices = [device for device in (find or _joulescopes)() if device.model in MODELS]
    if not devices:
        from instruments.joulescope.discovery import CONNECT_ADVICE

        raise HardwareError("no Joulescope is connected", advice=f"name a bench file with --bench, or {CONNECT_ADVICE}")
    instruments: dict[str, Any] = {
        f"{device.model.lower()}_{device.serial}" if len(devices) > 1 else "meter": {
            "kind": "joulescope",
            "model": device.model,
            "serial": device.serial,
            "rate": MODELS[device.model].analog_hz,
            "range": "auto",
            "accuracy": _PLACEHOLDER,
        }
        for device in devices
    }
    written = {
        "bench": NAME,
        "title": "The power meters that are connected",
        "board": {"kind": "none"},
        "instruments": instruments,
    }
    return Bench.model_validate(written), _as_yaml(written)


def _joulescopes() -> tuple[Device, ...]:
    from instruments.joulescope.discovery import connected
    from instruments.joulescope.driver import shared_driver

    driver = shared_driver()
    try:
        return connected(driver)
    finally:
        driver.finalize()


def _as_yaml(written: dict[str, Any]) -> str:
    from io import StringIO

    from ruamel.yaml import YAML

    text = StringIO()
    YAML().dump(written, text)
    return text.getvalue()
