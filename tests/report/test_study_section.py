"""A study that an experiment names: its tables lie in the record and on the page, its figures among the others."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib.figure
import pandas as pd
import pytest
import synthetic

from analysis import studies
from analysis.figures.build import NothingToDrawError, write_figures
from analysis.figures.dots import Drawn
from analysis.studies import StudyFigure, StudyTable, study_of
from lab.errors import DataError
from lab.record.reader import Record
from lab.report.build import write_report
from lab.report.study import study_section, text_table, write_study_tables

FRAME = pd.DataFrame(
    {"network": ["a <b>", "c"], "time (ms)": [12.34567, None], "bytes": [1024, 7], "fits": [True, False]}
)


def empty() -> Drawn:
    return Drawn(matplotlib.figure.Figure(), {})


def absent() -> Drawn:
    raise NothingToDrawError("no accuracy was read")


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> list[StudyTable]:
    tables = [StudyTable("first", "Table 1", FRAME, "Printed in brackets"), StudyTable("second", "Table 2", FRAME)]
    drawn = StudyFigure(
        "fig_1", "Figure 1", "As printed.", ("simulated",), lambda: Drawn(matplotlib.figure.Figure(), {})
    )
    left = StudyFigure("fig_2", "Figure 2", "", (), absent)
    module = SimpleNamespace(figures=lambda *_: [drawn, left], tables=lambda *_: tables)
    monkeypatch.setitem(sys.modules, "made_up_study", module)  # type: ignore[arg-type]
    monkeypatch.setitem(studies.STUDIES, "made_up", "made_up_study")
    return tables


@pytest.fixture
def record(tmp_path: Path, study: list[StudyTable]) -> Path:  # noqa: ARG001  (enters it in the list)
    content = synthetic.manifest()
    content["experiment"]["resolved"]["analysis"]["study"] = "made_up"
    return synthetic.write_record(tmp_path / "record", content)


def test_cells_are_for_people() -> None:
    table = text_table(StudyTable("first", "Table 1", FRAME))
    assert table.head == ("network", "time (ms)", "bytes", "fits")
    assert table.rows == (("a <b>", "12.35", "1024", "yes"), ("c", "—", "7", "no"))
    assert table.numbers == (1, 2)


def test_tables_lie_in_the_record_and_old_ones_go(record: Path, study: list[StudyTable]) -> None:
    opened = Record.open(record)
    assert [path.name for path in write_study_tables(opened, synthetic.tables())] == ["first.csv", "second.csv"]
    pd.testing.assert_frame_equal(pd.read_csv(record / "study" / "first.csv"), FRAME)
    del study[0]
    assert [path.name for path in write_study_tables(opened, synthetic.tables())] == ["second.csv"]
    assert [path.name for path in (record / "study").iterdir()] == ["second.csv"]


def test_the_page_shows_tables_and_figures_and_says_what_is_missing(record: Path) -> None:
    page = write_report(record, synthetic.tables()).read_text(encoding="utf-8")
    assert '<section id="study">' in page
    assert "<th>a &lt;b&gt;</th>" in page
    assert "Printed in brackets" in page
    assert '<figure id="figure-fig_1">' in page
    assert "Left out: “Figure 2”: no accuracy was read." in page
    files = {file.name: file for file in write_figures(record, Record.open(record).manifest, synthetic.tables())}
    assert files["fig_1"].png is not None
    assert files["fig_1"].origins == ("simulated",)
    assert files["fig_2"].png is None


def test_without_a_study_there_is_no_section(tmp_path: Path) -> None:
    opened = Record.open(synthetic.write_record(tmp_path / "record", synthetic.manifest()))
    assert study_of(opened.manifest) is None
    assert study_section(opened, synthetic.tables()) is None
    assert write_study_tables(opened, synthetic.tables()) == ()


def test_a_study_of_another_version_is_told_by_name() -> None:
    with pytest.raises(DataError, match="no study is called 'phrenology'"):
        study_of({"experiment": {"resolved": {"analysis": {"study": "phrenology"}}}})
