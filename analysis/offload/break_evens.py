"""The table of break-evens: for each point and way the value of a variable from which offloading pays, as an interval.

The interval is that of the choice: for a variable between its ends, local and offloaded cost differ by less than the
expanded uncertainty of their difference. It comes from shifting the local cost by that uncertainty both ways (all
break-evens are monotone in it), to first order: how the uncertainty itself changes with the variable is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.offload import break_even
from analysis.offload.cost import Floats
from analysis.offload.grid import BYTE_ENERGY, Grid, furthest
from analysis.offload.points import UNITS, Cost, LocalPoint
from analysis.offload.scenario import ASSUMED

NEVER, ALWAYS = "never", "always"
BEYOND = "beyond what one device, link and server sustain"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A break-even: its name, unit, the cost it is about, and its value for local costs on the grid's axes.

    ``pays`` says where offloading pays: below or above the value. ``never`` and ``always`` are the values that stand
    for no break-even.
    """

    name: str
    unit: str
    cost: Cost
    pays: str
    of: Callable[[Grid, Floats], Floats]
    never: float
    always: float | None = None
    per_idle: bool = True
    needs_bytes: bool = True
    """Does it need to be known what a byte costs?"""


def break_even_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """The rows, kind by kind: first the local cost above which offloading pays, which is the offloaded cost itself."""
    for cost in (Cost.LATENCY, Cost.ENERGY):
        yield from _local_rows(grid, cost)
    for kind in _KINDS:
        yield from _rows(grid, kind)


def _local_rows(grid: Grid, cost: Cost) -> Iterator[dict[str, Any]]:
    values, halves = grid.offloaded(cost)
    for p, m, s, i in np.ndindex(*values.shape):
        point, state = grid.points[p], None if cost is Cost.LATENCY else i
        if cost not in point.costs:
            continue
        bound = cost is not Cost.LATENCY and not grid.scenario.media[m].energy_known
        missing = grid.missing(p, m, s, state)
        value, half = float(values[p, m, s, i]), float(halves[p, m, s, i])
        usable = not missing and not bound
        yield _head(grid, p, m, s, state, cost) | {
            "break_even": f"local {cost.value}",
            "pays": "above",
            "unit": UNITS[cost],
            "value": value if usable else None,
            "low": value - half if usable and half else None,
            "high": value + half if usable and half else None,
            "note": missing or (BYTE_ENERGY if bound else ""),
            "origin": grid.origin(p, s, state),
            "assumed": grid.assumed(p, s, state),
        }


def _head(grid: Grid, p: int, m: int, s: int, state: int | None, cost: Cost) -> dict[str, Any]:
    point, scenario = grid.points[p], grid.scenario
    return {
        "point_id": point.point_id,
        "label": point.label,
        "platform": point.platform,
        "cost": cost.value,
        "medium": scenario.media[m].name,
        "server": scenario.servers[s].name,
        "idle": "" if state is None else scenario.idle[state].name,
    }


def _rows(grid: Grid, kind: _Kind) -> Iterator[dict[str, Any]]:
    having = [p for p, point in enumerate(grid.points) if kind.cost in point.costs and _has_value(point, kind.cost)]
    here, here_u = (_column(grid, kind.cost, having, name) for name in ("value", "expanded_u"))
    _, halves = grid.offloaded(kind.cost)
    if kind.name == "idle power":
        # Its own uncertainty is not the question here: what is asked for is a value of it.
        halves = np.broadcast_to(grid.idle_w * grid.remote_u, grid.shape)
    span = np.hypot(here_u, np.nan_to_num(halves))
    middle, low, high = (np.broadcast_to(kind.of(grid, here + sign * span), grid.shape) for sign in (0.0, -1.0, 1.0))
    _, media, servers, states = grid.shape
    for p in having:
        point = grid.points[p]
        claimed = point.costs[kind.cost].expanded_u is not None
        for m, s, i in np.ndindex(media, servers, states if kind.per_idle else 1):
            state = i if kind.per_idle else None
            missing = grid.missing(p, m, s, state)
            bound = kind.needs_bytes and not grid.scenario.media[m].energy_known
            ends = sorted([float(low[p, m, s, i]), float(high[p, m, s, i])])
            value = float(middle[p, m, s, i])
            note = missing or (BYTE_ENERGY if bound else _note(kind, grid, p, m, s, value))
            usable = not missing and not bound and note not in (NEVER, ALWAYS)
            origin = grid.origin(p, s, state)
            yield _head(grid, p, m, s, state, kind.cost) | {
                "break_even": kind.name,
                "pays": kind.pays,
                "unit": kind.unit,
                "value": value if usable else None,
                "low": ends[0] if usable and claimed and np.isfinite(ends[0]) else None,
                "high": ends[1] if usable and claimed and np.isfinite(ends[1]) else None,
                "note": note,
                "origin": furthest([point.costs[kind.cost].origin, "" if origin == ASSUMED else origin]),
                "assumed": grid.assumed(p, s, state),
            }


