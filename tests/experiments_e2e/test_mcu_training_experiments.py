"""The microcontroller study's sweep and pruning grid, cut down: networks trained for real, figures and tables made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from lab_command import ROOT, Here, only_record, settings

SWEEP = ROOT / "experiments" / "mcu_sweep.yaml"
PRUNING = ROOT / "experiments" / "mcu_pruning.yaml"
FEW = ("factors.split=[400/100]", "factors.epochs=[2]")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few drawn digits."""
    folder = tmp_path_factory.mktemp("digits")
    draw = ROOT / "workloads" / "digits" / "draw_digits.py"
    subprocess.run([sys.executable, draw, "--out", folder, "--train", "400", "--test", "100"], check=True)
    return folder


def run(here: Here, experiment: Path, records: Path, *changes: str) -> Path:
    done = here("run", experiment, "--records", records, *settings((*FEW, *changes)))
    assert done.code == 0, done.err
    return only_record(records)


def test_the_sweep_plans_the_studys_584_networks_and_the_grid_100(here: Here) -> None:
    for experiment, trials in ((SWEEP, 584), (PRUNING, 100)):
        plan = here("plan", experiment, "--json").json()
        assert len(plan["trials"]) == trials


def test_networks_are_swept(here: Here, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DATA", str(digits))
    widths = ("factors.width1=[8]", "factors.width2=[none,8]", "factors.width3=[none,4]")
    record = run(here, SWEEP, tmp_path / "records", *widths)
    results = pd.read_csv(record / "results.csv")
    accuracies = results[results["quantity"] == "accuracy"]
    assert len(accuracies) == 3
    assert (accuracies["verdict"] == "valid").all()
    parameters = results[(results["quantity"] == "parameters") & (results["label"].astype(str) == "8 8 4")]
    assert parameters["value"].tolist() == [196 * 8 + 8 + 8 * 8 + 8 + 8 * 4 + 4 + 4 * 10 + 10]
    for figure in ("two_layers", "three_layers", "front"):
        assert (record / "figures" / f"mcu_sweep_{figure}.png").stat().st_size > 10_000
    front = pd.read_csv(record / "study" / "front.csv")
    assert front["accuracy (%)"].is_monotonic_increasing
    fits = pd.read_csv(record / "study" / "fits.csv")
    assert (fits["networks that fit"] == 3).all()
    assert "Figure 4.1" in (record / "report.html").read_text(encoding="utf-8")


def test_networks_are_pruned(here: Here, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DATA", str(digits))
    pairs = ("factors.initial=[0.0]", "factors.final=[0.0, 0.9]")
    record = run(here, PRUNING, tmp_path / "records", *pairs)
    grid = pd.read_csv(record / "study" / "grid.csv").set_index("final")
    assert grid["zeros reached (%)"].tolist() == [0.0, 90.0]
    assert grid.loc[0.9, "AVR, without zeros (B)"] < 0.3 * grid.loc[0.9, "AVR, all weights (B)"]
    assert grid.loc[0.0, "AVR, without zeros (B)"] == grid.loc[0.0, "AVR, all weights (B)"]
    assert grid["before (%)"].nunique() == 1
    for figure in ("total", "alone", "accuracy", "formats"):
        assert (record / "figures" / f"mcu_pruning_{figure}.png").stat().st_size > 8_000
    assert len(pd.read_csv(record / "study" / "claims.csv")) == 5
