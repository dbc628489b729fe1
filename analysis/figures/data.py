"""From the summary's rows to points that can be drawn: selection, order, grouping, and text for each point."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from analysis.figures.names import quantity_title
from analysis.figures.units import plain_unit, tick_text
from lab.record.printable import printable_line

if TYPE_CHECKING:
    import pandas as pd


class ResultTables(Protocol):
    """The analysis's tables: tidy results, one summary row per point and quantity, the budget,
    the correlations, the speed-ups from compression, what measures of cache fit explain."""

    @property
    def results(self) -> pd.DataFrame: ...

    @property
    def summary(self) -> pd.DataFrame: ...

    @property
    def budget(self) -> pd.DataFrame: ...

    @property
    def correlations(self) -> pd.DataFrame: ...

    @property
    def speedups(self) -> pd.DataFrame: ...

    @property
    def fits(self) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class Point:
    """One row of the summary. ``value`` is ``None`` unless there is a number that may be shown as one.

    ``hue`` is the value of the factor that colours the point, ``group`` that of the factor that makes families,
    ``panel`` that of the factor that splits the figure into panels (each empty where there is no such factor).
    """

    point_id: str
    label: str
    hue: str
    group: str
    panel: str
    order: tuple[int, ...]
    value: float | None
    expanded_u: float | None
    unit: str
    verdict: str
    reasons: tuple[str, ...]
    origin: str
    source: str
    n: int
    n_invalid: int

    @property
    def shown(self) -> bool:
        """True if the point has a value and a verdict better than invalid."""
        return self.value is not None and self.verdict != "invalid"

    def fits(self, *, log: bool) -> bool:
        """True if the point has a place on an axis.

        On a logarithmic one it has none if it is zero or negative, or so small against its own uncertainty (below a
        twentieth of U) that where it lay would say nothing.
        """
        if self.value is None or self.verdict == "invalid":
            return False
        return not log or (self.value > 0 and self.value >= 0.05 * (self.expanded_u or 0.0))

    def describe(self, hue_factor: str | None) -> str:
        """One line on the point for a tooltip."""
        name = f"{self.label} · {self.hue}" if hue_factor else self.label
        if self.value is None or self.verdict == "invalid":
            why = ", ".join(self.reasons) or "no reason given"
            return f"{name}: no valid value ({why})"
        text = tick_text(self.value, self.unit)
        if self.expanded_u is not None:
            text += f" ± {tick_text(self.expanded_u, self.unit)}"
        note = f" [{self.verdict}: {', '.join(self.reasons)}]" if self.verdict != "valid" else ""
        return f"{name}: {text}{note} ({self.origin})"


@dataclass(frozen=True)
class Matrix:
    """What the figures need to know of the experiment: its factors in order, the label, the colouring factor.

    ``group`` is the factor that makes families: the first that the label names, if it names others too.
    """

    factors: dict[str, tuple[str, ...]]
    hue: str | None
    group: str | None
    entries: tuple[dict[str, Any], ...] = ()
    title: str = ""
    record_id: str = ""
    label_factors: tuple[str, ...] = ()


def matrix_of(manifest: Mapping[str, Any]) -> Matrix:
    """Read the experiment's factors and its ``analysis`` section from a record's manifest."""
    resolved = _section(manifest, "experiment", "resolved")
    analysis = resolved.get("analysis") or {}
    plan = (manifest.get("plan") or {}).get("trials") or ()
    factors = {name: _factor_values(name, values, plan) for name, values in (resolved.get("factors") or {}).items()}
    hue = analysis.get("hue")
    hue = hue if hue in factors else None
    named = _named_factors(str(analysis.get("label") or ""), factors, hue)
    group = named[0] if len(named) > 1 and len(factors[named[0]]) > 1 else None
    return Matrix(
        factors=factors,
        hue=hue,
        group=group,
        entries=tuple(dict(item) for item in analysis.get("figures") or ()),
        title=printable_line(str(resolved.get("title") or resolved.get("experiment") or "")),
        record_id=str(manifest.get("record_id") or ""),
        label_factors=named,
    )


def _section(manifest: Mapping[str, Any], *path: str) -> dict[str, Any]:
    section: Any = manifest
    for name in path:
        section = section.get(name) or {}
    return dict(section)


def _factor_values(name: str, listed: Any, trials: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The values as the file lists them; those that the plan found where the file gives a rule (files of a folder)."""
    if isinstance(listed, (list, tuple)):
        values = [item.get("value") if isinstance(item, Mapping) else item for item in listed]
    else:
        values = [(trial.get("values") or {}).get(name) for trial in trials]
    return tuple(dict.fromkeys(scalar_text(value) for value in values if value is not None))


