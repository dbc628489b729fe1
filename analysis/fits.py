"""Which measure of cache fit explains more: each measure's correlations with what was measured, beside the study's.

Measures are numbers of a network and a board, counted beforehand (:mod:`analysis.cache_fit`). One that says something
about caches should go with latency, energy and L1d misses, and should do so beyond what the multiply-accumulates say
already: a larger network has larger layers *and* takes longer. So each row states, for one measure and one quantity:

* Spearman's ρ, and Pearson's r with the quantity on a logarithmic scale (sizes and counts too; shares in per cent as
  they are, because a share of zero has no logarithm);
* the same two given the multiply-accumulates (partial correlations, on logarithms and on ranks);
* R², the share of the variance of the quantity's logarithm that the measure explains, and by how much that is more or
  less than the study's measure explains of the same points: a paired bootstrap of whole families;
* the same for what either explains beyond the multiply-accumulates.

Intervals are those of :mod:`analysis.clustered`. p-values count families, not points, and are corrected after Holm over
the measures that are held against the study's for one quantity in one group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.clustered import (
    FEWEST_CLUSTERS,
    Correlations,
    Floats,
    Interval,
    correlation,
    difference,
    draws_of,
    explained,
    explained_beyond,
    partial_correlation,
    pearson_correlations,
    spearman_correlations,
)
from analysis.correlation import FEWEST_POINTS, holm
from analysis.figures.data import factor_cell, matches, matrix_of
from analysis.sources import Part, parts_of
from lab.record.quantity import Origin

if TYPE_CHECKING:
    import pandas as pd

STUDY = "layer_fit_l1_pct"
"""The study's measure. Against L2 and RAM it is the same number times a constant: all it explains is the same."""

GIVEN = "macs"

FIT, SIZE = "fit", "size"


@dataclass(frozen=True, slots=True)
class Measure:
    """A covariate to be held against what was measured; ``kind`` is ``fit`` where it knows of a memory, ``size`` where
    it does not; ``log`` says on which scale it is correlated."""

    quantity: str
    kind: str
    log: bool


MEASURES = (
    Measure(STUDY, FIT, log=True),
    *(Measure(f"bytes_over_{memory}_pct", FIT, log=False) for memory in ("l1", "l2", "ram")),
    *(Measure(f"macs_over_{memory}_pct", FIT, log=False) for memory in ("l1", "l2", "ram")),
    *(Measure(f"spilled_{memory}_bytes", FIT, log=True) for memory in ("l1", "l2", "ram")),
    Measure("working_set_mean_bytes", SIZE, log=True),
    Measure("working_set_bytes", SIZE, log=True),
    Measure("parameters", SIZE, log=True),
    Measure(GIVEN, SIZE, log=True),
)

AGAINST = (
    "latency_s",
    "energy_gross_j",
    "energy_net_j",
    "L1-dcache-load-misses",
    "L1-dcache-loads",
    "instructions",
    "instructions:u",
    "elapsed_s",
    "energy_process_gross_j",
)
"""What measures are held against where an experiment names nothing, as far as a record has it."""

COLUMNS = (
    "y",
    "measure",
    "kind",
    "scale",
    "by",
    "group",
    "cluster",
    "n",
    "n_networks",
    "n_clusters",
    *(f"{name}{end}" for name in ("pearson", "spearman", "partial", "partial_rank") for end in ("", "_low", "_high")),
    "p",
    "explained",
    "explained_study",
    *(f"explained_difference{end}" for end in ("", "_low", "_high", "_p", "_p_holm")),
    "beyond",
    "beyond_study",
    *(f"beyond_difference{end}" for end in ("", "_low", "_high")),
    "verdict",
    "origin",
    "source",
    "note",
)

