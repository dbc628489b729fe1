"""Puts what the board does onto the simulated rail: idle power with its wander, work above it, until a deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instruments.simulated.rail import Rail
    from lab.boards.simulated.variation import PassVariation


class DeadlineReachedError(Exception):
    """The deadline came while something was drawn; the rail ends exactly there."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was really drawn: whole energy, the part above idle, and time."""

    gross_j: float = 0.0
    net_j: float = 0.0
    duration_s: float = 0.0


class Supply:
    """The board's side of the rail during one pass. ``idle_w`` is the mean idle power."""

    def __init__(self, rail: Rail, idle_w: float, variation: PassVariation) -> None:
        self._rail = rail
        self._idle_w = idle_w
        self._variation = variation
        self.deadline_s: float | None = None
        """Instant on the rail where the running program is stopped."""

    @property
    def now_s(self) -> float:
        """The rail's time."""
        return self._rail.now_s

    def edge(self, line: str, level: int) -> None:
        """Set one of the board's pins."""
        self._rail.edge(line, level)

    def draw(self, durations_s: NDArray[np.float64], net_powers_w: NDArray[np.float64]) -> Drawn:
        """Draw segments of work, in s and in W above idle, both of shape (n,).

        Raises :class:`DeadlineReachedError` if the deadline lies before their end, having drawn up to it.
        """
        begin_s = self._rail.now_s
        ends_s = begin_s + np.cumsum(durations_s)
        if ends_s.size == 0 or ends_s[-1] <= begin_s:
            return Drawn()
        stop_s = float(ends_s[-1])
        late = self.deadline_s is not None and stop_s > self.deadline_s
        if late:
            stop_s = max(self.deadline_s or 0.0, begin_s)
        # Segments end where work changes and where idle power does.
        step_s = self._variation.idle_step_s
        first, last = int(begin_s / step_s) + 1, int(stop_s / step_s) + 1
        grid_s = np.arange(first, last) * step_s
        borders_s = np.concatenate([ends_s[ends_s < stop_s], grid_s[(grid_s > begin_s) & (grid_s < stop_s)], [stop_s]])
        borders_s.sort()
        starts_s = np.concatenate([[begin_s], borders_s[:-1]])
        middles_s = (starts_s + borders_s) / 2
        net_w = net_powers_w[np.minimum(np.searchsorted(ends_s, middles_s), ends_s.size - 1)]
        levels_w = self._variation.idle_levels_w(last + 1)
        idle_w = self._idle_w + levels_w[(middles_s / step_s).astype(np.int64)]
        lengths_s = borders_s - starts_s
        self._rail.draw_many(lengths_s, idle_w + net_w)
        if late:
            raise DeadlineReachedError
        return Drawn(
            gross_j=float(np.dot(lengths_s, idle_w + net_w)),
            net_j=float(np.dot(lengths_s, net_w)),
            duration_s=stop_s - begin_s,
        )

    def draw_one(self, duration_s: float, net_power_w: float = 0.0) -> Drawn:
        """Draw one segment; without power above idle, the board idles."""
        return self.draw(np.array([duration_s]), np.array([net_power_w]))
