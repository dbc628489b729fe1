"""How often a meter renews its value, found out by asking as fast as it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from instruments.polling.pace import NS, Time

INTERVALS = 10
"""So many intervals between two changes are enough."""

LIMIT_S = 2.0
"""No longer than this is spent on it."""


@dataclass(frozen=True, slots=True)
class UpdatePeriod:
    """The mean interval between two changes of a value, the extremes, and how many intervals there were."""

    mean_s: float
    shortest_s: float
    longest_s: float
    intervals: int


def measure_update_period(
    read: Callable[[], float], time: Time, *, intervals: int = INTERVALS, limit_s: float = LIMIT_S
) -> UpdatePeriod | None:
    """Ask until the value has changed ``intervals`` + 1 times; ``None`` if it changed less than twice in ``limit_s``.

    A change lies between the question that still got the old value and the one that got the new; the middle is taken.
    Raises what ``read`` raises.
    """
    deadline_ns = time.now_ns() + round(limit_s * NS)
    changes: list[float] = []
    before_ns, last = time.now_ns(), read()
    while len(changes) <= intervals:
        begin_ns = time.now_ns()
        if begin_ns >= deadline_ns:
            break
        value = read()
        if value != last:
            changes.append((before_ns + time.now_ns()) / 2)
        before_ns, last = begin_ns, value
    if len(changes) < 2:
        return None
    lengths_s = [(after - before) / NS for before, after in pairwise(changes)]
    return UpdatePeriod(
        (changes[-1] - changes[0]) / NS / len(lengths_s), min(lengths_s), max(lengths_s), len(lengths_s)
    )
