"""The study of the edge-or-offload thesis on the simulated bench, cut down, from the file to the page; and processing
its record again, anywhere, gives the same bytes."""

from __future__ import annotations

import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from campaigns import SHORT
from lab_command import ROOT, STUDY, lab, only_record, settings

OVERRIDES = (
    *SHORT,
    "factors.network=[MobileNet, VGG16]",
    "factors.input=[32]",
    "factors.compression=[none, PWQ]",
    "repeats=2",
)
DERIVED = ("results", "summary", "budget", "correlations", "speedups", "report", "figures")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = tmp_path_factory.mktemp("records")
    done = lab("run", STUDY, "--records", records, *settings(OVERRIDES))
    assert (done.code, done.err) == (0, "")
    return only_record(records)


def derived(record: Path) -> dict[str, bytes]:
    """The content of everything that processing makes, by its place in the record."""
    return {
        path.relative_to(record).as_posix(): path.read_bytes()
        for path in sorted(record.rglob("*"))
        if path.is_file() and path.relative_to(record).parts[0].partition(".")[0] in DERIVED
    }


class Page(HTMLParser):
    """A page whose elements are closed in order: its captions, and the text of its banner."""

    VOID = frozenset({"meta", "br", "input", "link", "img", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.captions: list[str] = []
        self.figures = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.figures += tag == "figure"
        if tag == "figcaption":
            self.captions.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens and closes at once."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if "figcaption" in self.open:
            self.captions[-1] += data


# ---------------------------------------------------------------------------------------------------------- the results


def test_the_page_says_simulated_in_its_banner_and_under_every_figure(record: Path) -> None:
    text = (record / "report.html").read_text()
    page = Page(text)
    banner = text[text.index('<div class="banner') :][:400]
    assert "SIMULATED" in banner
    assert "not from a measurement" in banner
    assert page.figures == len(page.captions) >= 11
    for caption in page.captions:
        assert "simulated" in caption.lower(), caption


def test_the_page_needs_nothing_from_elsewhere(record: Path) -> None:
    text = (record / "report.html").read_text()
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", text)
    assert str(ROOT) not in text.replace(str(STUDY), ""), "only the experiment's own path stands in the provenance"


def test_every_point_has_every_quantity_and_all_are_simulated(record: Path) -> None:
    summary = pd.read_csv(record / "summary.csv")
    assert set(summary["origin"]) == {"simulated"}
    assert set(summary["verdict"]) <= {"valid", "degraded"}
    asked = {"latency_s", "energy_gross_j", "energy_net_j", "edp_gross_js", "instructions", "L1-dcache-load-misses"}
    for point, rows in summary.groupby("point_id"):
        assert asked <= set(rows["quantity"]), point
    assert summary["point_id"].nunique() == 2 * 2 * 3


def test_figures_lie_beside_the_page_in_both_forms(record: Path) -> None:
    names = {path.stem for path in (record / "figures").glob("*.svg")}
    assert {"latency", "energy", "energy_latency", "uncertainty_budget", "example_trace"} <= names
    assert names == {path.stem for path in (record / "figures").glob("*.png")}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ((), "VGG16 PWQ 32"),
        (("--budget",), "offset of the current"),
        (("--faults",), "no faults"),
        (("--provenance",), '"origin": "simulated"'),
    ],
)
def test_show(record: Path, option: tuple[str, ...], said: str) -> None:
    done = lab("show", record, *option)
    assert (done.code, done.err) == (0, "")
    assert said in done.out


# ------------------------------------------------------------------------------------------------------ the same again


@pytest.mark.slow
def test_processing_again_gives_the_same_bytes(record: Path) -> None:
    before = derived(record)
    done = lab("process", record, "--no-report", env={"PYTHONHASHSEED": "1"})
    assert (done.code, done.err) == (0, "")
    assert lab("report", record, env={"PYTHONHASHSEED": "2"}).code == 0
    assert derived(record) == before


def test_processing_a_copy_elsewhere_gives_the_same_bytes(record: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "an other place"
    elsewhere.mkdir()
    copy = Path(shutil.copytree(record, elsewhere / "record"))
    for name in derived(copy):
        (copy / name).unlink()
    done = lab(
        "process",
        "record",
        cwd=elsewhere,
        env={"PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo", "LC_ALL": "C", "HOME": str(tmp_path)},
    )
    assert (done.code, done.err) == (0, "")
    assert derived(copy) == derived(record)
    assert {name.partition("/")[0] for name in derived(copy)} == {
        "results.csv",
        "results.parquet",
        "summary.csv",
        "summary.parquet",
        "budget.csv",
        "correlations.csv",
        "speedups.csv",
        "report.html",
        "figures",
    }


def test_a_record_that_may_not_be_written_says_so(record: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(record, tmp_path / "record"))
    (copy / "results.parquet").unlink()
    (copy / "results.parquet").mkdir()
    done = lab("process", copy)
    assert (done.code, done.out) == (2, "")
    assert "results.parquet" in done.complaint()[0]


@pytest.mark.slow
def test_the_whole_study_twice(tmp_path: Path) -> None:
    done = lab("run", STUDY, "--records", tmp_path, timeout_s=900)
    assert (done.code, done.err) == (0, "")
    record = only_record(tmp_path)
    summary = pd.read_csv(record / "summary.csv")
    assert summary["point_id"].nunique() == 99
    before = derived(record)
    assert lab("process", record, env={"PYTHONHASHSEED": "99"}, cwd=Path(os.sep), timeout_s=900).code == 0
    assert derived(record) == before
