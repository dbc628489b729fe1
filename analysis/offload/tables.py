"""The tables of the offload model: totals, thresholds, decisions, break-evens and the best way for each network.

One row per point (or network), medium, server and, where energy is meant, idle state. A cost that could not be had is
an empty cell with the reason beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.offload.best import best_rows
from analysis.offload.break_evens import break_even_rows
from analysis.offload.decision import Choice, decide
from analysis.offload.grid import BYTE_ENERGY, Grid, furthest, grid_of
from analysis.offload.points import UNITS, Cost, local_points
from analysis.offload.scenario import ASSUMED, Scenario
from analysis.offload.thresholds import threshold

if TYPE_CHECKING:
    import pandas as pd

NO_INTERVAL = "no uncertainty is claimed for the local value: chosen by the values alone"


@dataclass(frozen=True, eq=False)
class Offload:
    """A record in a scenario: the grid and its tables."""

    scenario: Scenario
    grid: Grid
    totals: pd.DataFrame
    thresholds: pd.DataFrame
    decisions: pd.DataFrame
    break_evens: pd.DataFrame
    best: pd.DataFrame

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables by the name of their files."""
        names = ("totals", "thresholds", "decisions", "break_evens", "best")
        return {name: getattr(self, name) for name in names}


def offload_of(manifest: Mapping[str, Any], summary: pd.DataFrame, scenario: Scenario) -> Offload | None:
    """The tables of a record in a scenario; ``None`` for a record without any latency or energy per inference."""
    points = local_points(manifest, summary)
    return offload_tables(grid_of(points, scenario)) if points else None


def offload_tables(grid: Grid) -> Offload:
    """All tables of a grid."""
    return Offload(
        scenario=grid.scenario,
        grid=grid,
        totals=_frame(_total_rows(grid)),
        thresholds=_frame(_threshold_rows(grid)),
        decisions=_frame(_decision_rows(grid)),
        break_evens=_frame(break_even_rows(grid)),
        best=_frame(best_rows(grid)),
    )


def ways(grid: Grid, which: Cost) -> Iterator[tuple[int, int, int]]:
    """(medium, server, idle state) of each way to offload, as places; latency knows one idle state only."""
    _, media, servers, states = grid.shape
    for m in range(media):
        for s in range(servers):
            for i in range(1 if which is Cost.LATENCY else states):
                yield m, s, i


def way_names(grid: Grid, which: Cost, m: int, s: int, i: int) -> dict[str, str]:
    """The names of a way, as table cells; no idle state where it does not matter."""
    scenario = grid.scenario
    idle = "" if which is Cost.LATENCY else scenario.idle[i].name
    return {"medium": scenario.media[m].name, "server": scenario.servers[s].name, "idle": idle}


def _total_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    shape = grid.shape
    names = ("sent_bytes", "result_bytes", "network_s", "remote_s", "total_s", "network_j", "wait_j", "total_j")
    arrays = {name: np.broadcast_to(getattr(grid, name), shape) for name in names}
    arrays |= {"U_total_s": np.broadcast_to(grid.remote_u, shape), "edp_js": np.broadcast_to(grid.edp_js, shape)}
    arrays |= {"U_total_j": np.broadcast_to(grid.total_u_j, shape), "U_edp_js": np.broadcast_to(grid.edp_u_js, shape)}
    arrays["network_share"] = arrays["network_s"] / arrays["total_s"]
    for p, m, s, i in np.ndindex(*shape):
        point, known = grid.points[p], grid.scenario.media[m].energy_known
        missing = grid.missing(p, m, s, i)
        yield {
            "point_id": point.point_id,
            "label": point.label,
            "platform": point.platform,
            **way_names(grid, Cost.ENERGY, m, s, i),
            **{name: float(values[p, m, s, i]) for name, values in arrays.items()},
            "missing": missing,
            "note": "" if known else BYTE_ENERGY,
            "origin": grid.origin(p, s, i),
            "assumed": grid.assumed(p, s, i),
        }


