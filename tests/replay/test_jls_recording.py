"""Any JLS file is a recording: whatever its signals are called, whichever rates they have, wherever they begin."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jls_files import F64, U1, U4, U8, ForeignSignal, load, played, write_foreign

from lab.errors import DataError
from lab.record.traces.jls_recording import JlsChoice, JlsRecording
from lab.record.traces.jls_trace import JlsTrace
from lab.record.traces.jls_walk import MAGIC_V1
from lab.record.traces.jls_writer import JlsWriter

PLAIN = JlsChoice({})
LINE = JlsChoice({}, lines=("gpi0",))
TICKS = 1 << 30


def levels(length: int, *edges: int) -> np.ndarray:
    """A line that is low first and changes at each edge."""
    line = np.zeros(length, np.uint8)
    for edge in edges:
        line[edge:] ^= 1
    return line


def edges_of(line: np.ndarray) -> list[int]:
    return (np.flatnonzero(np.diff(line.astype(int))) + 1).tolist()


@pytest.mark.parametrize(
    ("current", "voltage", "line"),
    [("current", "voltage", "gpi0"), ("i", "v", "0"), ("I", "V", "gpi[0]"), ("Current", "Voltage", "in0")],
)
def test_the_usual_names_are_understood(tmp_path: Path, current: str, voltage: str, line: str) -> None:
    i, v = load(30_000)
    path = write_foreign(
        tmp_path / "a.jls",
        [
            ForeignSignal(current, i, units="A"),
            ForeignSignal(voltage, v, units="V"),
            ForeignSignal(line, levels(30_000, 1000, 20_000), data_type=U1),
        ],
    )
    with JlsRecording(path, LINE) as recording:
        found = played(recording)
        assert (recording.rate_hz, recording.analog, recording.model) == (1000.0, ("current", "voltage"), "JS220")
    np.testing.assert_array_equal(found.analog["current"], i)
    np.testing.assert_array_equal(found.analog["voltage"], v)
    assert edges_of(found.logic["gpi0"]) == [1000, 20_000]
    assert found.findings == ()


def test_other_names_are_found_by_their_unit_or_by_what_the_user_says(tmp_path: Path) -> None:
    i, v = load(20_000)
    signals = [
        ForeignSignal("soc rail", i, units="A"),
        ForeignSignal("supply", v, units="V"),
        ForeignSignal("trigger", levels(20_000, 5), data_type=U1),
    ]
    path = write_foreign(tmp_path / "a.jls", signals)
    with JlsRecording(path, JlsChoice({"gpi0": "trigger"}, lines=("gpi0",))) as recording:
        assert recording.facts["signals"]["current"]["name"] == "soc rail"
        assert edges_of(played(recording).logic["gpi0"]) == [5]
    with pytest.raises(DataError, match="no signal is the logic line gpi0") as refused:
        JlsRecording(path, LINE)
    assert "'trigger'" in str(refused.value.advice)
    with pytest.raises(DataError, match="no signal is called 'nonsense'"):
        JlsRecording(path, JlsChoice({"current": "nonsense"}))


def test_two_meters_in_one_file_must_be_told_apart(tmp_path: Path) -> None:
    i, v = load(10_000)
    other, _ = load(10_000, seed=9)
    signals = [
        ForeignSignal("current", i, source=1),
        ForeignSignal("voltage", v, source=1),
        ForeignSignal("current", other, source=2),
        ForeignSignal("voltage", v, source=2),
    ]
    path = write_foreign(tmp_path / "a.jls", signals, sources=(("JS220-000001", "JS220"), ("JS110-000002", "JS110")))
    with pytest.raises(DataError, match="several signals may be the current"):
        JlsRecording(path, PLAIN)
    with JlsRecording(path, JlsChoice({}, source="000002")) as recording:
        np.testing.assert_array_equal(played(recording).analog["current"], other)
        assert recording.model == "JS110"
    with pytest.raises(DataError, match="no source is called 'JS999'"):
        JlsRecording(path, JlsChoice({}, source="JS999"))


@settings(max_examples=25, deadline=None)
@given(
    first=st.integers(0, 10**9),
    ratio=st.sampled_from([1, 2, 5, 8]),
    late=st.integers(-20, 20),
    edge=st.integers(200, 9_000),
    length=st.integers(10_000, 40_000),
)
def test_a_faster_line_lies_where_the_meters_one_counter_puts_it(
    tmp_path_factory: pytest.TempPathFactory, first: int, ratio: int, late: int, edge: int, length: int
) -> None:
    # The counter runs at the line's rate; current and voltage are each ``ratio``-th count, the line begins a bit later.
    i, v = load(length)
    begin = first * ratio + late
    line = levels(length * ratio, edge * ratio - late)
    path = write_foreign(
        tmp_path_factory.mktemp("rates") / "a.jls",
        [
            ForeignSignal("current", i, first=first),
            ForeignSignal("voltage", v, first=first),
            ForeignSignal("gpi0", line, rate_hz=1000 * ratio, first=begin, data_type=U1),
        ],
    )
    with JlsRecording(path, LINE) as recording:
        found = played(recording)
        assert recording.line_steps == {"gpi0": 1 / ratio}
    # Time begins with the first sample of any signal; where one has none, all are missing.
    shift = min(-(-late // ratio), 0)
    missing = max(-(-late // ratio), 0)
    assert found.logic["gpi0"][edge - shift - 1 : edge - shift + 1].tolist() == [0, 1]
    assert edges_of(found.logic["gpi0"][found.present]) == [edge - missing]
    np.testing.assert_array_equal(
        found.analog["current"][missing - shift : length - shift - 21], i[missing : length - 21]
    )
    assert found.present.sum() >= length - missing - 21


def test_a_slower_line_says_how_coarse_it_is(tmp_path: Path) -> None:
    i, v = load(20_000)
    line = levels(2_000, 300)
    path = write_foreign(
        tmp_path / "a.jls",
        [ForeignSignal("i", i), ForeignSignal("v", v), ForeignSignal("0", line, rate_hz=100, data_type=U1)],
    )
    with JlsRecording(path, LINE) as recording:
        assert recording.line_steps == {"gpi0": 10.0}
        assert edges_of(played(recording).logic["gpi0"]) == [3000]


def test_rates_without_a_common_divisor_keep_to_the_counter(tmp_path: Path) -> None:
    i, v = load(30_000)
    line = levels(50_000, 7_777)
    path = write_foreign(
        tmp_path / "a.jls",
        [
            ForeignSignal("i", i, rate_hz=3000),
            ForeignSignal("v", v, rate_hz=3000),
            ForeignSignal("0", line, rate_hz=4999, data_type=U1),
        ],
    )
    with JlsRecording(path, LINE) as recording:
        # The first sample that begins at or after the line's edge.
        assert edges_of(played(recording).logic["gpi0"]) == [-(-7777 * 3000 // 4999)]


def test_current_and_voltage_of_different_rates_are_refused_unless_there_is_power(tmp_path: Path) -> None:
    i, v = load(20_000)
    signals = [ForeignSignal("i", i), ForeignSignal("v", v[::2], rate_hz=500)]
    with pytest.raises(DataError, match="1000 samples per second, voltage 500"):
        JlsRecording(write_foreign(tmp_path / "a.jls", signals), PLAIN)
    power = i * v
    signals.append(ForeignSignal("p", power, rate_hz=1000))
    with JlsRecording(write_foreign(tmp_path / "b.jls", signals), PLAIN) as recording:
        assert recording.analog == ("power",)
        np.testing.assert_array_equal(played(recording).analog["power"], power)


def test_signals_of_separate_countings_are_put_together_by_utc(tmp_path: Path) -> None:
    i, v = load(20_000)
    zero = 10**9 * TICKS
    line = levels(20_000, 6_000)
    signals = [
        ForeignSignal("i", i, first=5_000_000, utc=[(5_000_000, zero)]),
        ForeignSignal("v", v, first=5_000_000, utc=[(5_000_000, zero)]),
        # Counted from 0, and begun 2 s after the others.
        ForeignSignal("0", line, data_type=U1, utc=[(0, zero + 2 * TICKS)]),
    ]
    with JlsRecording(write_foreign(tmp_path / "a.jls", signals), LINE) as recording:
        found = played(recording)
        assert recording.facts["notes"] == ["'0' was put beside 'i' by UTC"]
    np.testing.assert_array_equal(found.analog["current"][2000:], i[2000:])
    assert not found.present[:2000].any()
    assert edges_of(found.logic["gpi0"][2000:]) == [6000]
    without = [ForeignSignal(item.name, item.samples, first=item.first, data_type=item.data_type) for item in signals]
    with pytest.raises(DataError, match="no instant in common, and no UTC"):
        JlsRecording(write_foreign(tmp_path / "b.jls", without), LINE)


def test_what_is_missing_lies_between_the_stretches(tmp_path: Path) -> None:
    i, v = load(60_000)
    line = levels(60_000, 100, 59_000)
    path = tmp_path / "a.jls"
    with JlsWriter(path, source="JS220", serial="7", rate_hz=1000, channels=("current", "voltage", "gpi0")) as writer:
        for start, stop in ((0, 20_000), (20_500, 60_000)):
            for name, data in (("current", i), ("voltage", v), ("gpi0", line)):
                writer.write(name, start, data[start:stop])
    with JlsRecording(path, LINE) as recording:
        found = played(recording)
    # The format fills the line with zeros there: they must not become edges.
    assert {stretch.first_sample for stretch in found.stretches} >= {0, 20_500}
    assert not found.present[20_000:20_500].any()
    assert found.present.sum() == 59_500
    assert (found.logic["gpi0"][~found.present] == 255).all()


def test_numbers_in_double_precision_and_ranges_are_read(tmp_path: Path) -> None:
    i, v = load(30_000)
    codes = np.repeat(np.array([1, 3], np.uint8), 15_000)
    signals = [
        ForeignSignal("i", i.astype(np.float64), data_type=F64),
        ForeignSignal("v", v),
        ForeignSignal("current_range", codes, data_type=U4),
        ForeignSignal("something", codes, data_type=U8),
    ]
    with JlsRecording(write_foreign(tmp_path / "a.jls", signals), PLAIN) as recording:
        found = played(recording)
        assert recording.facts["left_out"] == ["something"]
    np.testing.assert_array_equal(found.analog["current"], i)
    seen = np.concatenate([stretch.range_codes for stretch in found.stretches])  # type: ignore[arg-type]
    np.testing.assert_array_equal(seen, codes)


def test_chunks_of_constant_level_that_were_left_out_are_put_back(tmp_path: Path) -> None:
    length = 3_000_000
    i, v = load(length)
    line = levels(length, 400_000, 1_900_000)
    signals = [ForeignSignal("i", i), ForeignSignal("v", v), ForeignSignal("0", line, data_type=U1)]
    plain = write_foreign(tmp_path / "plain.jls", signals, pieces=50_000)
    path = write_foreign(tmp_path / "omitted.jls", signals, pieces=50_000, omit=True)
    if version("pyjls").startswith("0.17."):
        # Newer writers decide by themselves whether a chunk of a line is left out.
        assert path.stat().st_size < plain.stat().st_size
    for written in (plain, path):
        with JlsRecording(written, LINE) as recording:
            found = played(recording)
        np.testing.assert_array_equal(found.logic["gpi0"], line)


def test_our_own_recordings_are_read_as_the_record_reads_them(tmp_path: Path) -> None:
    i, v = load(50_001)
    path = tmp_path / "a.jls"
    channels = {"current": i, "voltage": v, "power": i * v, "gpi0": levels(50_001, 7)}
    with JlsWriter(path, source="JS110", serial="3", rate_hz=2_000_000, channels=tuple(channels)) as writer:
        for name, data in channels.items():
            writer.write(name, 0, data)
    with JlsRecording(path, LINE) as recording, JlsTrace(path) as trace:
        found = played(recording)
        assert (recording.rate_hz, recording.length) == (trace.rate_hz, trace.length)
        for name in ("current", "voltage", "power"):
            np.testing.assert_array_equal(found.analog[name], trace.read(name, 0, trace.length))


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    i, _ = load(10_000)
    with pytest.raises(DataError, match="no current and voltage, and no power"):
        JlsRecording(write_foreign(tmp_path / "a.jls", [ForeignSignal("current", i, units="A")]), PLAIN)
    with pytest.raises(DataError, match="cannot read the recording"):
        JlsRecording(tmp_path / "none.jls", PLAIN)
    for content, said in (
        (b"", "not a JLS v2 file"),
        (b"a" * 400, "not a JLS v2 file"),
        (MAGIC_V1 * 9, "first format"),
    ):
        (tmp_path / "b.jls").write_bytes(content)
        with pytest.raises(DataError, match=said):
            JlsRecording(tmp_path / "b.jls", PLAIN)
