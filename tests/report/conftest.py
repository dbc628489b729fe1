"""The synthetic record, drawn once: figures and page are read by many tests and changed by none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import synthetic

from analysis.figures.build import FigureFile, write_figures
from lab.record.reader import Record
from lab.report.build import render


@dataclass(frozen=True)
class Built:
    """A record with its figures and page."""

    root: Path
    figures: dict[str, FigureFile]
    page: str

    def svg(self, name: str) -> str:
        """The SVG of a figure."""
        path = self.figures[name].svg
        assert path is not None, self.figures[name].missing
        return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The record with one energy pass, its figures and its page."""
    root = tmp_path_factory.mktemp("records") / "synthetic"
    content = synthetic.manifest()
    synthetic.write_record(root, content)
    synthetic.add_energy_pass(root, content)
    tables = synthetic.tables()
    record = Record.open(root)
    figures = write_figures(root, record.manifest, tables)
    return Built(root, {figure.name: figure for figure in figures}, render(record, tables, figures))
