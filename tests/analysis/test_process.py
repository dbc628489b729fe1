"""From a record on disk to its tables: the known values come back, and what is wrong with a pass is its verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from analysis_records import (
    COUNTS,
    ENERGY_GROSS_J,
    ENERGY_NET_J,
    INFERENCES,
    LATENCY_S,
    START_UP,
    WARMUP_S,
    Campaign,
    benchmark_text,
    meter_capabilities,
)

from analysis.process import Results, process, write
from analysis.tables import RESULT_COLUMNS, SUMMARY_COLUMNS, TRIAL_COLUMNS
from lab.errors import DataError
from lab.record.documents import Reading

ENERGY = "t0001.energy"
ENERGIES = ["energy_gross_j", "energy_net_j", "power_active_w", "power_idle_w", "edp_gross_js", "edp_net_js"]


def processed(tmp_path: Path, **differences: Any) -> Results:
    return process(Campaign(**differences).write(tmp_path / "record"))


def cell(frame: pd.DataFrame, quantity: str, trial_id: str | None = None) -> pd.Series:
    chosen = frame[frame["quantity"] == quantity]
    if trial_id is not None:
        chosen = chosen[chosen["trial_id"] == trial_id]
    assert len(chosen) == 1
    return chosen.iloc[0]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return process(Campaign().write(tmp_path_factory.mktemp("plain") / "record"))


def test_the_known_values_come_back(plain: Results) -> None:
    expected = {
        "energy_gross_j": (ENERGY_GROSS_J, "J"),
        "energy_net_j": (ENERGY_NET_J, "J"),
        "energy_warmup_j": (4.0 * WARMUP_S, "J"),
        "power_active_w": (4.0, "W"),
        "power_idle_w": (2.0, "W"),
        "latency_s": (LATENCY_S, "s"),
        "inferences": (INFERENCES, "1"),
        "instructions": (COUNTS["instructions"], "1"),
        "page-faults": (COUNTS["page-faults"], "1"),
        "edp_gross_js": (ENERGY_GROSS_J * LATENCY_S, "J·s"),
    }
    for quantity, (value, unit) in expected.items():
        row = cell(plain.summary, quantity)
        assert row["value"] == pytest.approx(value, rel=0.02), quantity
        assert row["unit"] == unit
        assert row["verdict"] == "valid", (quantity, row["reasons"])
        assert row["n"] == 3
        assert row["origin"] == "simulated"


def test_the_intervals_hold_the_truth_and_name_their_largest_term(plain: Results) -> None:
    for quantity, truth in (("energy_gross_j", ENERGY_GROSS_J), ("energy_net_j", ENERGY_NET_J)):
        row = cell(plain.summary, quantity)
        assert abs(row["value"] - truth) <= row["U"]
        assert row["U"] == pytest.approx(row["k"] * row["u"])
        assert row["U_comparison"] <= row["U"]
        assert row["largest_term"] == "repeats"


def test_the_shape_of_the_tables(plain: Results) -> None:
    assert list(plain.results.columns) == [*TRIAL_COLUMNS, "network", "compression", *RESULT_COLUMNS]
    assert list(plain.summary.columns) == ["point_id", "label", "network", "compression", *SUMMARY_COLUMNS]
    assert not plain.results.duplicated(["trial_id", "quantity", "source"]).any()
    per_trial = plain.results.groupby("trial_id")["quantity"].apply(lambda names: sorted(names))
    assert all(names == per_trial.iloc[0] for names in per_trial)


def test_the_budget_adds_up(plain: Results) -> None:
    terms = plain.budget[plain.budget["quantity"] == "energy_net_j"]
    counted = terms[terms["counted"]]
    assert (counted["u"] ** 2).sum() == pytest.approx(cell(plain.summary, "energy_net_j")["u"] ** 2)
    assert counted["share"].sum() == pytest.approx(1.0)
    assert set(counted["term"]) == {"repeats", "gain I", "gain V", "offset I", "offset V", "timebase"}
    shown = set(terms["term"]) - set(counted["term"])
    assert shown == {"window edges", "sampling", "idle noise", "idle drift"}


def test_processing_again_writes_the_same_bytes(tmp_path: Path) -> None:
    record = Campaign().write(tmp_path / "record")
    first = {path: path.read_bytes() for path in write(process(record), record.root)}
    second = {path: path.read_bytes() for path in write(process(record), record.root)}
    assert first == second
    assert {path.name for path in first} >= {"results.parquet", "results.csv", "summary.parquet", "budget.csv"}
    assert not list(record.root.glob("*.new"))
    pd.testing.assert_frame_equal(pd.read_parquet(record.root / "results.parquet"), process(record).results)


def test_one_repeat_has_an_interval_from_the_instrument_alone_and_says_so(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, repeats=1).summary, "energy_net_j")
    assert row["verdict"] == "degraded"
    assert row["reasons"] == "single_repeat"
    assert row["U"] > 0.0
    assert pd.isna(row["s"])


@pytest.mark.parametrize(
    ("code", "verdict", "spared"),
    [
        ("saturated", "invalid", ["latency_s", "instructions", "inferences"]),
        ("meter_unplugged", "invalid", ["latency_s", "instructions", "inferences"]),
        ("range_changed", "degraded", ["latency_s", "instructions", "inferences"]),
        ("samples_dropped", "degraded", ["latency_s", "instructions", "inferences"]),
        ("edge_jitter", "degraded", ["latency_s", "instructions", "power_idle_w"]),
        ("throttled", "degraded", ["latency_s", "instructions", "inferences"]),
        ("exit_nonzero", "invalid", ["latency_s", "instructions"]),
        ("deadline", "invalid", ["latency_s", "instructions"]),
    ],
)
def test_a_fault_of_the_energy_pass_befalls_its_energies_only(
    tmp_path: Path, code: str, verdict: str, spared: list[str]
) -> None:
    results = processed(tmp_path, repeats=1, faults={ENERGY: [(code, "meter")]}).results
    for quantity in ENERGIES:
        if quantity not in spared:
            row = cell(results, quantity)
            assert (row["verdict"], row["reasons"]) == (verdict, code), quantity
    for quantity in spared:
        assert cell(results, quantity)["verdict"] == "valid", quantity


def test_a_throttled_latency_spoils_latency_and_its_products_not_energy(tmp_path: Path) -> None:
    results = processed(tmp_path, repeats=1, faults={"t0001.latency": [("throttled", "b")]}).results
    verdicts = {name: cell(results, name)["verdict"] for name in ("latency_s", "edp_net_js", "energy_net_j")}
    assert verdicts == {"latency_s": "degraded", "edp_net_js": "degraded", "energy_net_j": "valid"}


def test_a_failed_program_leaves_no_valid_number_of_its_pass(tmp_path: Path) -> None:
    results = processed(tmp_path, repeats=1, exit_status={"t0001.counters0": 1}).results
    row = cell(results, "instructions")
    assert (row["verdict"], row["reasons"]) == ("invalid", "exit_nonzero")
    assert cell(results, "energy_net_j")["verdict"] == "valid"


def test_a_gap_in_the_window_widens_and_is_said(tmp_path: Path) -> None:
    gap = ((4000, 4200),)
    results = processed(tmp_path, repeats=1, gaps={ENERGY: gap}, faults={ENERGY: [("samples_dropped", "meter")]})
    row = cell(results.results, "energy_gross_j")
    assert (row["verdict"], row["reasons"]) == ("degraded", "samples_dropped")
    assert row["coverage"] == pytest.approx(1 - 200 / 4000, rel=0.01)
    assert row["value"] == pytest.approx(ENERGY_GROSS_J, rel=0.01)
    assert "gap" in set(results.budget["term"])
    # The idle was seen whole.
    assert cell(results.results, "power_idle_w")["verdict"] == "valid"


def test_a_gap_outside_the_window_does_not_touch_it(tmp_path: Path) -> None:
    results = processed(
        tmp_path, repeats=1, gaps={ENERGY: ((500, 700),)}, faults={ENERGY: [("samples_dropped", "meter")]}
    ).results
    assert cell(results, "energy_gross_j")["verdict"] == "valid"
    assert cell(results, "energy_net_j")["reasons"] == "samples_dropped"


def test_too_large_a_gap_is_no_measurement(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, repeats=1, gaps={ENERGY: ((4000, 5000),)}).results, "energy_gross_j")
    assert (row["verdict"], row["reasons"]) == ("invalid", "samples_dropped;coverage_too_low")


def test_without_marks_there_is_no_window_and_no_invented_energy(tmp_path: Path) -> None:
    results = processed(tmp_path, repeats=1, no_marks=frozenset({ENERGY})).results
    for quantity in ("energy_gross_j", "energy_net_j", "power_active_w", "window_s", "edp_net_js"):
        row = cell(results, quantity)
        assert pd.isna(row["value"]), quantity
        assert "no_window" in row["reasons"]


def test_an_unreadable_trace_is_a_verdict(tmp_path: Path) -> None:
    record = Campaign(repeats=1).write(tmp_path / "record")
    (record.root / "traces" / "t0001.energy.jls").write_bytes(b"not a trace")
    row = cell(process(record).results, "energy_net_j")
    assert pd.isna(row["value"])
    assert (row["verdict"], row["reasons"]) == ("invalid", "trace_unreadable")


def test_a_window_that_contradicts_the_program_is_invalid(tmp_path: Path) -> None:
    text = benchmark_text(INFERENCES // 2, LATENCY_S)
    row = cell(processed(tmp_path, repeats=1, stdout={ENERGY: text}).results, "energy_net_j")
    assert (row["verdict"], row["reasons"]) == ("invalid", "window_disagrees")


def test_output_that_nobody_understands_leaves_the_energy_without_a_count(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, repeats=1, stdout={ENERGY: "Segmentation fault\n"}).results, "energy_net_j")
    assert pd.isna(row["value"])
    assert "output_unreadable" in row["reasons"]


def test_passes_that_never_ran_are_rows_too(tmp_path: Path) -> None:
    missing = frozenset({"t0001.energy", "t0001.latency", "t0001.counters0.baseline"})
    results = processed(tmp_path, repeats=1, missing=missing).results
    for quantity in ("latency_s", "energy_gross_j", "energy_net_j", "edp_gross_js", "instructions", "page-faults"):
        row = cell(results, quantity)
        assert pd.isna(row["value"])
        assert (row["verdict"], row["reasons"]) == ("invalid", "pass_missing"), quantity


def test_lost_repeats_are_left_out_and_counted(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, faults={ENERGY: [("saturated", "meter")]}).summary, "energy_net_j")
    assert (row["n"], row["n_invalid"]) == (2, 1)
    assert (row["verdict"], row["reasons"]) == ("degraded", "repeats_lost")
    assert row["value"] == pytest.approx(ENERGY_NET_J, rel=0.02)


def test_no_valid_repeat_no_value(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, repeats=1, faults={ENERGY: [("saturated", "meter")]}).summary, "energy_net_j")
    assert pd.isna(row["value"])
    assert pd.isna(row["U"])
    assert (row["n"], row["n_invalid"], row["verdict"]) == (0, 1, "invalid")


def test_what_the_bench_cannot_give_is_said_for_every_trial(tmp_path: Path) -> None:
    def without_meter(manifest: dict[str, Any]) -> None:
        manifest["plan"]["unavailable"] = [
            {"what": "energy", "reason": "no_power_meter"},
            {"what": "LLC-load-misses", "reason": "no_counter_source"},
        ]
        for trial in manifest["plan"]["trials"]:
            trial["passes"] = [plan for plan in trial["passes"] if plan["kind"] != "energy"]

    results = processed(tmp_path, edit_manifest=without_meter).results
    for quantity in ENERGIES:
        rows = results[results["quantity"] == quantity]
        assert len(rows) == 3
        assert set(rows["reasons"]) == {"no_power_meter"}
        assert rows["value"].isna().all()
    assert set(results[results["quantity"] == "LLC-load-misses"]["reasons"]) == {"no_counter_source"}
    assert set(results[results["quantity"] == "latency_s"]["verdict"]) == {"valid"}


def test_a_placeholder_shows_values_and_terms_and_claims_no_interval(tmp_path: Path) -> None:
    def placeholder(manifest: dict[str, Any]) -> None:
        manifest["instruments"]["meter"]["capabilities"] = meter_capabilities("placeholder")

    results = processed(tmp_path, edit_manifest=placeholder)
    row = cell(results.summary, "energy_net_j")
    assert (row["verdict"], row["reasons"]) == ("degraded", "placeholder_accuracy")
    assert row["u"] > 0.0
    assert pd.isna(row["U"])
    assert "gain I" in set(results.budget[results.budget["quantity"] == "energy_net_j"]["term"])
    assert cell(results.summary, "latency_s")["U"] > 0.0


@pytest.mark.parametrize("code", ["not_supported", "not_counted", "multiplexed", "zero_count"])
def test_a_counter_that_did_not_count_is_no_zero(tmp_path: Path, code: str) -> None:
    def lost(readings: list[Reading]) -> list[Reading]:
        return [replace(item, value=None, reasons=(code,)) if item.name == "page-faults" else item for item in readings]

    results = processed(tmp_path, repeats=1, edit_readings=lost).results
    row = cell(results, "page-faults")
    assert pd.isna(row["value"])
    assert (row["verdict"], row["reasons"]) == ("invalid", code)
    assert cell(results, "instructions")["verdict"] == "valid"


def test_a_count_without_a_difference_is_below_resolution(tmp_path: Path) -> None:
    def flat(readings: list[Reading]) -> list[Reading]:
        return [replace(item, value=START_UP[item.name]) for item in readings]

    results = processed(tmp_path, edit_readings=flat)
    row = cell(results.summary, "instructions")
    assert (row["value"], row["verdict"], row["reasons"]) == (0.0, "degraded", "below_resolution")


def test_without_a_baseline_counts_are_per_process_and_say_so(tmp_path: Path) -> None:
    def alone(manifest: dict[str, Any]) -> None:
        for trial in manifest["plan"]["trials"]:
            trial["passes"] = [plan for plan in trial["passes"] if not plan["baseline"]]

    row = cell(processed(tmp_path, edit_manifest=alone).summary, "instructions")
    assert row["value"] == START_UP["instructions"] + 51 * COUNTS["instructions"]
    assert row["scope"] == "process tree, per process"


def test_an_emulated_count_stays_in_a_row_of_its_own(tmp_path: Path) -> None:
    def emulated(manifest: dict[str, Any]) -> None:
        manifest["board"]["origin"] = "measured"
        manifest["instruments"]["perf"]["capabilities"]["origin"] = "emulated"

    results = processed(tmp_path, edit_manifest=emulated)
    assert cell(results.summary, "instructions")["origin"] == "emulated"
    assert cell(results.summary, "latency_s")["origin"] == "measured"
    assert cell(results.summary, "energy_net_j")["origin"] == "simulated"
    assert cell(results.summary, "edp_net_js")["origin"] == "simulated"


# ----------------------------------------------------------------------- over the points of the matrix

POINTS = [
    {"network": network, "compression": compression, "input": size}
    for network in ("A", "B", "C", "D")
    for size in (32, 64)
    for compression in ("PQ", "none")
]


def speed(values: Any) -> float:
    # Chosen so that latencies stay within what the made-up trace can hold.
    base = {"A": 1.0, "B": 1.1, "C": 1.25, "D": 1.4}[values["network"]]
    return float(base * (2.0 if values["compression"] == "PQ" else 1.0) * (1.0 if values["input"] == 32 else 0.8))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Results:
    def ask(manifest: dict[str, Any]) -> None:
        resolved = manifest["experiment"]["resolved"]
        resolved["factors"]["compression"] = ["none", "PQ"]
        resolved["analysis"]["correlations"] = [
            {"x": "latency_s", "y": "energy_net_j", "by": "compression", "cluster": "network"},
            {"x": "latency_s", "y": "parameters", "by": None, "cluster": None},
        ]
        manifest["inputs"] = ["networks.json"]

    campaign = Campaign(points=POINTS, repeats=1, speed=speed, edit_manifest=ask)
    root = tmp_path_factory.mktemp("matrix") / "record"
    record = campaign.write(root)
    layer = {"name": "x", "kind": "Dense", "parameters": 40_000, "macs": 40_000, "input_elements": 200}
    tables = {
        name: {"parameters": 40_000 * count, "depth": count, "macs": 40_000 * count}
        | {"layers": [{**layer, "output_elements": 200}] * count}
        for count, name in enumerate(("A", "B", "C", "D"), start=1)
    }
    points = [
        {"settings": point, "network": point["network"], "weight_bytes": 1, "activation_bytes": 1} for point in POINTS
    ]
    content = {"schema": "lab.networks/1", "networks": tables, "points": points}
    (root / "inputs").mkdir()
    (root / "inputs" / "networks.json").write_text(json.dumps(content))
    return process(record)


def test_points_stand_in_the_order_of_the_experiment(matrix: Results) -> None:
    rows = matrix.summary[matrix.summary["quantity"] == "latency_s"]
    assert rows["network"].tolist() == [name for name in "ABCD" for _ in range(4)]
    assert rows["compression"].tolist()[:4] == ["none", "none", "PQ", "PQ"]
    assert rows["input"].tolist()[:4] == [32, 64, 32, 64]
    assert rows["input"].dtype == "Int64"


def test_speedups_of_compression(matrix: Results) -> None:
    row = matrix.speedups.iloc[0]
    assert (row["compression"], row["n"]) == ("PQ", 8)
    assert row["geometric_mean"] == pytest.approx(2.0, rel=0.02)
    assert row["minimum"] <= row["geometric_mean"] <= row["mean"] <= row["maximum"]


def test_correlations_are_by_group_with_families_and_corrected(matrix: Results) -> None:
    rows = matrix.correlations[matrix.correlations["y"] == "energy_net_j"]
    assert rows["group"].tolist() == ["none", "PQ"]
    assert (rows["n"] == 8).all()
    assert (rows["n_clusters"] == 4).all()
    assert (rows["pearson"] > 0.99).all()
    assert (rows["pearson_low"] <= rows["pearson"]).all()
    assert (rows["p_holm"] >= rows["p"]).all()
    assert set(rows["origin"]) == {"simulated"}


def test_covariates_are_exact_and_hold_the_working_set(matrix: Results) -> None:
    rows = matrix.summary[(matrix.summary["network"] == "B") & (matrix.summary["source"] == "networks.json")]
    values = dict(zip(rows["quantity"], rows["value"], strict=True))
    assert values["parameters"] == 80_000
    assert values["layer_fit_l1_pct"] == pytest.approx(100 * 40_000 / 32768)
    assert values["bytes_over_l1_pct"] == 100.0
    assert values["macs_over_l2_pct"] == 0.0
    assert rows["U"].isna().all()
    assert set(rows["verdict"]) == {"valid"}


def test_a_damaged_table_of_networks_is_one_clear_error(tmp_path: Path) -> None:
    def ask(manifest: dict[str, Any]) -> None:
        manifest["inputs"] = ["networks.json"]

    record = Campaign(repeats=1, edit_manifest=ask).write(tmp_path / "record")
    (record.root / "inputs").mkdir()
    for content in ("{", '{"schema": "lab.networks/9"}', '{"schema": "lab.networks/1"}'):
        (record.root / "inputs" / "networks.json").write_text(content)
        with pytest.raises(DataError, match=r"networks\.json"):
            process(record)
