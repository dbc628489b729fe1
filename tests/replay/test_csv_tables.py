"""Tables with a declared layout: gaps stay gaps, a grid is a grid, and what does not fit is refused with its line."""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jls_files import played

from lab.bench.assemble_recordings import make_layout
from lab.bench.csv_layouts import CsvLayout as WrittenLayout
from lab.bench.csv_layouts import load_layout
from lab.config.problems import ConfigErrors
from lab.errors import DataError
from lab.record.traces.csv_readings import import_readings
from lab.record.traces.csv_table import CsvColumn, CsvLayout, CsvLogicColumn, CsvRecording
from lab.record.traces.readings import read_readings

IV = CsvLayout(analog={"current": CsvColumn("i", 1e-3), "voltage": CsvColumn("v")}, rate_hz=1000.0)
TIMED = replace(IV, rate_hz=None, time=CsvColumn("t"))


def table(folder: Path, *lines: str, head: str = "t,i,v") -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def rows(count: int, period_s: float = 1e-3, digits: int = 6) -> list[str]:
    return [f"{k * period_s:.{digits}f},{100 + k % 7},5.0" for k in range(count)]


def test_columns_are_scaled_and_named(tmp_path: Path) -> None:
    with CsvRecording(table(tmp_path, "0,1500,5.25", "1,-20.5,5"), IV) as recording:
        found = played(recording)
    np.testing.assert_array_equal(found.analog["current"], np.array([1.5, -0.0205], np.float32))
    np.testing.assert_array_equal(found.analog["voltage"], np.array([5.25, 5.0], np.float32))
    assert found.findings == ()


def test_columns_may_be_numbered_and_headers_absent(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("1;2;5\n2;3;5\n")
    layout = CsvLayout(
        analog={"current": CsvColumn(2), "voltage": CsvColumn(3)}, rate_hz=10.0, header_lines=0, separator=";"
    )
    with CsvRecording(path, layout) as recording:
        assert played(recording).analog["current"].tolist() == [2.0, 3.0]


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "OL"])
def test_a_missing_value_is_a_gap_and_never_a_zero(tmp_path: Path, cell: str) -> None:
    layout = replace(IV, missing=("", "nan", "NaN", "OL"))
    with CsvRecording(table(tmp_path, "0,1,5", f"1,{cell},5", "2,3,5"), layout) as recording:
        found = played(recording)
    assert [stretch.first_sample for stretch in found.stretches] == [0, 2]
    assert found.findings == (("samples_dropped", "1 rows lack a value"),)


def test_missing_rows_are_gaps_by_the_column_of_time(tmp_path: Path) -> None:
    kept = [row for place, row in enumerate(rows(1000)) if not 300 <= place < 412]
    with CsvRecording(table(tmp_path, *kept), TIMED) as recording:
        assert (recording.rate_hz, recording.length) == (1000.0, 1000)
        found = played(recording)
    assert np.flatnonzero(~found.present).tolist() == list(range(300, 412))
    assert found.findings == (("samples_dropped", "112 rows are missing by the column of time"),)


def test_decimal_commas(tmp_path: Path) -> None:
    layout = replace(IV, separator=";", decimal=",")
    with CsvRecording(table(tmp_path, "0;1,5;5,25", head="t;i;v"), layout) as recording:
        assert played(recording).analog["voltage"].tolist() == [5.25]


