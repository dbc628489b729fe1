"""The points of a record as the offload model sees them: what each costs on the device itself, and what network it
is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from analysis.figures.data import Matrix, Point, matrix_of, points_of, scalar_text
from analysis.sources import parts_of

if TYPE_CHECKING:
    import pandas as pd


class Cost(StrEnum):
    """What a choice can be made by."""

    LATENCY = "latency"
    ENERGY = "energy"
    EDP = "edp"


QUANTITIES = {Cost.LATENCY: "latency_s", Cost.ENERGY: "energy_gross_j", Cost.EDP: "edp_gross_js"}
"""What the device's own inference costs: energies with idle in them, as the waiting device's are."""
UNITS = {Cost.LATENCY: "s", Cost.ENERGY: "J", Cost.EDP: "J·s"}
IDLE = "power_idle_w"
NETWORK = ("macs", "depth", "parameters")


@dataclass(frozen=True, slots=True)
class Local:
    """A quantity of a point; ``value`` is ``None`` where ``reasons`` say why."""

    value: float | None
    expanded_u: float | None
    reasons: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class LocalPoint:
    """A point of the matrix: a network (``label``) on a platform (the value of the colouring factor)."""

    point_id: str
    label: str
    platform: str
    family: str
    order: tuple[int, ...]
    settings: Mapping[str, Any]
    costs: Mapping[Cost, Local]
    idle: Local | None
    network: Mapping[str, float] = field(default_factory=dict)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of what was measured of it."""
        return tuple(dict.fromkeys(local.origin for local in self.costs.values()))


def local_points(manifest: Mapping[str, Any], summary: pd.DataFrame) -> list[LocalPoint]:
    """The points that have a latency or an energy per inference, valid or not, in the experiment's order.

    Where several meters gave the energy, that of the whole board counts.
    """
    if summary.empty:
        return []
    matrix = matrix_of(manifest)
    summary = parts_of(summary, QUANTITIES.values())[0].of(summary)
    found = {cost: _by_point(summary, matrix, quantity) for cost, quantity in QUANTITIES.items()}
    idle = _by_point(summary, matrix, IDLE)
    network = {name: _by_point(summary, matrix, name) for name in NETWORK}
    settings: dict[str, Mapping[str, Any]] = {}
    for trial in manifest["plan"]["trials"]:
        settings.setdefault(str(trial["point_id"]), {**trial["values"], **trial["settings"]})
    chosen: dict[str, Point] = {}
    for points in found.values():
        for point_id, point in points.items():
            chosen.setdefault(point_id, point)
    labels = _told_apart(chosen, settings)
    return [
        LocalPoint(
            point_id=point_id,
            label=labels[point_id],
            platform=point.hue,
            family=point.group,
            order=point.order,
            settings=settings.get(point_id, {}),
            costs={cost: _local(points[point_id]) for cost, points in found.items() if point_id in points},
            idle=_local(idle[point_id]) if point_id in idle else None,
            network={
                name: value
                for name, points in network.items()
                if point_id in points and points[point_id].shown and (value := points[point_id].value) is not None
            },
        )
        for point_id, point in sorted(chosen.items(), key=lambda item: (item[1].order, item[1].label))
    ]


def _told_apart(points: Mapping[str, Point], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The points' labels; where several of one platform share one, with the settings by which they differ."""
    alike: dict[tuple[str, str], list[str]] = {}
    for point_id, point in points.items():
        alike.setdefault((point.label, point.hue), []).append(point_id)
    labels = {}
    for (label, _), members in alike.items():
        all_of = [settings.get(member, {}) for member in members]
        differing = [name for name in all_of[0] if len({str(of.get(name)) for of in all_of}) > 1]
        for member, own in zip(members, all_of, strict=True):
            rest = ", ".join(scalar_text(own.get(name, "")) for name in differing)
            labels[member] = f"{label} ({rest})" if rest else label
    return labels


def _by_point(summary: pd.DataFrame, matrix: Matrix, quantity: str) -> dict[str, Point]:
    """A point's row of a quantity: that nearest to a measurement where there are several."""
    found: dict[str, Point] = {}
    for point in points_of(summary, matrix, quantity):
        before = found.get(point.point_id)
        if before is None or (point.shown and not before.shown):
            found[point.point_id] = point
    return found


def _local(point: Point) -> Local:
    if not point.shown:
        return Local(None, None, point.reasons or ("no reason given",), point.origin)
    return Local(point.value, point.expanded_u, (), point.origin)
