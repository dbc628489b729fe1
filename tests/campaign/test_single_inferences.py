"""Single inferences and two meters on the simulated bench: held against what the model knows, and under each fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from campaigns import ROOT, Campaign

from analysis.process import process
from analysis.single_inferences import BETWEEN, ENERGIES, LEFT_OUT, STATISTICS, TIMES, inference_table
from lab.experiment.load import load_experiment
from lab.record.reader import Record
from lab.runner.progress import Silent
from lab.runner.session import start

EXPERIMENT = ROOT / "experiments" / "imx8_single_inferences.yaml"
RAILS = {"meter": "board", "soc_meter": "soc"}
SMALL = ("factors.network=[MobileNet]", "passes.latency=null", "passes.energy.duration=1 s", "passes.energy.idle=0.5 s")
SINGLES = (*ENERGIES, *TIMES)


def run(folder: Path, *overrides: str) -> Campaign:
    finished = start(load_experiment(EXPERIMENT, (*SMALL, *overrides)), folder / "records", folder / "cache", Silent())
    record = Record.open(finished.root)
    return Campaign(record, process(record))


def faulty(meter: str, fault: str) -> str:
    return f"bench:instruments.{meter}.faults=[{fault}]"


def of_meter(campaign: Campaign, meter: str) -> pd.DataFrame:
    results = campaign.results.results
    return results[results["source"] == meter]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return run(tmp_path_factory.mktemp("sound"))


def test_each_pass_has_a_file_of_each_meter(sound: Campaign) -> None:
    for data in sound.record.passes().values():
        assert {ref.instrument for ref in data.end.traces} == set(RAILS)
        paths = {ref.path for ref in data.end.traces}
        assert paths == {f"traces/{data.pass_id}.{name}.jls" for name in RAILS}
        assert all(sound.record.path(path).is_file() for path in paths)


def test_one_meter_alone_keeps_the_plain_name(tmp_path: Path) -> None:
    campaign = run(tmp_path, "bench=benches/imx8mp_simulated.yaml", "repeats=1", "bench:instruments.meter.rate=5 kHz")
    assert {ref.path for data in campaign.record.passes().values() for ref in data.end.traces} == {
        f"traces/{pass_id}.jls" for pass_id in campaign.record.passes()
    }
    assert inference_table(campaign.record) is None
    assert not set(campaign.results.results["quantity"]) & {*SINGLES, BETWEEN, LEFT_OUT}


def test_the_distribution_is_the_models(sound: Campaign) -> None:
    """Every statistic of every pass and meter, against the true energies and times of that pass's inferences."""
    errors = []
    for pass_id, truth in sound.truth().items():
        for meter, rail in RAILS.items():
            rows = of_meter(sound, meter)
            rows = rows[rows["pass_id"] == pass_id].set_index("quantity")
            known = truth["actual"]["inferences"][rail]
            for name in STATISTICS:
                for what, unit in (("energy", "j"), ("latency", "s")):
                    row = rows.loc[f"{what}_inference_{name}_{unit}"]
                    assert row["verdict"] == "valid"
                    errors.append((row["value"] - known[f"{what}_{name}_{unit}"]) / row["u"])
            assert rows.loc[LEFT_OUT, "value"] == 0
            assert rows.loc[ENERGIES[0], "coverage"] == 1.0
    errors = np.abs(errors)
    assert len(errors) == 6 * 2 * 14
    assert np.mean(errors < 2) > 0.9
    assert errors.max() < 4


def test_mean_and_what_lies_between_add_up_to_the_windows_energy(sound: Campaign) -> None:
    for meter in RAILS:
        table = of_meter(sound, meter).pivot_table(index="trial_id", columns="quantity", values="value")
        total = table["energy_inference_mean_j"] + table[BETWEEN]
        np.testing.assert_allclose(total, table["energy_gross_j"], rtol=1e-9)
    rows = of_meter(sound, "meter")
    between = rows[rows["quantity"] == BETWEEN]
    known = [truth["energy_between_inferences_j"] for truth in sound.truth().values()]
    assert (np.abs(between["value"].to_numpy() - known[0]) < 5 * between["u"].to_numpy()).all()
    assert between["u"].max() < 0.05 * known[0], "common errors cancel in the difference"


def test_two_meters_see_two_things_and_are_never_mixed(sound: Campaign) -> None:
    summary = sound.results.summary
    for meter, rail in RAILS.items():
        for quantity in ("energy_gross_j", "energy_net_j", "power_idle_w"):
            rows = summary[(summary["quantity"] == quantity) & (summary["source"] == meter)]
            assert len(rows) == 2
            assert set(rows["scope"]) == {rail}
            for row in rows.to_dict("records"):
                trials = [
                    t["trial_id"] for t in sound.record.manifest["plan"]["trials"] if t["point_id"] == row["point_id"]
                ]
                truth = [sound.truth()[f"{trial}.energy"] for trial in trials]
                known = [(item if rail == "board" else item["soc"])["actual"][quantity] for item in truth]
                assert row["value"] == pytest.approx(np.mean(known), abs=row["U"])
                assert row["n"] == len(known)
    ratio = (
        of_meter(sound, "soc_meter").groupby("quantity")["value"].mean()
        / of_meter(sound, "meter").groupby("quantity")["value"].mean()
    )
    assert ratio["power_idle_w"] == pytest.approx(0.35, rel=0.02)
    assert ratio["energy_net_j"] == pytest.approx(0.70, rel=0.03)
    products = summary[summary["quantity"].str.startswith("edp_")]
    assert set(products["source"]) <= set(RAILS)


