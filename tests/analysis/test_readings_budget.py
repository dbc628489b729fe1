"""A record watched by meters of readings: every quantity with its budget, its verdict and its source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from readings_records import INFERENCES, Board, Campaign, Meter

from analysis.figures.budget import shares_of
from analysis.figures.data import matrix_of
from analysis.process import Results, process
from lab.record.traces.readings import Channel, ReadingsWriter, read_readings
from lab.report.tables import budget_text

COUNTER = Meter("counter", update_s=0.1, asked_s=0.005, question_s=2e-3)
POLLED = Meter("polled")
BOARD = Board()
GROSS_J = BOARD.active_w * BOARD.window_s / INFERENCES
NET_J = (BOARD.active_w - BOARD.idle_w) * BOARD.window_s / INFERENCES


def processed(tmp_path: Path, meter: Meter = COUNTER, **differences: Any) -> Results:
    return process(Campaign(meter, **differences).write(tmp_path / "record"))


def cell(frame: pd.DataFrame, quantity: str, source: str = "meter") -> pd.Series:
    chosen = frame[(frame["quantity"] == quantity) & (frame["source"] == source)]
    assert len(chosen) == 1, quantity
    return chosen.iloc[0]


def terms(results: Results, quantity: str, source: str = "meter") -> dict[str, Any]:
    rows = results.budget[(results.budget["quantity"] == quantity) & (results.budget["source"] == source)]
    return {row["term"]: row for row in rows.to_dict("records")}


@pytest.mark.parametrize("meter", [COUNTER, POLLED], ids=["counter", "polled"])
def test_every_quantity_of_a_pass_comes_back_with_an_interval(tmp_path: Path, meter: Meter) -> None:
    results = processed(tmp_path, meter, trials=3)
    expected = {
        "energy_gross_j": GROSS_J,
        "energy_net_j": NET_J,
        "power_active_w": BOARD.active_w,
        "power_idle_w": BOARD.idle_w,
        "window_s": BOARD.window_s,
    }
    for quantity, value in expected.items():
        row = cell(results.summary, quantity)
        assert row["value"] == pytest.approx(value, rel=0.04), quantity
        assert abs(row["value"] - value) <= 1.5 * row["U"]
        assert (row["verdict"], row["origin"], row["scope"], row["n"]) == ("valid", "measured", "gpu", 3), row[
            "reasons"
        ]


def test_the_terms_of_a_counter(tmp_path: Path) -> None:
    results = processed(tmp_path)
    gross, net = terms(results, "energy_gross_j"), terms(results, "energy_net_j")
    assert gross["gain P"]["u"] == pytest.approx(0.01 * GROSS_J / 3**0.5, rel=0.03)
    assert gross["offset P"]["u"] == pytest.approx(0.05 * BOARD.window_s / INFERENCES / 3**0.5, rel=1e-3)
    assert 0.0 < gross["update period"]["u"] <= GROSS_J * 0.1 / (6**0.5 * BOARD.window_s) * 1.05
    assert net["offset P"]["u"] == 0.0
    # Net of idle the window waits for edges, beyond its ends.
    assert net["update period"]["u"] < 1e-3 * NET_J
    assert "padded" in net["window edges"]["note"]
    # An energy that is counted needs no clock; the power it makes does.
    assert "timebase" not in gross
    assert terms(results, "power_active_w")["timebase"]["u"] > 0.0
    assert set(net) >= {"counter edges", "resolution", "idle noise", "idle drift", "padding"}


def test_the_terms_of_polled_power(tmp_path: Path) -> None:
    results = processed(tmp_path, POLLED)
    gross, net = terms(results, "energy_gross_j"), terms(results, "energy_net_j")
    named = {"gain P", "offset P", "timebase", "window edges", "sampling", "reading interval", "read instants"}
    assert set(gross) == named
    assert set(net) == named | {"idle noise", "idle drift", "padding"}
    scatter_w = BOARD.active_noise_w / np.sqrt(BOARD.window_s / POLLED.asked_s)
    assert gross["sampling"]["u"] == pytest.approx(scatter_w * BOARD.window_s / INFERENCES, rel=0.3)


def test_the_comparison_leaves_the_gain_out(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, replace(COUNTER, gain_p=0.03)).summary, "energy_net_j")
    assert row["U_comparison"] < 0.7 * row["U"]


def test_what_the_repeats_cannot_show_counts_beside_their_scatter(tmp_path: Path) -> None:
    """A step at the window's end is misplaced the same way in every repeat."""
    found = terms(processed(tmp_path, trials=3), "energy_gross_j")
    assert found["update period"]["counted"]
    assert not found["counter edges"]["counted"]


