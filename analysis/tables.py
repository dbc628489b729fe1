"""The tables of results: one row per trial and quantity, one per point and quantity, and one per term of a budget.

Rows are collected as plain columns and become data frames once, at the end. A missing value is an empty cell; no
rounding.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.measured import Measured
from analysis.naming import RECORDED
from analysis.uncertainty import Budget, PointResult, coverage_factor, point_result
from lab.record.printable import printable
from lab.record.quantity import Quantity, Verdict
from lab.record.reasons import verdict_of

if TYPE_CHECKING:
    import pandas as pd

RESULT_COLUMNS = (
    "pass_id",
    "window",
    "quantity",
    "value",
    "unit",
    "u",
    "U",
    "coverage",
    "verdict",
    "reasons",
    "origin",
    "source",
    "scope",
)
TRIAL_COLUMNS = ("trial_id", "point_id", "order", "repeat", "label")
SUMMARY_COLUMNS = (
    "quantity",
    "unit",
    "n",
    "n_invalid",
    "value",
    "s",
    "u",
    "U",
    "k",
    "nu_eff",
    "U_comparison",
    "largest_term",
    "verdict",
    "reasons",
    "origin",
    "source",
    "scope",
)
BUDGET_COLUMNS = ("quantity", "source", "term", "u", "unit", "share", "kind", "counted", "note")
POINT_COLUMNS = ("point_id", "label")
INTEGER_COLUMNS = frozenset({"order", "repeat", "window", "n", "n_invalid"})
NUMBER_COLUMNS = frozenset({"value", "u", "U", "coverage", "s", "k", "nu_eff", "U_comparison", "share"})

EXACT = "exact"
"""Scope of numbers that are counted from a definition, not measured: they have no scatter and no uncertainty."""


@dataclass(frozen=True, slots=True)
class Row:
    """A measured quantity with its trial (an entry of the manifest's plan)."""

    trial: Mapping[str, Any]
    item: Measured


class Table:
    """Columns in the making. Factor columns follow ``head``; names that the table itself needs get a prefix."""

    def __init__(self, head: Sequence[str], factors: Sequence[str], tail: Sequence[str]) -> None:
        taken = {*head, *tail}
        self._factors = {name: f"factor_{name}" if name in taken else name for name in factors}
        self.columns = (*head, *self._factors.values(), *tail)
        self._rows: list[tuple[Any, ...]] = []

    def add(self, head: Sequence[Any], values: Mapping[str, Any], tail: Sequence[Any]) -> None:
        """Append a row; ``values`` are the factors'."""
        self._rows.append((*head, *(values.get(name) for name in self._factors), *tail))

    def frame(self) -> pd.DataFrame:
        """The data frame, each column of one type whatever the rows hold."""
        import pandas as pd

        columns = list(zip(*self._rows, strict=True)) if self._rows else [()] * len(self.columns)
        factors = set(self._factors.values())
        return pd.DataFrame(
            {
                name: _factor_series(values) if name in factors else _series(name, values)
                for name, values in zip(self.columns, columns, strict=True)
            }
        )


def results_frame(rows: Iterable[Row], factors: Sequence[str]) -> pd.DataFrame:
    """One row per trial and quantity."""
    table = Table(TRIAL_COLUMNS, factors, RESULT_COLUMNS)
    for row in rows:
        trial, quantity = row.trial, row.item.quantity
        table.add(
            [trial[name] for name in TRIAL_COLUMNS],
            trial["values"],
            (
                row.item.pass_id,
                row.item.window,
                quantity.name,
                quantity.value,
                quantity.unit,
                quantity.u,
                quantity.expanded_u,
                quantity.coverage,
                quantity.verdict.value,
                ";".join(quantity.reasons),
                quantity.origin.value,
                quantity.source,
                quantity.scope,
            ),
        )
    return table.frame()


def summary_frames(
    rows: Iterable[Row], factors: Sequence[str], events: Iterable[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per point, quantity, origin and source; and the terms of each row's budget.

    ``events`` are the names of counted events: their mean is held against its own interval, and is
    ``below_resolution`` where it cannot be told from nothing.
    """
    groups: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        quantity = row.item.quantity
        groups[row.trial["point_id"], quantity.name, quantity.origin.value, quantity.source].append(row)
    summary = Table(POINT_COLUMNS, factors, SUMMARY_COLUMNS)
    budgets = Table(POINT_COLUMNS, factors, BUDGET_COLUMNS)
    counted = frozenset(events)
    for group in groups.values():
        point = summarised([row.item for row in group], counted=group[0].item.quantity.name in counted)
        trial = group[0].trial
        head, values = [trial[name] for name in POINT_COLUMNS], trial["values"]
        summary.add(head, values, point.row())
        for row_of_term in point.terms():
            budgets.add(head, values, row_of_term)
    return summary.frame(), budgets.frame()


@dataclass(frozen=True, slots=True)
class Summary:
    """A point's quantity over its repeats; ``result`` is ``None`` where no repeat is valid."""

    first: Quantity
    n: int
    n_invalid: int
    verdict: Verdict
    reasons: tuple[str, ...]
    result: PointResult | None

    def row(self) -> tuple[Any, ...]:
        """The values of :data:`SUMMARY_COLUMNS`."""
        q, result = self.first, self.result
        head = (q.name, q.unit, self.n, self.n_invalid)
        tail = (self.verdict.value, ";".join(self.reasons), q.origin.value, q.source, q.scope)
        if result is None:
            return (*head, *([None] * 8), *tail)
        budget = result.budget
        if not budget.counted:
            return (*head, result.value, result.s, *([None] * 6), *tail)
        return (
            *head,
            result.value,
            result.s,
            budget.u,
            budget.expanded_u,
            budget.k if budget.claims else None,
            budget.nu_eff,
            budget.expanded_u_comparison,
            budget.largest,
            *tail,
        )

    def terms(self) -> list[tuple[Any, ...]]:
        """The values of :data:`BUDGET_COLUMNS`, a row for each term. ``share`` is of the combined variance."""
        if self.result is None:
            return []
        budget = self.result.budget
        variance = budget.u**2
        return [
            (
                self.first.name,
                self.first.source,
                term.name,
                term.u,
                self.first.unit,
                term.u**2 / variance if term.counted and variance > 0.0 else 0.0,
                term.kind,
                term.counted,
                term.note,
            )
            for term in budget.terms
        ]


def summarised(items: Sequence[Measured], *, counted: bool) -> Summary:
    """Mean, scatter, budget and verdict of a quantity over a point's repeats.

    Invalid ones are left out, and the summary says so (``repeats_lost``); it is as doubtful as the most doubtful that
    was used.
    """
    used = [item for item in items if item.quantity.verdict is not Verdict.INVALID and item.quantity.value is not None]
    n, n_invalid = len(used), len(items) - len(used)
    first = (used or items)[0].quantity
    if not used:
        return Summary(first, 0, n_invalid, Verdict.INVALID, _merged(items), None)
    values = [item.quantity.value for item in used if item.quantity.value is not None]
    if first.scope == EXACT:
        value = values[0]
        return Summary(first, n, n_invalid, Verdict.VALID, (), PointResult(value, n, None, Budget((), claims=False)))
    result = point_result(values, [item.budget for item in used])
    reasons = list(_merged(used))
    if n_invalid:
        reasons.append("repeats_lost")
    if n == 1 and first.name not in RECORDED.values():
        reasons.append("single_repeat")
    if counted and _unresolved(result):
        reasons.append("below_resolution")
    reasons = list(dict.fromkeys(reasons))
    verdict = Verdict.worst([verdict_of(reasons), *(item.quantity.verdict for item in used)])
    return Summary(first, n, n_invalid, verdict, tuple(reasons), result)


def _unresolved(result: PointResult) -> bool:
    """True if the mean's interval from the repeats' scatter holds zero."""
    if result.s is None:
        return False
    half = coverage_factor(result.n - 1) * result.s / math.sqrt(result.n)
    return bool(result.value <= half)


def _merged(items: Iterable[Measured]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for item in items for code in item.quantity.reasons))


def _series(name: str, values: Sequence[Any]) -> pd.Series[Any]:
    import pandas as pd

    if name in NUMBER_COLUMNS:
        return pd.Series([float("nan") if value is None else value for value in values], dtype="float64")
    if name in INTEGER_COLUMNS:
        return pd.Series(values, dtype="Int64")
    if name == "counted":
        return pd.Series(values, dtype="bool")
    return pd.Series(_texts(values), dtype="str")


def _texts(values: Sequence[Any]) -> list[Any]:
    """Texts as a table may hold them: a file's name that is no UTF-8 could not even be written."""
    known = {value: printable(value) for value in set(values) if isinstance(value, str)}
    return [known.get(value, value) for value in values]


def _factor_series(values: Sequence[Any]) -> pd.Series[Any]:
    """A factor's column: whole numbers, numbers or truth values where all are, else text."""
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {int}:
        return pd.Series(values, dtype="Int64")
    if kinds and kinds <= {int, float}:
        return pd.Series([float("nan") if value is None else value for value in values], dtype="float64")
    return pd.Series(_texts([None if value is None else str(value) for value in values]), dtype="str")
