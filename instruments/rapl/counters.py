"""The two ways to RAPL's energy counters: the kernel's perf events first, the powercap files second.

Perf's counts are 64 bits wide and the kernel keeps up with the wraps of the 32-bit registers beneath; they are opened
for the first CPU of each package (``cpumask``). The powercap files show the register's range as it is, wraps included.

Both trees are read below a root folder, by default ``/sys``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from instruments.rapl import perf_open
from lab.errors import HardwareError
from lab.record.traces.readings import Channel

SYS = Path("/sys")

PACKAGE, CORES, DRAM, PSYS = "package", "cores", "dram", "psys"
DOMAINS = (PACKAGE, CORES, DRAM, PSYS)
"""A whole processor package, its cores alone, the memory on its channels, the whole platform (where a laptop's or
board's maker wired it)."""

_PERF_EVENTS = {PACKAGE: "energy-pkg", CORES: "energy-cores", DRAM: "energy-ram", PSYS: "energy-psys"}
_POWERCAP_NAMES = {CORES: "core", DRAM: "dram", PSYS: "psys"}

PERF_ADVICE = "run as root, give python CAP_PERFMON, or set kernel.perf_event_paranoid to 0"
POWERCAP_ADVICE = "since Linux 5.10 energy_uj is readable by root only: run as root, or use perf (source: perf)"
NOTHING_ADVICE = "RAPL is a matter of Intel and AMD processors, and virtual machines rarely have it"

OpenEvent = Callable[[int, int, int], int]
"""Opens an event: (type, config, cpu) → file descriptor; raises ``OSError``."""

_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})


def open_on_cpu(kind: int, config: int, cpu: int) -> int:
    """The real :data:`OpenEvent`."""
    return perf_open.open_event(kind, config, cpu=cpu)


class Counter(Protocol):
    """An open energy counter."""

    channel: Channel
    how: str
    """``perf`` or ``powercap``, and where."""

    def read(self) -> int:
        """The raw value. Raises ``OSError``."""
        ...

    def close(self) -> None:
        """Let go. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Domain:
    """What is counted: one of :data:`DOMAINS`, and of which package (socket)."""

    name: str
    package: int

    def __str__(self) -> str:
        return PSYS if self.name == PSYS else f"{self.name}-{self.package}"


class PerfCounter:
    """An event of the ``power`` PMU, on the first CPU of each die of a package; the dies are added up."""

    def __init__(self, channel: Channel, how: str, descriptors: Sequence[int]) -> None:
        self.channel = channel
        self.how = how
        self._descriptors = list(descriptors)

    def read(self) -> int:
        """The raw counts of all dies."""
        return sum(perf_open.read_event(descriptor) for descriptor in self._descriptors)

    def close(self) -> None:
        """Close the events."""
        while self._descriptors:
            with contextlib.suppress(OSError):
                os.close(self._descriptors.pop())


class PowercapCounter:
    """The file ``energy_uj`` of a zone, held open."""

    def __init__(self, channel: Channel, zone: Path) -> None:
        self.channel = channel
        self.how = f"powercap {zone.name}"
        self._file: int | None = os.open(zone / "energy_uj", os.O_RDONLY)

    def read(self) -> int:
        """The energy in µJ."""
        if self._file is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        text = os.pread(self._file, 64, 0).decode("ascii", errors="replace").strip()
        if not (text.isascii() and text.isdecimal()):
            raise OSError(errno.EIO, f"energy_uj says {text!r}")
        return int(text)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_perf(domain: Domain, root: Path = SYS, open_event: OpenEvent = open_on_cpu) -> PerfCounter:
    """Open a domain's perf event. Raises :class:`HardwareError` with what stands in the way."""
    pmu = root / "bus/event_source/devices/power"
    event = _PERF_EVENTS[domain.name]
    if not pmu.is_dir():
        raise HardwareError("the kernel has no PMU called power", advice=NOTHING_ADVICE)
    if not (pmu / "events" / event).is_file():
        raise HardwareError(f"the PMU power has no event {event}", advice=NOTHING_ADVICE)
    kind = _whole(_text(pmu / "type"), pmu / "type")
    config = _config(_text(pmu / "events" / event), pmu / "events" / event)
    scale = _scale(pmu / "events", event)
    cpus = _first_cpus(domain, pmu, root)
    descriptors: list[int] = []
    try:
        for cpu in cpus:
            descriptors.append(open_event(kind, config, cpu))
    except OSError as error:
        for descriptor in descriptors:
            os.close(descriptor)
        advice = PERF_ADVICE if error.errno in _FORBIDDEN else NOTHING_ADVICE
        raise HardwareError(f"{event} on CPU {cpu}: {error.strerror or error}", advice=advice) from error
    return PerfCounter(
        Channel(measures="energy", scale=scale), f"perf power/{event}/ on CPU {', '.join(map(str, cpus))}", descriptors
    )


