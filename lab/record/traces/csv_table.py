"""Tables of comma-separated values with a declared layout: which column is what, in which unit, at which rate.

Nothing is guessed from the look of a file. An empty cell, or one of the texts that stand for a missing value, makes its
whole row a gap. A column of time, where there is one, is what tells of missing rows: each row must lie on the grid of
the rate, but for a stated jitter. The rate is the declared one, or, where none is declared, the whole number of samples
per second that the column of time gives.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.closing import ClosedOnExit
from lab.record.traces.recordings import ANALOG, PlayedStretch, PlayedWindow, gapless

Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]

_BLOCK_BYTES = 1 << 20
_LONGEST_LINE = 1 << 16
_MOST_COLUMNS = 4096
_RATE_KNOWN = 1e-5
"""A rate that is taken from a column of time must be known this well, or be declared."""

_DRIFT = 1e-4
"""Clocks of instruments and computers agree this well: a column of time that disagrees more with the declared rate
means another rate."""

_LEAST_PRESENT = 0.01
_SHORT = 10_000_000

IRREGULAR_ADVICE = (
    "declare the rate if the rows come at a fixed one, or `rows: readings` if each row is a reading of its own"
)


@dataclass(frozen=True, slots=True)
class CsvColumn:
    """A column by its name in the last header line, or its number from 1; times ``scale`` it is in SI units."""

    column: str | int
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class CsvLogicColumn:
    """A column that is a logic line: high from ``high`` on."""

    column: str | int
    high: float = 0.5


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """What a table looks like.

    ``analog`` are columns of ``current``, ``voltage``, ``power``; ``assumed_voltage_v`` stands for a column of voltage
    that is not there. ``jitter`` is the part of a sample by which a row may lie off the grid. ``readings`` makes each
    row a reading of its own at its own instant.
    """

    analog: Mapping[str, CsvColumn]
    logic: Mapping[str, CsvLogicColumn] = field(default_factory=dict)
    time: CsvColumn | None = None
    rate_hz: float | None = None
    separator: str = ","
    decimal: str = "."
    header_lines: int = 1
    missing: tuple[str, ...] = ("", "nan", "NaN")
    jitter: float = 0.1
    assumed_voltage_v: float | None = None
    readings: bool = False

    @property
    def used(self) -> tuple[str | int, ...]:
        """The columns that are read, each once."""
        columns = [*self.analog.values(), *self.logic.values(), *((self.time,) if self.time else ())]
        return tuple(dict.fromkeys(item.column for item in columns))


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of a table: float64 by column, NaN where a cell is missing. ``first`` counts from 0."""

    first: int
    cells: Mapping[str | int, Float64s]

    @property
    def count(self) -> int:
        """Number of rows."""
        return next(iter(self.cells.values())).size


