"""The best of all ways for each network: its platforms, and every medium and server beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.offload.grid import Grid, furthest
from analysis.offload.points import UNITS, Cost
from analysis.offload.scenario import ASSUMED


@dataclass(frozen=True, slots=True)
class Way:
    """One way to have an inference made, and what it costs."""

    name: str
    value: float
    expanded_u: float
    origin: str
    offloads: bool
    is_bound: bool = False


def best_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """A row for each network, cost and idle state: the way that costs least, and those that cannot be told from it.

    What is known as a lower bound only is no candidate: it could be named best without being it. Invalid local values
    take no part, and ``left_out`` names them.
    """
    for which in Cost:
        states = 1 if which is Cost.LATENCY else grid.shape[3]
        for i in range(states):
            for label, places in grid.labels.items():
                yield _row(grid, which, i, label, places)


def _row(grid: Grid, which: Cost, i: int, label: str, places: list[int]) -> dict[str, Any]:
    found, left_out = ways_of(grid, which, i, places)
    row: dict[str, Any] = {
        "label": label,
        "cost": which.value,
        "idle": "" if which is Cost.LATENCY else grid.scenario.idle[i].name,
        "unit": UNITS[which],
        "best": "",
        "value": None,
        "U": None,
        "not_told_apart": "",
        "best_offloads": None,
        "left_out": "; ".join(left_out),
        "origin": "",
        "assumed": "",
    }
    candidates = sorted((way for way in found if not way.is_bound), key=lambda way: way.value)
    if not candidates:
        return row
    best = candidates[0]
    tied = [way.name for way in candidates[1:] if way.value - best.value <= np.hypot(best.expanded_u, way.expanded_u)]
    return row | {
        "best": best.name,
        "value": best.value,
        "U": best.expanded_u,
        "not_told_apart": "; ".join(tied),
        "best_offloads": best.offloads,
        "origin": furthest([way.origin for way in found if way.origin != ASSUMED]) or ASSUMED,
        "assumed": grid.assumed(places[0], 0, None if which is Cost.LATENCY else i),
    }


def ways_of(grid: Grid, which: Cost, i: int, places: list[int]) -> tuple[list[Way], list[str]]:
    """The ways of a network whose points lie at ``places``, and what was left out of them and why."""
    found: list[Way] = []
    left_out: list[str] = []
    for p in places:
        point = grid.points[p]
        local = point.costs.get(which)
        if local is None:
            continue
        name = point.platform or "local"
        if local.value is None:
            left_out.append(f"{name} ({', '.join(local.reasons)})")
        else:
            found.append(Way(name, local.value, local.expanded_u or 0.0, local.origin, offloads=False))
    values, halves = grid.offloaded(which)
    first = places[0]
    for m, medium in enumerate(grid.scenario.media):
        for s, server in enumerate(grid.scenario.servers):
            each = values[places, m, s, i]
            name = f"{medium.name} {server.name}"
            if not np.isfinite(each).any():
                left_out.append(f"{name} ({grid.missing(first, m, s, None if which is Cost.LATENCY else i)})")
                continue
            value, half = float(np.nanmean(each)), float(np.nanmax(halves[places, m, s, i]))
            bound = which is not Cost.LATENCY and not medium.energy_known
            if bound:
                left_out.append(f"{name} (lower bound)")
            origin = grid.origin(first, s, None if which is Cost.LATENCY else i)
            found.append(Way(name, value, half, origin, offloads=True, is_bound=bound))
    return found, left_out
