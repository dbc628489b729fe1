"""Kinds of cores: what their counting unit is called, how many counters it has, and what an event's name means there.

The names are Linux' generic ones (``instructions``, ``L1-dcache-loads``), which the kernel maps to another event of the
PMU on each core, and those of the events that the kernel lists by name below ``/sys/bus/event_source/devices``. Two
things decide what is counted: the kernel's map (drivers/perf/arm_pmuv3.c for 64-bit cores, arm_v7_pmu.c for the older
ones) says which event a generic name is, the core's Technical Reference Manual what that event counts. :class:`Core`
carries both sources. On x86 the codes depend on the maker and the generation: perf alone knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Meanings = dict[str, tuple[int, str]]
"""Name → (raw code, what a reader of the count must know)."""


@dataclass(frozen=True, slots=True)
class Core:
    """One kind of core.

    ``pmu`` is what the kernel calls its counting unit, ``slots`` the number of programmable counters; the events of
    ``dedicated`` have a counter of their own beside them. ``parts`` are the numbers by which the core names itself
    (``CPU part`` in /proc/cpuinfo, the MIDR). ``generic`` are names that perf has on every machine, ``named`` those of
    this PMU alone.
    """

    pmu: str
    slots: int
    dedicated: frozenset[str] = frozenset()
    parts: tuple[int, ...] = ()
    generic: Meanings = field(default_factory=dict)
    named: Meanings = field(default_factory=dict)
    source: str = ""


_BOTH = "reads and writes: this PMU has no event for loads alone"
_BOTH_HERE = "reads and writes: the kernel maps it so, though this PMU counts reads alone under {reads}"
_PC_WRITE = (
    "software changes of the PC, architecturally executed; newer kernels take BR_RETIRED (0x21) where there is one"
)
_CYCLES = frozenset({"cycles", "cpu-cycles"})

_PMUV3: Meanings = {
    "cycles": (0x11, "CPU_CYCLES, on a counter of its own"),
    "instructions": (0x08, "INST_RETIRED: architecturally executed"),
    "branch-misses": (0x10, "BR_MIS_PRED: mispredicted or not predicted, speculative ones too"),
    "cache-references": (0x04, "L1D_CACHE: level 1 data cache, reads and writes"),
    "cache-misses": (0x03, "L1D_CACHE_REFILL: level 1 data cache, refills for reads and writes"),
    "bus-cycles": (0x1D, "BUS_CYCLES"),
    "L1-dcache-loads": (0x04, f"L1D_CACHE: {_BOTH}"),
    "L1-dcache-load-misses": (0x03, f"L1D_CACHE_REFILL: refills for {_BOTH}"),
    "L1-icache-loads": (0x14, "L1I_CACHE"),
    "L1-icache-load-misses": (0x01, "L1I_CACHE_REFILL"),
    "dTLB-load-misses": (0x05, f"L1D_TLB_REFILL: {_BOTH}"),
    "iTLB-load-misses": (0x02, "L1I_TLB_REFILL"),
    "branch-loads": (0x12, "BR_PRED: predictable branches, speculatively executed"),
    "branch-load-misses": (0x10, "BR_MIS_PRED"),
}
"""The kernel's map for every 64-bit Arm core (armv8_pmuv3_perf_map and _cache_map); Arm ARM DDI 0487, "PMU events"."""

_PMUV3_NAMED: Meanings = {
    "inst_retired": (0x08, "architecturally executed"),
    "l1d_cache": (0x04, "level 1 data cache, reads and writes"),
    "l1d_cache_refill": (0x03, "refills for reads and writes"),
    "l1d_cache_wb": (0x15, "write-backs of level 1"),
    "mem_access": (0x13, "data memory accesses, reads and writes"),
    "l2d_cache": (0x16, "level 2 data cache accesses"),
    "l2d_cache_refill": (0x17, "level 2 data cache refills"),
    "l2d_cache_wb": (0x18, "write-backs of level 2"),
    "bus_access": (0x19, "accesses of the core's bus"),
    "exc_taken": (0x09, "exceptions taken: interrupts and page faults among them"),
}
"""Events without a generic name that all of these cores have: asked for by their name in the PMU's folder in sysfs."""

_LOADS_RETIRED: Meanings = {
    "ld_retired": (0x06, "load instructions, architecturally executed"),
    "st_retired": (0x07, "store instructions, architecturally executed"),
}

