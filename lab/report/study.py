"""The tables of the published study that a record's experiment names: as files, for the terminal and for the page."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.figures.data import ResultTables
from analysis.studies import StudyTable, study_of
from lab.record.printable import printable_line
from lab.report.format import MISSING, show
from lab.report.text_table import TextTable

if TYPE_CHECKING:
    from lab.record.reader import Record

FOLDER = "study"


@dataclass(frozen=True, slots=True)
class StudySection:
    """What the page shows of a study besides its figures."""

    tables: list[TextTable]


def study_section(record: Record, results: ResultTables) -> StudySection | None:
    """The study's tables for the page; ``None`` where the experiment names no study or it has none for this record."""
    tables = [text_table(table) for table in _tables(record, results)]
    return StudySection(tables) if tables else None


def write_study_tables(record: Record, results: ResultTables) -> tuple[Path, ...]:
    """Write each of the study's tables into the record as ``study/NAME.csv``, and remove those of an earlier call that
    are not there any more. Returns the paths."""
    folder = record.root / FOLDER
    written = []
    for table in _tables(record, results):
        folder.mkdir(exist_ok=True)
        path = folder / f"{table.name}.csv"
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(table.frame.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
        temporary.replace(path)
        written.append(path)
    if folder.is_dir():
        for path in set(folder.glob("*.csv")) - set(written):
            path.unlink()
    return tuple(written)


def text_table(table: StudyTable) -> TextTable:
    """A study's table in words: numbers at four significant digits, a dash where there is none."""
    frame = table.frame
    head = tuple(str(column) for column in frame.columns)
    rows = tuple(tuple(map(_cell, row)) for row in frame.itertuples(index=False, name=None))
    flush_right = tuple(
        place for place, column in enumerate(frame.columns) if place and all(map(_is_number, frame[column].dropna()))
    )
    return TextTable(table.title, table.note, head, rows, flush_right)


def _tables(record: Record, results: ResultTables) -> Iterator[StudyTable]:
    study = study_of(record.manifest)
    if study is not None:
        yield from study.tables(record, results)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, numbers.Real) and not isinstance(cell, bool)


def _cell(cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if not _is_number(cell):
        return MISSING if cell is None or cell != cell else printable_line(str(cell), 200)
    if isinstance(cell, numbers.Integral):
        return str(int(cell))
    return show(float(cell), None, "1").text if math.isfinite(cell) else MISSING
