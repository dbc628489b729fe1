"""Finding power sensors among the kernel's hardware monitors: which chips there are, and what each channel can show.

A chip is a folder ``/sys/class/hwmon/hwmonN`` with its ``name``; a channel is a number in the names of its files:
``power1_input`` in µW, ``in1_input`` in mV, ``curr1_input`` in mA (the kernel's hwmon sysfs interface). Numbers of
folders change from boot to boot: chips are named by their driver's name, and where two share it by their address on
the bus.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import HardwareError

ROOT = Path("/sys/class/hwmon")

NO_SENSOR_ADVICE = (
    "its driver must be loaded and the chip named in the device tree (INA219 and INA226: ina2xx, INA3221: ina3221); "
    "see docs/meters.md"
)

_CHANNELS_WITH_VOLTAGE = {"ina3221": 3}
"""An INA3221 has more numbers: in4 to in6 are the voltages over its shunts, curr4 a sum over its channels."""

_INPUT = re.compile(r"(power|in|curr)([0-9]{1,3})_input")


@dataclass(frozen=True, slots=True)
class Sensor:
    """One channel of a chip that shows power, or voltage and current.

    ``power`` is the file in µW; where there is none, ``voltage`` is in mV and ``current`` in mA.
    """

    folder: Path
    chip: str
    address: str
    channel: int
    label: str
    power: Path | None
    voltage: Path | None
    current: Path | None

    def __str__(self) -> str:
        label = f" {self.label!r}" if self.label else ""
        address = f" at {self.address}" if self.address else ""
        return f"{self.chip}{address}, channel {self.channel}{label}"

    @property
    def update_interval_s(self) -> float | None:
        """How often the chip renews its values, by what its driver says."""
        milliseconds = number(self.folder / "update_interval")
        return milliseconds * 1e-3 if milliseconds else None

    @property
    def averages(self) -> bool:
        """INA chips convert all the time, and show the mean over what they call their update interval."""
        return self.chip.startswith("ina")

    def facts(self) -> dict[str, object]:
        """What the driver says of the chip; what it does not say is left out."""
        known: dict[str, object] = {"chip": self.chip, "channel": self.channel}
        known |= {key: value for key, value in (("address", self.address), ("label", self.label)) if value}
        samples = number(self.folder / "samples")
        shunt_uohm = number(self.folder / "shunt_resistor") or number(self.folder / f"shunt{self.channel}_resistor")
        known |= {} if samples is None else {"samples": samples}
        known |= {} if shunt_uohm is None else {"shunt_resistor_ohm": shunt_uohm * 1e-6}
        known |= {} if self.update_interval_s is None else {"update_interval_s": self.update_interval_s}
        return known


def sensors(root: Path = ROOT) -> list[Sensor]:
    """All channels that show power, or voltage and current; whether they can be read is not said."""
    found: list[Sensor] = []
    for folder in sorted(root.glob("hwmon*"), key=lambda item: (len(item.name), item.name)):
        found += _of_chip(folder)
    return found


def choose(
    root: Path = ROOT,
    *,
    chip: str | None = None,
    address: str | None = None,
    label: str | None = None,
    channel: int | None = None,
) -> Sensor:
    """The one sensor that fits all that is said. Raises :class:`HardwareError` if none does, or several do."""
    known = sensors(root)
    if not known:
        raise HardwareError("no hardware monitor shows power, or voltage and current", advice=NO_SENSOR_ADVICE)
    fitting = [
        item
        for item in known
        if chip in (None, item.chip)
        and address in (None, item.address)
        and label in (None, item.label)
        and channel in (None, item.channel)
    ]
    listed = "; ".join(map(str, fitting or known))
    if not fitting:
        raise HardwareError("no sensor is called so", advice=f"there are: {listed}")
    if len(fitting) > 1:
        raise HardwareError(
            f"{len(fitting)} sensors are called so", advice=f"name address, label or channel of one: {listed}"
        )
    return fitting[0]


def number(path: Path) -> int | None:
    """The whole number in a file; ``None`` if there is none."""
    text = _text(path)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _of_chip(folder: Path) -> list[Sensor]:
    kinds: dict[int, dict[str, Path]] = {}
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if match := _INPUT.fullmatch(path.name):
                kinds.setdefault(int(match.group(2)), {})[match.group(1)] = path
    address = ""
    with contextlib.suppress(OSError):
        address = (folder / "device").resolve(strict=True).name
    found: list[Sensor] = []
    chip = _text(folder / "name")
    last = _CHANNELS_WITH_VOLTAGE.get(chip)
    for channel, files in sorted(kinds.items()):
        if last is not None and channel > last:
            continue
        if "power" not in files and not {"in", "curr"} <= files.keys():
            continue
        labels = (_text(folder / f"{kind}{channel}_label") for kind in ("power", "in", "curr"))
        label = next((text for text in labels if text), "") or _text(folder / "label")
        found.append(
            Sensor(
                folder=folder,
                chip=chip,
                address=address,
                channel=channel,
                label=label,
                power=files.get("power"),
                voltage=files.get("in"),
                current=files.get("curr"),
            )
        )
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