MORE, LESS, OPEN = "more", "less", "cannot be told"
ALONE = ", if asked alone"
"""Behind a verdict that holds for this one comparison, and not among all that were made."""

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an experiment says in ``analysis.cache_fit``, the rest taken from its matrix."""

    by: str | None
    cluster: str | None
    only: Mapping[str, Any]
    against: tuple[str, ...]

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> _Asked:
        resolved = (manifest.get("experiment") or {}).get("resolved") or {}
        said = (resolved.get("analysis") or {}).get("cache_fit") or {}
        matrix = matrix_of(manifest)
        return cls(
            said.get("by") or matrix.hue,
            said.get("cluster") or matrix.group,
            said.get("only") or {},
            tuple(said.get("against") or AGAINST),
        )


def fits_frame(summary: pd.DataFrame, manifest: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """One row per quantity, group and measure of :data:`MEASURES`; empty for a record without networks.

    Groups are the values of the factor ``by`` (the colouring one), families those of ``cluster`` (the first that the
    label names, if it names others too): the experiment's ``analysis.cache_fit`` may name others. Invalid values are
    left out. The same seed gives the same intervals.
    """
    import pandas as pd

    rows: list[_Row] = []
    if not summary.empty and (summary["quantity"] == STUDY).any():
        asked = _Asked.of(manifest)
        for number, quantity in enumerate(asked.against):
            for part in parts_of(summary, [quantity]):
                rows += _of_quantity(part.of(summary), quantity, asked, part, [seed, number])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_quantity(summary: pd.DataFrame, quantity: str, asked: _Asked, part: Part, seed: Sequence[int]) -> list[_Row]:
    ys = [row for row in _valid(summary, quantity) if matches(row, asked.only) and row["value"] > 0.0]
    xs = {
        measure: {str(row["point_id"]): float(row["value"]) for row in _valid(summary, measure.quantity)}
        for measure in MEASURES
    }
    groups: dict[str, list[Mapping[Any, Any]]] = {}
    for row in ys:
        groups.setdefault(factor_cell(row, asked.by) if asked.by else "", []).append(row)
    found: list[_Row] = []
    for group, members in groups.items():
        origin = Origin.furthest(Origin(row["origin"]) for row in members)
        head = {"y": quantity, "by": asked.by or "", "group": group, "cluster": asked.cluster or ""}
        head |= {"origin": origin.value, "source": part.name}
        rows = [_of_measure(members, measure, xs, asked.cluster, seed) | head for measure in MEASURES if xs[measure]]
        tested = holm([row["explained_difference_p"] for row in rows])
        for row, adjusted in zip(rows, tested, strict=True):
            row["explained_difference_p_holm"] = adjusted
            row["verdict"] = _verdict(row)
        found += rows
    return found


def _valid(summary: pd.DataFrame, quantity: str) -> list[Mapping[Any, Any]]:
    rows = summary[(summary["quantity"] == quantity) & (summary["verdict"] != "invalid") & summary["value"].notna()]
    nearest: dict[str, Mapping[Any, Any]] = {}
    for row in sorted(rows.to_dict("records"), key=lambda row: Origin(row["origin"]).rank):
        nearest.setdefault(str(row["point_id"]), row)
    return [nearest[key] for key in dict.fromkeys(map(str, rows["point_id"]))]


def _of_measure(
    members: Sequence[Mapping[Any, Any]],
    measure: Measure,
    xs: Mapping[Measure, Mapping[str, float]],
    cluster: str | None,
    seed: Sequence[int],
) -> _Row:
    """One row of the table, its verdict aside."""
    study, given = (next(item for item in MEASURES if item.quantity == name) for name in (STUDY, GIVEN))
    kept = [
        row
        for row in members
        if all(_usable(xs[item].get(str(row["point_id"])), item) for item in (measure, study, given))
    ]
    ids = [str(row["point_id"]) for row in kept]
    clusters = [factor_cell(row, cluster) if cluster else point_id for row, point_id in zip(kept, ids, strict=True)]
    networks = len({tuple(xs[item].get(i) for item in MEASURES if item.kind == SIZE) for i in ids})
    row: _Row = dict.fromkeys(COLUMNS)
    row |= {"measure": measure.quantity, "kind": measure.kind, "scale": "log" if measure.log else "linear"}
    row |= {"n": len(ids), "n_networks": networks, "n_clusters": len(set(clusters))}
    notes = []
    if len(ids) < len(members):
        notes.append(f"{len(members) - len(ids)} points without a logarithm left out")
    columns = (
        np.column_stack(
            [
                np.log([float(item["value"]) for item in kept]),
                *(_column([xs[item][i] for i in ids], item) for item in (measure, study, given)),
            ]
        )
        if ids
        else np.empty((0, 4))
    )
    if len(ids) < FEWEST_POINTS:
        notes.append(f"fewer than {FEWEST_POINTS} points")
    elif not np.ptp(columns[:, :2], axis=0).all():
        notes.append("one of the two is constant")
    else:
        if row["n_clusters"] < FEWEST_CLUSTERS:
            notes.append(f"fewer than {FEWEST_CLUSTERS} families: no interval")
        row |= _figures(columns, clusters, measure, seed)
    return row | {"note": "; ".join(notes)}


def _usable(value: float | None, measure: Measure) -> bool:
    return value is not None and (value > 0.0 or not measure.log)


def _column(values: Sequence[float], measure: Measure) -> Floats:
    return np.log(values) if measure.log else np.asarray(values)


_Y, _X, _STUDY, _GIVEN = range(4)


def _figures(columns: Floats, clusters: Sequence[str], measure: Measure, seed: Sequence[int]) -> _Row:
    draws = draws_of(clusters, seed)
    pearson, spearman = pearson_correlations(columns, draws), spearman_correlations(columns, draws)
    row: _Row = {}
    alone, partial = correlation(_Y, _X), partial_correlation(_Y, _X, _GIVEN)
    r2, r2_study = explained(_Y, _X), explained(_Y, _STUDY)
    beyond, beyond_study = explained_beyond(_Y, _X, _GIVEN), explained_beyond(_Y, _STUDY, _GIVEN)
    found = pearson.interval(alone, on_z=True)
    row |= {"p": None if found is None else found.p}
    row |= _stated("pearson", pearson.value(alone), found)
    row |= _stated("spearman", spearman.value(alone), spearman.interval(alone, on_z=True))
    row |= {"explained": pearson.value(r2), "explained_study": pearson.value(r2_study)}
    if measure.quantity != GIVEN:
        row |= _both("partial", pearson, partial, on_z=True)
        row |= _both("partial_rank", spearman, partial, on_z=True)
        row |= {"beyond": pearson.value(beyond), "beyond_study": pearson.value(beyond_study)}
    if measure.quantity != STUDY:
        gain = difference(r2, r2_study)
        found = pearson.interval(gain, on_z=False)
        row |= _stated("explained_difference", pearson.value(gain), found)
        row["explained_difference_p"] = None if found is None else found.p
        if measure.quantity != GIVEN:
            row |= _both("beyond_difference", pearson, difference(beyond, beyond_study), on_z=False)
    return row


def _both(name: str, correlations: Correlations, figure: Any, *, on_z: bool) -> _Row:
    return _stated(name, correlations.value(figure), correlations.interval(figure, on_z=on_z))


def _stated(name: str, value: float | None, interval: Interval | None) -> _Row:
    row: _Row = {name: value}
    if value is not None and interval is not None:
        row |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return row


def _verdict(row: _Row) -> str:
    """Does the measure explain more of the quantity than the study's does? Told only where the interval of the
    difference leaves zero out; with :data:`ALONE` where its p-value does not survive Holm's correction."""
    if row["measure"] == STUDY or row["explained_difference"] is None:
        return ""
    low, high, p = (row[f"explained_difference{end}"] for end in ("_low", "_high", "_p_holm"))
    if low is None or high is None or p is None or low <= 0.0 <= high:
        return OPEN
    word = MORE if row["explained_difference"] > 0.0 else LESS
    return word if p < 0.05 else word + ALONE
