"""No time, cycle or energy of an emulated board is ever stated, by whatever way it came; everything else is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from analysis_records import COUNTS, Campaign
from hypothesis import given
from hypothesis import strategies as st

from analysis.measured import measured
from analysis.process import Results, process, write
from analysis.single_inferences import inference_table
from analysis.uncertainty import Budget, Term
from analysis.withholding import CODE, SENTENCE, refusal, withheld
from lab.record.documents import Reading
from lab.record.quantity import Origin
from lab.record.reader import Record
from lab.record.timed import depends_on_time, is_clock_event
from lab.report.build import write_report
from lab.report.tables import budget_text, results_text

TIMED = ("latency_s", "energy_gross_j", "energy_net_j", "power_active_w", "edp_gross_js", "ed2p_net_js2", "cycles")
STATED = ("instructions", "page-faults", "inferences", "parameters")
FIGURES = [
    {"kind": "bars", "name": "latency", "quantity": "latency_s"},
    {"kind": "bars", "name": "cycle_figure", "quantity": "cycles"},
    {"kind": "table", "name": "energies", "quantity": "energy_net_j", "title": "A table of joules"},
    {"kind": "scatter", "name": "against_time", "x": "instructions", "y": "latency_s", "scale": "log"},
    {"kind": "bars", "name": "instructions", "quantity": "instructions"},
]
CORRELATIONS = [{"x": "instructions", "y": "latency_s"}, {"x": "instructions", "y": "page-faults"}]


def counted_cycles(readings: list[Reading]) -> list[Reading]:
    cycles = replace(readings[0], name="cycles")
    return [*readings, cycles, replace(cycles, name="task-clock", unit="s")]


def emulated(manifest: dict[str, Any]) -> None:
    """The board and all that watches it, as they are on an emulator: what the meter says is believed by nobody."""
    manifest["board"]["origin"] = manifest["origin"] = "emulated"
    manifest |= {"created_utc": "2024-01-02T03:04:05Z", "lab_version": "1", "overrides": []}
    manifest["instruments"]["meter"]["capabilities"]["origin"] = "measured"
    analysis = manifest["experiment"]["resolved"]["analysis"]
    analysis |= {"figures": FIGURES, "correlations": CORRELATIONS}
    for trial in manifest["plan"]["trials"]:
        for plan in trial["passes"]:
            if plan["kind"] == "counters":
                plan["events"] = [*plan["events"], "cycles", "task-clock"]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    points = [{"network": name, "compression": "none"} for name in "ABC"]
    campaign = Campaign(points=points, repeats=2, edit_manifest=emulated, edit_readings=counted_cycles)
    return campaign.write(tmp_path_factory.mktemp("emulated") / "record")


@pytest.fixture(scope="module")
def results(record: Record) -> Results:
    return process(record)


@pytest.mark.parametrize("quantity", TIMED)
def test_no_time_and_nothing_that_follows_from_one_has_a_value(results: Results, quantity: str) -> None:
    for table in (results.results, results.summary):
        rows = table[table["quantity"] == quantity]
        assert len(rows) >= 3
        assert rows["value"].isna().all()
        assert rows["U"].isna().all()
        assert rows["u"].isna().all()
        assert set(rows["verdict"]) == {"invalid"}
        assert set(rows["reasons"]) == {CODE}


def test_no_row_with_a_unit_of_time_or_energy_has_a_value(results: Results) -> None:
    for table in (results.results, results.summary):
        assert set(table[table["value"].notna()]["unit"]) <= {"1", "B", "%"}
    timed = [name for name in results.budget["quantity"] if depends_on_time(name)]
    assert timed == []


def test_what_an_emulator_does_know_is_stated_and_is_emulated(results: Results) -> None:
    rows = results.summary[results.summary["quantity"] == "instructions"]
    assert rows["value"].tolist() == pytest.approx([COUNTS["instructions"]] * 3)
    assert set(rows["origin"]) == {"emulated"}, "the weakest of instrument and board, though perf itself measures"
    assert set(rows["reasons"]) == {""}
    assert results.results[results.results["quantity"] == "inferences"]["value"].notna().all()


def test_correlations_with_a_time_are_not_made(results: Results) -> None:
    assert set(results.correlations["y"]) == {"page-faults"}
    assert results.speedups.empty


def test_no_table_of_single_inferences_is_written(record: Record) -> None:
    assert inference_table(record) is None


def test_the_report_shows_none_of_them_and_says_why(record: Record, results: Results) -> None:
    write(results, record.root)
    page = write_report(record.root, results).read_text(encoding="utf-8")
    assert SENTENCE in page
    text = re.sub(r"<(style|script)\b.*?</\1>|<pre>.*?</pre>", "", page, flags=re.DOTALL)
    cells = re.findall(r"<(?:td|th)[^>]*>(.*?)</t[dh]>", text, re.DOTALL)
    assert len(cells) > 10
    for unit in ("s", "ms", "µs", "ns", "J", "mJ", "µJ", "W", "mW", "J·s"):
        assert not [cell for cell in cells if re.search(rf"\d\S* {unit}\b", re.sub(r"<.*?>", "", cell))], unit
    heads = re.findall(r'<th class="n" title="([^"]*)"', text)
    assert "instructions" in heads
    assert not [name for name in heads if depends_on_time(name)]
    assert "A table of joules" not in text
    assert CODE not in text, "one sentence, no rows of reasons"
    shown = re.findall(r'<figure id="figure-([^"]*)"', text)
    assert shown == ["instructions"]
    assert f"“Latency per inference”: {SENTENCE}" in text
    assert f"Instructions against latency per inference: {SENTENCE}" in text
    assert {path.name for path in (record.root / "figures").iterdir()} == {"instructions.png", "instructions.svg"}


def test_the_terminal_shows_none_of_them_and_says_why(record: Record, results: Results) -> None:
    text = results_text(record.manifest, results)
    assert f"not stated: {SENTENCE}" in text
    assert "latency" not in text
    assert "energy" not in text.replace("energies", "")
    assert "instructions" in text
    assert not re.search(r"^cycles|\d m?[sJW]\b", text, re.MULTILINE)
    assert not any(name in budget_text(record.manifest, results) for name in ("Latency", "Energy"))


def test_a_real_board_with_an_emulated_counter_keeps_its_times(tmp_path: Path) -> None:
    def measured_board(manifest: dict[str, Any]) -> None:
        manifest["board"]["origin"] = "measured"
        manifest["instruments"]["perf"]["capabilities"]["origin"] = "emulated"

    summary = process(Campaign(edit_manifest=measured_board).write(tmp_path / "record")).summary
    rows = summary.set_index("quantity")
    assert rows.loc["latency_s", "value"] > 0
    assert rows.loc["latency_s", "origin"] == "measured"
    assert rows.loc["instructions", "value"] > 0
    assert rows.loc["instructions", "origin"] == "emulated"


def test_cycles_of_an_emulated_counter_are_withheld_on_a_real_board_too(tmp_path: Path) -> None:
    def emulator_beside_it(manifest: dict[str, Any]) -> None:
        emulated(manifest)
        manifest["board"]["origin"] = "measured"
        manifest["instruments"]["perf"]["capabilities"]["origin"] = "emulated"

    campaign = Campaign(edit_manifest=emulator_beside_it, edit_readings=counted_cycles)
    rows = process(campaign.write(tmp_path / "record")).summary.set_index("quantity")
    assert rows.loc["cycles", "reasons"] == CODE
    assert rows.loc["latency_s", "value"] > 0
    assert rows.loc["energy_net_j", "value"] > 0


@pytest.mark.parametrize(
    "event",
    [
        "cycles",
        "cycles:u",
        "cycles_process",
        "cpu-cycles",
        "cpu_cycles",
        "ref-cycles",
        "bus_cycles",
        "task-clock",
        "cpu-clock:u",
        "duration_time",
        "user_time",
        "stalled-cycles-backend",
        "stall_frontend",
        "armv8_cortex_a53/cpu_cycles/",
        "armv8_pmuv3/config=0x11/u",
        "r11",
        "r0011:u",
        "cpu/event=0x3c,umask=0x00/",
    ],
)
def test_clock_events_are_known_by_any_name(event: str) -> None:
    assert is_clock_event(event)
    assert depends_on_time(event)
    assert depends_on_time(event, "1")


@pytest.mark.parametrize(
    "name",
    [
        "instructions",
        "instructions:u",
        "L1-dcache-loads",
        "L1-dcache-load-misses",
        "page-faults",
        "page-faults_process",
        "r08",
        "r04",
        "r110",
        "branches",
        "l2d_cache_refill",
        "accuracy",
        "peak_rss_bytes",
        "parameters",
        "macs",
        "layer_fit_l1_pct",
        "inferences",
        "loss",
        "depth",
    ],
)
def test_what_does_not_depend_on_time(name: str) -> None:
    assert not depends_on_time(name)
    assert not depends_on_time(name, "1")


@given(st.text(min_size=1, max_size=20), st.sampled_from(["s", "J", "W", "J·s", "Hz", "1/s", "V", "A", "°C", "MB/s"]))
def test_whatever_a_program_calls_it_a_unit_of_time_is_withheld(name: str, unit: str) -> None:
    item = measured(name, 1.0, unit, pass_id="p", origin=Origin.EMULATED, budget=Budget((Term("repeats", 1.0, "A"),)))
    (taken,) = withheld([item], Origin.EMULATED)
    assert (taken.quantity.value, taken.quantity.reasons, taken.budget) == (None, (CODE,), None)
    assert withheld([measured(name, 1.0, unit, pass_id="p", origin=Origin.MEASURED)], Origin.MEASURED)[0].quantity.value


def test_a_figure_of_a_time_is_refused_on_an_emulated_board_only(results: Results) -> None:
    board = {"board": {"origin": "emulated"}}
    assert refusal(["instructions", "edp_gross_js"], board, results.summary) == SENTENCE
    assert refusal(["training_s"], board, results.summary.head(0)) == SENTENCE
    assert refusal(["instructions", "page-faults"], board, results.summary) == ""
    assert refusal(["latency_s"], {"board": {"origin": "measured"}}, results.summary) == ""