def test_the_table_holds_every_inference(sound: Campaign) -> None:
    table = inference_table(sound.record)
    assert table is not None
    assert list(table.columns) == ["pass_id", "source", "index", "begin_s", "duration_s", "energy_j"]
    for pass_id, truth in sound.truth().items():
        for meter in RAILS:
            rows = table[(table["pass_id"] == pass_id) & (table["source"] == meter)]
            assert list(rows["index"]) == list(range(truth["inferences"]))
            assert (np.diff(rows["begin_s"]) > rows["duration_s"].to_numpy()[:-1]).all()
            mean = of_meter(sound, meter).set_index(["pass_id", "quantity"]).loc[(pass_id, ENERGIES[0]), "value"]
            assert rows["energy_j"].mean() == pytest.approx(mean, rel=1e-12)


def test_drops_leave_inferences_out_and_say_so(tmp_path: Path) -> None:
    campaign = run(tmp_path, "repeats=1", faulty("meter", "{kind: drops, gaps: 12, length: 1 ms}"))
    for pass_id, truth in campaign.truth().items():
        rows = of_meter(campaign, "meter").set_index(["pass_id", "quantity"]).loc[pass_id]
        left_out = rows.loc[LEFT_OUT, "value"]
        assert 2 <= left_out <= 24
        for name in SINGLES:
            assert rows.loc[name, "verdict"] == "degraded"
            assert rows.loc[name, "reasons"].startswith("samples_dropped")
            assert rows.loc[name, "coverage"] == pytest.approx(1 - left_out / truth["inferences"])
        known = truth["actual"]["inferences"]["board"]
        # What is left out is no particular inference: the mean of the others is the mean.
        tolerance = 3 * np.hypot(rows.loc[ENERGIES[0], "u"], known["energy_sd_j"] * left_out**0.5 / truth["inferences"])
        assert rows.loc[ENERGIES[0], "value"] == pytest.approx(known["energy_mean_j"], abs=tolerance)
        other = of_meter(campaign, "soc_meter").set_index(["pass_id", "quantity"]).loc[pass_id]
        assert set(other.loc[list(SINGLES), "verdict"]) == {"valid"}
        assert other.loc[LEFT_OUT, "value"] == 0


def test_of_two_meters_one_goes_away(tmp_path: Path) -> None:
    campaign = run(tmp_path, "repeats=1", faulty("soc_meter", "{kind: unplug, at: 50 %}"))
    gone, there = of_meter(campaign, "soc_meter"), of_meter(campaign, "meter")
    assert set(gone["quantity"]) >= {*SINGLES, BETWEEN, "energy_gross_j", "energy_net_j", "edp_gross_js"} - {
        "edp_gross_js"
    }
    energies = gone[gone["quantity"].str.startswith(("energy_", "power_", "latency_inference_"))]
    assert set(energies["verdict"]) == {"invalid"}
    assert energies[energies["quantity"].isin(SINGLES)]["value"].isna().all()
    assert energies["reasons"].str.contains("meter_unplugged").all()
    assert set(there["verdict"]) == {"valid"}
    assert set(there["quantity"]) >= {*SINGLES, BETWEEN, LEFT_OUT}
    table = inference_table(campaign.record)
    assert table is not None
    assert set(table["source"]) == {"meter"}


def test_a_change_of_range_is_a_doubt_about_energies_and_not_about_times(tmp_path: Path) -> None:
    campaign = run(tmp_path, "repeats=1", faulty("meter", "{kind: range_change}"))
    rows = of_meter(campaign, "meter")
    assert set(rows[rows["quantity"].isin(ENERGIES)]["reasons"]) == {"range_changed"}
    assert set(rows[rows["quantity"].isin(TIMES)]["verdict"]) == {"valid"}
    assert set(of_meter(campaign, "soc_meter")["verdict"]) == {"valid"}


@pytest.mark.parametrize(
    "overrides",
    [("bench:board.between_inferences=0 s",), (faulty("meter", "{kind: edge_jitter, bound: 100 us}"),)],
    ids=["no pause", "bounces"],
)
def test_counts_that_disagree(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    """A line that never falls between them, or bounces: no distribution, and a doubt about all that is divided."""
    rows = of_meter(run(tmp_path, "repeats=1", *overrides), "meter")
    singles = rows[rows["quantity"].isin([*SINGLES, BETWEEN])]
    assert len(singles) == 2 * 15
    assert set(singles["verdict"]) == {"invalid"}
    assert singles["value"].isna().all()
    assert singles["reasons"].str.contains("inferences_disagree").all()
    divided = rows[rows["quantity"].isin(["energy_gross_j", "energy_net_j"])]
    assert set(divided["verdict"]) == {"degraded"}
    assert divided["reasons"].str.contains("count_doubtful").all()
    idle = rows[rows["quantity"] == "power_idle_w"]
    assert not idle["reasons"].str.contains("count_doubtful", na=False).any()


def test_samples_too_coarse_for_the_scatter_are_named(tmp_path: Path) -> None:
    """At 20 kHz a sample is four times the scatter of a 2 ms inference's time."""
    overrides = [f"bench:instruments.{meter}.rate=20 kHz" for meter in RAILS]
    campaign = run(tmp_path, "repeats=1", *overrides, "bench:board.between_inferences=110 us")
    rows = of_meter(campaign, "meter")
    fast = rows[(rows["platform"] == "NPU") & rows["quantity"].isin([ENERGIES[1], TIMES[1]])]
    assert set(fast["verdict"]) == {"degraded"}
    assert set(fast["reasons"]) == {"edges_coarse"}
    assert set(rows[rows["quantity"].isin([ENERGIES[0], TIMES[0]])]["verdict"]) == {"valid"}