def test_the_budget_is_shown_and_drawn_term_by_term(tmp_path: Path) -> None:
    record = Campaign(COUNTER, trials=2).write(tmp_path / "record")
    results = process(record)
    text = budget_text(record.manifest, results)
    for name in ("update period", "counter edges", "gain P", "padding", "resolution"):
        assert name in text.lower() or name in text, name
    assert "padded by" in text
    rows = shares_of(results.budget, results.summary, matrix_of(record.manifest), "energy_gross_j")
    assert [set(row.shares) >= {"update period", "gain P"} for row in rows] == [True]


def test_a_placeholder_claims_nothing(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, source="placeholder").results, "energy_net_j")
    assert pd.isna(row["U"])
    assert row["u"] > 0.0
    assert row["reasons"] == "placeholder_accuracy"


def test_two_meters_of_one_board_have_rows_of_their_own(tmp_path: Path) -> None:
    results = processed(tmp_path, trials=2, meters=[("second", POLLED)])
    for source in ("meter", "second"):
        row = cell(results.summary, "energy_net_j", source)
        assert row["value"] == pytest.approx(NET_J, rel=0.05)
        assert row["n"] == 2
    assert "update period" in terms(results, "energy_gross_j", "meter")
    assert "update period" not in terms(results, "energy_gross_j", "second")
    assert "sampling" in terms(results, "energy_gross_j", "second")


@pytest.mark.parametrize("meter", [COUNTER, POLLED, Meter("sampled")], ids=["counter", "polled", "sampled"])
def test_a_program_that_is_measured_as_a_whole_is_its_own_window(tmp_path: Path, meter: Meter) -> None:
    results = processed(tmp_path, meter, per_process=True).results
    assert cell(results, "energy_process_net_j")["value"] == pytest.approx(NET_J * INFERENCES, rel=0.05)
    assert cell(results, "window_s")["value"] == pytest.approx(BOARD.window_s, rel=0.01)
    assert cell(results, "energy_process_net_j")["verdict"] == "valid"


def test_program_marks_are_no_window_where_inferences_are_counted(tmp_path: Path) -> None:
    def per_inference(manifest: dict[str, Any]) -> None:
        manifest["experiment"]["resolved"]["workload"]["per"] = "inference"

    row = cell(processed(tmp_path, per_process=True, edit_manifest=per_inference).results, "energy_net_j")
    assert pd.isna(row["value"])
    assert "no_window" in row["reasons"]


def test_without_marks_there_is_no_window(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, no_marks=True).results, "energy_gross_j")
    assert pd.isna(row["value"])
    assert "no_window" in row["reasons"]


def test_without_a_program_all_readings_are_the_window(tmp_path: Path) -> None:
    def observed(manifest: dict[str, Any]) -> None:
        manifest["workload"]["kind"] = "observe"
        manifest["experiment"]["resolved"]["workload"] = {"kind": "observe"}
        manifest["plan"]["trials"][0]["passes"][0]["idle_s"] = 0.0

    campaign = Campaign(COUNTER, no_marks=True, edit_manifest=observed)
    row = cell(process(campaign.write(tmp_path / "record")).results, "energy_recorded_j")
    truth = campaign.truths[0]
    assert row["verdict"] == "valid", row["reasons"]
    assert row["coverage"] == 1.0
    assert row["value"] == pytest.approx(truth.energy_j[-1], rel=0.06)


# ------------------------------------------------------------------------------------------------- what is doubtful


def without(first_s: float, last_s: float) -> Any:
    return lambda at: at[(at < first_s) | (at > last_s)]


