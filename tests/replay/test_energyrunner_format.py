"""The files of an EnergyRunner session: read exactly, or refused with file and place; never a wrong number."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from energyrunner_sessions import MadeSession, log_text, make_session, results_text, trace_bytes, write_session
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import DataError, ExitCode
from lab.record.documents import TraceRef
from lab.record.traces import open_trace
from lab.record.traces.energyrunner import disagreements, edge_range, load_session, parse_stamps, parse_trace
from lab.record.traces.energyrunner_texts import Results, SessionLog, parse_log, parse_results

SESSION = make_session(samples=5000, instants_s=(0.0104, 0.5003, 2.0118, 2.6006, 4.1239), inferences=40, seed=7)
RESULTS = results_text(SESSION)
LOG = log_text(SESSION)


# --- what is read is what was written --------------------------------------------------------------------------------


@given(
    rate=st.floats(1.0, 1e6, width=32),
    energy=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50),
)
def test_a_trace_is_read_back_to_the_bit(rate: float, energy: list[float]) -> None:
    data = struct.pack("<Bf", 0xF1, rate) + np.array(energy, dtype="<f4").tobytes()
    read_rate, read_energy = parse_trace(data)
    assert read_rate == rate
    assert read_energy.tolist() == energy


def test_a_session_is_read_as_written(made: tuple[MadeSession, Path]) -> None:
    truth, folder = made
    session = load_session(folder)
    assert session.rate_hz == truth.rate_hz
    assert session.stamps_s == tuple(truth.stamps_s)
    assert [window.index for window in session.results.windows] == [2, 4]
    for window, true in zip(session.results.windows, truth.windows, strict=True):
        assert window.energy_j == pytest.approx(true.energy_uj * 1e-6, abs=0.5001e-9)
        assert window.power_w == pytest.approx(true.power_uw * 1e-6, abs=0.5001e-9)
        assert window.inferences == true.inferences
        assert window.complaint.startswith("The run must take")
    assert (session.log.meter, session.log.voltage_v, session.log.dropped_packets) == ("JS110", 3.3, 0)
    assert session.log.laps_of == "emon"
    assert session.log.laps_s == pytest.approx(truth.stamps_s)
    assert disagreements(session) == []


def test_the_trace_of_a_record_gives_joules_per_sample(made: tuple[MadeSession, Path]) -> None:
    truth, folder = made
    ref = TraceRef(instrument="meter", path="made", format="energyrunner", rate_hz=1000.0, samples=5000)
    with open_trace(folder.parent, ref) as trace:
        assert (trace.rate_hz, trace.length, trace.channels) == (1000.0, 5000, ("energy",))
        read = trace.read("energy", 10, 30)
        assert read.dtype == np.float64
        assert read == pytest.approx(truth.energy_uj[10:30].astype(np.float64) * 1e-6, rel=1e-15)
        with pytest.raises(IndexError):
            trace.read("energy", 0, 5001)
        with pytest.raises(IndexError):
            trace.read("energy", -1, 5)
        with pytest.raises(KeyError):
            trace.read("current", 0, 1)


def test_a_session_without_a_log_is_read_and_names_no_meter(made: tuple[MadeSession, Path]) -> None:
    (made[1] / "log.txt").unlink()
    assert load_session(made[1]).log == SessionLog()


@given(stamp_ms=st.integers(0, 200_000))
def test_at_1_khz_an_edge_is_open_by_one_sample_to_either_side(stamp_ms: int) -> None:
    assert edge_range(stamp_ms / 1000, 1000.0) == (stamp_ms - 1, stamp_ms + 1)


@given(instant_s=st.floats(0, 200), rate_hz=st.sampled_from([50.0, 100.0, 999.0, 1000.0, 4000.0, 100_000.0]))
def test_whole_samples_around_the_true_instant_lie_in_the_opening(instant_s: float, rate_hz: float) -> None:
    first, last = edge_range(round(instant_s, 3), rate_hz)
    assert first <= math.floor(instant_s * rate_hz)
    assert math.ceil(instant_s * rate_hz) <= last


# --- what is damaged is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "too short"),
        (struct.pack("<Bf", 0xF1, 1000.0), "0 bytes of samples"),
        (struct.pack("<Bff", 0xF2, 1000.0, 1.0), "byte 0: found 0xF2"),
        (struct.pack("<Bff", 0xF1, 0.0, 1.0), "byte 1: found sample rate 0"),
        (struct.pack("<Bff", 0xF1, math.nan, 1.0), "byte 1: found sample rate nan"),
        (struct.pack("<Bff", 0xF1, math.inf, 1.0), "byte 1: found sample rate inf"),
        (struct.pack("<Bff", 0xF1, -1000.0, 1.0), "byte 1"),
        (struct.pack("<Bff", 0xF1, 1000.0, 1.0)[:-1], "multiple of 4"),
        (struct.pack("<Bfff", 0xF1, 1000.0, 1.0, math.nan), "byte 9: sample 1 is not a finite number"),
        (struct.pack("<Bfff", 0xF1, 1000.0, -math.inf, 1.0), "byte 5: sample 0"),
    ],
)
def test_a_damaged_trace_is_refused_with_the_byte(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        parse_trace(data, "some/trace1-energy.bin")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.json:1:1: not JSON"),
        ("[0.1,\n 0.2", "t.json:2:5: not JSON"),
        ('{"a": 1}', "found dict, expected a list"),
        ("[0.1, true]", "entry 1: found True"),
        ('[0.1, "0.2"]', "entry 1: found '0.2'"),
        ("[0.1, NaN]", "found NaN"),
        ("[0.1, 1e999]", "entry 1: found inf"),
        ("[-0.1]", "entry 0: found -0.1"),
        ("[0.1, 0.3, 0.3]", "entry 2: 0.3 s does not come after 0.3 s"),
        ("[0.1, 0.3, 0.2]", "entry 2"),
        ("[" * 100_000, "not a list of numbers"),
        ("[" + "9" * 5000 + "]", "t.json"),
    ],
)
def test_damaged_time_stamps_are_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        parse_stamps(text, "t.json")


def _changed(text: str, old: str, new: str, count: int = 1) -> str:
    assert old in text
    return text.replace(old, new, count)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no energy window"),
        (_changed(RESULTS, " uJ\n", " mJ\n"), "r.txt:2: found"),
        (_changed(RESULTS, "  Power        :", "  Pwoer        :"), "expected the line `Power : … uW` of window 2"),
        ("\n".join(RESULTS.splitlines()[:3]), "r.txt:3: found the end of the file"),
        (_changed(RESULTS, "Energy data for window 2", "Energy data for window two"), "r.txt:1: found"),
        (
            _changed(RESULTS, "Energy data for window 4", "Energy data for window 2"),
            "r.txt:5: window 2 is described twice",
        ),
        (_changed(RESULTS, "Energy data for window 2", "Energy data for window 0"), "window 0 is not a window"),
        (_changed(RESULTS, "Performance results for window 4", "Performance results for window 2"), "given twice"),
        (_changed(RESULTS, "Performance results for window 4", "Performance results for window 8"), "no energy data"),
        (_changed(RESULTS, "# Inferences :           40", "# Inferences :            0"), "no inferences"),
        (_changed(RESULTS, "# Inferences :           40", "# Inferences :         40.5"), "r.txt:13"),
        (_changed(RESULTS, "Median energy cost is", "Median energy cost was"), "r.txt:10"),
        (_changed(RESULTS, "Median throughput is", "Median energy cost is"), "r.txt:23: found"),
        (RESULTS + "00514.965 ulp-ml: Median throughput is 26.359 inf./sec.\n", "r.txt:26: a second median"),
        (RESULTS + "what is this\n", "r.txt:26: found 'what is this'"),
        (RESULTS + "00514.965 ulp-ml:   Energy       :     4173.840 uJ\n", "r.txt:26: found"),
    ],
)
def test_damaged_results_are_refused_with_the_line(text: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        parse_results(text, "r.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LOG + "00470.958 emon: m-voltage-mv[1800]\n", "where an earlier line said '3300'"),
        (LOG + "00470.958 emon: m-voltage-mv[18\n", "m-voltage-mv"),
        (LOG + "00470.958 emon: m-regfile-fn[trace1-energy.bin]-type[emon]-name[lpm01a]\n", "'lpm01a'"),
        (LOG + "00470.958 emon: m-lap-us-12x\n", "m-lap-us"),
        (LOG + "00470.958 io: m-lap-us-12\n", "laps of two clocks"),
    ],
)
def test_a_log_that_is_damaged_or_contradicts_itself_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        parse_log(text, "l.txt")


@pytest.mark.parametrize("name", ["trace1-energy.bin", "trace1-timestamps.json", "results.txt"])
def test_a_missing_file_is_named(made: tuple[MadeSession, Path], name: str) -> None:
    (made[1] / name).unlink()
    with pytest.raises(DataError, match=re.escape(name)) as caught:
        load_session(made[1])
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.advice


def test_a_session_that_does_not_hold_its_windows_is_refused(
    made: tuple[MadeSession, Path], damage: Callable[[str, bytes | str], Path]
) -> None:
    truth = made[0]
    with pytest.raises(DataError, match="4 time stamps, too few for window 4"):
        load_session(damage("trace1-timestamps.json", json.dumps(truth.stamps_s[:-1])))
    damage("trace1-timestamps.json", json.dumps(truth.stamps_s))
    with pytest.raises(DataError, match=r"ends at 4\.000 s, before window 4 does"):
        load_session(damage("trace1-energy.bin", trace_bytes(truth)[: 5 + 4 * 4000]))


def test_a_text_that_is_not_utf8_and_a_folder_that_is_not_there_are_refused(
    tmp_path: Path, damage: Callable[[str, bytes | str], Path]
) -> None:
    with pytest.raises(DataError, match=r"results\.txt: byte 3: not UTF-8"):
        load_session(damage("results.txt", b"005\xff"))
    with pytest.raises(DataError, match="no such folder"):
        load_session(tmp_path / "nowhere")


# --- whatever comes, there is a session or a DataError ---------------------------------------------------------------


@given(data=st.binary(max_size=200))
def test_any_bytes_give_a_finite_trace_or_a_data_error(data: bytes) -> None:
    for candidate in (data, trace_bytes(SESSION)[:5] + data):
        try:
            rate_hz, energy_uj = parse_trace(candidate)
        except DataError:
            continue
        assert math.isfinite(rate_hz)
        assert np.isfinite(energy_uj).all()
        assert energy_uj.size * 4 + 5 == len(candidate)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(text=st.text(max_size=60) | _JSON.map(json.dumps))
def test_any_text_gives_rising_time_stamps_or_a_data_error(text: str) -> None:
    try:
        stamps = parse_stamps(text)
    except DataError:
        return
    assert list(stamps) == sorted(set(stamps))
    assert all(math.isfinite(stamp) and stamp >= 0 for stamp in stamps)


@st.composite
def _mangled(draw: st.DrawFn, text: str) -> str:
    """The text with a piece cut out, put in or replaced, somewhere."""
    start = draw(st.integers(0, len(text)))
    stop = draw(st.integers(start, min(start + draw(st.sampled_from([0, 1, 5, 80, 4000])), len(text))))
    piece = draw(st.sampled_from(["", "\n", " ", "9", ".", "-", "nan", "1e5", "٣", "\x85", text[start:stop] * 2]))
    return text[:start] + piece + text[stop:]


@given(text=_mangled(RESULTS))
def test_mangled_results_never_give_a_number_that_was_not_printed(text: str) -> None:
    """Energies that are read stand in the text, in their block, in µJ."""
    try:
        results = parse_results(text)
    except DataError:
        return
    assert isinstance(results, Results)
    for window in results.windows:
        assert window.index >= 1
        block = rf"window 0*{window.index} at time .*\n.*Energy +: +0*{window.energy_j * 1e6:.3f} uJ"
        assert re.search(block, text), text
        for value in (window.energy_j, window.power_w):
            assert math.isfinite(value)
            assert value > 0


@given(text=_mangled(LOG) | st.text(max_size=80))
def test_mangled_logs_give_a_log_or_a_data_error(text: str) -> None:
    try:
        log = parse_log(text)
    except DataError:
        return
    assert log.voltage_v is None or 0 <= log.voltage_v < 1000
    assert all(math.isfinite(lap) for lap in log.laps_s)


# --- numbers that contradict each other ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "change", "said"),
    [
        (1, ("at time 0.50", "at time 0.60"), "published at 0.60 s"),
        (1, ("for 1.51 sec", "for 1.61 sec"), "published as 1.61 s long"),
        (4, ("Energy/Inf.  :    ", "Energy/Inf.  :   1"), "energy over inferences"),
        (13, ("          40", "          41"), "energy over inferences"),
        (14, ("1.512", "1.612"), "run time 1.612 s"),
        (10, ("cost is ", "cost is 1"), "median energy"),
    ],
)
def test_a_figure_that_contradicts_the_others_is_found(
    made: tuple[MadeSession, Path],
    damage: Callable[[str, bytes | str], Path],
    line: int,
    change: tuple[str, str],
    said: str,
) -> None:
    lines = results_text(made[0]).splitlines(keepends=True)
    lines[line - 1] = _changed(lines[line - 1], *change)
    found = disagreements(load_session(damage("results.txt", "".join(lines))))
    assert any(said in item.text for item in found), found


@pytest.mark.parametrize("unit", ["uJ", "uW"])
def test_a_wrong_digit_in_energy_or_power_is_found(
    made: tuple[MadeSession, Path], damage: Callable[[str, bytes | str], Path], unit: str
) -> None:
    text = results_text(made[0])
    match = re.search(rf"([0-9])([0-9]\.[0-9]{{3}}) {unit}\n", text)
    assert match is not None
    changed = text[: match.start(1)] + str((int(match[1]) + 1) % 10) + text[match.end(1) :]
    found = disagreements(load_session(damage("results.txt", changed)))
    assert any(item.window == 2 and "no whole number of samples" in item.text for item in found)


def test_laps_of_the_meter_that_contradict_the_time_stamps_are_found(
    made: tuple[MadeSession, Path], damage: Callable[[str, bytes | str], Path]
) -> None:
    text = _changed(log_text(made[0]), "m-lap-us-500000", "m-lap-us-502000")
    assert any("lap 1" in item.text for item in disagreements(load_session(damage("log.txt", text))))


def test_windows_that_the_stamps_mark_but_nobody_published_are_missed(tmp_path: Path) -> None:
    session = make_session(samples=5000, instants_s=(0.0104, 0.5003, 2.0118, 2.6006, 4.1239), inferences=40, seed=5)
    folder = write_session(session, tmp_path / "s")
    lines = (folder / "results.txt").read_text().splitlines(keepends=True)
    kept = [line for line in lines if "edian" not in line]
    second = next(number for number, line in enumerate(kept) if "window 4" in line)
    (folder / "results.txt").write_text("".join(kept[:second]))
    texts = [item.text for item in disagreements(load_session(folder))]
    assert "1 windows are published, the time stamps mark 2" in texts