_LAST_LEVEL: Meanings = {
    "LLC-loads": (0x36, "LL_CACHE_RD: reads of the last level that the core counts"),
    "LLC-load-misses": (0x37, "LL_CACHE_MISS_RD"),
    "dTLB-loads": (0x25, f"L1D_TLB: {_BOTH}"),
    "iTLB-loads": (0x26, "L1I_TLB"),
    "stalled-cycles-frontend": (0x23, "STALL_FRONTEND"),
    "stalled-cycles-backend": (0x24, "STALL_BACKEND"),
}

_READS: Meanings = {
    "L1-dcache-loads": (0x04, f"L1D_CACHE: {_BOTH_HERE.format(reads='l1d_cache_rd (0x40)')}"),
    "L1-dcache-load-misses": (0x03, f"L1D_CACHE_REFILL: {_BOTH_HERE.format(reads='l1d_cache_refill_rd (0x42)')}"),
}

_BR_RETIRED: Meanings = {
    "branches": (0x21, "BR_RETIRED; kernels that know PC_WRITE_RETIRED only say <not supported>"),
}

_V7: Meanings = {
    "cycles": (0xFF, "the PMU's own cycle counter"),
    "instructions": (0x08, "instructions architecturally executed"),
    "branches": (0x0C, "software changes of the PC"),
    "branch-misses": (0x10, "mispredicted or not predicted"),
    "cache-references": (0x04, "level 1 data cache: reads and writes"),
    "cache-misses": (0x03, "level 1 data cache: refills for reads and writes"),
    "L1-dcache-loads": (0x04, _BOTH),
    "L1-dcache-load-misses": (0x03, f"refills for {_BOTH}"),
    "L1-dcache-stores": (0x04, "the same count as L1-dcache-loads: reads and writes"),
    "L1-dcache-store-misses": (0x03, "the same count as L1-dcache-load-misses: refills for reads and writes"),
    "L1-icache-load-misses": (0x01, "refills"),
    "dTLB-load-misses": (0x05, _BOTH),
    "iTLB-load-misses": (0x02, ""),
    "branch-loads": (0x12, "predictable branches"),
    "branch-load-misses": (0x10, "mispredicted or not predicted"),
}
"""What the kernel's maps for 32-bit Arm cores have in common; Arm ARM DDI 0406, "Event numbers"."""

