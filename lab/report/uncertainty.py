"""The uncertainty budget as tables: one representative point term by term, and the largest term across all points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.data import Matrix, factor_cell, number, points_of, text_of
from analysis.figures.names import quantity_title, sentence_case, term_title
from analysis.sources import each_part
from lab.report.format import percent, show

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class TermLine:
    """One term: its standard uncertainty, its share of u² (0…1, ``None`` if not counted), and what is said of it."""

    name: str
    u: str
    share: float | None
    kind: str
    note: str

    @property
    def share_text(self) -> str:
        """The share in per cent."""
        return percent(self.share) if self.share is not None else "not counted"


@dataclass(frozen=True, slots=True)
class BudgetTable:
    """The budget of one quantity at one point."""

    quantity: str
    point: str
    value: str
    k: str
    nu_eff: str
    comparison: str
    terms: tuple[TermLine, ...]


@dataclass(frozen=True, slots=True)
class LargestTerms:
    """For one quantity: how many points have which term as their largest."""

    quantity: str
    counts: tuple[tuple[str, int], ...]


def budget_tables(budget: pd.DataFrame, summary: pd.DataFrame, matrix: Matrix) -> list[BudgetTable]:
    """The budgets of one point, the first whose energy (else first budgeted quantity) is valid."""
    if budget.empty or summary.empty:
        return []
    quantities = list(dict.fromkeys(str(name) for name in budget["quantity"]))
    quantities.sort(key=lambda name: 0 if name.startswith("energy") else 1)
    point_id = _representative(budget, summary, matrix, quantities)
    if point_id is None:
        return []
    tables = []
    for quantity, part in each_part(summary, quantities):
        rows = part.of(budget[(budget["point_id"] == point_id) & (budget["quantity"] == quantity)])
        found = part.of(summary[(summary["point_id"] == point_id) & (summary["quantity"] == quantity)])
        if len(rows) < 2 or found.empty:
            continue
        head = found.to_dict("records")[0]
        hue = factor_cell(head, matrix.hue) if matrix.hue else ""
        unit = text_of(head.get("unit"))
        lines = [
            TermLine(
                term_title(str(row["term"])),
                show(number(row.get("u")), None, unit).text,
                number(row.get("share")) if bool(row.get("counted", True)) else None,
                text_of(row.get("kind")),
                text_of(row.get("note")),
            )
            for row in rows.to_dict("records")
        ]
        lines.sort(key=lambda line: (line.share is None, -(line.share or 0.0), line.name))
        comparison = number(head.get("U_comparison"))
        tables.append(
            BudgetTable(
                part.titled(sentence_case(quantity_title(quantity))),
                " on ".join(part for part in (text_of(head.get("label")), hue) if part),
                show(number(head.get("value")), number(head.get("U")), unit).text,
                _short(number(head.get("k"))),
                _short(number(head.get("nu_eff"))) or "∞",
                _half_width(number(head.get("value")), comparison, unit),
                tuple(lines),
            )
        )
    return tables


def _half_width(value: float | None, expanded_u: float | None, unit: str) -> str:
    if expanded_u is None:
        return ""
    shown = show(value, expanded_u, unit)
    return f"± {shown.uncertainty} {shown.unit}".rstrip() if shown.uncertainty else ""


def _short(value: float | None) -> str:
    return f"{value:.3g}" if value is not None else ""


def _representative(
    budget: pd.DataFrame, summary: pd.DataFrame, matrix: Matrix, quantities: Sequence[str]
) -> str | None:
    budgeted = {str(point_id) for point_id in budget["point_id"]}
    for verdicts in (("valid",), ("valid", "degraded")):
        for quantity in quantities:
            for point in points_of(summary, matrix, quantity):
                if point.shown and point.verdict in verdicts and point.point_id in budgeted:
                    return point.point_id
    return None


def largest_terms(summary: pd.DataFrame) -> list[LargestTerms]:
    """For every quantity whose budget has competing terms: which of them is the largest, how often."""
    if summary.empty or "largest_term" not in summary.columns:
        return []
    tables = []
    quantities = dict.fromkeys(str(name) for name in summary["quantity"])
    for quantity, part in each_part(summary, quantities):
        rows = part.of(summary[(summary["quantity"] == quantity) & (summary["verdict"] != "invalid")])
        counts = Counter(term_title(term) for term in map(text_of, rows["largest_term"]) if term)
        if counts:
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            tables.append(LargestTerms(part.titled(sentence_case(quantity_title(quantity))), tuple(ordered)))
    return tables
