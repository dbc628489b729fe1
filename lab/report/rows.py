"""The summary as a wide table: one line per point, one column per quantity, every cell with its verdict.

Shared by the page and the terminal, so that both say the same in the same digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analysis.figures.data import Matrix, factor_cell, matches, number, points_of, reasons_of, scalar_text, text_of
from analysis.figures.names import quantity_title, sentence_case
from analysis.figures.style import sorted_origins
from lab.report.format import MISSING, Shown, show

if TYPE_CHECKING:
    import pandas as pd

MAIN = (
    "latency_s",
    "energy_gross_j",
    "energy_net_j",
    "energy_process_gross_j",
    "energy_process_net_j",
    "energy_recorded_j",
    "power_recorded_w",
    "recorded_s",
    "edp_gross_js",
    "edp_net_js",
    "power_active_w",
    "power_idle_w",
    "elapsed_s",
    "user_s",
    "system_s",
    "peak_rss_bytes",
    "accuracy",
)
DETAILS = ("latency_first_s", "latency_std_s", "inferences", "window_s", "energy_warmup_j")
SINGLES = (
    "energy_inference_mean_j",
    "energy_inference_sd_j",
    "energy_inference_min_j",
    "energy_inference_p05_j",
    "energy_inference_median_j",
    "energy_inference_p95_j",
    "energy_inference_max_j",
    "energy_between_inferences_j",
    "latency_inference_mean_s",
    "latency_inference_sd_s",
    "latency_inference_min_s",
    "latency_inference_p05_s",
    "latency_inference_median_s",
    "latency_inference_p95_s",
    "latency_inference_max_s",
    "inferences_left_out",
)
"""The distribution over single inferences, where a line of the board tells of them."""
CACHE_FIT = (
    "parameters",
    "depth",
    "macs",
    "layer_fit_l1_pct",
    "layer_fit_l2_pct",
    "layer_fit_ram_pct",
    "macs_over_l1_pct",
    "macs_over_l2_pct",
    "macs_over_ram_pct",
    "bytes_over_l1_pct",
    "bytes_over_l2_pct",
    "bytes_over_ram_pct",
    "spilled_l1_bytes",
    "spilled_l2_bytes",
    "spilled_ram_bytes",
    "working_set_bytes",
    "working_set_mean_bytes",
    "working_set_largest_bytes",
    "macs_per_byte",
)
REPLAY = (
    "energy_published_j",
    "energy_edge_bound_j",
    "energy_residual_rel",
    "energy_matched_j",
    "match_residual_rel",
    "energy_runner_j",
    "runner_residual_rel",
    "power_published_w",
    "window_published_s",
)

MARKS = {"valid": "", "absent": "", "degraded": "◐", "invalid": "✕"}
"""The sign beside a value of each verdict."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of one point, ready to be shown; ``sort`` orders a column, ``None`` sorts last."""

    shown: Shown
    verdict: str = "valid"
    reasons: tuple[str, ...] = ()
    sort: float | None = None
    note: str = ""

    @property
    def text(self) -> str:
        """Value ± U unit, with the sign of the verdict behind it."""
        return f"{self.shown.text} {MARKS.get(self.verdict, '?')}".rstrip()


ABSENT = Cell(Shown(MISSING, "", ""), verdict="absent")
"""The cell of a point for which the quantity was never asked."""


@dataclass(frozen=True, slots=True)
class Column:
    """One quantity from one origin; ``detail`` names source and scope."""

    quantity: str
    title: str
    origin: str
    detail: str


@dataclass(frozen=True, slots=True)
class Line:
    """One point: label, the factors that the label does not name, and its cells in the order of the columns."""

    label: str
    hue: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class WideTable:
    """A table ready to be shown. ``hue_title`` is empty where no factor colours the points."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    hue_title: str = ""

    @property
    def has_hue(self) -> bool:
        """True if the second column names the colouring factor's value."""
        return bool(self.hue_title) and any(line.hue for line in self.lines)


def wide_table(
    summary: pd.DataFrame,
    matrix: Matrix,
    quantities: Iterable[str],
    *,
    per_label: bool = False,
    keep_empty: bool = False,
) -> WideTable:
    """The summary of these quantities (those that occur), in the order of the experiment's factors.

    Values of different origin stand in different columns. A column without a single value is left out unless
    ``keep_empty``: the page says once, before the tables, what is not available. With ``per_label`` lines that differ
    only by the colouring factor and hold the same values are written once.
    """
    columns: list[Column] = []
    cells: dict[str, dict[int, Cell]] = {}
    order: dict[str, tuple[tuple[int, ...], str, str]] = {}
    for quantity in quantities:
        rows = summary[summary["quantity"] == quantity] if not summary.empty else summary
        if rows.empty:
            continue
        for key, members in _by_column(rows.to_dict("records")).items():
            if all(text_of(row.get("verdict")) == "invalid" for row in members) and not keep_empty:
                continue
            columns.append(_column(quantity, key, members))
            for row in members:
                cells.setdefault(str(row["point_id"]), {})[len(columns) - 1] = cell_of(row)
        for point in points_of(rows, matrix, quantity):
            order.setdefault(point.point_id, (point.order, point.label, point.hue))
    lines = [
        Line(label, hue, tuple(cells[point_id].get(index, ABSENT) for index in range(len(columns))))
        for point_id, (_, label, hue) in sorted(order.items(), key=lambda item: _place(item[1]))
        if point_id in cells
    ]
    if per_label:
        merged: dict[tuple[object, ...], Line] = {}
        for line in lines:
            merged.setdefault((line.label, *(cell.text for cell in line.cells)), line)
        if len({line.label for line in merged.values()}) == len(merged):
            lines = [Line(line.label, "", line.cells) for line in merged.values()]
    return WideTable(tuple(columns), tuple(lines), sentence_case(matrix.hue or ""))


