"""Counter events in the kernel's spelling: which are counted in software, and how the others share a PMU's counters."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
"""Counted in every pass of a set that one pass cannot hold, so that passes can be held against each other."""

DEDICATED_EVENTS: dict[str, frozenset[str]] = {
    core: frozenset({"cycles", "cpu-cycles"}) for core in ("cortex-a53", "cortex-a9", "cortex-a72")
}
"""Events with a counter of their own beside the programmable ones (Arm: PMCCNTR counts cycles)."""


def without_modifiers(event: str) -> str:
    """``instructions:u`` → ``instructions``."""
    return event.partition(":")[0]


def chunks(events: Sequence[str], slots: int, dedicated: Collection[str] = ()) -> list[tuple[str, ...]]:
    """Split events into passes that never multiplex.

    Each pass holds at most ``slots`` hardware events beside the ``dedicated`` ones. Where one pass is not enough, every
    pass also counts the anchors, unless the PMU is too small for them; software events go with the first.
    """

    def cost(event: str) -> int:
        name = without_modifiers(event)
        return 0 if name in SOFTWARE_EVENTS or name in dedicated else 1

    if sum(map(cost, events)) <= slots:
        return [tuple(events)] if events else []
    anchors: tuple[str, ...] = ANCHORS
    room = slots - sum(map(cost, anchors))
    if room < 1:
        anchors, room = (), slots
    free = tuple(event for event in events if cost(event) == 0 and event not in anchors)
    counted = [event for event in events if cost(event) and event not in anchors]
    parts = [tuple(counted[begin : begin + room]) for begin in range(0, len(counted), room)] or [()]
    return [(*anchors, *part, *(free if number == 0 else ())) for number, part in enumerate(parts)]