class CsvTable:
    """A table on disk, read in pieces; every cell that is read is a finite number or missing.

    Raises :class:`DataError` with file and line for a file that is missing or empty, for a column that is not there,
    and, while reading, for a cell that is no number.
    """

    def __init__(self, path: Path, layout: CsvLayout) -> None:
        self.path = path
        self.layout = layout
        self._names = self._columns()
        self._number = {column: self._find(column) for column in layout.used}

    def rows(self, only: Sequence[str | int] | None = None) -> Iterator[Rows]:
        """All rows in order; ``only`` some of the columns."""
        import pyarrow as pa
        from pyarrow import csv as arrow

        wanted = tuple(self.layout.used if only is None else only)
        labels = {column: f"c{self._number[column]}" for column in wanted}
        every = [f"c{number}" for number in range(len(self._names))]
        layout = self.layout
        first = 0
        try:
            reader = arrow.open_csv(
                str(self.path),
                read_options=arrow.ReadOptions(
                    use_threads=False, block_size=_BLOCK_BYTES, skip_rows=layout.header_lines, column_names=every
                ),
                parse_options=arrow.ParseOptions(delimiter=layout.separator, ignore_empty_lines=False),
                convert_options=arrow.ConvertOptions(
                    include_columns=list(dict.fromkeys(labels.values())),
                    column_types=dict.fromkeys(labels.values(), pa.float64()),
                    null_values=list(layout.missing),
                    decimal_point=layout.decimal,
                    check_utf8=False,
                ),
            )
            for batch in reader:
                if batch.num_rows == 0:
                    continue
                cells = {column: self._cells(batch.column(label), first) for column, label in labels.items()}
                yield Rows(first, cells)
                first += batch.num_rows
        except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
            raise self._diagnosis(str(error)) from error

    def where(self, row: int) -> str:
        """File and line of a row."""
        return f"{self.path}:{self.layout.header_lines + row + 1}"

    def _cells(self, column: Any, first: int) -> Float64s:
        values = np.array(column.to_numpy(zero_copy_only=False), dtype=np.float64)
        missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
        wrong = ~np.isfinite(values) & ~missing
        if wrong.any():
            row = first + int(np.argmax(wrong))
            raise DataError(f"{self.where(row)}: found a value that is no finite number ({values[row - first]})")
        return values

    def _columns(self) -> list[str]:
        """The names of the columns, by the last header line; by the first row where there is no header."""
        lines = self._first_lines(max(self.layout.header_lines, 1))
        if len(lines) < max(self.layout.header_lines, 1):
            raise DataError(f"{self.path}: {len(lines)} lines, expected {self.layout.header_lines} of header and rows")
        cells = self._split(lines[-1])
        if len(cells) > _MOST_COLUMNS:
            raise DataError(f"{self.path}:{len(lines)}: {len(cells)} columns, at most {_MOST_COLUMNS} are read")
        return [cell.strip() for cell in cells]

    def _first_lines(self, count: int) -> list[str]:
        try:
            with self.path.open("rb") as file:
                lines = [line for _ in range(count) if (line := file.readline(_LONGEST_LINE))]
        except OSError as error:
            raise DataError(f"{self.path}: cannot read the table ({error.strerror})") from error
        for number, line in enumerate(lines, start=1):
            if len(line) == _LONGEST_LINE or b"\0" in line:
                raise DataError(f"{self.path}:{number}: not a line of text")
        texts = [line.decode("utf-8", "replace").rstrip("\r\n") for line in lines]
        if texts:
            texts[0] = texts[0].removeprefix("\ufeff")
        return texts

    def _split(self, line: str) -> list[str]:
        try:
            return next(csv.reader(io.StringIO(line), delimiter=self.layout.separator, strict=True), [""])
        except csv.Error as error:
            raise DataError(f"{self.path}:{self.layout.header_lines}: not a line of a table ({error})") from error

    def _find(self, column: str | int) -> int:
        """The number, from 0, of a column."""
        if isinstance(column, int):
            if not 1 <= column <= len(self._names):
                raise DataError(f"{self.path}: there is no column {column}, it has {len(self._names)}")
            return column - 1
        named = self._names if self.layout.header_lines else []
        found = [number for number, name in enumerate(named) if name == column]
        if len(found) == 1:
            return found[0]
        what = "no column is" if not found else f"{len(found)} columns are"
        raise DataError(
            f"{self.path}:{max(self.layout.header_lines, 1)}: {what} called {column!r}",
            advice=f"it has {', '.join(map(repr, named[:24])) or 'no header'}; columns may also be numbered from 1",
        )

    def _diagnosis(self, said: str) -> DataError:
        """What is wrong, in words and with its line: the library names neither."""
        try:
            found = self._first_wrong()
        except (csv.Error, OSError) as error:
            found = f"{self.path}: not a table ({error})"
        return DataError(found or f"{self.path}: not a table of the declared layout ({said.splitlines()[0]:.200})")

    def _first_wrong(self) -> str | None:
        layout = self.layout
        with self.path.open(encoding="utf-8", errors="replace", newline="") as file:
            for _ in range(layout.header_lines):
                file.readline()
            for row, line in enumerate(file):
                cells = self._split(line.rstrip("\r\n"))
                if len(cells) != len(self._names):
                    return f"{self.where(row)}: found {len(cells)} cells, expected {len(self._names)}"
                for column, number in self._number.items():
                    text = cells[number].strip()
                    if cells[number] in layout.missing or text in layout.missing:
                        continue
                    if not _is_number(text, layout.decimal):
                        return (
                            f"{self.where(row)}: column {column!r}: found {text!r:.40}, expected a number with a "
                            f"decimal {_DECIMALS[layout.decimal]}"
                        )
        return None


_DECIMALS = {".": "point", ",": "comma"}


def _is_number(text: str, decimal: str) -> bool:
    if decimal == ",":
        if "." in text:
            return False
        text = text.replace(",", ".")
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