def _place(order: tuple[tuple[int, ...], str, str]) -> tuple[tuple[int, ...], list[str | int], str]:
    """By the factors, then by label with numbers in it by their value: window 2 before window 10."""
    factors, label, hue = order
    parts = re.split(r"(\d+)", label)
    return factors, [int(part) if index % 2 else part for index, part in enumerate(parts)], hue


def cell_of(row: Mapping[Any, Any]) -> Cell:
    """The cell of one row of the summary. An invalid value is never shown as a number."""
    verdict = text_of(row.get("verdict")) or "invalid"
    reasons = reasons_of(row.get("reasons"))
    value = number(row.get("value"))
    n, n_invalid = int(number(row.get("n")) or 0), int(number(row.get("n_invalid")) or 0)
    note = f"{n} of {n + n_invalid} repeats" if n_invalid else f"n = {n}" if n else ""
    if number(row.get("U")) == 0 and n > 1:
        note += ", the same in each"
    if verdict == "invalid" or value is None:
        return Cell(Shown(MISSING, "", ""), "invalid", reasons or ("no reason given",), None, note)
    shown = show(value, number(row.get("U")), text_of(row.get("unit")))
    return Cell(shown, verdict, reasons, value, note)


def _by_column(rows: Sequence[dict[Any, Any]]) -> dict[tuple[str, str], list[dict[Any, Any]]]:
    """Rows by origin, and by source too where one point has several of the same origin or they saw different things."""
    columns: dict[tuple[str, str], list[dict[Any, Any]]] = {}
    for origin in sorted_origins(text_of(row.get("origin")) for row in rows):
        members = [row for row in rows if text_of(row.get("origin")) == origin]
        scopes = {text_of(row.get("scope")) for row in members if text_of(row.get("verdict")) != "invalid"}
        if len({row["point_id"] for row in members}) == len(members) and len(scopes) < 2:
            columns[origin, ""] = members
            continue
        for source in sorted({text_of(row.get("source")) for row in members}):
            columns[origin, source] = [row for row in members if text_of(row.get("source")) == source]
    return columns


def _column(quantity: str, key: tuple[str, str], members: Sequence[Mapping[Any, Any]]) -> Column:
    sources = sorted({text_of(row.get("source")) for row in members} - {""})
    scopes = sorted({text_of(row.get("scope")) for row in members} - {""})
    detail = " · ".join(part for part in (", ".join(sources), ", ".join(scopes)) if part)
    return Column(quantity, sentence_case(quantity_title(quantity)), key[0], detail)


def pivot_table(summary: pd.DataFrame, matrix: Matrix, entry: Mapping[str, Any]) -> WideTable:
    """A table that the experiment asks for: one quantity, one line per label, one column per value of ``by``.

    Where ``by`` names no factor there is one column for all; origins have columns of their own, as everywhere.
    """
    from pandas import DataFrame

    quantity, by = str(entry.get("quantity")), entry.get("by") or matrix.hue
    rows = summary[summary["quantity"] == quantity] if not summary.empty else summary
    if rows.empty:
        return WideTable((), ())
    kept = [row for row in rows.to_dict("records") if matches(row, entry.get("only") or {})]
    if not kept:
        return WideTable((), ())
    lines = [{**row, "point_id": row["label"], "quantity": factor_cell(row, str(by))} for row in kept]
    renamed = DataFrame(lines)
    present = set(renamed["quantity"])
    ordered = [value for value in matrix.factors.get(str(by), ("",)) if value in present]
    table = wide_table(renamed, replace(matrix, hue=None), ordered, keep_empty=True)
    columns = tuple(
        replace(column, title=column.quantity or sentence_case(quantity_title(quantity))) for column in table.columns
    )
    return WideTable(columns, table.lines)


def window_table(results: pd.DataFrame, matrix: Matrix) -> WideTable:
    """One line per recorded window: computed energy, published energy, bound and differences; empty without any."""
    if results.empty or "window" not in results.columns:
        return WideTable((), ())
    rows = results[results["quantity"].isin(("energy_gross_j", "latency_s", *REPLAY)) & results["window"].notna()]
    windows = [scalar_text(cell) for cell in rows["window"]]
    trials = [str(cell) for cell in rows["trial_id"]]
    rows = rows.assign(
        point_id=[f"{trial}.{window}" for trial, window in zip(trials, windows, strict=True)],
        label=[f"{label}, window {window}" for label, window in zip(rows["label"], windows, strict=True)],
    )
    return wide_table(rows, matrix, ("energy_gross_j", *REPLAY, "latency_s"))


def counted_events(manifest: Mapping[str, Any]) -> list[str]:
    """The events that the plan counts, in its order."""
    trials = (manifest.get("plan") or {}).get("trials") or ()
    events = (event for trial in trials for item in trial["passes"] for event in item.get("events") or ())
    return list(dict.fromkeys(map(str, events)))


def remaining_quantities(summary: pd.DataFrame, named: Iterable[str]) -> list[str]:
    """The quantities of the summary that neither ``named`` nor any list above names, in order of appearance."""
    if summary.empty:
        return []
    known = {*MAIN, *DETAILS, *SINGLES, *CACHE_FIT, *REPLAY, *named}
    return [name for name in dict.fromkeys(map(str, summary["quantity"])) if name not in known]
