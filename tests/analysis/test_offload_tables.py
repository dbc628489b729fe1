"""The tables of the offload model on a small campaign: costs, choices with their reasons, break-evens, origins."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from offload_campaign import ENERGIES, IDLE, LATENCIES, MEDIUM, SERVER, UNPRICED, manifest, scenario, summary

from analysis.offload.break_evens import ALWAYS, NEVER
from analysis.offload.grid import BYTE_ENERGY, furthest
from analysis.offload.medium import Payload
from analysis.offload.scenario import IdleState, Scenario, recorded_scenario, scenario_of
from analysis.offload.server import InferredServer, Latencies, LawTerm, RecordServer, latencies_from
from analysis.offload.tables import NO_INTERVAL, Offload, offload_of
from analysis.offload.write import write_tables
from lab.errors import DataError


def found(which: Scenario | None = None, frame: pd.DataFrame | None = None, **about: str) -> Offload:
    if frame is None:
        frame = summary(latency_s=LATENCIES, energy_gross_j=ENERGIES)
    result = offload_of(manifest(**about), frame, which or scenario())
    assert result is not None
    return result


def rows(frame: pd.DataFrame, **chosen: str) -> list[dict[str, Any]]:
    for name, value in chosen.items():
        frame = frame[frame[name] == value]
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def one(frame: pd.DataFrame, **chosen: str) -> dict[str, Any]:
    (row,) = rows(frame, **chosen)
    return row


def test_totals_are_the_equations() -> None:
    small, large = (one(found().totals, label=label, platform="slow") for label in ("small", "large"))
    assert small["sent_bytes"] == 100
    assert small["total_s"] == pytest.approx(0.004 + 0.020 + 100e-6)
    assert small["total_j"] == pytest.approx(small["total_s"] * 2.0 + 100e-7)
    assert large["network_share"] == pytest.approx(0.030 / 0.034)
    assert large["edp_js"] == pytest.approx(large["total_s"] * large["total_j"])


def test_thresholds_are_over_networks_not_over_points() -> None:
    row = one(found().thresholds, cost="latency")
    assert row["n"] == 2
    assert (row["min"], row["max"]) == pytest.approx((0.0241, 0.034))
    assert row["mean"] == pytest.approx(0.02905)
    assert row["sd"] == pytest.approx(np.std([0.0241, 0.034], ddof=1))


@pytest.mark.parametrize(
    ("label", "platform", "cost", "choice"),
    [
        ("small", "slow", "latency", "offload"),
        ("small", "fast", "latency", "local"),
        ("large", "slow", "latency", "undecided"),
        ("large", "fast", "latency", ""),
        ("small", "slow", "energy", "offload"),
        ("small", "fast", "energy", "local"),
        ("large", "slow", "energy", "offload"),
        ("large", "fast", "energy", "local"),
    ],
)
def test_decisions(label: str, platform: str, cost: str, choice: str) -> None:
    assert one(found().decisions, label=label, platform=platform, cost=cost)["choice"] == choice


def test_an_invalid_local_result_gives_no_decision_but_its_reason() -> None:
    row = one(found().decisions, label="large", platform="fast", cost="latency")
    assert row["reason"] == "no valid local value: throttled"
    assert math.isnan(row["local"])
    assert math.isnan(row["margin"])
    assert row["offloaded"] == pytest.approx(0.034)


def test_a_choice_without_an_interval_says_so() -> None:
    assert one(found().decisions, label="large", platform="fast", cost="energy")["reason"] == NO_INTERVAL
    assert one(found().decisions, label="small", platform="fast", cost="energy")["reason"] == ""


def test_a_medium_whose_bytes_have_no_price_decides_only_for_the_device() -> None:
    decided = found(scenario(UNPRICED)).decisions
    assert one(decided, label="small", platform="fast", cost="energy")["choice"] == "local"
    against = one(decided, label="small", platform="slow", cost="energy")
    assert (against["choice"], against["reason"]) == ("undecided", BYTE_ENERGY)
    assert one(decided, label="small", platform="slow", cost="latency")["choice"] == "offload"
    limit = one(found(scenario(UNPRICED)).break_evens, label="small", platform="slow", break_even="energy per byte")
    assert limit["value"] == pytest.approx((0.200 - 2.0 * 0.0241) / 100)


def test_break_evens_put_back_make_both_cost_the_same() -> None:
    table = found().break_evens

    def of(name: str, cost: str) -> dict[str, Any]:
        return one(table, label="small", platform="slow", break_even=name, cost=cost)

    assert of("local latency", "latency")["value"] == pytest.approx(0.0241)
    assert of("round trip", "latency")["value"] == pytest.approx(0.050 - 0.0041)
    assert of("upload bandwidth", "latency")["value"] == pytest.approx(100 / (0.050 - 0.024))
    assert of("batch", "latency")["value"] == 1
    assert of("idle power", "energy")["value"] == pytest.approx((0.200 - 1e-5) / 0.0241)
    assert of("round trip", "energy")["value"] == pytest.approx((0.200 - 1e-5) / 2.0 - 0.0041)
    assert of("request rate", "energy")["note"] == ALWAYS


def test_the_interval_of_a_break_even_is_where_nothing_is_decided() -> None:
    row = one(found().break_evens, label="small", platform="slow", break_even="idle power")
    for power, undecided in ((row["low"], True), (row["high"], True), (0.98 * row["low"], False)):
        moved = found(scenario(idle=IdleState(name="idle", power_w=float(power))))
        decision = one(moved.decisions, label="small", platform="slow", cost="energy")
        inside = abs(decision["margin"]) <= decision["U_margin"] * (1 + 1e-9)
        assert inside == undecided
    assert row["low"] < row["value"] < row["high"]


def test_what_never_pays_says_so_instead_of_a_number() -> None:
    row = one(found().break_evens, label="small", platform="fast", break_even="upload bandwidth", cost="latency")
    assert row["note"] == NEVER
    assert math.isnan(row["value"])


def test_a_link_that_draws_power_all_the_time_needs_requests() -> None:
    kept = scenario(replace(MEDIUM, keep_alive_w=0.1))
    row = one(found(kept).break_evens, label="small", platform="slow", break_even="request rate")
    gain = 0.200 - 0.050 * 2.0 - 1e-5
    assert row["value"] == pytest.approx(0.1 / gain)
    assert row["low"] < row["value"] < row["high"]
    assert "sustain" not in row["note"]
    hungry = scenario(replace(MEDIUM, keep_alive_w=500.0))
    note = one(found(hungry).break_evens, label="small", platform="slow", break_even="request rate")["note"]
    assert "sustain" in note


def test_the_best_way_and_those_not_told_apart_from_it() -> None:
    best = one(found().best, label="small", cost="latency")
    assert (best["best"], best["not_told_apart"]) == ("fast", "")
    tied = one(found().best, label="large", cost="latency")
    assert {tied["best"], tied["not_told_apart"]} == {"slow", "cable server"}
    assert tied["left_out"] == "fast (throttled)"
    bound = one(found(scenario(UNPRICED)).best, label="small", cost="energy")
    assert (bound["best"], bound["left_out"]) == ("fast", "air server (lower bound)")


# -------------------------------------------------------------------------------------------- servers and idle


def test_a_law_needs_what_it_grows_with() -> None:
    law = InferredServer(name="server", terms=(LawTerm("macs", 1e9, 0.008, 1.0),))
    macs = dict.fromkeys(LATENCIES, (2e9, None))
    with_macs = found(scenario(server=law), summary(latency_s=LATENCIES, macs=macs)).totals
    assert set(with_macs["remote_s"]) == {0.016}
    assert set(with_macs["assumed"]) == {"medium;payload;server (inferred);idle power"}
    without = found(scenario(server=law)).decisions
    assert set(without["choice"]) == {""}
    assert any(row["reason"] == "the record has no macs of this network" for row in without.to_dict("records"))


def served(**chosen: Any) -> tuple[RecordServer, Latencies]:
    """A server that a second record of the same networks stands for."""
    server = RecordServer(name="server", record="other", **chosen)
    frame = summary(
        latency_s={("small", "slow"): (0.003, 0.0002), ("large", "slow"): (0.006, 0.0004)}, origin="replayed"
    )
    return server, server.latencies_in(manifest(), frame)


def test_measured_servers_bring_their_uncertainty_and_their_origin() -> None:
    server, known = served()
    assert latencies_from(json.loads(json.dumps(known.to_json()))) == known
    result = found(scenario(server=server).with_latencies({"server": known}))
    total = one(result.totals, label="large", platform="slow")
    assert (total["remote_s"], total["U_total_s"]) == (0.006, 0.0004)
    assert total["U_total_j"] == pytest.approx(2.0 * 0.0004)
    assert (total["origin"], total["assumed"]) == ("replayed", "medium;payload;idle power")
    decision = one(result.decisions, label="large", platform="slow", cost="latency")
    assert decision["U_margin"] == pytest.approx(math.hypot(0.002, 0.0004))
    assert decision["origin"] == "replayed", "the further of measured here and replayed there"
    limit = one(result.break_evens, label="large", platform="slow", break_even="local latency")
    assert (limit["low"], limit["high"]) == pytest.approx((0.0356, 0.0364))


def test_a_server_that_lacks_a_network_leaves_it_undone() -> None:
    server, known = served(only={"network": ("small",)})
    result = found(scenario(server=server).with_latencies({"server": known}))
    row = one(result.decisions, label="large", platform="slow", cost="latency")
    assert (row["choice"], row["reason"]) == ("", "record made-by-hand has no latency of large")
    (threshold,) = rows(result.thresholds, cost="latency")
    assert threshold["n_missing"] == 1
    assert math.isnan(threshold["mean"]), "one network makes no threshold"


def test_servers_are_matched_by_factors_if_asked() -> None:
    server, known = served(match=("size",))
    result = found(scenario(server=server).with_latencies({"server": known}))
    assert one(result.totals, label="small", platform="fast")["remote_s"] == 0.003


def test_a_record_without_the_factor_says_so() -> None:
    _, known = served(only={"device": ("GPU",)})
    assert known.missing == "record made-by-hand has no factor 'device'"


def test_the_records_own_idle_power() -> None:
    own = IdleState(name="own", power_w=None)
    powers = {("small", "slow"): (1.5, 0.1), ("small", "fast"): (None, None)}
    frame = summary(latency_s=LATENCIES, energy_gross_j=ENERGIES, power_idle_w=powers)
    result = found(scenario(idle=own), frame)
    row = one(result.totals, label="small", platform="slow")
    assert row["total_j"] == pytest.approx(0.0241 * 1.5 + 1e-5)
    assert row["U_total_j"] == pytest.approx(0.0241 * 0.1)
    assert (row["origin"], row["assumed"]) == ("measured", "medium;payload;server")
    without = one(result.decisions, label="small", platform="fast", cost="energy")
    assert (without["choice"], without["reason"]) == ("", "the record has no idle power here")
    assert one(result.decisions, label="small", platform="fast", cost="latency")["choice"] == "local"


def test_a_payload_whose_size_nobody_gives() -> None:
    lost = scenario(payload=Payload(bytes_per_pixel=1.0, side="{input}"))
    row = one(found(lost).decisions, label="small", platform="slow", cost="latency")
    assert "no factor or setting 'input'" in row["reason"]
    fixed = scenario(payload=Payload(header_bytes=500.0, result_bytes=10.0))
    assert set(found(fixed).totals["sent_bytes"]) == {500.0}


# ------------------------------------------------------------------------------------------- origins and files


def test_the_furthest_origin_wins() -> None:
    assert furthest(["measured", "simulated", "replayed"]) == "simulated"
    assert furthest(["simulated", "assumed"]) == "assumed"
    assert furthest(["", ""]) == ""


def test_constants_alone_are_assumed_and_everything_is_stamped_with_it() -> None:
    result = found(frame=summary("simulated", latency_s=LATENCIES))
    assert set(result.totals["origin"]) == {"assumed"}
    assert set(result.decisions["origin"]) == {"simulated"}
    assert (result.decisions["assumed"] != "").all()
    assert result.grid.origins == ("simulated", "assumed")


def test_points_that_share_a_label_are_told_apart() -> None:
    """Where no factor colours the figures, the platforms of a network are networks of their own."""
    about = manifest()
    about["experiment"]["resolved"]["analysis"].pop("hue")
    result = offload_of(about, summary(latency_s=LATENCIES), scenario())
    assert result is not None
    assert list(result.grid.labels) == ["small (slow)", "small (fast)", "large (slow)", "large (fast)"]


def test_without_latency_and_energy_there_is_nothing_to_hold_against_offloading() -> None:
    assert offload_of(manifest(), summary(power_idle_w={("small", "slow"): (1.0, 0.1)}), scenario()) is None
    assert offload_of(manifest(), summary(), scenario()) is None


def test_tables_as_files_are_the_same_each_time_and_hold_no_infinity(tmp_path: Path) -> None:
    result = found(scenario(MEDIUM, UNPRICED))
    paths = write_tables(result, tmp_path / "new" / "folder")
    first = {path: path.read_bytes() for path in paths}
    assert write_tables(found(scenario(MEDIUM, UNPRICED)), tmp_path / "new" / "folder") == paths
    assert {path: path.read_bytes() for path in paths} == first
    assert len(paths) == 10
    for frame in result.frames.values():
        numbers = frame.select_dtypes("number").to_numpy(dtype=float)
        assert not np.isinf(numbers).any()


def test_what_a_manifest_keeps_reads_back() -> None:
    resolved = {
        "offload": "kept",
        "payload": {"kind": "fixed", "sent": 100, "result": 4},
        "media": {"cable": {"latency": 0.01, "latency_is": "one_way", "up": 1e6, "down": 1e6}},
        "servers": {"server": {"kind": "record", "record": "other"}},
        "idle": {"idle": {"power": 2.0, "from_record": False}},
    }
    _, known = served()
    kept = {"offload": {"resolved": resolved, "servers": {"server": known.to_json()}}}
    result = recorded_scenario(kept)
    assert result is not None
    assert result.servers[0].remote(found().grid.points[0]).latency_s == 0.003
    assert recorded_scenario({}) is None
    damaged: list[dict[str, Any]] = [
        {"path": "x"},
        {"resolved": {}},
        {"resolved": {**resolved, "media": []}},
        {"resolved": resolved, "servers": [1]},
        {"resolved": resolved, "servers": {"server": {"points": 3}}},
    ]
    for part in damaged:
        with pytest.raises(DataError, match="damaged"):
            recorded_scenario({"offload": part})
    with pytest.raises(DataError, match="damaged"):
        scenario_of({**resolved, "servers": {"server": {"kind": "oracle"}}})


def test_constants_are_those_of_the_scenario() -> None:
    grid = found().grid
    assert (grid.scenario.servers[0], grid.scenario.idle[0]) == (SERVER, IDLE)
    assert grid.shape == (4, 1, 1, 1)
