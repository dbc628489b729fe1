"""Results of the study's matrix: one value for each shape and implementation, as the summary has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.data import Matrix, Point, ResultTables, factor_cell, matrix_of, points_of

if TYPE_CHECKING:
    import pandas as pd

    from lab.record.reader import Record

IMPLEMENTATION, SHAPE = "implementation", "hidden"


@dataclass(frozen=True)
class Matrices:
    """The summary by shape and implementation, those that the record has results of, in the experiment's order."""

    summary: pd.DataFrame
    matrix: Matrix
    shapes: tuple[str, ...]
    implementations: tuple[str, ...]

    @classmethod
    def of(cls, record: Record, tables: ResultTables) -> Matrices | None:
        """``None`` where the experiment has no factor ``hidden``."""
        matrix = matrix_of(record.manifest)
        if SHAPE not in matrix.factors:
            return None
        rows = [] if tables.summary.empty else tables.summary.to_dict("records")
        trained = {(factor_cell(row, SHAPE), factor_cell(row, IMPLEMENTATION)) for row in rows}
        shapes = tuple(shape for shape in matrix.factors[SHAPE] if any(shape == item for item, _ in trained))
        listed = matrix.factors.get(IMPLEMENTATION, ())
        implementations = tuple(name for name in listed if any(name == item for _, item in trained))
        return cls(tables.summary, matrix, shapes, implementations or ("C",))

    def points(self, quantity: str) -> list[Point]:
        """The summary's points of a quantity, coloured by implementation where that is a factor."""
        hue = IMPLEMENTATION if IMPLEMENTATION in self.matrix.factors else None
        return points_of(self.summary, self.matrix, quantity, hue=hue)

    def values(self, quantity: str) -> dict[tuple[str, str], Point]:
        """(shape, implementation) → point with a value that may be shown; the first where there are several."""
        found: dict[tuple[str, str], Point] = {}
        rows = self.summary[self.summary["quantity"] == quantity] if len(self.summary) else self.summary
        cells = {str(row["point_id"]): row for row in rows.to_dict("records")}
        for point in self.points(quantity):
            if point.shown and point.point_id in cells:
                row = cells[point.point_id]
                key = factor_cell(row, SHAPE), factor_cell(row, IMPLEMENTATION) or "C"
                found.setdefault(key, point)
        return found

    def origins(self, *quantities: str) -> tuple[str, ...]:
        """Those of the values of some quantities."""
        found = {point.origin for name in quantities for point in self.points(name)}
        return tuple(sorted(found)) or ("unknown",)


def value_of(points: Mapping[tuple[str, str], Point], shape: str, implementation: str) -> float | None:
    """The value, ``None`` where there is none."""
    point = points.get((shape, implementation))
    return None if point is None else point.value


def variation(values: Sequence[float]) -> float | None:
    """The coefficient of variation: sample standard deviation over mean. ``None`` for fewer than two, or mean zero."""
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    if mean == 0:
        return None
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)) / abs(mean)
