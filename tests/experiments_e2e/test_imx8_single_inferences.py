"""The shipped experiment with single inferences and two meters: from the file to the page, and the same bytes again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lab_command import ROOT, lab, only_record

EXPERIMENT = ROOT / "experiments" / "imx8_single_inferences.yaml"
RAILS = {"meter": "board", "soc_meter": "soc"}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = tmp_path_factory.mktemp("records")
    done = lab("run", EXPERIMENT, "--records", records)
    assert (done.code, done.err) == (0, "")
    return only_record(records)


def truths(record: Path) -> dict[str, dict]:
    files = sorted((record / "output").glob("*.energy/simulated_truth.json"))
    return {path.parent.name: json.loads(path.read_text()) for path in files}


def test_mean_and_scatter_over_the_repeats_are_the_models(record: Path) -> None:
    """The model's jitter makes the scatter of the single inferences; U of the summary covers what really happened."""
    summary = pd.read_csv(record / "summary.csv")
    trials = json.loads((record / "manifest.json").read_text())["plan"]["trials"]
    known = truths(record)
    checked = 0
    for meter, rail in RAILS.items():
        for what, unit in (("energy", "j"), ("latency", "s")):
            for name in ("mean", "sd"):
                rows = summary[
                    (summary["quantity"] == f"{what}_inference_{name}_{unit}") & (summary["source"] == meter)
                ]
                assert set(rows["verdict"]) == {"valid"}
                for row in rows.to_dict("records"):
                    passes = [f"{t['trial_id']}.energy" for t in trials if t["point_id"] == row["point_id"]]
                    true = [known[item]["actual"]["inferences"][rail][f"{what}_{name}_{unit}"] for item in passes]
                    assert row["value"] == pytest.approx(np.mean(true), abs=row["U"])
                    checked += 1
    assert checked == 2 * 2 * 2 * 4
    jitter = summary[(summary["quantity"] == "latency_inference_sd_s") & (summary["source"] == "meter")]
    latency = summary[(summary["quantity"] == "latency_inference_mean_s") & (summary["source"] == "meter")]
    relative = jitter["value"].to_numpy() / latency["value"].to_numpy()
    assert relative == pytest.approx(6e-3, rel=0.15), "the model's jitter of 0.6 %"


def test_every_inference_is_in_the_table(record: Path) -> None:
    table = pd.read_parquet(record / "inferences.parquet")
    counts = table.groupby(["pass_id", "source"]).size()
    known = truths(record)
    assert len(known) == 12
    for pass_id, truth in known.items():
        for meter in RAILS:
            assert counts[pass_id, meter] == truth["inferences"]


def test_figures_page_and_terminal_name_both_meters(record: Path) -> None:
    names = {path.stem for path in (record / "figures").glob("*.png")}
    for name in ("single_inferences", "energy", "spread", "energy_latency", "uncertainty_budget"):
        assert {name, f"{name}.soc_meter"} <= names
    page = (record / "report.html").read_text()
    for name in RAILS:
        assert f"Energy of single inferences – {name} ({RAILS[name]})" in page
    assert 'id="singles"' in page
    assert "This is what meter saw; also recorded: soc_meter." in page
    shown = lab("show", record)
    assert (shown.code, shown.err) == (0, "")
    assert "Single inferences – soc_meter (soc)" in shown.out
    assert "soc_meter · soc" in shown.out


def test_processing_again_gives_the_same_bytes(record: Path) -> None:
    names = ("inferences.parquet", "results.csv", "summary.csv", "budget.csv", "report.html")
    before = {name: (record / name).read_bytes() for name in names}
    figure = (record / "figures" / "single_inferences.png").read_bytes()
    (record / "inferences.parquet").unlink()
    done = lab("process", record)
    assert (done.code, done.err) == (0, "")
    assert {name: (record / name).read_bytes() for name in names} == before
    assert (record / "figures" / "single_inferences.png").read_bytes() == figure
