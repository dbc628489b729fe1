"""The file of a polled meter's readings: what is written comes back, and nothing else is taken for it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.errors import DataError
from lab.record.traces import readings as module
from lab.record.traces.readings import Channel, Readings, ReadingsWriter, read_readings

COUNTER = Channel(measures="energy", scale=1e-3, modulus=1000, update_period_s=0.1)
POWER = Channel(measures="power", averaged_s=1.0, cross_check=True)
FILE_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

ZERO_NS = 81_234_567_890

channels = st.builds(
    Channel,
    measures=st.sampled_from(["power", "voltage", "current"]),
    scale=st.floats(1e-12, 1e6),
    update_period_s=st.none() | st.floats(0, 10),
    averaged_s=st.floats(0, 10),
    cross_check=st.booleans(),
)
values = st.integers(-(2**63), 2**64) | st.floats(-1e200, 1e200)
rows = st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**9), values), max_size=30)


def write(path: Path, of: dict[str, Channel], written: dict[str, list[tuple[int, int, float]]]) -> Path:
    with ReadingsWriter(path, ZERO_NS, of) as writer:
        for name, items in written.items():
            for begin_ns, end_ns, value in items:
                writer.write(name, ZERO_NS + begin_ns, ZERO_NS + end_ns, value)
    return path


def rising(items: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Rows with their gaps and lengths as instants that rise."""
    at_ns, found = 0, []
    for gap_ns, length_ns, value in items:
        found.append((at_ns + gap_ns, at_ns + gap_ns + length_ns, value))
        at_ns += gap_ns + length_ns
    return found


@given(
    of=st.dictionaries(st.from_regex(r"[a-z][a-z0-9_.-]{0,5}", fullmatch=True), channels, max_size=3), data=st.data()
)
@FILE_FIXTURE
def test_what_is_written_comes_back(of: dict[str, Channel], data: Any, tmp_path: Path) -> None:
    written = {name: rising(data.draw(rows)) for name in of}
    found = read_readings(write(tmp_path / "trace", of, written))
    assert (found.zero_ns, found.torn) == (ZERO_NS, False)
    assert found.length == max((items[-1][1] for items in written.values() if items), default=0)
    for name, items in written.items():
        channel = found.channels[name]
        assert channel.channel == of[name]
        assert channel.begin_ns.tolist() == [begin for begin, _, _ in items]
        assert channel.end_ns.tolist() == [end for _, end, _ in items]
        assert channel.value.tolist() == [float(value) * of[name].scale for _, _, value in items]


@given(steps=st.lists(st.integers(0, 999), max_size=60), begin=st.integers(0, 999))
@FILE_FIXTURE
def test_the_wraps_of_a_counter_are_undone(steps: list[int], begin: int, tmp_path: Path) -> None:
    total = np.concatenate([[0], np.cumsum(steps)]).astype(int)
    shown = [int(begin + step) % 1000 for step in total]
    path = write(tmp_path / "trace", {"energy": COUNTER}, {"energy": [(k, k, value) for k, value in enumerate(shown)]})
    energy = read_readings(path).channels["energy"]
    assert energy.value == pytest.approx(total * 1e-3)
    assert energy.wraps == (begin + int(total[-1])) // 1000


def test_long_traces_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = rising([(10_000_000, 50_000, k % 997) for k in range(5000)])
    path = write(tmp_path / "trace", {"energy": COUNTER, "power": POWER}, {"energy": items, "power": items})
    whole = read_readings(path)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 777)
    pieces = read_readings(path)
    for name in whole.channels:
        assert (whole.channels[name].value == pieces.channels[name].value).all()
        assert (whole.channels[name].end_ns == pieces.channels[name].end_ns).all()
    text = path.read_text().splitlines(keepends=True)
    text[4321] = "energy,1,2,x\n"
    path.write_text("".join(text))
    with pytest.raises(DataError, match=r":4322: found 'energy,1,2,x'"):
        read_readings(path)


def test_what_a_killed_process_left_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    path = write(tmp_path / "trace", {"power": POWER}, {"power": rising([(5, 5, 1.5)] * 3)})
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        try:
            found = read_readings(path)
        except DataError:
            assert end < whole.index(b"value\n") + 6, "only a torn header is no trace"
        else:
            assert found.torn == (whole[end - 1 : end] != b"\n")
            assert found.channels["power"].value.tolist() == [1.5] * (whole[:end].count(b"\n") - 2)


# --------------------------------------------------------------------------------------------------------- refusals

BODY = '#lab.readings/1 {"zero_ns": 5, "channels": {"power": {"measures": "power"}}}\nchannel,begin_ns,end_ns,value\n'


