"""The correlations as lines of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.figures.data import number, text_of
from analysis.figures.names import quantity_title, sentence_case
from lab.report.format import MISSING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class CorrelationLine:
    """How two quantities go together in one group of points."""

    x: str
    y: str
    group: str
    n: str
    pearson: str
    spearman: str
    p: str
    origin: str
    note: str


def correlation_lines(correlations: pd.DataFrame) -> list[CorrelationLine]:
    """One line per pair and group, in the experiment's order."""
    return [
        CorrelationLine(
            sentence_case(quantity_title(str(row.get("x")))),
            sentence_case(quantity_title(str(row.get("y")))),
            grouped_name(row),
            _points(row),
            _with_interval(row, "pearson"),
            _with_interval(row, "spearman"),
            _probability(number(row.get("p_holm"))),
            text_of(row.get("origin")),
            text_of(row.get("note")),
        )
        for row in correlations.to_dict("records")
    ]


def grouped_name(row: dict[Any, Any]) -> str:
    """The group of a correlation, with the meter behind it where there are several."""
    return " · ".join(part for part in (text_of(row.get("group")), text_of(row.get("source"))) if part)


def _points(row: dict[Any, Any]) -> str:
    points, families = int(number(row.get("n")) or 0), int(number(row.get("n_clusters")) or 0)
    return f"{points} in {families}" if 1 < families < points else str(points)


def _probability(p: float | None) -> str:
    if p is None:
        return MISSING
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def _with_interval(row: dict[Any, Any], name: str) -> str:
    value = number(row.get(name))
    if value is None:
        return MISSING
    low, high = number(row.get(f"{name}_low")), number(row.get(f"{name}_high"))
    interval = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
    return f"{value:.3f}{interval}".replace("-", "−")