@dataclass(slots=True)
class _Grid:
    """Puts rows on a grid by their column of time, row after row.

    The period is the declared one, or what the rows so far give: the median step at first, then the mean.
    """

    path: Path
    jitter: float
    period: float | None
    declared: bool
    first: float = math.nan
    last: float = math.nan
    index: int = -1
    worst: float = 0.0

    def place(self, times: Float64s, table: CsvTable, first_row: int) -> Int64s:
        """The grid's samples of some rows; raises :class:`DataError` for one that lies off it."""
        if np.isnan(times).any():
            row = first_row + int(np.argmax(np.isnan(times)))
            raise DataError(f"{table.where(row)}: a row without its time")
        begins = math.isnan(self.last)
        steps = np.diff(times, prepend=times[0] if begins else self.last)
        later = steps[1:] if begins else steps
        if (later <= 0).any():
            row = first_row + int(np.argmax(later <= 0)) + begins
            raise DataError(f"{table.where(row)}: the time does not rise")
        if begins:
            self.first = float(times[0])
        if self.period is None:
            if not later.size:
                self.last, self.index = float(times[-1]), 0
                return np.zeros(times.size, np.int64)
            self.period = float(np.median(later))
            counts = np.rint(later / self.period)
            whole = counts.sum()
            # Their mean is better than the median of rounded steps, unless some of them are no steps at all.
            if ((counts > 1) | (np.abs(later / self.period - 1.0) <= self.jitter)).all():
                self.period = float((times[-1] - (times[0] if begins else self.last)) / whole)
        moved = steps / self.period
        counts = np.rint(moved)
        off = np.abs(moved - counts)
        # Over a long gap the two clocks drift apart: where the rows after it belong is then open by so much.
        allowed = self.jitter + np.where(counts > 1, np.minimum(_DRIFT * counts, 0.5), 0.0)
        bad = (off > allowed) | (counts < 1)
        if begins:
            bad[0] = False
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(
                f"{table.where(first_row + row)}: {steps[row]:.9g} s after the row before, where steps are whole "
                f"multiples of {self.period:.9g} s (to {self.jitter:g} of one): the rows do not lie on a grid",
                advice=IRREGULAR_ADVICE,
            )
        if counts.max(initial=0) > 1 << 52:
            raise DataError(f"{table.where(first_row)}: the time leaps")
        self.worst = max(self.worst, float(off.max(initial=0.0)))
        indices = np.cumsum(counts).astype(np.int64) + self.index + (1 if begins else 0)
        self.last, self.index = float(times[-1]), int(indices[-1])
        if not self.declared and self.index > 0:
            self.period = (self.last - self.first) / self.index
        return indices


