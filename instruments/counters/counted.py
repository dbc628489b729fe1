"""What became of an event in a pass, whoever counted it, and what must not be believed of it.

Nothing is averaged and nothing is extrapolated here: a count either stands as it was taken, or it has reason codes that
say why it must not be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from instruments.counters.events import CLOCKS, CounterEvent
from lab.record.formats.perf_stat import CountState

ANCHORS = frozenset({"cycles", "cpu-cycles", "instructions"})
"""No program runs without either of them."""

NOT_PERMITTED = "not_permitted"
WINDOW_NOT_OPENED = "window_not_opened"
PMU_DEAD = "pmu_dead"
ZERO_COUNT = "zero_count"


@dataclass(frozen=True, slots=True)
class Counted:
    """One event's count.

    ``value`` is in ``unit`` (``1``, or ``s`` for clocks); ``running_pct`` is the share of the time that it was on the
    PMU; ``runtime_ns`` how long that was. ``printed`` is the name that whoever counted gave back. ``user_only``: the
    kernel's part was asked for and not permitted. ``error`` is the kernel's name for what was wrong.
    """

    event: CounterEvent
    state: CountState
    value: float | None = None
    unit: str = "1"
    running_pct: float | None = None
    runtime_ns: float | None = None
    printed: str = ""
    user_only: bool = False
    error: str = ""

    @property
    def is_hardware(self) -> bool:
        """Does it come from a PMU?"""
        return not self.event.software

    @property
    def plain_name(self) -> str:
        """The event's name without modifiers."""
        return self.event.name.partition(":")[0]

    def details(self) -> dict[str, object]:
        """For the record: what was counted, and how that went."""
        facts = {
            "printed": self.printed,
            "running_pct": self.running_pct,
            "runtime_ns": self.runtime_ns,
            "error": self.error,
        }
        kept = {key: value for key, value in facts.items() if value not in ("", None)}
        return {**self.event.details(), **kept, "state": self.state.value}


def reasons(counts: Sequence[Counted], window_only: bool = False) -> list[tuple[str, ...]]:
    """Why each count of a pass must not be used; an empty tuple if it may.

    ``window_only``: counting began only when the program opened its window. If it did so for no event, the program
    never opened it.

    A hardware event that is exactly zero while work was done was not counted, whatever the PMU says of the time it ran.
    Whether work was done is told by the anchors in the pass, without anchors by the other hardware events, and if there
    are none either by the fact that a program ran at all; only a task clock that stood still says otherwise. Where the
    anchors themselves are zero, none of the PMU's counts is believed: there are emulated ones that answer every
    question with 0, at 100 % of the time.
    """
    unopened = window_only and _never_enabled(counts)
    dead, idle = _pmu_is_dead(counts), _nothing_ran(counts)
    return [_reasons_of(count, unopened, dead, idle) for count in counts]


def _reasons_of(count: Counted, unopened: bool, dead: bool, idle: bool) -> tuple[str, ...]:
    if count.error in ("EACCES", "EPERM"):
        return (NOT_PERMITTED,)
    if unopened and count.state is CountState.NOT_COUNTED:
        return (WINDOW_NOT_OPENED,)
    if count.state is not CountState.COUNTED:
        return (count.state.value,)
    if not count.is_hardware or idle:
        return ()
    if dead:
        return (PMU_DEAD,)
    return (ZERO_COUNT,) if count.value == 0 and not count.event.may_be_zero else ()


def _never_enabled(counts: Sequence[Counted]) -> bool:
    """Did not one of the events that the machine has run for a moment?"""
    offered = [count for count in counts if count.state is not CountState.NOT_SUPPORTED and not count.error]
    return bool(offered) and all(count.state is CountState.NOT_COUNTED and not count.runtime_ns for count in offered)


def _nothing_ran(counts: Sequence[Counted]) -> bool:
    clocks = [count.value for count in counts if count.plain_name in CLOCKS and count.state is CountState.COUNTED]
    return bool(clocks) and not any(clocks)


def _pmu_is_dead(counts: Sequence[Counted]) -> bool:
    seen = [count for count in counts if count.is_hardware and count.state is CountState.COUNTED]
    anchors = [count for count in seen if count.plain_name in ANCHORS]
    doubtful = anchors or [count for count in seen if not count.event.may_be_zero]
    return bool(doubtful) and all(count.value == 0 for count in doubtful)
