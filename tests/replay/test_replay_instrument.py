"""The instrument that plays recordings: the documents that a live meter would leave, and what the recording lacks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from energyrunner_sessions import MadeSession
from jls_files import U1, U4, ForeignSignal, load, write_foreign

from instruments.protocol import Accuracy, Instrument, Observation, PassContext, RangeAccuracy
from instruments.replay.instrument import RecordingReplay
from instruments.replay.settings import ReplaySettings, WindowChoice
from instruments.replay.sources import open_recording
from lab.errors import DataError
from lab.record.documents import from_json, to_json
from lab.record.quantity import Origin
from lab.record.reasons import REASONS
from lab.record.traces import open_trace
from lab.record.traces.csv_table import CsvColumn, CsvLayout, CsvLogicColumn

LENGTH = 40_000


def context(root: Path, pass_id: str = "t0001.energy", **more: object) -> PassContext:
    output = root / "output" / pass_id
    output.mkdir(parents=True, exist_ok=True)
    (root / "traces").mkdir(exist_ok=True)
    return PassContext(
        pass_id=pass_id,
        attempt=1,
        seed=1,
        record_root=root,
        output=output,
        trace=root / "traces" / pass_id,
        **more,  # type: ignore[arg-type]
    )


def play(root: Path, settings: ReplaySettings, **more: object) -> Observation:
    instrument = RecordingReplay("meter", settings)
    assert isinstance(instrument, Instrument)
    instrument.open()
    instrument.arm(context(root, **more))
    instrument.start()
    observed = instrument.stop()
    instrument.close()
    documents = (*observed.marks, *observed.readings, *observed.faults)
    for item in documents:
        assert from_json(json.loads(json.dumps(to_json(item)))) == item
    assert {item.code for item in observed.faults} <= set(REASONS)
    return observed


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    i, v = load(LENGTH)
    line = np.zeros(2 * LENGTH, np.uint8)
    line[20_001:60_000] = 1
    return write_foreign(
        tmp_path / "a.jls",
        [
            ForeignSignal("i", i),
            ForeignSignal("v", v),
            ForeignSignal("0", line, rate_hz=2000, data_type=U1),
            ForeignSignal("1", line[::200], rate_hz=10, data_type=U1),
        ],
    )


def test_a_recording_becomes_a_trace_with_the_marks_of_its_line(recording: Path, tmp_path: Path) -> None:
    observed = play(tmp_path / "r", ReplaySettings(file=recording))
    (ref,) = observed.traces
    assert (ref.format, ref.rate_hz, ref.samples, ref.gaps) == ("jls", 1000.0, LENGTH, ())
    found = [(mark.name, mark.sample, mark.method) for mark in observed.marks]
    assert found == [("window_begin", 10_000.5, "gpio"), ("window_end", 29_999.5, "gpio")]
    assert [mark.u_samples for mark in observed.marks] == pytest.approx([1 / 12**0.5] * 2)
    i, v = load(LENGTH)
    with open_trace(tmp_path / "r", ref) as trace:
        np.testing.assert_array_equal(trace.read("current", 0, LENGTH), i)
        np.testing.assert_array_equal(trace.read("voltage", 0, LENGTH), v)
    assert observed.faults == ()
    note = json.loads((tmp_path / "r" / "output" / "t0001.energy" / "meter.recorded.json").read_text())
    assert note["signals"]["gpi0"] == {"name": "0", "rate_hz": 2000}
    assert len(note["sha256"]["a.jls"]) == 64


def test_a_line_that_was_sampled_slowly_leaves_its_edges_open(recording: Path, tmp_path: Path) -> None:
    observed = play(tmp_path / "r", ReplaySettings(file=recording, window=WindowChoice("line", line="gpi1")))
    begin, end = observed.marks
    # True edges at 10000 and 30000 samples; the line's own samples lie 100 apart.
    assert abs(begin.sample - 10_000.0) < 100
    assert abs(end.sample - 30_000.0) < 100
    assert begin.u_samples == pytest.approx(100 / 12**0.5, rel=0.02)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (WindowChoice("whole"), [("window_begin", 0.0), ("window_end", float(LENGTH))]),
        (
            WindowChoice("stretch", begin_s=1.25, end_s=30.0005),
            [("window_begin", 1250.0), ("window_end", pytest.approx(30000.5))],
        ),
    ],
)
def test_a_window_that_a_person_states(
    recording: Path, tmp_path: Path, window: WindowChoice, expected: list[tuple[str, float]]
) -> None:
    observed = play(tmp_path / "r", ReplaySettings(file=recording, window=window))
    assert [(mark.name, mark.sample) for mark in observed.marks] == expected


def test_the_pass_names_the_recording_where_the_bench_does_not(recording: Path, tmp_path: Path) -> None:
    observed = play(tmp_path / "r", ReplaySettings(), session=recording, session_inferences=12)
    assert observed.traces[0].samples == LENGTH
    note = json.loads((tmp_path / "r" / "output" / "t0001.energy" / "meter.recorded.json").read_text())
    assert note["inferences"] == 12
    assert [fault.code for fault in play(tmp_path / "s", ReplaySettings()).faults] == ["trace_unreadable"]


def test_what_cannot_be_played_is_a_fault_with_its_reason(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "b.jls").write_bytes(b"nonsense")
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    for number, (settings, said) in enumerate(
        [
            (ReplaySettings(file=tmp_path / "b.jls"), "not a JLS v2 file"),
            (ReplaySettings(file=tmp_path / "none.jls"), "cannot read the recording"),
            (ReplaySettings(file=tmp_path / "c.csv"), "neither a JLS file nor an EnergyRunner session"),
            (ReplaySettings(file=tmp_path), "not a session of EnergyRunner"),
            (ReplaySettings(file=recording, window=WindowChoice("line", line="gpi3")), "no signal is the logic line"),
            (ReplaySettings(file=recording, lines={"gpi2": "warmup"}), "no signal is the logic line gpi2"),
        ]
    ):
        observed = play(tmp_path / f"r{number}", settings)
        assert [fault.code for fault in observed.faults] == ["trace_unreadable"]
        assert said in observed.faults[0].detail
        assert observed.traces == observed.marks == ()


def test_gaps_saturation_and_ranges_are_seen_as_in_a_live_stream(tmp_path: Path) -> None:
    i, v = load(LENGTH)
    i = np.minimum(i, 0.1)
    i[5000:5010] = 0.18
    i[20_000:20_100] = np.nan
    codes = np.ones(LENGTH, np.uint8)
    codes[30_000:] = 0
    path = write_foreign(
        tmp_path / "a.jls",
        [ForeignSignal("i", i), ForeignSignal("v", v), ForeignSignal("current_range", codes, data_type=U4)],
    )
    accuracy = Accuracy(
        ranges={
            "180 mA": RangeAccuracy(0.18, 1e-3, 1e-6, 1e-3, 1e-3),
            "10 A": RangeAccuracy(10, 1e-3, 1e-3, 1e-3, 1e-3),
        },
        timebase_ppm=10,
        source="datasheet",
    )
    settings = ReplaySettings(file=path, window=WindowChoice("whole"), accuracy=accuracy)
    observed = play(tmp_path / "r", settings)
    assert observed.traces[0].gaps == ((20_000, 20_100),)
    faults = {fault.code: fault.detail for fault in observed.faults}
    assert set(faults) == {"samples_dropped", "range_changed", "saturated"}
    assert "range 10 A from sample 30000" in faults["range_changed"]
    assert "10 samples at full scale" in faults["saturated"]


def test_a_session_brings_its_windows_and_what_it_says(made: tuple[MadeSession, Path], tmp_path: Path) -> None:
    session, folder = made
    observed = play(tmp_path / "r", ReplaySettings(file=folder))
    assert {mark.method for mark in observed.marks} == {"timestamps"}
    assert [mark.index for mark in observed.marks] == [window.index for window in session.windows for _ in range(2)]
    stamps = [session.stamps_s[place] for window in session.windows for place in (window.index - 1, window.index)]
    assert [mark.sample for mark in observed.marks] == pytest.approx([stamp * 1000.0 for stamp in stamps])
    assert all(mark.u_samples == pytest.approx(2 / 12**0.5) for mark in observed.marks)
    with open_trace(tmp_path / "r", observed.traces[0]) as trace:
        assert trace.channels == ("power",)
        expected = session.energy_uj.astype(np.float64) * 1e-3
        np.testing.assert_allclose(trace.read("power", 0, trace.length), expected, rtol=1.8e-7)
    note = json.loads((tmp_path / "r" / "output" / "t0001.energy" / "meter.recorded.json").read_text())
    assert note["inferences"] == sum(window.inferences for window in session.windows)


def test_a_table_of_samples_and_one_of_readings(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,p,w\n" + "".join(f"{k / 10},{2 + k % 2},{int(5 <= k < 15)}\n" for k in range(30)))
    layout = CsvLayout(
        analog={"power": CsvColumn("p")}, logic={"gpi0": CsvLogicColumn("w")}, time=CsvColumn("t"), rate_hz=10.0
    )
    observed = play(tmp_path / "r", ReplaySettings(file=path, layout=layout))
    assert [(mark.name, mark.sample) for mark in observed.marks] == [("window_begin", 4.5), ("window_end", 14.5)]
    settings = ReplaySettings(file=path, layout=replace(layout, rate_hz=None, readings=True))
    observed = play(tmp_path / "s", settings)
    (ref,) = observed.traces
    assert (ref.format, ref.rate_hz, ref.samples) == ("readings", 1e9, 2_900_000_000)
    assert [mark.sample for mark in observed.marks] == [450e6, 1450e6]
    assert observed.marks[0].u_samples == pytest.approx(1e8 / 12**0.5)


def test_probe_and_capabilities(recording: Path, tmp_path: Path) -> None:
    instrument = RecordingReplay("meter", ReplaySettings(file=recording))
    probe = instrument.probe()
    assert probe.present
    assert "40 s of current, voltage at 1000 Hz" in probe.detail
    assert instrument.capabilities().origin is Origin.REPLAYED
    gone = RecordingReplay("meter", ReplaySettings(file=tmp_path / "gone.jls")).probe()
    assert (gone.present, "gone.jls" in gone.detail) == (False, True)
    assert RecordingReplay("meter", ReplaySettings()).probe().present
    assert RecordingReplay("meter", ReplaySettings()).stop() == Observation()


def test_any_damage_to_a_session_is_refused_or_said(made: tuple[MadeSession, Path]) -> None:
    _, folder = made
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        for place in range(0, len(content), max(len(content) // 40, 1)):
            file.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
            try:
                with open_recording(folder, ReplaySettings()) as recording:
                    found = list(recording.stretches())
            except DataError:
                continue
            assert all(np.isfinite(stretch.analog["power"]).all() for stretch in found)
        file.write_bytes(content)


def test_time_begins_with_the_recordings_first_sample_even_if_it_is_missing(tmp_path: Path) -> None:
    i, v = load(LENGTH)
    i[:1000] = np.nan
    path = write_foreign(tmp_path / "a.jls", [ForeignSignal("i", i, first=77), ForeignSignal("v", v, first=77)])
    window = WindowChoice("stretch", begin_s=2.0, end_s=3.0)
    observed = play(tmp_path / "r", ReplaySettings(file=path, window=window))
    (ref,) = observed.traces
    begin, end = (int(mark.sample) for mark in observed.marks)
    with open_trace(tmp_path / "r", ref) as trace:
        np.testing.assert_array_equal(trace.read("current", begin, end), i[2000:3000])
