"""The notebooks work on a fresh record, and are kept without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from lab.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ON_RECORDS_OF_THEIR_OWN = {"gesture", "microcontroller", "training"}
"""Notebooks of other studies: run where a record of theirs is made, in tests/experiments_e2e."""

SMALL = (
    "factors.network=[MobileNet]",
    "factors.input=[32]",
    "factors.compression=[PQ, PWQ]",
    "repeats=2",
    "passes.energy.duration=1 s",
    "passes.energy.idle=500 ms",
    "passes.counters=null",
    "analysis.figures=[]",
    "analysis.correlations=[]",
    "bench:instruments.meter.rate=1 kHz",
)


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    overrides = [part for override in SMALL for part in ("--set", override)]
    study = str(ROOT / "experiments" / "imx8_npu.yaml")
    assert main(["run", study, "--records", str(folder), "--quiet", "--no-report", *overrides]) == 0
    return folder


@pytest.mark.parametrize(
    "notebook", [path for path in NOTEBOOKS if path.stem not in ON_RECORDS_OF_THEIR_OWN], ids=lambda path: path.stem
)
def test_every_cell_runs_on_a_fresh_record(
    notebook: Path, records: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB_RECORDS", str(records))
    matplotlib.use("Agg")
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(code_cells(notebook), start=1):
        exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), names)
    matplotlib.pyplot.close("all")
    said = capsys.readouterr().out
    assert "simulated" in said
    if notebook.stem == "read_a_record":
        assert "CPU 1-core takes" in said
    else:
        assert said.count(" of the thesis: ") >= 2
        assert said.count("Origin: ") + said.count("not drawn: ") >= 8


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_is_kept(notebook: Path) -> None:
    for cell in code_cells(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