def scalar_text(value: Any) -> str:
    """A factor's value as text, the same for ``75``, ``75.0`` and ``np.int64(75)``; lists as ``(32, 16)``."""
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(scalar_text(item) for item in value) + ")"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return printable_line(str(value))


def _named_factors(label: str, factors: Mapping[str, Sequence[str]], hue: str | None) -> tuple[str, ...]:
    """The factors that the label's template names, in its order; without a template all but the colouring one."""
    try:
        named = [name for _, name, _, _ in string.Formatter().parse(label) if name]
    except ValueError:
        named = []
    return tuple(name for name in dict.fromkeys(named or factors) if name in factors and name != hue)


def factor_cell(row: Mapping[Any, Any], factor: str) -> str:
    """A row's value of a factor as text; the tables prefix a factor whose name is one of their own columns."""
    for name in (f"factor_{factor}", factor):
        if name in row:
            return scalar_text(row[name])
    return ""


def number(value: Any) -> float | None:
    """The value as a float, ``None`` where there is none: an empty cell, NaN or an infinity is never a number here."""
    if value is None:
        return None
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def reasons_of(cell: Any) -> tuple[str, ...]:
    """The reason codes of a ``;``-joined cell."""
    if not isinstance(cell, str):
        return ()
    return tuple(code for code in cell.split(";") if code)


def text_of(cell: Any) -> str:
    """A text cell; empty where it is missing."""
    return cell if isinstance(cell, str) else ""


def points_of(
    summary: pd.DataFrame,
    matrix: Matrix,
    quantity: str,
    *,
    only: Mapping[str, Any] | None = None,
    hue: str | None = None,
    panel: str | None = None,
) -> list[Point]:
    """The points of one quantity in the order of the experiment's factors.

    ``only`` keeps the rows whose factors have one of the listed values; ``hue`` overrides the colouring factor;
    ``panel`` names the factor that splits the figure.
    """
    if summary.empty:
        return []
    rows = summary[summary["quantity"] == quantity]
    chosen = [row for row in rows.to_dict("records") if matches(row, only or {})]
    hue_factor = hue if hue is not None else matrix.hue
    points = [_point(row, matrix, hue_factor, panel) for row in chosen]
    return sorted(points, key=lambda point: (point.order, point.label, point.origin, point.source))


def matches(row: Mapping[Any, Any], only: Mapping[str, Any]) -> bool:
    """True if each factor named in ``only`` has one of its values in this row."""
    for factor, wanted in only.items():
        values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        if factor_cell(row, factor) not in {scalar_text(value) for value in values}:
            return False
    return True


def _point(row: Mapping[Any, Any], matrix: Matrix, hue: str | None, panel: str | None) -> Point:
    def cell(factor: str | None) -> str:
        return factor_cell(row, factor) if factor is not None else ""

    order = tuple(
        values.index(cell(name)) if cell(name) in values else len(values) for name, values in matrix.factors.items()
    )
    value = number(row.get("value"))
    return Point(
        point_id=str(row.get("point_id")),
        label=printable_line(text_of(row.get("label")) or str(row.get("point_id"))),
        hue=cell(hue),
        group=cell(matrix.group),
        panel=cell(panel),
        order=order,
        value=value,
        expanded_u=number(row.get("U")),
        unit=plain_unit(text_of(row.get("unit"))),
        verdict=text_of(row.get("verdict")) or ("valid" if value is not None else "invalid"),
        reasons=reasons_of(row.get("reasons")),
        origin=text_of(row.get("origin")) or "unknown",
        source=text_of(row.get("source")),
        n=int(number(row.get("n")) or 0),
        n_invalid=int(number(row.get("n_invalid")) or 0),
    )


def hue_values(points: Sequence[Point], matrix: Matrix, hue: str | None = None) -> list[str]:
    """The colouring values that occur among the points, in the experiment's order."""
    present = {point.hue for point in points}
    listed = matrix.factors.get(hue or matrix.hue or "", ())
    ordered = [value for value in listed if value in present]
    return ordered + sorted(present - set(ordered))


def unit_of(points: Sequence[Point]) -> str:
    """The unit of the points (all of one quantity)."""
    return next((point.unit for point in points if point.unit), "1")


def axis_title(quantity: str) -> str:
    """The words along an axis."""
    title = quantity_title(quantity)
    return title[:1].upper() + title[1:]
