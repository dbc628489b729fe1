"""The page of a pass: complete in itself, true to the trace, and plain about what is wrong."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from view_traces import FAULTS, Faulty, Page, write_jls

from analysis.energy import stretch_energy
from analysis.figures.view import draw_view
from analysis.process import process
from analysis.view.build import view_file, view_pass
from analysis.view.passes import pass_states
from lab.errors import DataError
from lab.record.documents import Mark
from lab.record.reader import PassData, Record
from lab.record.reasons import REASONS
from lab.record.traces import open_trace
from lab.record.traces.jls_writer import JlsWriter
from lab.record.traces.readings import Channel, ReadingsWriter
from lab.report.view import render_view, summary

PASS = "t0001.energy"

REASON_OF = {
    "drops": "samples_dropped",
    "a third dropped": "coverage_too_low",
    "drift": "idle_drift",
    "saturation": "saturated",
    "range change": "range_changed",
    "unplug": "meter_unplugged",
    "edge jitter": "edge_jitter",
}


def page_of(record: Record, **options: Any) -> Page:
    return Page(render_view(view_pass(record, PASS, **options)))


@pytest.mark.parametrize("name", FAULTS)
def test_the_verdict_is_that_of_the_results(faulty: Faulty, name: str) -> None:
    record = faulty(name)
    rows = process(record).results
    own = rows[rows["pass_id"] == PASS]
    order = ["valid", "degraded", "invalid"]
    worst = max(own["verdict"], key=order.index)
    view = view_pass(record, PASS)
    assert view.verdict == worst
    codes = {code for cell in own["reasons"] for code in str(cell).split(";") if code and cell == cell}
    assert {item.code for item in view.findings if item.hits} == codes


@pytest.mark.parametrize("name", REASON_OF)
def test_a_fault_is_named_explained_and_placed(faulty: Faulty, name: str) -> None:
    code = REASON_OF[name]
    view = view_pass(faulty(name), PASS)
    (finding,) = [item for item in view.findings if item.code == code]
    text = html.unescape(render_view(view))
    assert REASONS[code].text in text
    assert REASONS[code].advice in text
    assert finding.details, "what was seen is said"
    assert finding.places, "and where"
    (meter,) = view.meters
    for _, begin, end in finding.places:
        assert 0 <= begin <= end <= max(meter.length, meter.expected_end or 0)
    assert text.count("data-jump=") >= len(finding.places[:4])
    assert "SIMULATED" in text


def test_a_sound_pass_says_so(faulty: Faulty) -> None:
    view = view_pass(faulty("none"), PASS)
    assert view.findings == ()
    text = render_view(view)
    assert "nothing was seen that speaks against its results" in text
    assert "✓ VALID" in text
    assert "±" in text


@pytest.mark.parametrize("name", ["none", "a third dropped"])
def test_the_page_needs_nothing_from_anywhere(faulty: Faulty, name: str) -> None:
    text = page_of(faulty(name)).text
    assert not re.search(r"""(?:src|href)\s*=|@import|url\(|https?:|//cdn|fetch\(|XMLHttpRequest|import\(""", text)
    assert len(text) < 5_000_000


def test_the_page_holds_the_very_samples(faulty: Faulty) -> None:
    record = faulty("drops")
    data = record.passes()[PASS]
    page = page_of(record)
    (meter,) = page.data["meters"]
    (tile,) = meter["tiles"]
    assert (tile["start"], tile["per"]) == (0, 1)
    with open_trace(record.root, data.end.traces[0]) as trace:
        assert tile["stop"] == meter["length"] == trace.length
        for channel in ("current", "voltage"):
            held = page.array(tile["series"][channel]["value"])
            np.testing.assert_array_equal(held, trace.read(channel, 0, trace.length))
    gaps = list(
        zip(page.array(meter["gaps"]["start"]).tolist(), page.array(meter["gaps"]["stop"]).tolist(), strict=True)
    )
    assert gaps == [(float(a), float(b)) for a, b in data.end.traces[0].gaps]


def test_a_thinned_page_keeps_the_extremes_and_the_energy(faulty: Faulty) -> None:
    record = faulty("none")
    data = record.passes()[PASS]
    page = page_of(record, budget_bytes=20_000)
    overview, *finer = page.data["meters"][0]["tiles"]
    assert overview["per"] > 1
    assert finer
    assert {tile["per"] for tile in finer} >= {1}
    with open_trace(record.root, data.end.traces[0]) as trace:
        power = trace.read("current", 0, trace.length).astype(np.float64) * trace.read("voltage", 0, trace.length)
    packed = overview["series"]["power"]
    low, mean, high = (page.array(packed[name]).astype(np.float64) for name in ("low", "mean", "high"))
    assert low.min() == np.float32(power.min())
    assert high.max() == np.float32(power.max())
    assert packed["partly"] == []
    sizes = np.full(mean.size, overview["per"])
    sizes[-1] = overview["stop"] - (mean.size - 1) * overview["per"]
    assert (mean * sizes).sum() == pytest.approx(power.sum(), rel=1e-7)


def test_a_stretch_that_is_asked_for_is_there_sample_by_sample(faulty: Faulty) -> None:
    page = page_of(faulty("none"), stretch=(2.0, 2.1), budget_bytes=20_000)
    assert page.data["stretch"] == [2.0, 2.1]
    tiles = page.data["meters"][0]["tiles"]
    assert any(tile["per"] == 1 and tile["start"] <= 2000 and tile["stop"] >= 2100 for tile in tiles)
    with pytest.raises(DataError, match="nothing lies between 50 s"):
        view_pass(faulty("none"), PASS, stretch=(50.0, 51.0))


def test_stretches_are_those_of_the_analysis(faulty: Faulty) -> None:
    record = faulty("none")
    view = view_pass(record, PASS)
    spans = {item.name: item for item in view.meters[0].spans}
    assert list(spans) == ["idle_before", "warmup", "window", "idle_after"]
    window = spans["window"]
    with open_trace(record.root, record.passes()[PASS].end.traces[0]) as trace:
        energy = stretch_energy(trace, window.begin, window.end)
    assert energy is not None
    assert (window.energy_j, window.coverage) == (pytest.approx(energy.energy_j, rel=1e-12), 1.0)
    results = {item.quantity.name: item.quantity.value for item in view.quantities}
    assert window.power_w == pytest.approx(results["power_active_w"], rel=1e-12)


def test_an_unplugged_meter_shows_what_was_never_recorded(faulty: Faulty) -> None:
    (meter,) = view_pass(faulty("unplug"), PASS).meters
    assert meter.expected_end is not None
    assert meter.expected_end > 1.9 * meter.length
    (window,) = [item for item in meter.spans if item.name == "window"]
    assert not window.complete
    assert window.end == meter.length


def test_saturated_samples_are_told_by_the_reading_they_stop_at(faulty: Faulty) -> None:
    record = faulty("saturation")
    (meter,) = view_pass(record, PASS).meters
    with open_trace(record.root, record.passes()[PASS].end.traces[0]) as trace:
        assert meter.limits == {"current": float(trace.read("current", 0, trace.length).max())}


class _Changed(Record):
    """A record in which something of a pass is otherwise."""

    change: dict[str, Any]

    def passes(self) -> dict[str, PassData]:
        return {name: replace(data, **self.change) for name, data in super().passes().items()}


def changed(record: Record, **change: Any) -> Record:
    other = _Changed(record.root, record.manifest)
    other.change = change
    return other


def test_a_line_without_edges_is_named(faulty: Faulty) -> None:
    record = faulty("none")
    data = record.passes()[PASS]
    write_jls(record.root / "traces" / "flat.jls", np.ones(4000))
    try:
        flat = replace(data.end, traces=(replace(data.end.traces[0], path="traces/flat.jls", samples=4000),))
        view = view_pass(changed(record, end=flat, marks=()), PASS)
    finally:
        (record.root / "traces" / "flat.jls").unlink()
    (finding,) = [item for item in view.findings if item.code == "no_window"]
    assert finding.details == (("meter", "no edges on gpi0 (window): the line stayed low"),)
    assert Page(render_view(view)).data["meters"][0]["noWindow"]


def test_texts_of_a_record_are_escaped(faulty: Faulty) -> None:
    record = faulty("drops")
    data = record.passes()[PASS]
    nasty = tuple(replace(fault, detail="</script><script>alert(1)</script>") for fault in data.faults)
    text = render_view(view_pass(changed(record, faults=nasty), PASS))
    assert "<script>alert" not in text
    mark = Mark(pass_id=PASS, attempt=1, instrument="meter", name="</script><b>_begin", sample=5.0)
    text = render_view(view_pass(changed(record, marks=(*data.marks, mark)), PASS))
    assert "</script><b>" not in text


def test_meters_whose_clocks_nothing_ties_have_axes_of_their_own(faulty: Faulty) -> None:
    record = faulty("none")
    data = record.passes()[PASS]
    (ref,) = data.end.traces
    two = replace(data.end, traces=(ref, replace(ref, instrument="other")))
    page = Page(render_view(view_pass(changed(record, end=two, clocks=()), PASS)))
    assert page.data["groups"] == [["meter"], ["other"]]
    assert "a time axis of its own" in page.text


def test_meters_with_clocks_share_an_axis(faulty: Faulty) -> None:
    from lab.record.documents import TraceClock

    record = faulty("none")
    data = record.passes()[PASS]
    (ref,) = data.end.traces
    two = replace(data.end, traces=(ref, replace(ref, instrument="other")))

    def clock(name: str, first_ns: int, length_ns: int) -> TraceClock:
        anchors = ((0.0, first_ns), (float(ref.samples), first_ns + length_ns))
        return TraceClock(pass_id=PASS, attempt=1, instrument=name, anchors=anchors, bound_s=1e-4, method="utc")

    length_ns = round(ref.samples / ref.rate_hz * 1e9)
    # The other one began a quarter of a second later, and runs slow by 100 ppm.
    clocks = (clock("meter", 10**12, length_ns), clock("other", 10**12 + 250_000_000, round(length_ns * 1.0001)))
    view = view_pass(changed(record, end=two, clocks=clocks), PASS)
    first, second = view.meters
    assert (first.group, second.group) == (0, 0)
    assert first.zero_s == 0.0
    assert second.zero_s == pytest.approx(0.25, abs=1e-6)
    assert second.sample_s == pytest.approx(first.sample_s * 1.0001, rel=1e-9)


def test_one_damaged_trace_does_not_hide_the_other(faulty: Faulty) -> None:
    record = faulty("none")
    data = record.passes()[PASS]
    (ref,) = data.end.traces
    two = replace(data.end, traces=(replace(ref, instrument="lost", path="traces/none.jls"), ref))
    text = render_view(view_pass(changed(record, end=two), PASS))
    assert "lost cannot be shown" in text
    gone = replace(data.end, traces=(replace(ref, path="traces/none.jls"),))
    with pytest.raises(DataError, match="cannot read"):
        view_pass(changed(record, end=gone), PASS)
    outside = replace(data.end, traces=(replace(ref, path="../../x.jls"),))
    with pytest.raises(DataError, match="outside itself"):
        view_pass(changed(record, end=outside), PASS)


def test_a_pass_that_left_no_trace_says_why(faulty: Faulty) -> None:
    record = faulty("unplug")
    none = replace(record.passes()[PASS].end, traces=())
    with pytest.raises(DataError, match=r"left no trace .*meter_unplugged"):
        view_pass(changed(record, end=none), PASS)


def test_the_worst_pass_comes_first(faulty: Faulty) -> None:
    record = faulty("unplug")
    states = pass_states(record)
    assert [item.verdict for item in states] == ["invalid", "invalid"]
    table = record.root / "results.csv"
    table.write_text("pass_id,verdict,reasons\nt0001.energy,valid,\nt0002.energy,degraded,idle_drift;throttled\n")
    try:
        assert [(item.pass_id, item.verdict) for item in pass_states(record)] == [
            ("t0002.energy", "degraded"),
            ("t0001.energy", "valid"),
        ]
        table.write_text("pass_id,verdict,reasons\nt0001.energy,splendid,\n")
        assert pass_states(record) == states, "a damaged table is no reason to fail"
    finally:
        table.unlink()


def test_a_bare_file(tmp_path: Path) -> None:
    path = write_jls(tmp_path / "a.jls", np.r_[np.ones(500), np.full(500, 2.0)])
    view = view_file(path)
    assert (view.verdict, view.origins) == (None, ())
    assert "ORIGIN UNKNOWN" in render_view(view)
    assert view.meters[0].length == 1000


def test_a_bare_file_of_a_simulated_meter_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jls"
    with JlsWriter(path, source="simulated JS220", serial="S", rate_hz=1000.0, channels=("current", "voltage")) as file:
        for channel in ("current", "voltage"):
            file.write(channel, 0, np.ones(1000, dtype=np.float32))
    view = view_file(path)
    assert view.origins == ("simulated",)
    page = render_view(view)
    assert "SIMULATED" in page
    assert "ORIGIN UNKNOWN" not in page


def test_nothing_but_a_gap(tmp_path: Path) -> None:
    view = view_file(write_jls(tmp_path / "a.jls", np.full(3000, np.nan)))
    assert "not one sample of its power is there" in render_view(view)
    draw_view(view)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_very_short_traces(tmp_path: Path, size: int) -> None:
    view = view_file(write_jls(tmp_path / "a.jls", np.ones(size)))
    assert Page(render_view(view)).data["meters"][0]["length"] == size
    draw_view(view)


@pytest.mark.parametrize("name", ["none", "a third dropped", "unplug", "saturation", "edge jitter"])
def test_the_picture_says_the_same(faulty: Faulty, name: str) -> None:
    view = view_pass(faulty(name), PASS)
    figure = draw_view(view)
    texts = [item.get_text() for item in figure.texts]
    assert "SIMULATED" in texts
    assert any(str(view.verdict).upper() == text for text in texts)
    assert all(any(item.code in text for text in texts) for item in view.findings)


def test_the_summary_is_plain_numbers(faulty: Faulty) -> None:
    said = summary(view_pass(faulty("a third dropped"), PASS))
    assert (said["pass"], said["verdict"], said["origins"]) == (PASS, "invalid", ["simulated"])
    assert said["findings"][0]["code"] == "coverage_too_low"
    (meter,) = said["meters"]
    assert meter["missing_samples"] == sum(b - a for a, b in meter["gaps"])
    assert {item["name"] for item in meter["stretches"]} >= {"window", "idle_before"}


def polled(path: Path, count: int) -> Path:
    """A counter of energy at 5 W, read every 10 ms, and a power that checks it."""
    channels = {"energy": Channel(measures="energy"), "power": Channel(measures="power", cross_check=True)}
    with ReadingsWriter(path, 0, channels) as writer:
        for k in range(count):
            writer.write("energy", k * 10_000_000, k * 10_000_000 + 1000, 0.05 * k)
            writer.write("power", k * 10_000_000 + 2000, k * 10_000_000 + 3000, 5.0)
    return path


def test_readings_are_drawn_as_what_they_are(tmp_path: Path) -> None:
    view = view_file(polled(tmp_path / "a.readings.csv", 300))
    page = Page(render_view(view))
    energy, power = page.data["meters"][0]["steps"]
    assert (energy["kind"], energy["check"]) == ("held", False)
    assert (power["kind"], power["check"]) == ("joined", True)
    np.testing.assert_allclose(page.array(energy["value"])[:-1], 5.0, rtol=1e-9)
    draw_view(view)


def test_very_many_readings_are_thinned(tmp_path: Path) -> None:
    view = view_file(polled(tmp_path / "a.readings.csv", 50_000))
    page = Page(render_view(view))
    (tile,) = page.data["meters"][0]["tiles"]
    np.testing.assert_allclose(page.array(tile["series"]["power"]["mean"]), 5.0, rtol=1e-6)
    assert page.data["meters"][0]["steps"] == []
    assert len(page.text) < 3_000_000
    draw_view(view)


def test_too_few_readings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few readings"):
        view_file(polled(tmp_path / "a.readings.csv", 1))