def open_powercap(domain: Domain, root: Path = SYS) -> PowercapCounter:
    """Open a domain's powercap file. Raises :class:`HardwareError` with what stands in the way."""
    zone = _zone(domain, root)
    try:
        range_uj = _whole(_text(zone / "max_energy_range_uj"), zone / "max_energy_range_uj")
        return PowercapCounter(Channel(measures="energy", scale=1e-6, modulus=range_uj + 1), zone)
    except PermissionError as error:
        raise HardwareError(f"{zone.name}: {error.strerror}", advice=POWERCAP_ADVICE) from error
    except OSError as error:
        raise HardwareError(f"{zone.name}: {error.strerror or error}", advice=NOTHING_ADVICE) from error
    except ValueError as error:
        raise HardwareError(f"{zone.name}: {error}", advice=NOTHING_ADVICE) from error


def domains_listed(root: Path = SYS) -> list[Domain]:
    """The domains that either tree names; whether they can be read is not said."""
    pmu = root / "bus/event_source/devices/power"
    packages = sorted({_package_of(cpu, root) for cpu in _cpu_list(_text_or(pmu / "cpumask"))})
    found = [
        Domain(name, package)
        for name, event in _PERF_EVENTS.items()
        if (pmu / "events" / event).is_file()
        for package in (packages[:1] if name == PSYS else packages)
    ]
    for zone, package, name in _zones(root):
        if (domain := _zone_domain(name, package)) is not None and domain not in found and zone.is_dir():
            found.append(domain)
    return found


# ------------------------------------------------------------------------------------------------------ perf's files


def _config(text: str, path: Path) -> int:
    found = re.fullmatch(r"event=(0x[0-9a-fA-F]{1,8}|[0-9]{1,8})", text)
    if found is None:
        raise HardwareError(f"{path}: found {text!r}, expected event=…")
    return int(found.group(1), 0)


def _scale(events: Path, event: str) -> float:
    """J per count. Raises :class:`HardwareError` if the kernel does not say it, or counts something else."""
    unit = _text_or(events / f"{event}.unit") or "Joules"
    try:
        scale = float(_text(events / f"{event}.scale"))
        Channel(measures="energy", scale=scale)
    except ValueError as error:
        raise HardwareError(f"{events / event}.scale: {error}") from error
    if unit != "Joules":
        raise HardwareError(f"{event} counts {unit}, not joules")
    return scale


def _first_cpus(domain: Domain, pmu: Path, root: Path) -> list[int]:
    cpus = _cpu_list(_text(pmu / "cpumask"))
    if domain.name == PSYS:
        return cpus[:1]
    chosen = [cpu for cpu in cpus if _package_of(cpu, root) == domain.package]
    if not chosen:
        packages = sorted({_package_of(cpu, root) for cpu in cpus})
        raise HardwareError(f"there is no package {domain.package}", advice=f"there are: {packages}")
    return chosen


def _package_of(cpu: int, root: Path) -> int:
    """The socket of a CPU; 0 where the kernel does not say it."""
    text = _text_or(root / f"devices/system/cpu/cpu{cpu}/topology/physical_package_id")
    return int(text) if text.isascii() and text.isdecimal() else 0


def _cpu_list(text: str) -> list[int]:
    """``0,18-19`` as numbers; what is no such list gives none."""
    cpus: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", part.strip())
        if found is not None:
            first = int(found.group(1))
            cpus += range(first, int(found.group(2) or first) + 1)
    return cpus


# -------------------------------------------------------------------------------------------------- powercap's files


def _zones(root: Path) -> list[tuple[Path, int, str]]:
    """(folder, package, name) of each zone. Those of ``intel-rapl-mmio`` show the same registers again."""
    found: list[tuple[Path, int, str]] = []
    for zone in sorted((root / "class/powercap").glob("intel-rapl:*")):
        above = zone.with_name(":".join(zone.name.split(":")[:2]))
        package = re.match(r"package-([0-9]{1,4})", _text_or(above / "name"))
        found.append((zone, int(package.group(1)) if package else 0, _text_or(zone / "name")))
    return found


def _zone_domain(name: str, package: int) -> Domain | None:
    if re.fullmatch(r"package-[0-9]{1,4}", name):
        return Domain(PACKAGE, package)
    for domain, known in _POWERCAP_NAMES.items():
        if name == known:
            return Domain(domain, 0 if domain == PSYS else package)
    return None


def _zone(domain: Domain, root: Path) -> Path:
    zones = _zones(root)
    if not zones:
        raise HardwareError("the kernel has no powercap zone intel-rapl", advice=NOTHING_ADVICE)
    wanted = Domain(PSYS, 0) if domain.name == PSYS else domain
    for zone, package, name in zones:
        if _zone_domain(name, package) == wanted:
            return zone
    named = ", ".join(name for _, _, name in zones)
    raise HardwareError(f"powercap has no zone for {domain}", advice=f"there are: {named}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise HardwareError(f"{path}: {error.strerror or error}", advice=NOTHING_ADVICE) from error


def _text_or(path: Path, otherwise: str = "") -> str:
    with contextlib.suppress(HardwareError):
        return _text(path)
    return otherwise


def _whole(text: str, path: Path) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise HardwareError(f"{path}: found {text!r}, expected a whole number")
    return int(text)
