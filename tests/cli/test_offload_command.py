"""``lab offload`` on a real record of the simulated bench."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from lab_command import ROOT, Here

STUDY_SCENARIO = ROOT / "experiments" / "offload" / "study.yaml"
TABLES = {"totals", "thresholds", "decisions", "break_evens", "best"}


def test_the_scenario_is_in_the_record(sealed: Path) -> None:
    kept = json.loads((sealed / "manifest.json").read_text())["offload"]
    assert kept["text"] == STUDY_SCENARIO.read_text()
    assert kept["resolved"]["offload"] == "study"
    assert kept["servers"] == {}


def test_tables_are_there_without_being_asked_for(sealed: Path) -> None:
    assert {path.stem for path in (sealed / "offload" / "study").glob("*.csv")} == TABLES


def test_it_prints_what_wins_and_says_what_is_assumed(here: Here, sealed: Path, tmp_path: Path) -> None:
    done = here("offload", sealed, "--out", tmp_path, "--no-figures", "--networks")
    assert (done.code, done.err) == (0, "")
    assert "Local costs: SIMULATED; network and stated constants: ASSUMED; servers: INFERRED" in done.out
    for title in ("Media", "Servers", "Thresholds: latency", "What wins, and how often", "Break-evens"):
        assert f"\n{title}\n" in done.out
    assert "MobileNet PQ 32" in done.out
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.{end}" for name in TABLES for end in ("csv", "parquet")
    }


def test_json_holds_every_table(here: Here, sealed: Path, tmp_path: Path) -> None:
    said = here("offload", sealed, "--out", tmp_path, "--no-figures", "--json").json()
    assert said.keys() == {"record", "scenario", "origins", "written"} | TABLES
    assert said["origins"] == ["simulated", "assumed"]
    row = said["decisions"][0]
    assert row.keys() >= {
        "label",
        "platform",
        "cost",
        "medium",
        "server",
        "idle",
        "margin",
        "U_margin",
        "choice",
        "reason",
    }
    assert len(said["thresholds"]) == 6 * 5, "six ways, by latency and by energy and product in two idle states"
    missing = [row for row in said["break_evens"] if row["value"] is None]
    assert missing
    assert all(row["note"] for row in missing)
    written = pd.read_parquet(tmp_path / "decisions.parquet")
    assert written["choice"].tolist() == [row["choice"] for row in said["decisions"]]


def test_figures(here: Here, sealed: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "one_way.yaml"
    text = STUDY_SCENARIO.read_text()
    named = text.replace("offload: study", "offload: one_way")
    scenario.write_text(named.partition("  low: {")[0])
    out = tmp_path / "out"
    done = here("offload", sealed, "--scenario", scenario, "--out", out)
    assert (done.code, done.err) == (0, "")
    drawn = {path.stem for path in out.glob("*.png")}
    assert drawn == {path.stem for path in out.glob("*.svg")}
    assert drawn >= {
        "offload_latency",
        "offload_energy_high",
        "offload_map_latency",
        "offload_decisions_latency",
        "offload_contributions_CPU",
        "offload_contributions_GPU",
        "offload_idle_power",
    }
    for path in out.glob("*.svg"):
        svg = path.read_text()
        assert ">SIMULATED<" in svg
        assert ">ASSUMED<" in svg


def test_a_server_whose_record_is_not_there_leaves_no_decision(here: Here, sealed: Path, tmp_path: Path) -> None:
    scenario = ROOT / "experiments" / "offload" / "measured.yaml"
    records = ("--records", sealed.parents[1])
    done = here("offload", sealed, *records, "--scenario", scenario, "--out", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "no record 'offload_server' to take its latencies from" in done.out


def test_a_server_that_was_measured(here: Here, sealed: Path, tmp_path: Path) -> None:
    """The record itself as the server's: its NPU latencies, by label. It is found beside the record, without being
    told where records lie."""
    text = (ROOT / "experiments" / "offload" / "measured.yaml").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("  server: {kind: record")]
    own = "  server: {kind: record, record: imx8_npu, only: {platform: NPU}}"
    scenario = tmp_path / "own.yaml"
    scenario.write_text(text.replace(line, own))
    said = here("offload", sealed, "--scenario", scenario, "--out", tmp_path, "--no-figures", "--json").json()
    rows = [row for row in said["totals"] if row["platform"] == "NPU" and row["idle"] == "high"]
    assert {row["origin"] for row in rows} == {"simulated"}
    assert all(row["U_total_s"] > 0 for row in rows)
    chosen = [row for row in said["decisions"] if row["cost"] == "latency" and row["platform"] == "NPU"]
    assert {row["choice"] for row in chosen} == {"local"}, "the same time, and a network on top of it"


def test_published(here: Here) -> None:
    done = here("offload", "--published")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\nradio CPU") == 12
    said = here("offload", "--published", "--json").json()
    assert len(said["cells"]) == 48
    assert all(cell["agrees"] for cell in said["cells"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "RECORD --published is required"),
        (("latest", "--published"), "not allowed with argument"),
    ],
)
def test_what_it_needs(here: Here, arguments: tuple[str, ...], said: str) -> None:
    done = here("offload", *arguments)
    assert done.code == 2
    assert said in done.err


def test_a_record_without_a_scenario_asks_for_one(here: Here, record: Path) -> None:
    path = record / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["offload"]
    path.write_text(json.dumps(manifest))
    done = here("offload", record)
    assert done.code == 2
    assert "--scenario experiments/offload/study.yaml" in done.err


def test_a_damaged_scenario_in_a_record_is_said(here: Here, record: Path) -> None:
    path = record / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["offload"]["resolved"]["media"] = 3
    path.write_text(json.dumps(manifest))
    done = here("offload", record)
    assert done.code == 4
    assert "damaged" in done.err
