"""Puts what the board does onto the simulated rail: idle power with its wander, work above it, until a deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab.boards.simulated.constants import IMX8MP, SocRailConstants

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


@dataclass(frozen=True, slots=True)
class SocRail:
    """The rail of the SoC with a meter in it: shares of the board's idle power, and of its power above idle."""

    rail: Rail
    idle_share: float
    work_share: float

    def power_w(self, idle_w: NDArray[np.float64], net_w: NDArray[np.float64]) -> NDArray[np.float64]:
        """What flows through it while the board draws that much."""
        return self.idle_share * idle_w + self.work_share * net_w

    def of(self, board: Drawn) -> Drawn:
        """What was drawn there while the board drew that much."""
        net_j = self.work_share * board.net_j
        return Drawn(self.idle_share * (board.gross_j - board.net_j) + net_j, net_j, board.duration_s)


def soc_rail(board: Rail, constants: SocRailConstants = IMX8MP.soc_rail) -> Rail:
    """The rail of the SoC on a board that is supplied by ``board``."""
    return board.branch(constants.voltage_v, constants.source_resistance_ohm)


class Supply:
    """The board's side of the rails during one pass. ``idle_w`` is the mean idle power; ``soc`` is there if somebody
    watches it."""

    def __init__(self, rail: Rail, idle_w: float, variation: PassVariation, soc: SocRail | None = None) -> None:
        self._rail = rail
        self._idle_w = idle_w
        self._variation = variation
        self.soc = soc
        self.deadline_s: float | None = None
        """Instant on the rail where the running program is stopped."""

    @property
    def now_s(self) -> float:
        """The rail's time."""
        return self._rail.now_s

    def edge(self, line: str, level: int) -> None:
        """Set one of the board's pins."""
        self._rail.edge(line, level)

    def pulses(self, line: str, begins_s: NDArray[np.float64], ends_s: NDArray[np.float64]) -> None:
        """Have had one of the board's pins high in each [begins_s, ends_s), as far as it came."""
        begun = begins_s < self._rail.now_s
        self._rail.pulses(line, begins_s[begun], np.minimum(ends_s[begun], self._rail.now_s))

    def energies_j(self, begins_s: NDArray[np.float64], ends_s: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """What was truly drawn in each [begins_s, ends_s): by the whole ``board``, and through ``soc`` if watched."""
        rails = {"board": self._rail} | ({"soc": self.soc.rail} if self.soc is not None else {})
        return {name: rail.energies_j(begins_s, ends_s) for name, rail in rails.items()}

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
        if self.soc is not None:
            self.soc.rail.draw_many(lengths_s, self.soc.power_w(idle_w, net_w))
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
