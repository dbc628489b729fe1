"""What offloading costs each network of a record, for the figures: in the study's own scenario, or in another that has
its media, servers and idle states under the same names.

The costs are :mod:`analysis.offload`'s. The study's scenario is the reading that its printed tables hold together with
(:data:`analysis.offload.published.HELD`): one byte a pixel, the latency taken twice, a reply of no bytes, no energy for
the bytes beside the idle power while the device waits, and remote times that are not printed but *inferred* from table
4.2, the same for every compression.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from analysis.figures.thesis.study import Role, Study, Value, Variation
from analysis.offload.grid import Grid, grid_of
from analysis.offload.medium import Medium
from analysis.offload.points import QUANTITIES as COSTS
from analysis.offload.points import UNITS, Local, LocalPoint
from analysis.offload.published import HELD, HIGH
from analysis.offload.scenario import Scenario

FIVE_G = Medium(
    name="5G", latency_s=0.001, up_bytes_s=202e6 / 8, down_bytes_s=202e6 / 8, up_j_byte=0.0, down_j_byte=0.0
)
"""One bandwidth is given; it is taken for both ways."""

STUDY_SCENARIO = replace(
    HELD,
    name="the study's",
    media=(*HELD.media, FIVE_G),
    idle=tuple(replace(state, power_w=None) if state == HIGH else state for state in HELD.idle),
)
"""High idle is the record's own idle power; :data:`HIGH` stands in where it has none."""

QUANTITIES = ("macs", "depth", "parameters", "power_idle_w")
"""What is needed of a record."""


class Idle(StrEnum):
    """What the device draws while it waits."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Way:
    """A medium with a server at its end, by the names that a scenario has for them (in any case)."""

    medium: str
    server: str

    @property
    def name(self) -> str:
        """As in ``Radio GPU``."""
        return f"{self.medium} {self.server}"


@dataclass(frozen=True, slots=True)
class Cost:
    """The parts of an offloaded inference's time."""

    round_trip_s: float
    transfer_s: float
    remote_s: float
    total_s: float

    @property
    def network_share(self) -> float:
        """The network's part of the whole, 0…1."""
        return (self.round_trip_s + self.transfer_s) / self.total_s


ETHERNET_CPU, ETHERNET_GPU = Way("Ethernet", "CPU"), Way("Ethernet", "GPU")
RADIO_CPU, RADIO_GPU = Way("Radio", "CPU"), Way("Radio", "GPU")
FIVE_G_CPU, FIVE_G_GPU = Way("5G", "CPU"), Way("5G", "GPU")
WAYS = (RADIO_CPU, RADIO_GPU, ETHERNET_CPU, ETHERNET_GPU)
"""The four of the tables and of figure 4.1."""


class Offloading:
    """A scenario applied to the networks of a record."""

    def __init__(self, study: Study, scenario: Scenario = STUDY_SCENARIO) -> None:
        self._places = {variation: place for place, variation in enumerate(study.variations)}
        waiting = [
            value
            for variation in study.variations
            for role in Role
            if (value := study.value(variation, role, "power_idle_w")) is not None
        ]
        idle = _mean(waiting) if waiting else Local(HIGH.power_w, None, (), "")
        self.own_idle = bool(waiting)
        self.scenario = scenario
        points = [_point(study, variation, idle) for variation in study.variations]
        self._of_networks: Grid | None = grid_of(points, scenario) if points else None
        self._media, self._servers, self._idle = (
            {item.name.lower(): place for place, item in enumerate(items)}
            for items in (scenario.media, scenario.servers, scenario.idle)
        )
        self._costs: dict[tuple[Variation, Way], Cost | None] = {}

    @property
    def _grid(self) -> Grid:
        if self._of_networks is None:
            raise ValueError("a record without networks has no offloaded costs")
        return self._of_networks

    def idle_w(self, idle: Idle) -> float | None:
        """The power while waiting; ``None`` where the scenario has no such state."""
        place = self._idle.get(idle)
        return None if place is None or not self._places else float(self._grid.idle_w[0, 0, 0, place])

    def is_own(self, idle: Idle) -> bool:
        """Is this idle power the record's own?"""
        place = self._idle.get(idle)
        return place is not None and self.scenario.idle[place].from_record and self.own_idle

    def cost(self, variation: Variation, way: Way) -> Cost | None:
        """The parts of one inference's time; ``None`` where :meth:`missing` says why."""
        key = (variation, way)
        if key not in self._costs:
            self._costs[key] = None if self.missing(variation, way) else self._cost(*self._at(variation, way))
        return self._costs[key]

    def _cost(self, p: int, m: int, s: int) -> Cost:
        grid = self._grid
        trip = self.scenario.media[m].round_trip_s
        network, remote = float(grid.network_s[p, m, 0, 0]), float(grid.remote_s[p, 0, s, 0])
        return Cost(trip, network - trip, remote, float(grid.total_s[p, m, s, 0]))

    def missing(self, variation: Variation, way: Way) -> str:
        """Why the cost of a way is not known; empty where it is."""
        for names, wanted, kind in ((self._media, way.medium, "medium"), (self._servers, way.server, "server")):
            if wanted.lower() not in names:
                return f"the offload scenario has no {kind} {wanted}"
        return self._grid.missing(*self._at(variation, way))

    def value(self, variation: Variation, way: Way, quantity: str, idle: Idle | None) -> Value | None:
        """Time, energy or their product; without an uncertainty where only stated constants took part.

        Raises ``ValueError`` for a quantity that is none of the three.
        """
        which = next((cost for cost, name in COSTS.items() if name == quantity), None)
        if which is None:
            raise ValueError(f"offloading has no {quantity}")
        if self.cost(variation, way) is None:
            return None
        state = None
        if which.value != "latency":
            state = self._idle.get(idle) if idle is not None else None
            if state is None:
                return None
        p, m, s = self._at(variation, way)
        values, expanded = self._grid.offloaded(which)
        value, half = float(values[p, m, s, state or 0]), float(expanded[p, m, s, state or 0])
        if not np.isfinite(value):
            return None
        return Value(value, half or None, UNITS[which], origin=self._grid.origin(p, s, state))

    def alike(self, members: Iterable[Variation], ways: Sequence[Way]) -> bool:
        """Do these variations cost the same on all these ways?"""
        costs = {tuple(self.cost(variation, way) for way in ways) for variation in members}
        return len(costs) == 1

    def _at(self, variation: Variation, way: Way) -> tuple[int, int, int]:
        return self._places[variation], self._media[way.medium.lower()], self._servers[way.server.lower()]


def _point(study: Study, variation: Variation, idle: Local) -> LocalPoint:
    network = {
        name: value.value
        for name in ("macs", "depth", "parameters")
        if (value := study.of_network(variation, name)) is not None
    }
    settings = {"input": variation.size, **study.settings.get(variation, {})}
    label = study.labels.get(variation, variation.name)
    return LocalPoint(label, label, "", variation.network, (), settings, {}, idle, network)


def _mean(values: Sequence[Value]) -> Local:
    """The mean of idle powers of one board; its uncertainty is mostly the meter's own, which no mean makes smaller."""
    halves = [value.expanded_u for value in values if value.expanded_u is not None]
    mean = sum(value.value for value in values) / len(values)
    return Local(mean, sum(halves) / len(halves) if halves else None, (), values[0].origin)
