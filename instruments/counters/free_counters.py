"""How many counters of a PMU are really free: as many events as the plan takes for granted are counted at once.

A core's manual says how many counters it has; a hypervisor, a watchdog that runs on the PMU, a debugger or firmware may
hold some of them. Whoever asks for more than are left gets turns, not counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from instruments.counters.counted import Counted
from instruments.counters.events import CounterEvent, EventTable
from instruments.protocol import Probe
from lab.errors import LabError
from lab.record.formats.perf_stat import CountState

Count = Callable[[Sequence[CounterEvent]], "list[Counted] | str"]
"""Counts events of a short command all at once; or says why not."""

_FILLERS = ("branch-misses", "cache-misses", "instructions")
"""Events that take a programmable counter, the first that the machine has. On x86 ``instructions`` has a counter of its
own, so it comes last."""


def free_counters(slots: int, dedicated: Collection[str], table: EventTable, count: Count) -> Probe:
    """Count ``slots`` events and the dedicated one at once; if they do not fit, find out how many do."""
    filler = next((event for name in _FILLERS if _fit([event := table.event(name)], count)), None)
    if filler is None:
        return Probe(
            present=True,
            detail="no hardware event is counted here: nothing of the PMU is taken for granted",
            facts={"free": 0, "slots": slots},
        )
    beside = [table.event("cycles")] if "cycles" in dedicated else []
    free = next((number for number in range(slots, 0, -1) if _fit([filler] * number + beside, count)), 0)
    facts = {"free": free, "slots": slots}
    if free == slots:
        more = " and the one for cycles" if beside else ""
        return Probe(present=True, detail=f"{slots} counters{more} count at once", facts=facts)
    return Probe(
        present=False,
        detail=f"the plan takes {slots} counters for granted, {free} are free",
        advice=f"set slots: {free} in the bench file, or free the others "
        "(kernel.nmi_watchdog=0, no debugger, no other perf; in a guest the host decides)",
        facts=facts,
    )


def _fit(events: Sequence[CounterEvent], count: Count) -> bool:
    """Were all of them on the PMU all the time?"""
    try:
        found = count(events)
    except LabError:
        return False
    return not isinstance(found, str) and all(item.state is CountState.COUNTED for item in found)
