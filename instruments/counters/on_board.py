"""Counting by the board itself (its agent calls ``perf_event_open``), where no perf is or none is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from instruments.counters.counted import Counted
from instruments.counters.events import CLOCKS, CounterEvent
from instruments.protocol import EventCount, EventRequest, Probe
from lab.record.formats.perf_stat import FULL_TIME_PCT, CountState

ABSENT = Probe(
    present=False,
    detail="this board does not count events itself",
    advice="use perf (by: perf_stat), or a board over SSH on which the lab may put its agent (board.agent: auto)",
)

_ROUNDED_UP_PCT = 99.995
"""From here on perf prints 100.00: the kernel stamps the two times an instant apart."""

_LACKING = frozenset({"ENOENT", "ENODEV", "EOPNOTSUPP", "ENOSYS", "ENXIO"})
"""The kernel's answers for an event that this machine does not have."""

UNKNOWN_NAME = "only perf knows this name"


class CountingBoard(Protocol):
    """What is asked of a board that counts."""

    def can_count(self) -> Probe:
        """Can it; if not, why and what to do."""
        ...

    def count(self, argv: Sequence[str], requests: Sequence[EventRequest]) -> Sequence[EventCount]:
        """Run a short command and count its events, one count for each request.

        Raises :class:`lab.errors.LabError` if it cannot be run.
        """
        ...


def requests(events: Sequence[CounterEvent]) -> tuple[EventRequest, ...]:
    """The events that can be asked for by number, in their order.

    Those of a PMU go on it together or not at all; what the kernel counts itself needs no company.
    """
    alone, found = 0, []
    for event in events:
        if event.software:
            alone += 1
        request = event.request(alone if event.software else 0)
        if request is not None:
            found.append(request)
    return tuple(found)


def counted(events: Sequence[CounterEvent], counts: Sequence[EventCount]) -> list[Counted]:
    """What became of each event; ``counts`` answer :func:`requests` of the same events."""
    answers = iter(counts)
    return [
        Counted(event, CountState.NOT_SUPPORTED, error=UNKNOWN_NAME)
        if event.config is None
        else _counted(event, next(answers, None))
        for event in events
    ]


def _counted(event: CounterEvent, count: EventCount | None) -> Counted:
    if count is None:
        return Counted(event, CountState.NOT_COUNTED, error="the board did not answer")
    if count.value is None:
        lacking = count.error in _LACKING
        return Counted(
            event,
            CountState.NOT_SUPPORTED if lacking else CountState.NOT_COUNTED,
            printed=count.name,
            runtime_ns=float(count.running_ns),
            error=count.error,
        )
    is_clock = event.name.partition(":")[0] in CLOCKS
    share = 100.0 * count.running_ns / count.enabled_ns if count.enabled_ns > 0 else 0.0
    running_pct = FULL_TIME_PCT if share >= _ROUNDED_UP_PCT else share
    state = CountState.COUNTED if running_pct >= FULL_TIME_PCT else CountState.MULTIPLEXED
    if count.running_ns <= 0:
        state = CountState.NOT_COUNTED
    return Counted(
        event,
        state,
        None if state is CountState.NOT_COUNTED else count.value * (1e-9 if is_clock else 1.0),
        "s" if is_clock else "1",
        running_pct,
        float(count.running_ns),
        printed=count.name,
        user_only=count.user_only and event.kernel,
    )
