"""Which quantities say something of time: times, cycles and other clock events, and what follows from them (energy,
power, their products).

An emulator does what the machine does that it stands for, at a pace of its own: its instructions, its page faults and
its memory are those of the machine, its seconds, cycles and joules are not. So for an emulated board none of these is
ever stated (reason ``emulated_time``), whoever gave them: the program, the kernel, a counter, a meter. This module says
which they are, by name and unit, for the plan and the analysis alike.
"""

from __future__ import annotations

import re

ENERGY_PREFIXES = ("energy_", "power_", "edp_", "ed2p_")
TIME_PREFIXES = ("latency_", "edp_", "ed2p_")

PROCESS_SUFFIX = "_process"
"""``page-faults_process``: the count of the whole process, where ``page-faults`` is the one per inference."""

_CLOCK_WORDS = frozenset({"cycle", "cycles", "clock", "clocks", "stall", "stalled", "time", "duration"})
_RAW_CYCLES = frozenset({0x11, 0x1D, 0x23, 0x24, 0x3C})
"""Raw codes of Arm's PMUv3 that count cycles of some kind: CPU_CYCLES, BUS_CYCLES, STALL_FRONTEND, STALL_BACKEND,
STALL (Arm ARM, D13.12); 0x3C is unhalted cycles on x86 too."""

_TIMELESS_UNITS = frozenset({"", "1", "%", "B"})
_TIMED_ENDINGS = ("_s", "_j", "_w", "_js", "_js2", "_hz")
"""What names of the lab's own quantities end in where their unit has a time in it."""


def is_clock_event(event: str) -> bool:
    """Does a counted event count time or cycles, under whatever name (``cycles:u``, ``task-clock``, ``cpu_cycles``,
    ``armv8_pmuv3/cpu_cycles/``, ``r11``)?"""
    name, _, _ = event.removesuffix(PROCESS_SUFFIX).lower().partition(":")
    raw = re.fullmatch(r"r([0-9a-f]+)", name) or re.search(r"\b(?:config|event)=0x([0-9a-f]+)", name)
    if raw is not None and int(raw[1], 16) in _RAW_CYCLES:
        return True
    return not _CLOCK_WORDS.isdisjoint(re.split(r"[^a-z0-9]+", name.replace("_", "-")))


def depends_on_time(quantity: str, unit: str | None = None) -> bool:
    """Would the quantity be another one on a machine of another pace, by its nature?

    ``unit`` is its unit where it is known: anything but a bare number, a percentage or a size then depends on time.
    """
    if quantity.startswith(ENERGY_PREFIXES + TIME_PREFIXES) or is_clock_event(quantity):
        return True
    return quantity.endswith(_TIMED_ENDINGS) if unit is None else unit not in _TIMELESS_UNITS
