"""The simulated line between supply, meter and board, in virtual time.

The board of a simulated bench draws on it, the meter of the same bench watches it. Nothing waits: time advances by
what is drawn, so a pass of ten seconds costs milliseconds, and the same calls give the same timeline on every
machine.

What is drawn is a sequence of segments of constant power. The supply is an ideal source of ``supply_v`` behind a
resistance ``source_resistance_ohm``; power is taken at the meter's terminals, so voltage and current solve ``v·i =
p`` and ``v = supply_v − r·i`` exactly, and the true energy of any interval is the sum of power times duration.

A board may have further rails behind its supply (:meth:`Rail.branch`): each has a timeline of power of its own, the
logic lines are the board's and the same on all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Rail:
    """A supply line with a timeline of drawn power and of logic levels.

    Raises ``ValueError`` on a negative or non-finite duration or power, and on more power than the supply can give.
    """

    def __init__(self, supply_v: float, source_resistance_ohm: float) -> None:
        if not (np.isfinite(supply_v) and supply_v > 0):
            raise ValueError(f"the supply voltage must be positive, not {supply_v} V")
        if not (np.isfinite(source_resistance_ohm) and source_resistance_ohm >= 0):
            raise ValueError(f"the source resistance must not be negative, not {source_resistance_ohm} Ω")
        self.supply_v = supply_v
        self.source_resistance_ohm = source_resistance_ohm
        self.now_s = 0.0
        self._ends_s: list[NDArray[np.float64]] = []
        self._powers_w: list[NDArray[np.float64]] = []
        self._edges: dict[str, _Line] = {}

    @property
    def max_power_w(self) -> float:
        """The most power the supply can give: ``supply_v² / 4r`` (where half the voltage is lost in the source)."""
        if self.source_resistance_ohm == 0:
            return float("inf")
        return self.supply_v**2 / (4 * self.source_resistance_ohm)

    def branch(self, supply_v: float, source_resistance_ohm: float) -> Rail:
        """Another rail of the same board: a meter there sees the same logic lines, and the power drawn there.

        Whoever draws on one keeps the other at the same time: lines carry the time of the rail they are set on.
        """
        other = Rail(supply_v, source_resistance_ohm)
        other._edges = self._edges
        return other

    def reset(self) -> None:
        """A pass begins: the time is 0, nothing is drawn yet, all logic lines are low."""
        self.now_s = 0.0
        self._ends_s.clear()
        self._powers_w.clear()
        self._edges.clear()

    def draw(self, duration_s: float, power_w: float) -> None:
        """Draw a constant power for a while; time advances by ``duration_s``."""
        self.draw_many(np.array([duration_s], dtype=np.float64), np.array([power_w], dtype=np.float64))

    def draw_repeated(self, phases: Sequence[tuple[float, float]], count: int) -> None:
        """Draw ``count`` times the same sequence of (duration in s, power in W)."""
        if count < 0:
            raise ValueError(f"cannot draw {count} times")
        table = np.asarray(phases, dtype=np.float64).reshape(-1, 2)
        self.draw_many(np.tile(table[:, 0], count), np.tile(table[:, 1], count))

    def draw_many(self, durations_s: NDArray[np.float64], powers_w: NDArray[np.float64]) -> None:
        """Draw one segment per element: durations in s, powers in W, both of shape (n,)."""
        durations = np.asarray(durations_s, dtype=np.float64)
        powers = np.asarray(powers_w, dtype=np.float64)
        if durations.ndim != 1 or durations.shape != powers.shape:
            raise ValueError("durations and powers must be one-dimensional and of the same length")
        if not (np.isfinite(durations).all() and (durations >= 0).all()):
            raise ValueError("a duration is negative or not finite")
        if not (np.isfinite(powers).all() and (powers >= 0).all()):
            raise ValueError("a power is negative or not finite")
        if (powers > self.max_power_w).any():
            raise ValueError(f"{powers.max():g} W is more than this supply can give ({self.max_power_w:g} W)")
        lasting = durations > 0
        durations, powers = durations[lasting], powers[lasting]
        if durations.size == 0:
            return
        ends = self.now_s + np.cumsum(durations)
        self._ends_s.append(ends)
        self._powers_w.append(powers.copy())
        self.now_s = float(ends[-1])

    def edge(self, line: str, level: int) -> None:
        """Set a logic line now. A line is low until first set; setting it to the level it has is no edge."""
        if level not in (0, 1):
            raise ValueError(f"a logic level is 0 or 1, not {level}")
        edges = self._edges.setdefault(line, _Line())
        if level != edges.level:
            edges.add(np.array([self.now_s]), level)

    def pulses(self, line: str, begins_s: NDArray[np.float64], ends_s: NDArray[np.float64]) -> None:
        """Set a low logic line high in each [begins_s, ends_s), at instants of the rail; both of shape (n,).

        Pulses that touch are one: a line that falls and rises at the same instant has no edge there. Raises
        ``ValueError`` if they overlap, are not in order, or begin before the line's last edge.
        """
        begins, ends = np.asarray(begins_s, dtype=np.float64), np.asarray(ends_s, dtype=np.float64)
        if begins.ndim != 1 or begins.shape != ends.shape:
            raise ValueError("begins and ends must be one-dimensional and of the same length")
        edges = self._edges.setdefault(line, _Line())
        if not begins.size:
            return
        if edges.level != 0 or begins[0] < edges.last_s or not (begins < ends).all() or (begins[1:] < ends[:-1]).any():
            raise ValueError(f"pulses on {line!r} must follow each other and what was there before")
        apart = begins[1:] > ends[:-1]
        rises, falls = begins[np.append(True, apart)], ends[np.append(apart, True)]
        edges.add(np.stack([rises, falls], axis=1).ravel(), 1)

    def segments(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """What the meter could see: the segments' borders in s (n + 1), voltage in V (n) and current in A (n)."""
        if not self._ends_s:
            return np.zeros(1), np.zeros(0), np.zeros(0)
        times_s = np.concatenate([np.zeros(1), *self._ends_s])
        power_w = np.concatenate(self._powers_w)
        # The smaller root of r·i² − supply·i + p = 0, in the form that also holds for r = 0 and loses no digits.
        root = np.sqrt(np.maximum(self.supply_v**2 - 4 * self.source_resistance_ohm * power_w, 0.0))
        current_a = 2 * power_w / (self.supply_v + root)
        voltage_v = self.supply_v - self.source_resistance_ohm * current_a
        return times_s, voltage_v, current_a

    def energies_j(self, begins_s: NDArray[np.float64], ends_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """True energies in J of the stretches [begins_s, ends_s), of shape (n,); 0 outside of what was drawn."""
        times_s = np.concatenate([np.zeros(1), *self._ends_s])
        power_w = np.concatenate([np.zeros(0), *self._powers_w])
        drawn_j = np.concatenate([np.zeros(1), np.cumsum(power_w * np.diff(times_s))])
        begin_j, end_j = (np.interp(instants, times_s, drawn_j) for instants in (begins_s, ends_s))
        return np.asarray(end_j - begin_j)

    def edges(self, line: str) -> list[tuple[float, int]]:
        """The changes of a logic line: (instant in s, new level), in order of time."""
        found = self._edges.get(line)
        return found.edges() if found is not None else []


class _Line:
    """The edges of a logic line: it is low first, and every edge changes it."""

    def __init__(self) -> None:
        self._instants_s: list[NDArray[np.float64]] = []
        self.level = 0
        self.last_s = 0.0

    def add(self, instants_s: NDArray[np.float64], level: int) -> None:
        """Alternating edges, the first to ``level``, which is not the line's own."""
        self._instants_s.append(instants_s)
        self.level = level if instants_s.size % 2 else 1 - level
        self.last_s = float(instants_s[-1])

    def edges(self) -> list[tuple[float, int]]:
        instants = np.concatenate(self._instants_s).tolist() if self._instants_s else []
        return [(instant, 1 - number % 2) for number, instant in enumerate(instants)]