def test_a_silence_in_the_window_lowers_the_coverage_and_is_said(tmp_path: Path) -> None:
    results = processed(tmp_path, POLLED, asked=without(3.5, 3.65), faults=[("readings_sparse", "meter")])
    row = cell(results.results, "energy_gross_j")
    assert (row["verdict"], row["reasons"]) == ("degraded", "readings_sparse")
    assert 0.9 < row["coverage"] < 0.94
    assert row["value"] == pytest.approx(GROSS_J, rel=0.04)
    assert "gap" in terms(results, "energy_gross_j")
    # What lies outside of the silence is sound.
    assert cell(results.results, "power_idle_w")["verdict"] == "valid"


def test_a_silence_that_is_too_long_is_no_measurement(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, POLLED, asked=without(3.2, 4.2)).results, "energy_gross_j")
    assert (row["verdict"], row["reasons"]) == ("invalid", "readings_sparse;coverage_too_low")


def test_a_counter_goes_on_counting_while_nobody_asks(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, asked=without(3.2, 4.2)).results, "energy_gross_j")
    assert (row["verdict"], row["coverage"]) == ("valid", 1.0)
    assert abs(row["value"] - GROSS_J) <= 1.5 * row["U"]


def test_a_window_that_ends_while_nobody_asks_is_open_by_all_of_that(tmp_path: Path) -> None:
    plain, silent = processed(tmp_path), processed(tmp_path / "..", asked=without(2.2, 3.4))
    rows = [cell(results.results, "energy_gross_j") for results in (plain, silent)]
    assert [row["reasons"] for row in rows] == ["", "readings_sparse"]
    assert rows[1]["u"] > 3.0 * rows[0]["u"]


def test_a_counter_that_stands_still_is_no_zero(tmp_path: Path) -> None:
    frozen = Meter("counter", gain_p=0.0, offset_p_w=0.0, quantum_j=1e9, update_s=0.1)
    results = processed(tmp_path, frozen).results
    for quantity in ("energy_gross_j", "energy_net_j", "power_active_w", "power_idle_w"):
        row = cell(results, quantity)
        assert pd.isna(row["value"])
        assert row["verdict"] == "invalid"
        assert "meter_stale" in row["reasons"]


def test_a_window_of_a_few_update_periods_is_doubtful(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, board=Board(window_s=0.4)).results, "energy_gross_j")
    assert (row["verdict"], row["reasons"]) == ("degraded", "window_short")


def test_too_few_readings_of_idle_give_no_net_energy(tmp_path: Path) -> None:
    row = cell(processed(tmp_path, board=Board(idle_s=0.5)).results, "energy_net_j")
    assert pd.isna(row["value"])
    assert row["reasons"] == "idle_too_short"


def test_the_program_at_work_before_the_window_is_not_padded_over(tmp_path: Path) -> None:
    results = processed(tmp_path, board=Board(load_s=0.6))
    found = terms(results, "energy_net_j")
    assert "not idle beside the window" in found["window edges"]["note"]
    assert found["update period"]["u"] > 0.01 * NET_J
    assert abs(cell(results.results, "energy_net_j")["value"] - NET_J) <= cell(results.results, "energy_net_j")["U"]


@pytest.mark.parametrize(("factor", "code"), [(1.0, ""), (1.3, "statistics_disagree")])
def test_samples_of_power_check_the_counter(tmp_path: Path, factor: float, code: str) -> None:
    """The record's trace is written anew with a second channel."""
    campaign = Campaign(COUNTER)
    record = campaign.write(tmp_path / "record")
    path = next((tmp_path / "record" / "traces").glob("*.readings.csv"))
    before, truth = read_readings(path), campaign.truths[0]
    counter = before.channels["energy"]
    channels = {"energy": counter.channel, "power": Channel(measures="power", cross_check=True, averaged_s=0.1)}
    with ReadingsWriter(path, 0, channels) as writer:
        for begin, end, value in zip(counter.begin_ns, counter.end_ns, counter.value, strict=True):
            writer.write("energy", int(begin), int(end), round(value / counter.channel.scale))
            watts = truth.mean_power(np.array([max(begin / 1e9, 0.1)]), 0.1)[0] * factor
            writer.write("power", int(end), int(end), float(watts))
    assert cell(process(record).results, "energy_gross_j")["reasons"] == code
