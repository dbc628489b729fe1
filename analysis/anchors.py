"""Do the passes of a trial agree on the events that each of them counted?

A PMU has few counters, so the events of a trial are spread over passes, and put side by side as if one execution had
been counted. That is right only if the executions were alike. Each pass therefore counts the same two anchors, cycles
and instructions; where they differ by more than executions of one program do, no count of these passes is taken
without a flag.

How far they may differ (:data:`TOLERANCES`) follows from what varies:

- *Instructions in user space* are a property of the program: retired-instruction counts of deterministic programs
  repeat to about 0.002 % (V. Weaver, S. McKee, "Can hardware performance counters be trusted?", IISWC 2008), and what
  is left is one count per interrupt, the dynamic loader and the layout of the address space, some thousand
  instructions. The limit is fifty times wider in proportion, for programs that are not quite deterministic.
- *Instructions with the kernel's* hold timer ticks, page faults and whatever interrupt came meanwhile: at 250 ticks a
  second and some thousand instructions each, about 0.1 % of a slow core's work. The limit is ten times that, and in
  absolute terms what some dozens of ticks and faults take.
- *Cycles* depend on the state of caches, memory and clocks. 5 % is a convention, not derived: a fixed clock on an idle
  board stays well inside it, a governor at work or a second program does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.record.documents import Reading
from lab.record.timed import is_clock_event

CODE = "anchors_disagree"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far counts of the same work may lie apart: a share of the largest, and a number of counts beside it."""

    relative: float
    absolute: float

    def holds(self, values: Collection[float]) -> bool:
        """Do all of them lie within it?"""
        return max(values) - min(values) <= self.relative * max(values) + self.absolute


USER_INSTRUCTIONS = Tolerance(0.001, 10_000)
ALL_INSTRUCTIONS = Tolerance(0.01, 200_000)
CYCLES = Tolerance(0.05, 1_000_000)
TOLERANCES = {"instructions": (USER_INSTRUCTIONS, ALL_INSTRUCTIONS), "cycles": (CYCLES, CYCLES)}
"""Anchor → what holds in user space alone, what with the kernel's part."""

_USER_ONLY = "user space only"


def disagreeing(passes: Mapping[str, Sequence[Reading]], *, emulated: bool = False) -> frozenset[str]:
    """The names of those passes whose anchors do not fit each other.

    ``passes`` are those that did the same work: the passes of one trial with the same number of inferences. Which of
    them is wrong nobody can tell, so all that were compared are named. Cycles of an ``emulated`` board are not cycles,
    and are not compared.
    """
    found: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for pass_id, readings in passes.items():
        for reading in _anchors(readings, emulated):
            found[reading.instrument, reading.name, reading.scope][pass_id] = float(reading.value or 0.0)
    names: set[str] = set()
    for (_, name, scope), values in found.items():
        user, both = TOLERANCES[_plain(name)]
        tolerance = user if _USER_ONLY in scope else both
        if not tolerance.holds(values.values()):
            names |= values.keys()
    return frozenset(names)


def _anchors(readings: Iterable[Reading], emulated: bool) -> Iterable[Reading]:
    for reading in readings:
        is_anchor = _plain(reading.name) in TOLERANCES and reading.value is not None
        if is_anchor and not (emulated and is_clock_event(reading.name)):
            yield reading


def _plain(name: str) -> str:
    return name.partition(":")[0]
