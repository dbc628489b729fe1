"""What offloading costs: every point of a record over every medium, to every server, in every idle state, at once.

Arrays have the axes (point, medium, server, idle state), of length one where a quantity does not depend on an axis. A
NaN in them is a cost that could not be had: :meth:`Grid.missing` says why; it never leaves as a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.figures.data import number
from analysis.offload import cost
from analysis.offload.cost import Floats
from analysis.offload.medium import Payload
from analysis.offload.points import Cost, LocalPoint
from analysis.offload.scenario import ASSUMED, Scenario
from analysis.offload.server import Remote
from lab.record.quantity import Origin

BYTE_ENERGY = "nobody says what a byte costs over this medium: the offloaded energy is a lower bound"


_RANKS = {str(origin): origin.rank for origin in Origin}


@dataclass(frozen=True, eq=False)
class Grid:
    """The offloaded costs of a record in a scenario; all in SI units. ``expanded`` are 95 % uncertainties that come
    from the server's and the idle power's, 0 where both are constants."""

    points: tuple[LocalPoint, ...]
    scenario: Scenario
    sent_bytes: Floats
    result_bytes: Floats
    network_s: Floats
    remote_s: Floats
    remote_u: Floats
    idle_w: Floats
    idle_u: Floats
    network_j: Floats
    remotes: tuple[tuple[Remote, ...], ...]
    """Point by point, server by server."""
    problems: tuple[tuple[str, ...], ...]
    """Point by point, medium by medium: why its bytes are not known; empty where they are."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Points, media, servers, idle states."""
        scenario = self.scenario
        return len(self.points), len(scenario.media), len(scenario.servers), len(scenario.idle)

    @property
    def total_s(self) -> Floats:
        """Seconds until the answer is there."""
        return cost.offloaded_time_s(self.remote_s, self.network_s)

    @property
    def wait_j(self) -> Floats:
        """What the device draws while it waits."""
        return self.total_s * self.idle_w

    @property
    def total_j(self) -> Floats:
        """What the offloaded inference costs the device."""
        return cost.offloaded_energy_j(self.total_s, self.idle_w, self.network_j)

    @property
    def total_u_j(self) -> Floats:
        """Its expanded uncertainty, the server's and the idle power's taken as independent."""
        return np.hypot(self.idle_w * self.remote_u, self.total_s * self.idle_u)

    @property
    def edp_js(self) -> Floats:
        """Energy-delay product of the offloaded inference."""
        return self.total_s * self.total_j

    @property
    def edp_u_js(self) -> Floats:
        """Its expanded uncertainty: d(E·t) = (2·t·P + E_network)·dt + t²·dP."""
        slope = 2.0 * self.wait_j + self.network_j
        return np.hypot(slope * self.remote_u, self.total_s**2 * self.idle_u)

    def offloaded(self, which: Cost) -> tuple[Floats, Floats]:
        """One cost and its expanded uncertainty, with all four axes."""
        value, expanded = {
            Cost.LATENCY: (self.total_s, self.remote_u),
            Cost.ENERGY: (self.total_j, self.total_u_j),
            Cost.EDP: (self.edp_js, self.edp_u_js),
        }[which]
        shape = self.shape if which is not Cost.LATENCY else (*self.shape[:3], 1)
        return np.broadcast_to(value, shape), np.broadcast_to(expanded, shape)

    def missing(self, point: int, medium: int, server: int, idle: int | None = None) -> str:
        """Why an offloaded cost is not known; empty where it is. Without ``idle``: of the latency."""
        why = self.problems[point][medium] or self.remotes[point][server].missing
        if why or idle is None or np.isfinite(self.idle_w[point, 0, 0, idle]):
            return why
        return "the record has no idle power here"

    def origin(self, point: int, server: int, idle: int | None = None) -> str:
        """The origin of an offloaded cost: the furthest of what was measured for it, ``assumed`` where nothing was."""
        found = [self.remotes[point][server].origin]
        own_idle = self.points[point].idle
        if idle is not None and self.scenario.idle[idle].from_record and own_idle is not None:
            found.append(own_idle.origin)
        return furthest(found) or ASSUMED

    def assumed(self, point: int, server: int, idle: int | None = None) -> str:
        """Which of its inputs are stated constants; never empty, because the medium's always are."""
        parts = ["medium", "payload", self.remotes[point][server].assumed]
        if idle is not None and not self.scenario.idle[idle].from_record:
            parts.append("idle power")
        return ";".join(part for part in parts if part)

    @property
    def labels(self) -> dict[str, list[int]]:
        """The places of each network's points, by label, in the experiment's order."""
        found: dict[str, list[int]] = {}
        for p, point in enumerate(self.points):
            found.setdefault(point.label, []).append(p)
        return found

    @property
    def origins(self) -> tuple[str, ...]:
        """Every origin that takes part, for the stamps of figures and pages; ``assumed`` is always among them."""
        found = [origin for point in self.points for origin in point.origins]
        found += [remote.origin for row in self.remotes for remote in row if remote.origin]
        return (*dict.fromkeys(found), ASSUMED)


