"""Counter events in the kernel's spelling: which are counted in software, and how the others share a PMU's counters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lab.record.formats.perf_stat import SOFTWARE_EVENTS


def words(text: str) -> frozenset[str]:
    """The words of a text: a table of names that people can read."""
    return frozenset(text.split())


_HARDWARE_EVENTS = words(
    """
    branch-instructions branch-misses branches bus-cycles cache-misses cache-references cpu-cycles cycles instructions
    ref-cycles stalled-cycles-backend stalled-cycles-frontend
    """
)
_CACHES = ("L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node")
_CACHE_OPERATIONS = ("loads", "load-misses", "stores", "store-misses", "prefetches", "prefetch-misses")

KNOWN_EVENTS = SOFTWARE_EVENTS.union(
    _HARDWARE_EVENTS, (f"{cache}-{operation}" for cache in _CACHES for operation in _CACHE_OPERATIONS)
)
"""The generic names that perf knows on every machine (whether a machine counts them is another matter)."""

ANCHORS = ("cycles", "instructions")
"""Counted in every pass that counts hardware events, if there is room: no program runs without them, so they tell
whether the PMU counts at all, and passes can be held against each other."""


@dataclass(frozen=True, slots=True)
class EventSet:
    """What one pass counts. ``anchors`` are those of its events that nobody asked for: they only check the others."""

    events: tuple[str, ...]
    anchors: tuple[str, ...] = ()


def without_modifiers(event: str) -> str:
    """``instructions:u`` → ``instructions``."""
    return event.partition(":")[0]


def chunks(events: Sequence[str], slots: int, dedicated: Collection[str] = ()) -> list[EventSet]:
    """Split events into passes that never multiplex.

    Each pass holds at most ``slots`` hardware events beside one of the ``dedicated`` ones, which has a counter of its
    own. Every pass that counts hardware events also counts the anchors, as far as they leave room for another event;
    software events need no counter and go with the first.
    """

    def cost(chosen: Collection[str]) -> int:
        names = [without_modifiers(event) for event in chosen]
        own = sum(name in dedicated for name in names)
        return sum(name not in SOFTWARE_EVENTS and name not in dedicated for name in names) + max(0, own - 1)

    hardware = [event for event in events if without_modifiers(event) not in SOFTWARE_EVENTS]
    anchors = _anchors(hardware)
    if cost(hardware) <= slots:
        added: list[str] = []
        for anchor in anchors:
            if anchor not in events and cost([*hardware, *added, anchor]) <= slots:
                added.append(anchor)
        return [EventSet((*events, *added), tuple(added))] if events else []
    kept: list[str] = []
    for anchor in anchors:
        if cost([*kept, anchor]) < slots:
            kept.append(anchor)
    parts: list[list[str]] = [[]]
    for event in hardware:
        if event in kept:
            continue
        if cost([*kept, *parts[-1], event]) > slots:
            parts.append([])
        parts[-1].append(event)
    free = tuple(event for event in events if event not in hardware)
    unasked = tuple(anchor for anchor in kept if anchor not in events)
    return [EventSet((*kept, *part, *(free if number == 0 else ())), unasked) for number, part in enumerate(parts)]


def _anchors(hardware: Sequence[str]) -> list[str]:
    """The anchors for these events, spelt as one of them is (``instructions:u``) or with the modifier of all."""
    if not hardware:
        return []
    modifiers = {event.partition(":")[2] for event in hardware}
    shared = f":{modifiers.pop()}" if len(modifiers) == 1 and modifiers != {""} else ""
    return [
        next((event for event in hardware if without_modifiers(event) == anchor), anchor + shared) for anchor in ANCHORS
    ]