@pytest.mark.parametrize(
    "line",
    [
        "power,1_000,2000,5",
        "power,+5,6,7",
        "power, 5,6,7",
        "power,5,6,7 ",
        "power,5,6,+7",
        "power,5,6,nan",
        "power,5,6,inf",
        "power,5,6,-inf",
        "power,5,6,1_0",
        "power,5,6,1e400",
        "power,5,6,1e99999",
        "power,5,6,0x10",
        "power,5,6,.5",
        "power,5,6,5.",
        "power,5,6,",
        "power,5,,7",
        "power,5,6,７",
        "power,٥,6,7",
        "power,-5,6,7",
        "power,6,5,7",
        "power,5,9007199254740993,7",
        "power,99999999999999999999999,6,7",
        "power,5,6," + "9" * 5000,
        "power,5,6,7,8",
        "power,5,6",
        "energy,5,6,7",
        "Power,5,6,7",
        "powerx,5,6,7",
        "",
        " ",
        "\0",
        "power,5,6,7\r",
    ],
)
def test_a_line_that_is_no_reading_is_refused_with_its_number(line: str, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(f"{BODY}power,1,2,3\n{line}\npower,1000000,1000001,3\n", encoding="utf-8", newline="")
    with pytest.raises(DataError, match=r":4: found"):
        read_readings(path)


def test_instants_must_rise_over_pieces_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace"
    path.write_text(BODY + "power,1,20,3\n" * 1 + "power,20,30,3\n" * 1 + "power,29,40,3\n")
    for size in (8, 1 << 20):
        monkeypatch.setattr(module, "_CHUNK_BYTES", size)
        with pytest.raises(DataError, match=":5: found the instants 29 and 40 ns"):
            read_readings(path)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "#lab.readings/2 {}",
        "#lab.readings/1 {}",
        "#lab.readings/1 []",
        "#lab.readings/1 null",
        "#lab.readings/1 " + "[" * 100_000,
        '#lab.readings/1 {"zero_ns": 5}',
        '#lab.readings/1 {"zero_ns": 5, "channels": []}',
        '#lab.readings/1 {"zero_ns": 5, "channels": {"power": null}}',
        '#lab.readings/1 {"zero_ns": 5, "channels": {"power": {}}}',
        '#lab.readings/1 {"zero_ns": 5, "channels": {"power": {"measures": "heat"}}}',
        '#lab.readings/1 {"zero_ns": 5, "channels": {"power": {"measures": ["power"]}}}',
        '#lab.readings/1 {"zero_ns": 5, "channels": {"power": {"measures": "power", "colour": 1}}}',
        '#lab.readings/1 {"zero_ns": 5, "channels": {"a,b": {"measures": "power"}}}',
        '#lab.readings/1 {"zero_ns": 5, "channels": {"": {"measures": "power"}}}',
        '#lab.readings/1 {"zero_ns": true, "channels": {}}',
        '#lab.readings/1 {"zero_ns": 5.0, "channels": {}}',
        '#lab.readings/1 {"zero_ns": -5, "channels": {}}',
        '#lab.readings/1 {"zero_ns": 1' + "0" * 400 + ', "channels": {}}',
        '#lab.readings/1 {"zero_ns": 1' + "0" * 5000 + ', "channels": {}}',
        *(
            '#lab.readings/1 {"zero_ns": 5, "channels": {"p": {"measures": "energy", ' + f'"{key}": {value}' + "}}}"
            for key, value in (
                ("scale", "0"),
                ("scale", "-1"),
                ("scale", "NaN"),
                ("scale", "1e400"),
                ("scale", "true"),
                ("scale", '"1"'),
                ("scale", "1" + "0" * 400),
                ("modulus", "1"),
                ("modulus", "2.5"),
                ("modulus", "Infinity"),
                ("modulus", "1" + "0" * 400),
                ("update_period_s", "-1"),
                ("update_period_s", "true"),
                ("averaged_s", "null"),
                ("averaged_s", "NaN"),
                ("cross_check", "1"),
            )
        ),
    ],
    ids=lambda text: text[-60:],
)
def test_a_header_that_makes_no_sense_is_refused(header: str, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(f"{header}\nchannel,begin_ns,end_ns,value\n")
    with pytest.raises(DataError, match=":1:"):
        read_readings(path)


@pytest.mark.parametrize(
    ("channel", "shown", "why"),
    [
        (Channel(measures="energy"), [5, 4], "went back"),
        (COUNTER, [5, 1000], "outside"),
        (COUNTER, [-1, 5], "outside"),
        (Channel(measures="power", scale=1e300), [1e300], "beyond all bounds"),
        (Channel(measures="energy", scale=1e300), [0, 1e300], "beyond all bounds"),
    ],
)
def test_values_that_make_no_sense_are_refused(channel: Channel, shown: list[float], why: str, tmp_path: Path) -> None:
    path = write(tmp_path / "trace", {"it": channel}, {"it": [(k, k, value) for k, value in enumerate(shown)]})
    with pytest.raises(DataError, match=why):
        read_readings(path)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DataError):
            read_readings(path)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEADER_BYTES", 1000)
    path = tmp_path / "trace"
    path.write_text(BODY + "power,1,2," + "3" * 5000)
    with pytest.raises(DataError, match="without end"):
        read_readings(path)