def test_an_assumed_voltage_and_lines_with_a_threshold(tmp_path: Path) -> None:
    layout = CsvLayout(
        analog={"current": CsvColumn("i")},
        logic={"gpi0": CsvLogicColumn("trig", high=1.6)},
        rate_hz=10.0,
        assumed_voltage_v=3.3,
    )
    with CsvRecording(table(tmp_path, "1,0.1", "2,3.2", "3,1.59", head="i,trig"), layout) as recording:
        found = played(recording)
        assert recording.analog == ("current", "voltage")
    assert found.analog["voltage"].tolist() == pytest.approx([3.3] * 3)
    assert found.logic["gpi0"].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("period_s", "digits", "rate_hz"), [(1e-3, 3, 1000.0), (1e-6, 6, 1e6), (0.02, 2, 50.0), (1 / 3000, 9, 3000.0)]
)
def test_the_rate_that_the_column_of_time_gives(tmp_path: Path, period_s: float, digits: int, rate_hz: float) -> None:
    with CsvRecording(table(tmp_path, *rows(2000, period_s, digits)), TIMED) as recording:
        assert recording.rate_hz == rate_hz


@pytest.mark.parametrize(("period_s", "digits"), [(1.0003e-3, 9), (3.0, 3), (1 / 300, 4)])
def test_a_rate_that_is_no_whole_number_that_could_be_told_is_refused(
    tmp_path: Path, period_s: float, digits: int
) -> None:
    with pytest.raises(DataError, match="no whole number that could be told") as refused:
        CsvRecording(table(tmp_path, *rows(200, period_s, digits)), TIMED)
    assert "declare the rate" in str(refused.value.advice)


def test_a_declared_rate_is_held_against_the_column_of_time(tmp_path: Path) -> None:
    path = table(tmp_path, *rows(500, 1.00004e-3, 9))
    with CsvRecording(path, replace(TIMED, rate_hz=1000.0)) as recording:
        assert recording.rate_hz == 1000.0
        assert recording.facts["rate_by_time_column_hz"] == pytest.approx(999.96, abs=0.01)
    with pytest.raises(DataError, match=r"gives|rows per second, the layout declares 1000"):
        CsvRecording(table(tmp_path, *rows(500, 1.04e-3, 9)), replace(TIMED, rate_hz=1000.0))
    with pytest.raises(DataError, match="do not lie on a grid"):
        CsvRecording(table(tmp_path, *rows(500, 0.4e-3, 9)), replace(TIMED, rate_hz=1000.0))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["0,1,5", "1,x,5"], r"table.csv:3: column 'i': found 'x', expected a number with a decimal point"),
        (["0,1,5", "1,5"], r"table.csv:3: found 2 cells, expected 3"),
        (["0,1,5", "1,2,5,9"], r"table.csv:3: found 4 cells, expected 3"),
        (["0,1,5", "1,inf,5"], r"table.csv:3: found a value that is no finite number"),
        (["0,1,5", "1,1e300,5"], r"table.csv:3: a current of 1e\+297 is beyond all bounds"),
        (["0,1,5", "1,1_0,5"], r"table.csv:3: column 'i'"),
        (["0,1,5", '1,"2,5'], r"table.csv"),
    ],
)
def test_a_cell_that_is_no_number_is_refused_with_its_line(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said), CsvRecording(table(tmp_path, *lines), IV) as recording:
        played(recording)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["0,1,5", "1,1,5", "1,1,5"], r"table.csv:4: the time does not rise"),
        (["0,1,5", ",1,5"], r"table.csv:3: a row without its time"),
        (["0,1,5", "1,1,5", "2,1,5", "2.5,1,5"], r"table.csv:5: 0.5 s after the row before"),
        (["0,1,5"], "too few rows to tell the rate"),
    ],
)
def test_times_that_are_none_are_refused_with_their_line(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        CsvRecording(table(tmp_path, *lines), TIMED)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column is called 'v'") as refused:
        CsvRecording(table(tmp_path, "0,1,5", head="t,i,u"), IV)
    assert "'u'" in str(refused.value.advice)
    with pytest.raises(DataError, match="2 columns are called 'i'"):
        CsvRecording(table(tmp_path, "0,1,5", head="i,i,v"), IV)
    with pytest.raises(DataError, match="cannot read the table"):
        CsvRecording(tmp_path / "none.csv", IV)
    with pytest.raises(DataError, match="not a line of text"):
        CsvRecording(table(tmp_path, "a\0b"), replace(IV, header_lines=2))


def test_a_long_table_is_read_in_pieces(tmp_path: Path) -> None:
    count = 200_000
    path = tmp_path / "table.csv"
    with path.open("w") as file:
        file.write("t,i,v\n")
        file.writelines(f"{k / 1e5:.5f},{k % 1000},5\n" for k in range(count))
    with CsvRecording(path, TIMED) as recording:
        found = played(recording)
        assert recording.rate_hz == 1e5
    assert len(found.stretches) > 1
    np.testing.assert_array_equal(found.analog["current"], (np.arange(count) % 1000 * 1e-3).astype(np.float32))


CELLS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(["", "nan", "0", "-0", "1e5", "1,5", '"3"', '"', "0x10", " 4 ", "∞", "1;2", "\t", "True", "1 2"]),
    st.text(max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=8),
    head=st.sampled_from(["t,i,v", "t;i;v", "", "i", "\ufefft,i,v"]),
    timed=st.booleans(),
    separator=st.sampled_from([",", ";", "\t"]),
    decimal=st.sampled_from([".", ","]),
    header_lines=st.integers(0, 2),
)
def test_any_text_is_a_recording_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[str],
    head: str,
    timed: bool,
    separator: str,
    decimal: str,
    header_lines: int,
) -> None:
    path = tmp_path_factory.mktemp("csv", numbered=True) / "table.csv"
    path.write_text("\n".join([head, *lines]), encoding="utf-8", errors="surrogatepass")
    layout = replace(TIMED if timed else IV, separator=separator, decimal=decimal, header_lines=header_lines)
    if separator == decimal:
        return
    with contextlib.suppress(DataError), CsvRecording(path, layout) as recording:
        found = played(recording)
        assert recording.length <= 10_000_000 or found.present.mean() >= 0.01
        assert found.present.all() or found.findings
    target = path.with_name("readings.csv")
    with contextlib.suppress(DataError):
        imported = import_readings(path, replace(layout, time=CsvColumn("t"), rate_hz=None, readings=True), target)
        assert read_readings(target).channels["power"].value.size == imported.readings


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_are_a_recording_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("csv", numbered=True) / "table.csv"
    path.write_bytes(b"t,i,v\n" + content)
    for layout in (IV, TIMED):
        with contextlib.suppress(DataError), CsvRecording(path, layout) as recording:
            played(recording)


