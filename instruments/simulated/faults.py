"""Faults that a simulated meter can suffer: which passes they hit, and what they do to the signal.

A fault is put into the signal or into the stream of samples, never into the documents: the meter has to notice it
with the same detectors (:mod:`instruments.stream_checks`) that watch a real one. Whether a pass is hit, and how, is
drawn from the pass's seed, so a pass attempted again meets the same fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from instruments.stream_checks import Gap

Edges = list[tuple[float, int]]

_OVERDRIVE = 1e-3
"""How far above the end of a saturated range the cut part of the signal lies at least: far above the noise."""

_MOST_BOUNCES = 4
"""A bouncing edge changes the line up to ``2 · 4 + 1`` times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFault:
    """A fault hits a pass with ``probability`` (0…1), if the pass's id matches one of ``passes`` (shell patterns)."""

    probability: float = 1.0
    passes: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drops(MeterFault):
    """Samples get lost: ``gaps`` holes of ``length_s`` at random places; holes that meet are one."""

    gaps: int = 3
    length_s: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(MeterFault):
    """The offset of the current creeps, in a straight line, to ``current_a`` at the end of the pass."""

    current_a: float = 5e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation(MeterFault):
    """The range is too small: it ends just below the current that is drawn, or exceeded, for ``share`` of the pass."""

    share: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeChange(MeterFault):
    """The meter changes its range, at ``at`` (0…1) of the recording, to one whose errors are other ones."""

    at: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplug(MeterFault):
    """The stream ends, at ``at`` (0…1) of the recording."""

    at: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeJitter(MeterFault):
    """The edges on the logic inputs bounce, over ``bound_s`` around the true instant."""

    bound_s: float = 2e-3


FaultT = TypeVar("FaultT", bound=MeterFault)


@dataclass(frozen=True, slots=True)
class ActiveFaults:
    """The faults that hit one pass, each with its own random source."""

    hit: tuple[tuple[MeterFault, np.random.Generator], ...]

    def of(self, kind: type[FaultT]) -> tuple[FaultT, np.random.Generator] | None:
        """The fault of a kind, if the pass has one; the first, if several settings hit it."""
        for fault, rng in self.hit:
            if isinstance(fault, kind):
                return fault, rng
        return None


def active_faults(faults: Iterable[MeterFault], pass_id: str, seed: int) -> ActiveFaults:
    """Draw which faults hit the pass; each fault's draw is independent of the others."""
    hit = []
    for number, fault in enumerate(faults):
        rng = np.random.default_rng([seed, 0xFA, number])
        chance = rng.random()
        if chance < fault.probability and any(fnmatchcase(pass_id, pattern) for pattern in fault.passes):
            hit.append((fault, rng))
    return ActiveFaults(tuple(hit))


def lost_ranges(fault: Drops, rng: np.random.Generator, samples: int, rate_hz: float) -> tuple[Gap, ...]:
    """The samples that never arrive: disjoint half-open ranges in rising order."""
    length = min(max(1, round(fault.length_s * rate_hz)), samples)
    begins = np.sort(rng.integers(0, samples - length, size=fault.gaps, endpoint=True)).tolist()
    ranges: list[Gap] = []
    for begin in begins:
        if ranges and begin <= ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], begin + length)
        else:
            ranges.append((begin, begin + length))
    return tuple(ranges)


def bouncing(edges: Edges, fault: EdgeJitter, rng: np.random.Generator) -> Edges:
    """The same edges, each one bouncing: an odd number of changes within the bound around its true instant.

    Bounces never pass the middle between two edges, so that the line's story stays the same.
    """
    jittered: Edges = []
    for number, (instant, level) in enumerate(edges):
        earliest = (edges[number - 1][0] + instant) / 2 if number else 0.0
        latest = (instant + edges[number + 1][0]) / 2 if number + 1 < len(edges) else np.inf
        changes = 2 * int(rng.integers(1, _MOST_BOUNCES + 1)) + 1
        begin = instant - fault.bound_s * rng.random()
        instants = np.sort(begin + fault.bound_s * rng.random(changes))
        instants[0], instants[-1] = begin, begin + fault.bound_s
        for position, at in enumerate(np.clip(instants, earliest, latest).tolist()):
            jittered.append((at, level if position % 2 == 0 else 1 - level))
    return jittered


def saturated_full_scale(
    fault: Saturation, times_s: NDArray[np.float64], current_a: NDArray[np.float64], limit_a: float
) -> float:
    """The end of a range, at most ``limit_a``, that cuts off the highest currents for ``share`` of the time or more."""
    if current_a.size == 0:
        return limit_a
    falling = np.argsort(current_a)[::-1]
    lasted_s = np.cumsum(np.diff(times_s)[falling])
    position = int(np.searchsorted(lasted_s, fault.share * lasted_s[-1]))
    lowest_cut_a = float(current_a[falling[min(position, current_a.size - 1)]])
    return min(limit_a, lowest_cut_a * (1 - _OVERDRIVE))
