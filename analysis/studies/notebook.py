"""A published study's figures and tables in a notebook: one call opens a record, one shows a figure and its caption."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from analysis.figures.build import NothingToDrawError
from analysis.figures.style import drawing, svg_text
from analysis.figures.thesis.notebook import Shown
from analysis.process import process
from analysis.studies import StudyFigure, StudyTable, study_of
from lab.errors import DataError
from lab.record.reader import Record

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 110
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class StudyGallery:
    """What a record's study shows of it, by name."""

    record_id: str
    origin: str
    figures: dict[str, StudyFigure]
    tables: dict[str, StudyTable]

    @classmethod
    def of(cls, record_root: Path) -> StudyGallery:
        """Open a record; its results are computed from the raw files.

        Raises :class:`lab.errors.DataError` if its experiment names no study.
        """
        record = Record.open(record_root)
        study = study_of(record.manifest)
        if study is None:
            raise DataError(f"{record_root}: its experiment names no study")
        results = process(record)
        return cls(
            str(record.manifest.get("record_id")),
            str(record.manifest.get("origin") or "unknown"),
            {figure.name: figure for figure in study.figures(record, results)},
            {table.name: table for table in study.tables(record, results)},
        )

    def about(self) -> None:
        """Print whose figures these are, and what there is."""
        print(f"record {self.record_id}, board {self.origin}")
        print(f"figures: {', '.join(self.figures) or 'none'}")
        print(f"tables: {', '.join(self.tables) or 'none'}")

    def show(self, name: str) -> Shown:
        """Draw one figure, print its caption and origin, and return it for the notebook to show."""
        figure = _chosen(name, self.figures)
        try:
            with drawing():
                drawn = figure.draw()
                svg = svg_text(drawn.figure, figure.title, drawn.tooltips)
        except NothingToDrawError as reason:
            print(f"{figure.title}: not drawn: {reason}.")
            return Shown("")
        print(textwrap.fill(f"{figure.title}. {figure.caption}", _WIDTH))
        print(f"Origin: {', '.join(figure.origins)}")
        return Shown(svg)

    def table(self, name: str) -> pd.DataFrame:
        """One table; its note is printed."""
        table = _chosen(name, self.tables)
        print(textwrap.fill(f"{table.title}. {table.note}", _WIDTH))
        return table.frame


def _chosen(name: str, found: dict[str, _Item]) -> _Item:
    if name not in found:
        raise DataError(f"there is no {name!r}", advice=f"there are: {', '.join(found) or 'none'}")
    return found[name]
