"""How much faster a network runs compressed: speed-ups of each compression against none, per platform."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.statistics import speedup

if TYPE_CHECKING:
    import pandas as pd

FACTOR = "compression"
UNCOMPRESSED = "none"
QUANTITY = "latency_s"
COLUMNS = ("group", "compression", "n", "mean", "geometric_mean", "maximum", "minimum", "largest_at", "origin")


def compression_speedups(summary: pd.DataFrame, factors: Sequence[str], by: str | None) -> pd.DataFrame:
    """Speed-ups over the points that differ in the factor ``compression`` alone, a row per value of ``by`` and
    compression.

    ``largest_at`` labels the point with the largest one. Invalid points are left out; the frame is empty where the
    experiment has no such factor.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    if FACTOR in factors and not summary.empty:
        latencies = summary[(summary["quantity"] == QUANTITY) & (summary["verdict"] != "invalid")]
        rows = _rows(latencies.to_dict("records"), factors, by)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(points: Sequence[Mapping[Any, Any]], factors: Sequence[str], by: str | None) -> list[dict[str, Any]]:
    others = [name for name in factors if name != FACTOR]

    def rest(point: Mapping[Any, Any]) -> tuple[Any, ...]:
        return (*(point[name] for name in others), point["source"], point["origin"])

    before = {rest(point): point for point in points if point[FACTOR] == UNCOMPRESSED}
    pairs: dict[tuple[str, str, str], list[tuple[float, float, str]]] = defaultdict(list)
    for point in points:
        if point[FACTOR] == UNCOMPRESSED or rest(point) not in before:
            continue
        key = (str(point[by]) if by in others else "", str(point[FACTOR]), str(point["origin"]))
        pairs[key].append((float(before[rest(point)]["value"]), float(point["value"]), str(point["label"])))
    rows = []
    for (group, compression, origin), found in pairs.items():
        figures = speedup([slow for slow, _, _ in found], [fast for _, fast, _ in found])
        top = max(found, key=lambda pair: pair[0] / pair[1])
        rows.append(
            {
                "group": group,
                "compression": compression,
                "n": figures.n,
                "mean": figures.mean,
                "geometric_mean": figures.geometric_mean,
                "maximum": figures.maximum,
                "minimum": figures.minimum,
                "largest_at": top[2],
                "origin": origin,
            }
        )
    return rows