def _threshold_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """Over the networks: a network's cost is the mean over its platforms (which differ by their idle power at most)."""
    labels = grid.labels
    for which in Cost:
        values, _ = grid.offloaded(which)
        for m, s, i in ways(grid, which):
            state = None if which is Cost.LATENCY else i
            each = {label: values[places, m, s, i] for label, places in labels.items()}
            costs = [float(np.mean(found[np.isfinite(found)])) for found in each.values() if np.isfinite(found).any()]
            reasons = [grid.missing(p, m, s, state) for p in range(len(grid.points))]
            used = [p for p, why in enumerate(reasons) if not why]
            row: dict[str, Any] = {"cost": which.value, **way_names(grid, which, m, s, i), "unit": UNITS[which]}
            found = threshold(costs) if len(costs) > 1 else None
            for name in ("mean", "sd", "max", "min"):
                row[name] = None if found is None else getattr(found, name)
            yield row | {
                "n": len(costs),
                "n_missing": len(labels) - len(costs),
                "missing": next(filter(None, reasons), "" if found else "there is one network only"),
                "note": _bound(grid, which, m),
                "origin": furthest([grid.origin(p, s, state) for p in used]) or ASSUMED,
                "assumed": grid.assumed(0, s, state),
            }


def _bound(grid: Grid, which: Cost, m: int) -> str:
    return "" if which is Cost.LATENCY or grid.scenario.media[m].energy_known else BYTE_ENERGY


def _decision_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    for which in Cost:
        having = [p for p, point in enumerate(grid.points) if which in point.costs]
        if not having:
            continue
        values, halves = grid.offloaded(which)
        locals_ = [grid.points[p].costs[which] for p in having]
        here = np.array([np.nan if local.value is None else local.value for local in locals_])
        here_u = np.array([local.expanded_u or 0.0 for local in locals_])
        for m, s, i in ways(grid, which):
            state = None if which is Cost.LATENCY else i
            found = decide(here, here_u, values[having, m, s, i], halves[having, m, s, i])
            bound = _bound(grid, which, m)
            for place, p in enumerate(having):
                local, point = locals_[place], grid.points[p]
                missing = grid.missing(p, m, s, state)
                margin, expanded = float(found.margin[place]), float(found.expanded[place])
                choice, reason = _choice(found.choice[place], local.reasons, missing, bound)
                if choice and not reason and local.expanded_u is None:
                    reason = NO_INTERVAL
                yield {
                    "point_id": point.point_id,
                    "label": point.label,
                    "platform": point.platform,
                    "cost": which.value,
                    **way_names(grid, which, m, s, i),
                    "unit": UNITS[which],
                    "local": local.value,
                    "U_local": local.expanded_u,
                    "offloaded": float(values[p, m, s, i]),
                    "U_offloaded": float(halves[p, m, s, i]),
                    "margin": margin,
                    "U_margin": expanded,
                    "choice": choice,
                    "reason": reason,
                    "origin": furthest([local.origin, *_measured(grid.origin(p, s, state))]),
                    "assumed": grid.assumed(p, s, state),
                }


def _measured(origin: str) -> list[str]:
    """The origin of an offloaded cost, where anything of it was measured: what is assumed has a column of its own."""
    return [] if origin == ASSUMED else [origin]


def _choice(choice: Choice, local: Sequence[str], missing: str, bound: str) -> tuple[str, str]:
    """The choice and what is to be said of it; an empty choice where there is none to make."""
    if local:
        return "", f"no valid local value: {', '.join(local)}"
    if missing:
        return "", missing
    if bound and choice is not Choice.LOCAL:
        # Even without its bytes offloading may be dearer: then local it is. The other way round nobody knows.
        return Choice.UNDECIDED.value, bound
    return choice.value, ""


def _frame(rows: Iterator[dict[str, Any]]) -> pd.DataFrame:
    """Empty cells for what is missing: numbers that are none of ours stay NaN, texts stay empty."""
    import pandas as pd

    frame = pd.DataFrame(list(rows))
    for name in frame.columns:
        if all(value is None or isinstance(value, float) for value in frame[name].tolist()):
            frame[name] = frame[name].astype("float64")
    return frame