@pytest.mark.parametrize(
    ("begin_ns", "end_ns", "value", "error"),
    [
        (10, 9, 1, ValueError),
        (4, 9, 1, ValueError),
        (10, 11, math.nan, ValueError),
        (10, 11, math.inf, ValueError),
        (10, 11, 10**400, (ValueError, OverflowError)),
        (10, 1 << 60, 1, ValueError),
    ],
)
def test_the_writer_refuses_what_could_not_be_read(
    begin_ns: int, end_ns: int, value: float, error: type[Exception], tmp_path: Path
) -> None:
    with ReadingsWriter(tmp_path / "trace", 5, {"power": POWER}) as writer:
        writer.write("power", 6, 7, 1.0)
        with pytest.raises(error):
            writer.write("power", begin_ns, end_ns, value)
        with pytest.raises(KeyError):
            writer.write("other", 10, 11, 1.0)
    assert read_readings(tmp_path / "trace").channels["power"].value.tolist() == [1.0]
    with pytest.raises(ValueError, match="channel called"):
        ReadingsWriter(tmp_path / "other", 5, {"a,b": POWER})


def test_numbers_of_numpy_are_written_as_numbers(tmp_path: Path) -> None:
    with ReadingsWriter(tmp_path / "trace", 0, {"power": POWER}) as writer:
        writer.write("power", 1, 2, np.float64(1.5))
        writer.write("power", 2, 3, float(np.float32(0.1)))
    assert read_readings(tmp_path / "trace").channels["power"].value.tolist() == [1.5, float(np.float32(0.1))]


# ------------------------------------------------------------------------------------------------------------- fuzz

LINE = re.compile(rb"power,[0-9]+,[0-9]+,-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


def plainly(data: bytes) -> list[tuple[int, int, float]]:
    """The rows of a file that is sound, read the slow way."""
    return [
        (int(begin), int(end), float(value))
        for line in data.split(b"\n")[2:-1]
        for _, begin, end, value in (line.split(b","),)
    ]


def check(path: Path, data: bytes) -> None:
    """The bytes are refused, or read as what they plainly say."""
    path.write_bytes(data)
    try:
        found: Readings = read_readings(path)
    except DataError:
        return
    assert found.zero_ns >= 0
    for name, item in found.channels.items():
        assert np.isfinite(item.value).all()
        assert (np.diff(item.begin_ns) >= 0).all()
        assert (item.begin_ns <= item.end_ns).all()
        if name == "power" and len(found.channels) == 1 and item.channel == Channel(measures="power"):
            assert all(LINE.fullmatch(line) for line in data.split(b"\n")[2:-1])
            assert plainly(data) == list(zip(item.begin_ns, item.end_ns, item.value, strict=True))


@given(data=st.binary(max_size=300))
@FILE_FIXTURE
def test_arbitrary_bytes_are_refused_or_read(data: bytes, tmp_path: Path) -> None:
    check(tmp_path / "trace", data)
    check(tmp_path / "trace", BODY.encode() + data)
    check(tmp_path / "trace", b"#lab.readings/1 " + data + b"\nchannel,begin_ns,end_ns,value\n")


@given(text=st.text(alphabet="power,0123456789.e+-_ \nnaif\r", max_size=200))
@FILE_FIXTURE
def test_lines_that_look_like_readings_are_refused_or_read(text: str, tmp_path: Path) -> None:
    check(tmp_path / "trace", BODY.encode() + text.encode())


@given(
    items=rows.map(rising).filter(bool),
    at=st.integers(0, 10_000),
    length=st.integers(0, 4),
    put=st.binary(max_size=4) | st.text("0123456789,.\n-e", max_size=4).map(str.encode),
)
@FILE_FIXTURE
def test_a_damaged_file_is_refused_or_read(
    items: list[tuple[int, int, float]], at: int, length: int, put: bytes, tmp_path: Path
) -> None:
    of = {"power": Channel(measures="power")}
    data = write(tmp_path / "trace", of, {"power": items}).read_bytes()
    at %= len(data)
    check(tmp_path / "trace", data[:at] + put + data[at + length :])