# ------------------------------------------------------------------------------------------------------ readings


def test_rows_at_their_own_instants_become_readings(tmp_path: Path) -> None:
    path = table(tmp_path, "10.0,1000,5,0", "10.4,1000,5,0", "11.5,2000,5,1", "11.6,,5,1", "14,500,5,0", head="t,i,v,w")
    layout = replace(TIMED, readings=True, logic={"gpi0": CsvLogicColumn("w")})
    imported = import_readings(path, layout, tmp_path / "out.csv")
    power = read_readings(tmp_path / "out.csv").channels["power"]
    assert power.value.tolist() == [5.0, 5.0, 10.0, 2.5]
    assert power.begin_ns.tolist() == [0, 400_000_000, 1_500_000_000, 4_000_000_000]
    assert (imported.readings, imported.missing, imported.length_ns) == (4, 1, 4_000_000_000)
    changes = [(item.earliest_ns, item.latest_ns, item.level) for item in imported.changes["gpi0"]]
    assert changes == [(400_000_000, 1_500_000_000, 1), (1_600_000_000, 4_000_000_000, 0)]
    assert power.channel.update_period_s == pytest.approx(0.75)


def test_readings_need_rising_times(tmp_path: Path) -> None:
    layout = replace(TIMED, readings=True)
    for lines, said in ((["1,1,5", "1,1,5"], ":3: the time does not rise"), ([",1,5"], ":2: a row without its time")):
        with pytest.raises(DataError, match=said):
            import_readings(table(tmp_path, *lines), layout, tmp_path / "out.csv")
    with pytest.raises(DataError, match="no rows"):
        import_readings(table(tmp_path), layout, tmp_path / "out.csv")


