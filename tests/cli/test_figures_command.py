"""``lab figures``: the experiment's own figures, or those of the thesis."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_command import ROOT, Here

from analysis.figures.build import FigureFile


def test_figures_of_the_thesis_with_their_index(here: Here, sealed: Path, tmp_path: Path) -> None:
    out = tmp_path / "drawn"
    done = here("figures", sealed, "--thesis", "--only", "4.1, a.1", "--out", out, "--format", "png")
    assert (done.code, done.err) == (0, "")
    assert "1 of 2 drawn" in done.out
    assert "not drawn: no platform of this record is several cores of a CPU" in done.out
    assert sorted(path.name for path in out.iterdir()) == ["4.1.png", "figures.json", "figures.md", "index.html"]
    assert (out / "4.1.png").read_bytes().startswith(b"\x89PNG")


def test_figures_of_the_thesis_as_json(here: Here, sealed: Path, tmp_path: Path) -> None:
    found = here("figures", sealed, "--thesis", "--only", "4.1,4.2", "--out", tmp_path, "--json").json()
    assert (found["drawn"], found["missing"]) == (2, 0)
    first, second = found["figures"]
    assert first["files"] == {"png": "4.1.png", "svg": "4.1.svg"}
    assert first["origins"] == ["simulated", "assumed"]
    assert first["outcome"]
    assert first["findings"]
    assert second["caption"].startswith("Figure 4.2 of the thesis: ")


def test_another_scenario_is_computed_in(here: Here, sealed: Path, tmp_path: Path) -> None:
    scenario = ROOT / "experiments" / "offload" / "study.yaml"
    command = ("figures", sealed, "--thesis", "--only", "4.4", "--out", tmp_path, "--scenario", scenario, "--json")
    found = here(*command).json()
    assert found["scenario"] == "study"
    assert "a constant of the scenario" in found["figures"][0]["caption"]


def test_results_are_rebuilt_where_they_are_wanted_or_older_than_the_log(
    here: Here, record: Path, tmp_path: Path
) -> None:
    command = ("figures", record, "--thesis", "--only", "4.1", "--out", tmp_path, "--json", "--format", "svg")
    before = here(*command).json()
    assert here(*command, "--process").json() == before
    (record / "summary.parquet").unlink()
    assert here(*command).json() == before


def test_own_figures_are_those_of_the_report(here: Here, record: Path) -> None:
    found = {item["name"]: item for item in here("figures", record, "--json").json()["figures"]}
    assert {"uncertainty_budget", "example_trace"} <= set(found)
    assert (record / "figures" / "uncertainty_budget.png").is_file()
    assert found["uncertainty_budget"]["origins"] == ["simulated"]


def test_own_figures_are_listed_with_what_is_missing(here: Here, sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = FigureFile("budget", "Budget", "", "budget", png=Path("budget.png"))
    lacking = FigureFile("trace", "Trace", "", "trace", missing="no completed energy pass")
    monkeypatch.setattr("analysis.figures.build.write_figures", lambda *_: [drawn, lacking])
    monkeypatch.setattr("analysis.process.process", lambda _: None)
    lines = here("figures", sealed).out.splitlines()
    assert lines[0].split() == ["budget", "budget.png"]
    assert lines[1].endswith("not drawn: no completed energy pass")


def test_what_cannot_be_asked_for(here: Here, sealed: Path) -> None:
    for options, complaint in (
        (("--thesis", "--only", "4.9"), "lab: the thesis has no figure 4.9"),
        (("--thesis", "--format", "pdf"), "lab: --format 'pdf': there is no such format"),
        (("--only", "4.1"), "lab: --only is for the figures of the thesis"),
    ):
        done = here("figures", sealed, *options)
        assert done.code == 2
        assert done.complaint()[0] == complaint
