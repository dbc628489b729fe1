"""A table whose rows are readings of their own: each at the instant that its column of time gives, at no fixed rate.

They become a trace of readings (:mod:`lab.record.traces.readings`) of power, as a meter that is asked again and again
would leave it. A row that lacks a value is no reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lab.errors import DataError
from lab.record.traces.csv_table import CsvLayout, CsvTable, Float64s, Rows
from lab.record.traces.readings import RATE_HZ, Channel, ReadingsWriter

_LONGEST_S = 100 * 86400.0
"""Marks count nanoseconds as float64, which are whole up to 104 days."""


@dataclass(frozen=True, slots=True)
class LineChange:
    """A change of a logic line: seen at its old level at one instant and at its new one at the next, in ns."""

    earliest_ns: int
    latest_ns: int
    level: int


@dataclass(slots=True)
class ImportedReadings:
    """What was written: the length in ns, how many readings, how many rows without a value, changes of the lines."""

    length_ns: int = 0
    readings: int = 0
    missing: int = 0
    changes: dict[str, list[LineChange]] = field(default_factory=dict)


def import_readings(path: Path, layout: CsvLayout, target: Path) -> ImportedReadings:
    """Write the rows of the table ``path`` as readings into the new file ``target``.

    Raises :class:`DataError`, naming the line, where there is no column of time, or it does not rise.
    """
    if layout.time is None:
        raise DataError(f"{path}: readings need a column of time", advice="name it in the layout, or declare a rate")
    table = CsvTable(path, layout)
    first_s, period_s = _span(table, layout)
    imported = ImportedReadings(changes={name: [] for name in layout.logic})
    levels: dict[str, tuple[int, int]] = {}
    power = Channel(measures="power", update_period_s=period_s)
    with ReadingsWriter(target, 0, {"power": power}) as writer:
        for rows in table.rows():
            at_ns = np.rint((rows.cells[layout.time.column] * layout.time.scale - first_s) * RATE_HZ).astype(np.int64)
            power_w = _power(rows, layout, table)
            for instant, value in zip(at_ns.tolist(), power_w.tolist(), strict=True):
                if value == value:  # a missing value is NaN
                    writer.write("power", instant, instant, value)
                    imported.readings += 1
            imported.missing += int(np.isnan(power_w).sum())
            imported.length_ns = int(at_ns[-1])
            for name, column in layout.logic.items():
                cells = rows.cells[column.column]
                _note_changes(imported.changes[name], levels, name, at_ns.tolist(), cells, column.high)
    return imported


def _span(table: CsvTable, layout: CsvLayout) -> tuple[float, float | None]:
    """The first instant in s and the median step; the column is checked on the way."""
    assert layout.time is not None
    first: float | None = None
    last = -np.inf
    step: float | None = None
    for rows in table.rows([layout.time.column]):
        times = rows.cells[layout.time.column] * layout.time.scale
        if np.isnan(times).any():
            raise DataError(f"{table.where(rows.first + int(np.argmax(np.isnan(times))))}: a row without its time")
        steps = np.diff(times, prepend=last)
        if (steps <= 0).any():
            raise DataError(f"{table.where(rows.first + int(np.argmax(steps <= 0)))}: the time does not rise")
        if first is None:
            first = float(times[0])
            step = float(np.median(steps[1:])) if times.size > 1 else None
        last = float(times[-1])
        if last - first > _LONGEST_S:
            raise DataError(f"{table.where(rows.first + rows.count - 1)}: more than {_LONGEST_S / 86400:g} days long")
    if first is None:
        raise DataError(f"{table.path}: it has no rows")
    return first, step


def _power(rows: Rows, layout: CsvLayout, table: CsvTable) -> Float64s:
    """Power in W of each row, NaN where a value is missing."""
    scaled: Mapping[str, Float64s] = {
        name: rows.cells[column.column] * column.scale for name, column in layout.analog.items()
    }
    if "power" in scaled:
        power_w = scaled["power"]
    else:
        assumed_v = np.full(rows.count, np.nan if layout.assumed_voltage_v is None else layout.assumed_voltage_v)
        with np.errstate(over="ignore", invalid="ignore"):
            power_w = np.asarray(scaled["current"] * scaled.get("voltage", assumed_v))
    if np.isinf(power_w).any():
        row = rows.first + int(np.argmax(np.isinf(power_w)))
        raise DataError(f"{table.where(row)}: a power beyond all bounds")
    return power_w


def _note_changes(
    changes: list[LineChange],
    levels: dict[str, tuple[int, int]],
    name: str,
    at_ns: list[int],
    cells: Float64s,
    high: float,
) -> None:
    for instant, cell in zip(at_ns, cells.tolist(), strict=True):
        if cell != cell:
            continue
        level = int(cell >= high)
        before = levels.get(name)
        if before is not None and before[1] != level:
            changes.append(LineChange(before[0], instant, level))
        levels[name] = instant, level