# -------------------------------------------------------------------------------------------------------- layouts

LAYOUT = """\
separator: ";"
decimal: ","
rate: 2 kHz
columns:
  current: {column: I, unit: µA}
  voltage: {column: 3, unit: mV}
  gpi0: {column: trig, high: 1.5}
"""


def test_a_layout_is_read(tmp_path: Path) -> None:
    path = tmp_path / "layout.yaml"
    path.write_text(LAYOUT)
    layout = make_layout(load_layout(path))
    assert layout.analog == {"current": CsvColumn("I", 1e-6), "voltage": CsvColumn(3, 1e-3)}
    assert (layout.rate_hz, layout.separator, layout.logic) == (2000.0, ";", {"gpi0": CsvLogicColumn("trig", 1.5)})
    again = WrittenLayout.model_validate(load_layout(path).model_dump(mode="json"))
    assert make_layout(again) == layout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("unit: µA", "unit: uV", "layout.yaml:5:30: columns.current.unit: not one of the choices"),
        ("rate: 2 kHz", "rate: 2.5 Hz", "layout.yaml:3:7: rate: not a whole number of hertz"),
        ("rate: 2 kHz", "jitter: 0.2", "no time"),
        ("rate: 2 kHz", "rates: 2 kHz", "layout.yaml:3:1: rates: unknown key"),
        ("column: 3", "column: 0", "not a column"),
        ("column: 3", "column: true", "not a column"),
        ('separator: ";"', "separator: ';;'", "layout.yaml:1:12: separator: not a separator"),
        ("  voltage: {column: 3, unit: mV}\n", "", "no power"),
        ("  voltage: {column: 3, unit: mV}\n", "assumed_voltage: 3 V\n", "layout.yaml"),
        ("rate: 2 kHz", "rate: 2 kHz\nassumed_voltage: 3 V", "the voltage is measured"),
        ('separator: ";"', 'separator: ","', "the same character as the decimal comma"),
        ("rate: 2 kHz", "rows: readings", "readings need the column 'time'"),
        ("rate: 2 kHz", "rate: 2 kHz\njitter: .nan", "layout.yaml:4"),
    ],
)
def test_a_mistake_in_a_layout_is_told_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "layout.yaml"
    assert old in LAYOUT
    path.write_text(LAYOUT.replace(old, new))
    with pytest.raises(ConfigErrors) as refused:
        load_layout(path)
    assert said in str(refused.value)


@settings(max_examples=200, deadline=None)
@given(
    key=st.sampled_from(["rate", "columns", "separator", "decimal", "header_lines", "missing", "jitter", "rows", "x"]),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=6),
        st.lists(st.integers(), max_size=2),
        st.dictionaries(st.sampled_from(["time", "current", "power"]), st.one_of(st.integers(), st.none()), max_size=2),
    ),
)
def test_any_layout_is_one_or_is_refused(tmp_path_factory: pytest.TempPathFactory, key: str, value: object) -> None:
    from ruamel.yaml import YAML

    path = tmp_path_factory.mktemp("layout", numbered=True) / "layout.yaml"
    data: dict[str, object] = {"rate": 10, "columns": {"power": {"column": "p", "unit": "W"}}}
    data[key] = value
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(data, file)
    with contextlib.suppress(ConfigErrors):
        layout = make_layout(load_layout(path))
        assert layout.rate_hz is None or math.isfinite(layout.rate_hz)


def test_the_layouts_in_the_documents_load(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "traces.md").read_text()
    blocks = re.findall(r"^```yaml layout\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 2
    for block in blocks:
        (tmp_path / "layout.yaml").write_text(block)
        assert make_layout(load_layout(tmp_path / "layout.yaml")).analog
    for key in WrittenLayout.model_fields:
        assert f"`{key}`" in page, key
