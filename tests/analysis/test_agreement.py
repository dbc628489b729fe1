"""Counts of the same event by two instruments: like is held against like, and the difference is stated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from analysis_records import Campaign

from analysis.agreement import differences
from analysis.figures.data import matrix_of
from analysis.measured import Measured, measured, missing
from analysis.process import Results, process
from lab.networks.dense import dense_network
from lab.networks.document import PointNetwork, networks_file
from lab.record.quantity import Origin
from lab.record.reader import Record
from lab.report.findings import findings_of

ORIGINS = {"perf": Origin.MEASURED, "tcg": Origin.EMULATED}
USER = "process tree, user space only, per process"
PLUGIN = "process:user, aarch64, emulated caches, per process"


def count(name: str, value: float, source: str, scope: str) -> Measured:
    return measured(name, value, "1", pass_id="t.c", origin=Origin.EMULATED, source=source, scope=scope)


def test_user_space_is_held_against_user_space() -> None:
    whole = count("instructions", 1_200_000.0, "perf", "process tree, per process")
    user = count("instructions:u", 1_000_000.0, "perf", USER)
    plugin = count("instructions", 1_000_500.0, "tcg", PLUGIN)
    misses = count("L1-dcache-load-misses", 3.0, "tcg", PLUGIN)
    (row,) = differences([whole, plugin, user, misses], ORIGINS)
    assert row.quantity.name == "instructions_difference_pct"
    assert row.quantity.value == pytest.approx(0.05)
    assert (row.quantity.unit, row.quantity.source) == ("%", "tcg against perf")
    assert (row.quantity.verdict, row.quantity.origin) == ("valid", Origin.EMULATED)
    assert differences([whole, plugin], ORIGINS) == []


def test_more_than_a_thousandth_is_doubtful() -> None:
    user, plugin = count("instructions:u", 1e6, "perf", USER), count("instructions", 0.99e6, "tcg", PLUGIN)
    (row,) = differences([plugin, user], ORIGINS)
    assert row.quantity.value == pytest.approx(-1.0)
    assert (row.quantity.verdict, row.quantity.reasons) == ("degraded", ("counts_differ",))


def test_a_dead_pmu_leaves_no_difference_but_its_reason() -> None:
    dead = missing(
        "instructions:u", "1", pass_id="t.c", origin=Origin.EMULATED, reasons=("pmu_dead",), source="perf", scope=USER
    )
    (row,) = differences([dead, count("instructions", 1e6, "tcg", PLUGIN)], ORIGINS)
    assert (row.quantity.value, row.quantity.reasons) == (None, ("pmu_dead",))


def test_a_count_of_zero_is_no_division() -> None:
    (row,) = differences(
        [count("instructions:u", 0.0, "perf", USER), count("instructions", 1.0, "tcg", PLUGIN)], ORIGINS
    )
    assert (row.quantity.value, row.quantity.reasons) == (None, ("not_counted",))


# ------------------------------------------------------------------------------------- as a record, with its network

SHAPES = ("8", "32", "128")


def two_instruments(manifest: dict[str, Any]) -> None:
    manifest["board"] |= {"origin": "emulated"}
    manifest["experiment"]["resolved"]["workload"] = {"kind": "program", "per": "process"}
    manifest["workload"] = {"kind": "program", "reader": "hdrnn"}
    manifest["instruments"]["tcg"] = {"kind": "tcg_plugin", "capabilities": {"origin": "emulated", "measures": []}}
    manifest["inputs"] = ["networks.json"]
    for trial in manifest["plan"]["trials"]:
        latency, _, counters, _ = trial["passes"]
        other = {**counters, "pass_id": f"{trial['trial_id']}.counters1", "instruments": ["tcg"]}
        counters["events"], other["events"] = ["instructions:u"], ["instructions"]
        trial["passes"] = [latency, counters, other]


def counted(readings: list[Any]) -> list[Any]:
    (one, _) = readings
    if one.pass_id.endswith("counters0"):
        return [replace(one, name="instructions:u", value=1e6, scope="process tree, user space only")]
    return [replace(one, instrument="tcg", value=1e6 + 300, scope="process:user, aarch64, emulated caches")]


def trained(parameters: int) -> str:
    done = {"event": "done", "loss": 0.1, "accuracy": 0.5, "seconds": 9.0, "train_images": 9, "test_images": 9}
    return json.dumps({**done, "parameters": parameters}) + "\n"


def written(folder: Path, said: dict[str, int]) -> Record:
    """The record of a campaign over three shapes whose program states these numbers of parameters."""
    numbers = [said[shape] for shape in SHAPES]
    campaign = Campaign(
        points=[{"hidden": shape} for shape in SHAPES],
        repeats=1,
        edit_manifest=two_instruments,
        edit_readings=counted,
        stdout={
            f"t{index:04d}.{name}": trained(number)
            for index, number in enumerate(numbers, start=1)
            for name in ("latency", "counters0", "counters1")
        },
    )
    campaign.write(folder / "record")
    networks = (
        PointNetwork({"hidden": shape}, dense_network(f"784,{shape},10"), f"784-{shape}-10", shape, 4)
        for shape in SHAPES
    )
    (folder / "record" / "inputs").mkdir(exist_ok=True)
    (folder / "record" / "inputs" / "networks.json").write_bytes(networks_file(networks)["networks.json"])
    return Record.open(folder / "record")


def parameters() -> dict[str, int]:
    return {shape: dense_network(f"784,{shape},10").parameters for shape in SHAPES}


def test_the_difference_is_a_row_and_a_finding(tmp_path: Path) -> None:
    record = written(tmp_path, parameters())
    results = process(record)
    rows = results.summary[results.summary["quantity"] == "instructions_difference_pct"]
    assert rows["value"].tolist() == pytest.approx([0.03] * 3)
    assert set(rows["origin"]) == {"emulated"}
    (finding,) = [item for item in findings_of(results, matrix_of(record.manifest)) if "against" in item.title]
    assert finding.title == "Instructions: tcg against perf"
    assert [(fact.name, fact.value) for fact in finding.facts] == [
        ("largest difference", "+0.03 %"),
        ("within 0.1 %", "3 of 3 points"),
    ]


def of(results: Results, quantity: str) -> Any:
    return results.summary[results.summary["quantity"] == quantity]


def test_a_program_that_confirms_its_parameters_has_covariates(tmp_path: Path) -> None:
    results = process(written(tmp_path, parameters()))
    assert of(results, "parameters")["value"].tolist() == list(parameters().values())
    assert set(of(results, "parameters")["source"]) == {"networks.json"}, "one row, not two"
    assert of(results, "layer_fit_l1_pct")["value"].notna().all()
    assert set(of(results, "layer_fit_l1_pct")["origin"]) == {"emulated"}


def test_a_table_of_another_network_is_not_believed(tmp_path: Path) -> None:
    said = parameters() | {"32": 4711}
    results = process(written(tmp_path, said))
    for quantity in ("parameters", "macs", "layer_fit_l1_pct"):
        rows = of(results, quantity).set_index("hidden")
        assert rows.loc["32", "reasons"] == "network_differs"
        assert rows["value"].isna().tolist() == [False, True, False]