def furthest(origins: Sequence[str]) -> str:
    """The origin furthest from a measurement; a word that is none of ours is further than all. Empty for none."""
    return max((origin for origin in origins if origin), key=lambda origin: _RANKS.get(origin, len(_RANKS)), default="")


def grid_of(points: Sequence[LocalPoint], scenario: Scenario) -> Grid:
    """Compute everything. ``points`` may lack values; those of the grid are then NaN, and it says why."""
    sent, result, problems = _bytes_of(points, scenario)
    remotes = tuple(tuple(server.remote(point) for server in scenario.servers) for point in points)
    media = scenario.media
    up, down, trip = (
        _media_axis(values)
        for values in (
            [medium.up_bytes_s for medium in media],
            [medium.down_bytes_s for medium in media],
            [medium.round_trip_s for medium in media],
        )
    )
    up_j, down_j = (
        _media_axis(values)
        for values in ([medium.up_j_byte or 0.0 for medium in media], [medium.down_j_byte or 0.0 for medium in media])
    )
    idle = [[_idle(point, state.power_w) for state in scenario.idle] for point in points]
    return Grid(
        points=tuple(points),
        scenario=scenario,
        sent_bytes=sent,
        result_bytes=result,
        network_s=cost.network_time_s(trip, sent, up, result, down),
        remote_s=_remote_axis([[_or_nan(item.latency_s) for item in row] for row in remotes]),
        remote_u=_remote_axis([[item.expanded_u or 0.0 for item in row] for row in remotes]),
        idle_w=_idle_axis([[value for value, _ in row] for row in idle]),
        idle_u=_idle_axis([[half for _, half in row] for row in idle]),
        network_j=cost.network_energy_j(sent, up_j, result, down_j),
        remotes=remotes,
        problems=problems,
    )


def _bytes_of(points: Sequence[LocalPoint], scenario: Scenario) -> tuple[Floats, Floats, tuple[tuple[str, ...], ...]]:
    sent = np.full((len(points), len(scenario.media), 1, 1), np.nan)
    result = np.empty_like(sent)
    problems = []
    for p, point in enumerate(points):
        found = []
        for m, medium in enumerate(scenario.media):
            payload = scenario.payload_of(medium)
            side, why = _side(payload, point.settings)
            result[p, m] = payload.result_bytes
            if side is not None:
                sent[p, m] = payload.sent_bytes(side)
            found.append(why)
        problems.append(tuple(found))
    return sent, result, tuple(problems)


def _side(payload: Payload, settings: Mapping[str, Any]) -> tuple[float | None, str]:
    """The edge of the image, or why it is not known."""
    if payload.bytes_per_pixel == 0:
        return 0.0, ""
    if not isinstance(payload.side, str):
        return payload.side, ""
    name = payload.side.strip("{}")
    if name not in settings:
        return None, f"the experiment has no factor or setting {name!r}, which gives the size of what is sent"
    side = number(settings[name])
    return (side, "") if side is not None else (None, f"{name} is no number here: {settings[name]!r}")


def _idle(point: LocalPoint, stated_w: float | None) -> tuple[float, float]:
    if stated_w is not None:
        return stated_w, 0.0
    if point.idle is None or point.idle.value is None:
        return np.nan, 0.0
    return point.idle.value, point.idle.expanded_u or 0.0


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _media_axis(values: Sequence[float]) -> Floats:
    return np.array(values, np.float64)[None, :, None, None]


def _remote_axis(rows: Sequence[Sequence[float]]) -> Floats:
    return np.array(rows, np.float64).reshape(len(rows), 1, -1, 1)


def _idle_axis(rows: Sequence[Sequence[float]]) -> Floats:
    return np.array(rows, np.float64).reshape(len(rows), 1, 1, -1)
