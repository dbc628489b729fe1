"""Each fault that the simulated bench can inject is found in the samples, and yields the right verdict downstream."""

from pathlib import Path

import pytest
from campaigns import ENERGY_ONLY, SHORT, SMALL, Campaign, run_study

METER = {
    "drops": ("{kind: drops}", "degraded", "samples_dropped"),
    "a third of the trace dropped": ("{kind: drops, gaps: 4, length: 500 ms}", "invalid", "coverage_too_low"),
    "drift": ("{kind: drift, current: 20 mA}", "degraded", "idle_drift"),
    "saturation": ("{kind: saturation, share: 0.3}", "invalid", "saturated"),
    "range change": ("{kind: range_change}", "degraded", "range_changed"),
    "unplug": ("{kind: unplug}", "invalid", "meter_unplugged"),
    "edge jitter": ("{kind: edge_jitter, bound: 10 ms}", "degraded", "edge_jitter"),
}


def faulty(folder: Path, *faults: str, where: str = "instruments.meter", passes: tuple[str, ...] = ()) -> Campaign:
    return run_study(
        folder,
        *SHORT,
        *SMALL,
        *(passes or ENERGY_ONLY),
        "repeats=3",
        f"bench:{where}.faults=[{', '.join(faults)}]",
    )


@pytest.mark.parametrize("name", METER)
def test_a_fault_of_the_meter(tmp_path: Path, name: str) -> None:
    fault, verdict, reason = METER[name]
    campaign = faulty(tmp_path, fault)
    rows = campaign.rows("energy_net_j")
    assert len(rows) == 9
    assert set(rows["verdict"]) == {verdict}
    assert all(reason in codes.split(";") for codes in rows["reasons"])
    if verdict == "invalid":
        assert campaign.points("energy_net_j")["value"].isna().all()


@pytest.mark.parametrize("name", [name for name, (_, verdict, _) in METER.items() if verdict == "degraded"])
def test_what_is_degraded_is_still_near_the_truth_within_its_uncertainty(tmp_path: Path, name: str) -> None:
    campaign = faulty(tmp_path, METER[name][0])
    truth = campaign.truth()
    inside = [
        abs(row.value - truth[f"{row.trial_id}.energy"]["actual"]["energy_gross_j"]) <= row.U
        for row in campaign.rows("energy_gross_j").itertuples()
    ]
    # 95 % intervals of nine trials: more than two outside would be one chance in a hundred.
    assert sum(inside) >= len(inside) - 2


def test_a_throttled_board_is_noticed_and_its_passes_really_are_slower(tmp_path: Path) -> None:
    passes = ("passes.counters=null", "analysis.figures=[]", "analysis.correlations=[]")
    healthy = faulty(tmp_path / "healthy", passes=passes, where="board")
    throttled = faulty(tmp_path / "hot", "{kind: throttling, slowdown: 2.0}", where="board", passes=passes)
    rows = throttled.rows("latency_s")
    assert set(rows["verdict"]) == {"degraded"}
    assert all("throttled" in codes for codes in rows["reasons"])
    assert (rows["value"].to_numpy() > 1.1 * healthy.rows("latency_s")["value"].to_numpy()).all()


def test_only_the_passes_that_were_hit_are_flagged(tmp_path: Path) -> None:
    campaign = faulty(tmp_path, "{kind: drops, passes: [t0001.*]}")
    rows = campaign.rows("energy_gross_j").set_index("trial_id")
    assert rows.loc["t0001", "verdict"] == "degraded"
    assert set(rows.drop("t0001")["verdict"]) == {"valid"}


def test_a_point_lives_on_with_the_repeats_that_are_left(tmp_path: Path) -> None:
    campaign = faulty(tmp_path, "{kind: unplug, passes: [t0001.*]}")
    lost = campaign.rows("energy_gross_j").set_index("trial_id").loc["t0001", "point_id"]
    point = campaign.points("energy_gross_j").set_index("point_id").loc[lost]
    assert (point["n"], point["n_invalid"]) == (2, 1)
    assert point["verdict"] == "degraded"
    assert "repeats_lost" in point["reasons"]


def test_with_a_placeholder_accuracy_no_interval_is_claimed(tmp_path: Path) -> None:
    campaign = run_study(
        tmp_path, *SHORT, *SMALL, *ENERGY_ONLY, "repeats=2", "bench:instruments.meter.accuracy.source=placeholder"
    )
    points = campaign.points("energy_gross_j")
    assert points["U"].isna().all()
    assert points["reasons"].str.contains("placeholder_accuracy").all()
    assert not campaign.results.budget.query("quantity == 'energy_gross_j'").empty