class CsvRecording(ClosedOnExit):
    """A table to play (:class:`lab.record.traces.recordings.Recording`); not for a layout of ``readings``.

    The column of time is read when it is opened. Raises :class:`DataError`, naming the line, for rows that do not lie
    on a grid, and for a rate that is not a whole number of samples per second.
    """

    model = ""
    serial = ""
    windows: tuple[PlayedWindow, ...] = ()

    def __init__(self, path: Path, layout: CsvLayout) -> None:
        self._table = CsvTable(path, layout)
        self._layout = layout
        self._rows = self._missing = 0
        self._grid_end = 0
        self._off = 0.0
        self._table_rate_hz: float | None = None
        self.rate_hz = self._rate()

    @property
    def length(self) -> int:
        """Samples from the first to the last."""
        return self._grid_end

    @property
    def analog(self) -> tuple[str, ...]:
        """Channels in A, V and W."""
        assumed = self._layout.assumed_voltage_v is not None
        return tuple(name for name in ANALOG if name in self._layout.analog or (assumed and name == "voltage"))

    @property
    def lines(self) -> tuple[str, ...]:
        """Logic lines."""
        return tuple(self._layout.logic)

    @property
    def line_steps(self) -> Mapping[str, float]:
        """Lines have a level in every row."""
        return dict.fromkeys(self._layout.logic, 1.0)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Rows and rate as they were found."""
        return {
            "format": "csv",
            "rows": self._rows,
            "rate_by_time_column_hz": self._table_rate_hz,
            "jitter_seen": self._off,
            "assumed_voltage_v": self._layout.assumed_voltage_v,
        }

    def stretches(self) -> Iterator[PlayedStretch]:
        """All of the table."""
        layout, grid = self._layout, self._new_grid(1.0 / self.rate_hz)
        self._missing = 0
        for rows in self._table.rows():
            analog = {name: self._samples(rows, name) for name in self.analog}
            logic_cells = {name: rows.cells[item.column] for name, item in layout.logic.items()}
            missing = np.zeros(rows.count, np.bool_)
            for samples in analog.values():
                missing |= np.isnan(samples)
            for cells in logic_cells.values():
                missing |= np.isnan(cells)
            self._missing += int(missing.sum())
            logic = {name: (cells >= layout.logic[name].high).astype(np.uint8) for name, cells in logic_cells.items()}
            places = self._places(rows, grid)
            for start, stop in _runs(places):
                part = slice(start, stop)
                yield from gapless(
                    int(places[start]),
                    missing[part],
                    {name: data[part] for name, data in analog.items()},
                    {name: data[part] for name, data in logic.items()},
                )

    def findings(self) -> tuple[tuple[str, str], ...]:
        """Rows and cells that are missing."""
        found: list[tuple[str, str]] = []
        absent = self._grid_end - self._rows
        if absent:
            found.append(("samples_dropped", f"{absent} rows are missing by the column of time"))
        if self._missing:
            found.append(("samples_dropped", f"{self._missing} rows lack a value"))
        return tuple(found)

    def close(self) -> None:
        """Nothing is held open between readings."""

    def _rate(self) -> float:
        layout = self._layout
        if layout.time is None:
            if layout.rate_hz is None:
                raise DataError(f"{self._table.path}: the layout names neither a rate nor a column of time")
            rows = sum(part.count for part in self._table.rows([layout.used[0]]))
            self._rows = self._grid_end = rows
            return _whole_rate(layout.rate_hz, self._table.path)
        declared = layout.rate_hz
        grid = self._new_grid(None if declared is None else 1.0 / _whole_rate(declared, self._table.path))
        for part in self._table.rows([layout.time.column]):
            grid.place(part.cells[layout.time.column] * layout.time.scale, self._table, part.first)
            self._rows += part.count
        self._grid_end = grid.index + 1
        self._off = grid.worst
        if self._grid_end > _SHORT and self._rows < _LEAST_PRESENT * self._grid_end:
            raise DataError(f"{self._table.path}: of {self._grid_end} samples only {self._rows} are there")
        if grid.index > 0:
            self._table_rate_hz = grid.index / (grid.last - grid.first)
        if declared is not None:
            self._require_agreement(declared, grid)
            return declared
        if self._table_rate_hz is None:
            raise DataError(f"{self._table.path}: too few rows to tell the rate by", advice="declare it in the layout")
        return self._snapped(self._table_rate_hz, grid)

    def _require_agreement(self, declared_hz: float, grid: _Grid) -> None:
        seen_hz = self._table_rate_hz
        if seen_hz is None:
            return
        known = 2.0 * grid.worst / grid.index
        if abs(seen_hz / declared_hz - 1.0) > known + _DRIFT:
            raise DataError(
                f"{self._table.path}: by its column of time it has {seen_hz:.9g} rows per second, the layout declares "
                f"{declared_hz:g}",
                advice="correct the rate or the unit of the time, or leave the rate out",
            )

    def _snapped(self, rate_hz: float, grid: _Grid) -> float:
        """The whole rate that the column of time can only mean."""
        whole = float(round(rate_hz))
        # Each end of the column is off the grid by no more than the worst step was.
        known = 2.0 * grid.worst / grid.index + 1e-9
        if whole < 1.0 or abs(rate_hz / whole - 1.0) > known or known > _RATE_KNOWN:
            raise DataError(
                f"{self._table.path}: by its column of time it has {rate_hz:.9g} rows per second (to {known:.1g} of "
                "it), which is no whole number that could be told",
                advice="declare the rate in the layout, in whole hertz; or `rows: readings` with each row's own time",
            )
        return whole

    def _new_grid(self, period: float | None) -> _Grid:
        return _Grid(self._table.path, self._layout.jitter, period, declared=period is not None)

    def _places(self, rows: Rows, grid: _Grid) -> Int64s:
        time = self._layout.time
        if time is None:
            return np.arange(rows.first, rows.first + rows.count, dtype=np.int64)
        return grid.place(rows.cells[time.column] * time.scale, self._table, rows.first)

    def _samples(self, rows: Rows, name: str) -> NDArray[np.float32]:
        column = self._layout.analog.get(name)
        if column is None:
            return np.full(rows.count, self._layout.assumed_voltage_v, np.float32)
        values = rows.cells[column.column] * column.scale
        with np.errstate(over="ignore"):
            samples = values.astype(np.float32)
        if np.isinf(samples).any():
            row = rows.first + int(np.argmax(np.isinf(samples)))
            raise DataError(f"{self._table.where(row)}: a {name} of {values[row - rows.first]:g} is beyond all bounds")
        return samples


def _whole_rate(rate_hz: float, path: Path) -> float:
    if rate_hz != round(rate_hz) or not 1 <= rate_hz <= 1 << 28:
        raise DataError(
            f"{path}: a rate of {rate_hz:g} Hz, expected whole hertz: traces are kept at whole rates",
            advice="with a column of time the rows can be taken `rows: readings`",
        )
    return rate_hz


def _runs(places: Int64s) -> Iterator[tuple[int, int]]:
    """Ranges of rows that follow each other without a gap on the grid."""
    cuts = (np.flatnonzero(np.diff(places) != 1) + 1).tolist()
    yield from pairwise([0, *cuts, places.size])
