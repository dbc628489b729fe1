"""What an event's name means on a core: the kernel's name for it, the PMU, the raw code, who counts it.

The lab's names are those of Linux' perf. How ``perf_event_open(2)`` is asked for the same event is
:meth:`CounterEvent.request`; its numbers are those of linux/include/uapi/linux/perf_event.h.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from instruments.counters.cores import CORES
from instruments.protocol import EventRequest
from lab.record.formats.perf_stat import SOFTWARE_EVENTS

HARDWARE = {
    "cpu-cycles": 0,
    "cycles": 0,
    "instructions": 1,
    "cache-references": 2,
    "cache-misses": 3,
    "branch-instructions": 4,
    "branches": 4,
    "branch-misses": 5,
    "bus-cycles": 6,
    "stalled-cycles-frontend": 7,
    "stalled-cycles-backend": 8,
    "ref-cycles": 9,
}
"""``PERF_COUNT_HW_*``."""

_SAME = {"cpu-cycles": "cycles", "branch-instructions": "branches"}
"""Second names of the same event."""

SOFTWARE = {
    "cpu-clock": 0,
    "task-clock": 1,
    "page-faults": 2,
    "faults": 2,
    "context-switches": 3,
    "cs": 3,
    "cpu-migrations": 4,
    "migrations": 4,
    "minor-faults": 5,
    "major-faults": 6,
    "alignment-faults": 7,
    "emulation-faults": 8,
    "dummy": 9,
    "bpf-output": 10,
    "cgroup-switches": 11,
}
"""``PERF_COUNT_SW_*``."""

_CACHES = {"L1-dcache": 0, "L1-icache": 1, "LLC": 2, "dTLB": 3, "iTLB": 4, "branch": 5, "node": 6}
_OPERATIONS = {"load": 0, "store": 1, "prefetch": 2}
_CACHE_EVENT = re.compile(rf"({'|'.join(_CACHES)})-(load|store|prefetch)(e?s|-misses)")

CLOCKS = frozenset({"task-clock", "cpu-clock"})
"""Software events that count nanoseconds."""

_RAW = re.compile(r"r([0-9a-fA-F]{1,16})")
_OF_A_PMU = re.compile(r"([\w.-]+)/([^/]*)/([a-zA-Z]*)")
_NUMBER = re.compile(r"(?:config|event)=(0x[0-9a-fA-F]+|\d+)")

Listed = Mapping[str, Mapping[str, int]]
"""What the board's kernel lists: PMU → name of an event → raw code."""


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An event that the bench file defines by its number: ``pmu`` as the kernel calls it, empty for the core's own.

    ``may_be_zero``: a count of zero is no sign that it was not counted.
    """

    code: int
    pmu: str = ""
    note: str = ""
    may_be_zero: bool = False


@dataclass(frozen=True, slots=True)
class CounterEvent:
    """An event of the lab on one kind of core.

    ``kernel_name`` is what perf is asked for; ``pmu`` the kernel's name of the counting unit, empty where it is not
    known; ``code`` the raw event number, where it is known; ``note`` what a reader of the count must know; ``source``
    where the last two come from. ``kernel_type`` and ``config`` are what ``perf_event_open`` is asked for, ``None``
    where that is not known. ``user`` and ``kernel``: whose work is counted.
    """

    name: str
    kernel_name: str
    software: bool
    pmu: str = ""
    code: int | None = None
    note: str = ""
    source: str = ""
    may_be_zero: bool = False
    kernel_type: str = ""
    config: int | None = None
    user: bool = True
    kernel: bool = True

    def request(self, group: int) -> EventRequest | None:
        """The event for ``perf_event_open(2)``; ``None`` if only perf knows what its name means."""
        if self.config is None:
            return None
        return EventRequest(self.name, self.kernel_type, self.config, group, self.user, self.kernel)

    def details(self) -> dict[str, str | int]:
        """For the record: everything that says what was counted."""
        facts: dict[str, str | int | None] = {
            "kernel_name": self.kernel_name,
            "pmu": self.pmu,
            "code": self.code,
            "note": self.note,
            "meaning_from": self.source,
        }
        return {key: value for key, value in facts.items() if value not in ("", None)} | {"software": self.software}


@dataclass(frozen=True, slots=True)
class EventTable:
    """What names mean on one board: its kind of core, what its kernel lists, what the bench file defines.

    Raises ``KeyError`` on a kind of core that is not in :data:`instruments.counters.cores.CORES`.
    """

    core: str
    raw: Mapping[str, RawEvent] = field(default_factory=dict)
    listed: Listed = field(default_factory=dict)

    def __post_init__(self) -> None:
        CORES[self.core]

    @property
    def pmu(self) -> str:
        """The core's counting unit as this board's kernel calls it.

        A kernel whose device tree says no more than ``arm,armv8-pmuv3`` calls it ``armv8_pmuv3`` on any core.
        """
        named = CORES[self.core].pmu
        if named in self.listed or not self.listed:
            return named
        core_pmus = [name for name in self.listed if re.fullmatch(r"armv[78]\w*|cpu(_core)?", name)]
        return core_pmus[0] if len(core_pmus) == 1 else named

    def event(self, name: str) -> CounterEvent:
        """What ``name`` is. A name not known here is handed to perf as it is."""
        plain, _, modifiers = name.partition(":")
        user, kernel = _privilege(modifiers)
        if plain in self.raw:
            return self._defined(name, self.raw[plain], modifiers, user, kernel)
        if plain in SOFTWARE_EVENTS:
            return CounterEvent(
                name,
                name,
                software=True,
                pmu="software",
                kernel_type="software",
                config=SOFTWARE.get(plain),
                user=user,
                kernel=kernel,
            )
        core = CORES[self.core]
        kernel_type, config = _generic(plain)
        if config is not None or plain in core.generic:
            code, note = core.generic.get(_SAME.get(plain, plain), (None, ""))
            return CounterEvent(
                name,
                name,
                software=False,
                pmu=self.pmu,
                code=code,
                note=note,
                source=core.source if code is not None else "",
                kernel_type=kernel_type,
                config=config,
                user=user,
                kernel=kernel,
            )
        if plain in core.named or plain in self.listed.get(self.pmu, {}):
            return self._named(name, plain, modifiers, user, kernel)
        return self._spelt(name, user, kernel)

    def known(self) -> tuple[str, ...]:
        """The names that mean something here, software events first."""
        core = CORES[self.core]
        hardware = core.generic or CORES["cortex-a53"].generic
        return (*sorted(SOFTWARE_EVENTS), *hardware, *core.named, *(name for name in self.raw if name not in hardware))

    def _defined(self, name: str, raw: RawEvent, modifiers: str, user: bool, kernel: bool) -> CounterEvent:
        pmu = raw.pmu or self.pmu
        spelt = f"{pmu}/config=0x{raw.code:x}/{modifiers}" if pmu else _suffixed(f"r{raw.code:x}", modifiers)
        return CounterEvent(
            name,
            spelt,
            software=False,
            pmu=pmu,
            code=raw.code,
            note=raw.note,
            source="bench file",
            may_be_zero=raw.may_be_zero,
            kernel_type=pmu or "raw",
            config=raw.code,
            user=user,
            kernel=kernel,
        )

    def _named(self, name: str, plain: str, modifiers: str, user: bool, kernel: bool) -> CounterEvent:
        """An event that has a name in the PMU's folder in sysfs."""
        core = CORES[self.core]
        code, note = core.named.get(plain, (None, ""))
        listed = self.listed.get(self.pmu, {}).get(plain)
        return CounterEvent(
            name,
            f"{self.pmu}/{plain}/{modifiers}",
            software=False,
            pmu=self.pmu,
            code=code if listed is None else listed,
            note=note,
            source=core.source if listed is None else "the board's kernel lists it",
            kernel_type=self.pmu,
            config=code if listed is None else listed,
            user=user,
            kernel=kernel,
        )

    def _spelt(self, name: str, user: bool, kernel: bool) -> CounterEvent:
        """A name in one of perf's own spellings of numbers, or one that only perf may know."""
        if match := _RAW.fullmatch(name.partition(":")[0]):
            code = int(match[1], 16)
            return CounterEvent(
                name,
                name,
                software=False,
                pmu=self.pmu,
                code=code,
                kernel_type=self.pmu or "raw",
                config=code,
                user=user,
                kernel=kernel,
            )
        if match := _OF_A_PMU.fullmatch(name):
            pmu, inner, modifiers = match.groups()
            number = _NUMBER.fullmatch(inner)
            found = int(number[1], 0) if number else self.listed.get(pmu, {}).get(inner)
            user, kernel = _privilege(modifiers)
            return CounterEvent(
                name,
                name,
                software=False,
                pmu=pmu,
                code=found,
                kernel_type=pmu,
                config=found,
                user=user,
                kernel=kernel,
            )
        return CounterEvent(name, name, software=False, pmu=self.pmu, user=user, kernel=kernel)


def is_generic(name: str) -> bool:
    """Does every perf know this name?"""
    plain = name.partition(":")[0]
    return plain in SOFTWARE_EVENTS or _generic(plain)[1] is not None


def _generic(plain: str) -> tuple[str, int | None]:
    """(type, config) of a name that perf has on every machine; the config is ``None`` for any other name."""
    if plain in HARDWARE:
        return "hardware", HARDWARE[plain]
    if (match := _CACHE_EVENT.fullmatch(plain)) and match[3] in _PLURALS[match[2]]:
        missed = match[3] == "-misses"
        return "hw_cache", _CACHES[match[1]] | _OPERATIONS[match[2]] << 8 | missed << 16
    return "", None


_PLURALS = {"load": ("s", "-misses"), "store": ("s", "-misses"), "prefetch": ("es", "-misses")}


def _privilege(modifiers: str) -> tuple[bool, bool]:
    """(user space, kernel) from perf's modifiers: without ``u`` and ``k`` both."""
    if not {"u", "k"} & set(modifiers):
        return True, True
    return "u" in modifiers, "k" in modifiers


def _suffixed(name: str, modifiers: str) -> str:
    return f"{name}:{modifiers}" if modifiers else name