CORES: Mapping[str, Core] = {
    "cortex-a53": Core(
        pmu="armv8_cortex_a53",
        slots=6,
        dedicated=_CYCLES,
        parts=(0xD03,),
        generic=_PMUV3
        | {
            "branches": (0x0C, f"PC_WRITE_RETIRED: {_PC_WRITE}"),
            "L1-dcache-prefetch-misses": (0xC2, "linefills because of prefetching"),
        },
        named=_PMUV3_NAMED | _LOADS_RETIRED,
        source="Cortex-A53 TRM (Arm DDI 0500) 12.9; armv8_a53_perf_cache_map",
    ),
    "cortex-a55": Core(
        pmu="armv8_cortex_a55",
        slots=6,
        dedicated=_CYCLES,
        parts=(0xD05,),
        generic=_PMUV3 | _LAST_LEVEL | _READS | {"branches": (0x0C, f"PC_WRITE_RETIRED: {_PC_WRITE}")},
        named=_PMUV3_NAMED
        | _LOADS_RETIRED
        | {
            "l1d_cache_rd": (0x40, "reads alone"),
            "l1d_cache_refill_rd": (0x42, "refills for reads alone"),
        },
        source="Cortex-A55 TRM (Arm 100442), PMU events; armv8_pmuv3_perf_cache_map",
    ),
    "cortex-a72": Core(
        pmu="armv8_cortex_a72",
        slots=6,
        dedicated=_CYCLES,
        parts=(0xD08,),
        generic=_PMUV3
        | {
            "L1-dcache-loads": (0x40, "L1D_CACHE_RD: reads alone"),
            "L1-dcache-load-misses": (0x42, "L1D_CACHE_REFILL_RD: refills for reads alone"),
            "L1-dcache-stores": (0x41, "L1D_CACHE_WR: writes alone"),
            "L1-dcache-store-misses": (0x43, "L1D_CACHE_REFILL_WR: refills for writes alone"),
            "dTLB-load-misses": (0x4C, "L1D_TLB_REFILL_RD: reads alone"),
            "dTLB-store-misses": (0x4D, "L1D_TLB_REFILL_WR: writes alone"),
        },
        named=_PMUV3_NAMED,
        source="Cortex-A72 TRM (Arm 100095) 11.8; armv8_a57_perf_cache_map",
    ),
    "cortex-a73": Core(
        pmu="armv8_cortex_a73",
        slots=6,
        dedicated=_CYCLES,
        parts=(0xD09,),
        generic=_PMUV3
        | {
            "branches": (0x0C, f"PC_WRITE_RETIRED: {_PC_WRITE}"),
            "L1-dcache-loads": (0x40, "L1D_CACHE_RD: reads alone"),
            "L1-dcache-load-misses": (
                0x03,
                "L1D_CACHE_REFILL: refills for reads and writes, although the loads beside it are reads alone",
            ),
            "L1-dcache-stores": (0x41, "L1D_CACHE_WR: writes alone"),
        },
        named=_PMUV3_NAMED,
        source="Cortex-A73 TRM (Arm 100048), PMU events; armv8_a73_perf_cache_map",
    ),
    "cortex-a76": Core(
        pmu="armv8_cortex_a76",
        slots=6,
        dedicated=_CYCLES,
        parts=(0xD0B,),
        generic=_PMUV3 | _LAST_LEVEL | _READS | _BR_RETIRED,
        named=_PMUV3_NAMED
        | {
            "l1d_cache_rd": (0x40, "reads alone"),
            "l1d_cache_refill_rd": (0x42, "refills for reads alone"),
        },
        source="Cortex-A76 TRM (Arm 100798), PMU events; armv8_pmuv3_perf_cache_map",
    ),
    "cortex-a78": Core(
        pmu="armv8_cortex_a78",
        slots=6,
        dedicated=_CYCLES,
        parts=(0xD41,),
        generic=_PMUV3 | _LAST_LEVEL | _READS | _BR_RETIRED,
        named=_PMUV3_NAMED
        | {
            "l1d_cache_rd": (0x40, "reads alone"),
            "l1d_cache_refill_rd": (0x42, "refills for reads alone"),
        },
        source="Cortex-A78 TRM (Arm 101430), PMU events; armv8_pmuv3_perf_cache_map",
    ),
    "cortex-a7": Core(
        pmu="armv7_cortex_a7",
        slots=4,
        dedicated=_CYCLES,
        parts=(0xC07,),
        generic=_V7
        | {
            "bus-cycles": (0x1D, ""),
            "L1-icache-loads": (0x14, ""),
            "LLC-loads": (0x16, "level 2 cache accesses, reads and writes"),
            "LLC-load-misses": (0x17, "level 2 cache refills, reads and writes"),
        },
        source="Cortex-A7 TRM (Arm DDI 0464) 11; armv7_a7_perf_map",
    ),
    "cortex-a8": Core(
        pmu="armv7_cortex_a8",
        slots=4,
        dedicated=_CYCLES,
        parts=(0xC08,),
        generic=_V7
        | {
            "L1-icache-loads": (0x50, ""),
            "LLC-loads": (0x43, "level 2 cache accesses, reads and writes"),
            "LLC-load-misses": (0x44, "level 2 cache refills, reads and writes"),
        },
        source="Cortex-A8 TRM (Arm DDI 0344) 3.2; armv7_a8_perf_map",
    ),
    "cortex-a9": Core(
        pmu="armv7_cortex_a9",
        slots=6,
        dedicated=_CYCLES,
        parts=(0xC09,),
        generic=_V7
        | {
            "instructions": (0x68, "instructions going through register renaming: speculative ones too"),
            "stalled-cycles-frontend": (0x60, "stalls for the instruction cache"),
            "stalled-cycles-backend": (0x66, "cycles in which nothing was dispatched"),
        },
        source="Cortex-A9 TRM (Arm DDI 0388) 11.4.1; armv7_a9_perf_map",
    ),
    "x86": Core(pmu="cpu", slots=4, source="four programmable counters that every core of the makers has"),
    "generic": Core(pmu="", slots=4),
}
"""Kinds of cores whose events are known; ``generic`` is any core, with the kernel's own meaning of each name."""


def core_of_part(part: int) -> str | None:
    """The kind of core that calls itself so (``CPU part`` in /proc/cpuinfo); ``None`` for one not known here."""
    return next((name for name, core in CORES.items() if part in core.parts), None)
