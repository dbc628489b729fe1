"""The table of correlations that an experiment asks for, over the points of its matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.correlation import Correlation, correlate, holm
from analysis.sources import Part, parts_of
from lab.record.quantity import Origin

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "x",
    "y",
    "by",
    "group",
    "cluster",
    "n",
    "n_clusters",
    "pearson",
    "pearson_low",
    "pearson_high",
    "spearman",
    "spearman_low",
    "spearman_high",
    "p",
    "p_holm",
    "origin",
    "source",
    "note",
)

_Point = Mapping[Any, Any]


def correlations_frame(summary: pd.DataFrame, asked: Sequence[Mapping[str, Any]], seed: int) -> pd.DataFrame:
    """One row per correlation asked for and value of its ``by``; where several meters gave a quantity, one for each of
    them, named in ``source``.

    ``asked`` are the experiment's entries (``x``, ``y``, ``by``, ``cluster``). Invalid points are left out. Holm's
    correction is over the whole table. The same seed gives the same intervals.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for number, entry in enumerate(asked):
        for part in parts_of(summary, (entry["x"], entry["y"])):
            rows += _rows(part.of(summary), entry, [seed, number], part)
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(summary: pd.DataFrame, entry: Mapping[str, Any], seed: Sequence[int], part: Part) -> list[dict[str, Any]]:
    x, y, by, cluster = entry["x"], entry["y"], entry.get("by"), entry.get("cluster")
    points_x, points_y = _points(summary, x), _points(summary, y)
    common = [point_id for point_id in points_x if point_id in points_y]
    groups: dict[str, list[str]] = {}
    for point_id in common:
        groups.setdefault(str(points_x[point_id][by]) if by else "", []).append(point_id)
    rows = []
    for number, (group, ids) in enumerate(groups.items()):
        found = correlate(
            [float(points_x[i]["value"]) for i in ids],
            [float(points_y[i]["value"]) for i in ids],
            [points_x[i][cluster] for i in ids] if cluster else None,
            [*seed, number],
        )
        origin = Origin.furthest(Origin(points[i]["origin"]) for i in ids for points in (points_x, points_y))
        head = {"x": x, "y": y, "by": by or "", "group": group, "cluster": cluster or "", "source": part.name}
        rows.append(_row(found, head, origin))
    return rows


def _points(summary: pd.DataFrame, quantity: str) -> dict[str, _Point]:
    """The valid value of each point, of the source nearest to a measurement where there are several."""
    rows = summary[(summary["quantity"] == quantity) & (summary["verdict"] != "invalid")].to_dict("records")
    rows.sort(key=lambda row: Origin(row["origin"]).rank)
    found: dict[str, _Point] = {}
    for row in rows:
        found.setdefault(str(row["point_id"]), row)
    return found


def _row(found: Correlation, head: dict[str, Any], origin: Origin) -> dict[str, Any]:
    figures = {name: getattr(found, name) for name in COLUMNS if hasattr(found, name)}
    return {**head, **figures, "origin": origin.value}
