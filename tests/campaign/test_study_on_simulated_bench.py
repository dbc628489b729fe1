"""The study from file to results: what the model knows comes back, stamped, with every asked quantity there."""

from pathlib import Path

import pytest
from campaigns import SHORT, Campaign, run_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    overrides = (
        "factors.network=[MobileNet, VGG16]",
        "factors.input=[32]",
        "factors.compression=[none, PQ]",
        "repeats=4",
    )
    return run_study(tmp_path_factory.mktemp("study"), *SHORT, *overrides)


def test_every_value_is_stamped_simulated(study: Campaign) -> None:
    measured = study.results.results
    assert set(measured["origin"]) == {"simulated"}
    assert study.record.manifest["origin"] == "simulated"
    assert set(study.results.summary["origin"]) == {"simulated"}


def test_every_asked_quantity_is_there_for_every_trial(study: Campaign) -> None:
    trials = 2 * 1 * 2 * 3 * 4
    for quantity in (
        "latency_s",
        "energy_gross_j",
        "energy_net_j",
        "edp_gross_js",
        "power_idle_w",
        "inferences",
        "instructions",
        "L1-dcache-loads",
        "L1-dcache-load-misses",
        "page-faults",
        "layer_fit_l1_pct",
    ):
        assert len(study.rows(quantity)) == trials, quantity


@pytest.mark.parametrize(
    ("quantity", "relative"),
    [("energy_gross_j", 0.02), ("energy_net_j", 0.03), ("latency_s", 0.02), ("power_active_w", 0.01)],
)
def test_the_truth_comes_back(study: Campaign, quantity: str, relative: float) -> None:
    truth = study.true_means(quantity)
    for row in study.points(quantity).itertuples():
        assert row.value == pytest.approx(truth[row.point_id], rel=relative)


def test_single_passes_agree_with_what_the_model_did_in_them(study: Campaign) -> None:
    truth = study.truth()
    for row in study.rows("energy_gross_j").itertuples():
        actual = truth[f"{row.trial_id}.energy"]["actual"]["energy_gross_j"]
        # Within a pass nothing scatters but the meter: its gain, offset and edges.
        assert row.value == pytest.approx(actual, rel=0.01)
        assert abs(row.value - actual) <= 1.2 * row.U


def test_counters_per_inference_leave_load_and_warm_up_out(study: Campaign) -> None:
    truth = {trial["point_id"]: trial["trial_id"] for trial in study.record.manifest["plan"]["trials"]}
    everything = study.truth()
    for row in study.points("instructions").itertuples():
        if row.platform == "NPU":
            continue  # a small difference of large counts there: its own uncertainty says so
        counts = everything[f"{truth[row.point_id]}.energy"]["counts"]
        assert row.value == pytest.approx(counts["instructions"], rel=0.005)


def test_the_budget_explains_the_uncertainty(study: Campaign) -> None:
    budget = study.results.budget
    for row in study.points("energy_net_j").itertuples():
        terms = budget[(budget["point_id"] == row.point_id) & (budget["quantity"] == "energy_net_j")]
        counted = terms[terms["counted"]]
        assert (counted["u"] ** 2).sum() == pytest.approx(row.u**2, rel=1e-9)
        assert counted["share"].sum() == pytest.approx(1.0)
        assert {"gain I", "gain V"} <= set(terms["term"])
        assert row.largest_term in set(counted["term"])
        assert pytest.approx(row.k * row.u) == row.U


def test_records_are_complete_and_sealed(study: Campaign) -> None:
    assert study.record.manifest["state"] == "complete"
    assert study.record.missing_passes() == []
    assert study.record.verify() == []


def test_the_same_seed_gives_the_same_results_and_another_seed_others(tmp_path: Path) -> None:
    small = ("factors.network=[MobileNet]", "factors.input=[32]", "factors.platform=[NPU]", "repeats=2", *SHORT)
    first, again, other = (
        run_study(tmp_path / name, *small, f"seed={seed}") for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.results.results.equals(again.results.results)
    assert not first.rows("energy_gross_j")["value"].equals(other.rows("energy_gross_j")["value"])
