"""The simulated line between supply, meter and board, in virtual time.

The board of a simulated bench draws on it, the meter of the same bench watches it. Nothing waits: time advances by
what is drawn, so a pass of ten seconds costs milliseconds, and the same calls give the same timeline on every
machine.

What is drawn is a sequence of segments of constant power. The supply is an ideal source of ``supply_v`` behind a
resistance ``source_resistance_ohm``; power is taken at the meter's terminals, so voltage and current solve ``v·i =
p`` and ``v = supply_v − r·i`` exactly, and the true energy of any interval is the sum of power times duration.
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
        self._edges: dict[str, list[tuple[float, int]]] = {}

    @property
    def max_power_w(self) -> float:
        """The most power the supply can give: ``supply_v² / 4r`` (where half the voltage is lost in the source)."""
        if self.source_resistance_ohm == 0:
            return float("inf")
        return self.supply_v**2 / (4 * self.source_resistance_ohm)

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
        edges = self._edges.setdefault(line, [])
        if level != (edges[-1][1] if edges else 0):
            edges.append((self.now_s, level))

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

    def edges(self, line: str) -> list[tuple[float, int]]:
        """The changes of a logic line: (instant in s, new level), in order of time."""
        return list(self._edges.get(line, []))
