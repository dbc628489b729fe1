"""What an event's name means on a core: the kernel's name for it, the PMU, the raw code, who counts it.

The lab's names are those of Linux' perf (``instructions``, ``L1-dcache-loads``), which are generic: the kernel maps
them to another event of the PMU on each core, and that one is written beside every count. Sources: the Arm
Technical Reference Manuals (Cortex-A53 12.9, Cortex-A72 11.8, Cortex-A9 11.4.1), the Armv8 PMUv3 common events, and
the maps in the kernel's ``drivers/perf/arm_pmuv3.c`` and ``arm_v7_pmu.c``. On x86 the code depends on the maker and
the generation: perf alone knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.record.formats.perf_stat import SOFTWARE_EVENTS

CORES = ("cortex-a53", "cortex-a9", "cortex-a72", "x86", "generic")
"""Kinds of cores whose events are known; ``generic`` is any core, with the kernel's own meaning of each name."""


@dataclass(frozen=True, slots=True)
class PerfEvent:
    """An event of the lab on one kind of core.

    ``kernel_name`` is what perf is asked for; ``pmu`` the kernel's name of the counting unit, empty where it is not
    known; ``code`` the raw event number, where it is known; ``note`` what a reader of the count must know.
    """

    name: str
    kernel_name: str
    software: bool
    pmu: str = ""
    code: int | None = None
    note: str = ""


_READS_AND_WRITES = "counts reads and writes: this PMU has no event for loads alone"

# name → (raw code, note)
_Codes = Mapping[str, tuple[int, str]]

_ARMV8: _Codes = {
    "cycles": (0x11, ""),
    "instructions": (0x08, "architecturally executed"),
    "branch-misses": (0x10, "mispredicted or not predicted"),
    "cache-references": (0x04, "level 1 data cache: reads and writes"),
    "cache-misses": (0x03, "level 1 data cache: refills for reads and writes"),
    "bus-cycles": (0x1D, ""),
    "L1-dcache-loads": (0x04, _READS_AND_WRITES),
    "L1-dcache-load-misses": (0x03, f"refills; {_READS_AND_WRITES}"),
    "L1-icache-loads": (0x14, ""),
    "L1-icache-load-misses": (0x01, "refills"),
    "dTLB-load-misses": (0x05, _READS_AND_WRITES),
    "iTLB-load-misses": (0x02, ""),
}

_A53: _Codes = {**_ARMV8, "branches": (0x0C, "software changes of the PC, architecturally executed")}

_A72: _Codes = {
    **_ARMV8,
    "L1-dcache-loads": (0x40, "reads alone"),
    "L1-dcache-load-misses": (0x42, "refills for reads alone"),
    "L1-dcache-stores": (0x41, "writes alone"),
    "L1-dcache-store-misses": (0x43, "refills for writes alone"),
    "dTLB-load-misses": (0x4C, "reads alone"),
}

_A9: _Codes = {
    "cycles": (0xFF, "the PMU's own cycle counter"),
    "instructions": (0x68, "instructions going through register renaming: speculative ones too"),
    "branches": (0x0C, "software changes of the PC"),
    "branch-misses": (0x10, "mispredicted or not predicted"),
    "cache-references": (0x04, "level 1 data cache: reads and writes"),
    "cache-misses": (0x03, "level 1 data cache: refills for reads and writes"),
    "L1-dcache-loads": (0x04, _READS_AND_WRITES),
    "L1-dcache-load-misses": (0x03, f"refills; {_READS_AND_WRITES}"),
    "L1-icache-load-misses": (0x01, "refills"),
}

_PMUS: Mapping[str, tuple[str, _Codes]] = {
    "cortex-a53": ("armv8_cortex_a53", _A53),
    "cortex-a72": ("armv8_cortex_a72", _A72),
    "cortex-a9": ("armv7_cortex_a9", _A9),
    "x86": ("cpu", {}),
    "generic": ("", {}),
}

_ARMV8_NAMED: Mapping[str, tuple[int, str]] = {
    "l2d_cache": (0x16, "level 2 data cache accesses"),
    "l2d_cache_refill": (0x17, "level 2 data cache refills"),
    "bus_access": (0x19, "accesses of the core's bus"),
    "mem_access": (0x13, "data memory accesses"),
}
"""Events that have no generic name: asked for by their name in the PMU's folder in sysfs."""


def perf_event(name: str, core: str) -> PerfEvent:
    """What ``name`` is on ``core``. A name not known here is handed to perf as it is.

    Raises ``KeyError`` on a kind of core not in :data:`CORES`.
    """
    pmu, codes = _PMUS[core]
    if name.partition(":")[0] in SOFTWARE_EVENTS:
        return PerfEvent(name, name, software=True, pmu="software")
    if name in codes:
        code, note = codes[name]
        return PerfEvent(name, name, software=False, pmu=pmu, code=code, note=note)
    if pmu.startswith("armv8") and name in _ARMV8_NAMED:
        code, note = _ARMV8_NAMED[name]
        return PerfEvent(name, f"{pmu}/{name}/", software=False, pmu=pmu, code=code, note=note)
    return PerfEvent(name, name, software=False, pmu=pmu)


def known_events(core: str) -> tuple[str, ...]:
    """The names that mean something on ``core``, software events first."""
    pmu, codes = _PMUS[core]
    hardware = codes or _ARMV8
    named = _ARMV8_NAMED if pmu.startswith("armv8") else {}
    return (*sorted(SOFTWARE_EVENTS), *hardware, *(name for name in ("branches",) if name not in hardware), *named)