def _note(kind: _Kind, grid: Grid, p: int, m: int, s: int, value: float) -> str:
    if not np.isfinite(value) or value == kind.never:
        return NEVER
    if kind.always is not None and value == kind.always:
        return ALWAYS
    if kind.name == "request rate":
        latency = grid.points[p].costs.get(Cost.LATENCY)
        most = float(
            break_even.highest_rate_hz(
                grid.remote_s[p, 0, s, 0], grid.sent_bytes[p, m, 0, 0], grid.scenario.media[m].up_bytes_s
            )
        )
        if latency is not None and latency.value:
            most = max(most, 1.0 / latency.value)
        return BEYOND if value > most else ""
    return ""


def _has_value(point: LocalPoint, cost: Cost) -> bool:
    return point.costs[cost].value is not None


def _column(grid: Grid, cost: Cost, having: list[int], name: str) -> Floats:
    """A local number of each point, NaN (or no uncertainty) where there is none, along the first axis."""
    column = np.full((len(grid.points), 1, 1, 1), np.nan if name == "value" else 0.0)
    for p in having:
        found = getattr(grid.points[p].costs[cost], name)
        column[p] = column[p] if found is None else found
    return column


def _trips(grid: Grid) -> Floats:
    return np.array([medium.round_trip_s for medium in grid.scenario.media])[None, :, None, None]


def _transfer_s(grid: Grid) -> Floats:
    """The bytes' part of the network's time."""
    return grid.network_s - _trips(grid)


def _reply_s(grid: Grid) -> Floats:
    down = np.array([medium.down_bytes_s for medium in grid.scenario.media])[None, :, None, None]
    seconds: Floats = grid.result_bytes / down
    return seconds


def _round_trip(grid: Grid, local: Floats) -> Floats:
    return break_even.round_trip_s(local, grid.remote_s, _transfer_s(grid))


def _round_trip_energy(grid: Grid, local: Floats) -> Floats:
    return break_even.round_trip_for_energy_s(local, grid.idle_w, grid.remote_s, _transfer_s(grid), grid.network_j)


def _bandwidth(grid: Grid, local: Floats) -> Floats:
    return break_even.up_bandwidth_bytes_s(local, grid.remote_s + _reply_s(grid), _trips(grid), grid.sent_bytes)


def _bandwidth_energy(grid: Grid, local: Floats) -> Floats:
    seconds = (local - grid.network_j) / grid.idle_w
    return break_even.up_bandwidth_bytes_s(seconds, grid.remote_s + _reply_s(grid), _trips(grid), grid.sent_bytes)


def _batch(grid: Grid, local: Floats) -> Floats:
    return break_even.batch(local, grid.remote_s + _transfer_s(grid), _trips(grid))


def _batch_energy(grid: Grid, local: Floats) -> Floats:
    each = grid.idle_w * (grid.remote_s + _transfer_s(grid)) + grid.network_j
    return break_even.batch(local, each, grid.idle_w * _trips(grid))


def _idle_power(grid: Grid, local: Floats) -> Floats:
    return break_even.idle_power_w(local, grid.total_s, grid.network_j)


def _byte_energy(grid: Grid, local: Floats) -> Floats:
    return break_even.byte_energy_j(local, grid.idle_w, grid.total_s, grid.sent_bytes + grid.result_bytes)


def _rate(grid: Grid, local: Floats) -> Floats:
    """Net of the idle state's power, which is drawn between requests in either case."""
    seconds = _column(grid, Cost.LATENCY, _with_latency(grid), "value")
    keep_alive = np.array([medium.keep_alive_w for medium in grid.scenario.media])[None, :, None, None]
    return break_even.request_rate_hz(local - seconds * grid.idle_w, grid.network_j, keep_alive)


def _with_latency(grid: Grid) -> list[int]:
    return [p for p, point in enumerate(grid.points) if Cost.LATENCY in point.costs]


_LATENCY, _ENERGY = Cost.LATENCY, Cost.ENERGY
_KINDS = (
    _Kind("round trip", "s", _LATENCY, "below", _round_trip, never=0.0, per_idle=False, needs_bytes=False),
    _Kind("upload bandwidth", "B/s", _LATENCY, "above", _bandwidth, never=np.inf, per_idle=False, needs_bytes=False),
    _Kind("batch", "1", _LATENCY, "above", _batch, never=np.inf, per_idle=False, needs_bytes=False),
    _Kind("idle power", "W", _ENERGY, "below", _idle_power, never=0.0),
    _Kind("energy per byte", "J/B", _ENERGY, "below", _byte_energy, never=0.0, needs_bytes=False),
    _Kind("round trip", "s", _ENERGY, "below", _round_trip_energy, never=0.0),
    _Kind("upload bandwidth", "B/s", _ENERGY, "above", _bandwidth_energy, never=np.inf),
    _Kind("batch", "1", _ENERGY, "above", _batch_energy, never=np.inf),
    _Kind("request rate", "Hz", _ENERGY, "above", _rate, never=np.inf, always=0.0),
)
