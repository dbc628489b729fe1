"""``lab replay``, ``lab export`` and ``lab recover`` as a person types them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from energyrunner_sessions import MadeSession
from jls_files import U1, ForeignSignal, killed_recording, load, write_foreign

from lab.cli.main import main

LENGTH = 30_000


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_RECORDS", str(tmp_path / "records"))


@pytest.fixture
def lab(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command; gives (exit code, stdout, stderr)."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def energy(i: np.ndarray, v: np.ndarray, first: int = 0, last: int | None = None) -> float:
    return math.fsum((i[first:last].astype(np.float64) * v[first:last].astype(np.float64)).tolist()) / 1000.0


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    i, v = load(LENGTH)
    line = np.zeros(LENGTH, np.uint8)
    line[10_000:20_000] = 1
    return write_foreign(
        tmp_path / "a.jls", [ForeignSignal("i", i), ForeignSignal("v", v), ForeignSignal("gpi[0]", line, data_type=U1)]
    )


def test_a_recording_is_replayed_without_any_file_beside_it(lab: Any, recording: Path) -> None:
    i, v = load(LENGTH)
    code, out, err = lab("replay", recording, "--inferences", 50, "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    rows = {row["quantity"]: row for row in said["results"]}
    # The edges lie half a sample before the first sample at the new level.
    inside = energy(i, v, 10_000, 19_999)
    ends = (0.5 * energy(i, v, 9_999, 10_000)) + 0.5 * energy(i, v, 19_999, 20_000)
    assert rows["energy_gross_j"]["value"] == pytest.approx((inside + ends) / 50, rel=1e-12)
    assert rows["energy_gross_j"]["origin"] == "replayed"
    assert rows["energy_gross_j"]["verdict"] == "degraded", "nothing is known of the meter"
    assert "energy_net_j" not in rows, "nobody said that the board was idle"
    assert [window["coverage"] for window in said["windows"]] == [1.0]
    assert said["recording"]["signals"]["gpi0"]["name"] == "gpi[0]"
    for command in ("show", "process", "report"):
        code, out, err = lab(command, said["record"])
        assert (code, err) == (0, "")
    assert "REPLAYED" in lab("show", "latest")[1]


def test_the_same_in_words(lab: Any, recording: Path) -> None:
    code, out, _ = lab("replay", recording)
    assert code == 0
    for text in ("window   gpi0", "10.000000 s", "100.00%", "energy_process_gross_j", "replayed"):
        assert text in out, text


def test_a_stated_stretch_and_the_whole(lab: Any, recording: Path) -> None:
    i, v = load(LENGTH)
    code, out, _ = lab("replay", recording, "--from", "2s", "--to", "3500ms", "--json")
    assert (code, json.loads(out)["windows"][0]["energy_j"]) == (0, pytest.approx(energy(i, v, 2000, 3500), rel=1e-12))
    code, out, _ = lab("replay", recording, "--window", "whole", "--json")
    assert json.loads(out)["windows"][0]["energy_j"] == pytest.approx(energy(i, v), rel=1e-12)


def test_idle_that_was_stated_gives_the_net_energy(lab: Any, tmp_path: Path) -> None:
    line = np.zeros(LENGTH, np.uint8)
    line[10_000:20_000] = 1
    rng = np.random.default_rng(4)
    i = (0.1 + 0.2 * line + 1e-3 * rng.standard_normal(LENGTH)).astype(np.float32)
    v = np.full(LENGTH, 5.0, np.float32)
    signals = [ForeignSignal("i", i), ForeignSignal("v", v), ForeignSignal("0", line, data_type=U1)]
    path = write_foreign(tmp_path / "b.jls", signals)
    code, out, _ = lab("replay", path, "--idle", "8s", "--inferences", "10", "--json")
    rows = {row["quantity"]: row["value"] for row in json.loads(out)["results"]}
    assert code == 0
    assert rows["power_idle_w"] == pytest.approx(0.5, rel=1e-3)
    assert rows["energy_net_j"] == pytest.approx(1.0, rel=1e-3)


def test_limits_of_error_come_from_a_bench_file(lab: Any, recording: Path, tmp_path: Path) -> None:
    bench = tmp_path / "bench.yaml"
    bench.write_text(
        """\
bench: lab_js220
board: {kind: none}
instruments:
  meter:
    kind: joulescope
    model: JS220
    rate: 1 kHz
    range: "10 A"
    accuracy:
      source: datasheet
      date: "2022"
      timebase_ppm: 10
      ranges:
        "10 A": {full_scale: 10 A, gain_i: 0.25 %, offset_i: 1.5 mA, gain_v: 0.1 %, offset_v: 2 mV}
"""
    )
    code, out, _ = lab("replay", recording, "--accuracy", f"{bench}#meter", "--json")
    rows = {row["quantity"]: row for row in json.loads(out)["results"]}
    assert code == 0
    assert "accuracy_unknown" not in (rows["energy_process_gross_j"]["reasons"] or "")
    assert rows["energy_process_gross_j"]["u"] > 0
    for wrong, text in ((f"{bench}#other", "no instrument is called 'other'"), ("bench.yaml", "expected BENCH.yaml#")):
        code, _, err = lab("replay", recording, "--accuracy", wrong)
        assert (code, text in err) == (2, True)


def test_a_session_is_replayed_beside_what_was_published(lab: Any, made: tuple[MadeSession, Path]) -> None:
    code, out, _ = lab("replay", made[1])
    assert code == 0
    assert "published" in out
    assert "the session's own time stamps" in out
    rows = {row["quantity"]: row["value"] for row in json.loads(lab("replay", made[1], "--json")[1])["results"]}
    assert rows["inferences"] == sum(window.inferences for window in made[0].windows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "2s", "--to", "1s"), "before it begins"),
        (("--from", "2s", "--to", "99s"), "is 30 s long"),
        (("--from", "2s", "--window", "gpi0"), "both say where the window is"),
        (("--signal", "nonsense=1"), "signals"),
        (("--line", "gpi0=window"), "lines"),
        (("--source", "JS999"), "no source is called"),
        (("--name", "not a name"), "not a name"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_record_is_made(
    lab: Any, recording: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    code, out, err = lab("replay", recording, *options)
    assert (code in (2, 4), out) == (True, "")
    assert said in err
    assert not (tmp_path / "records").exists()


def test_files_that_are_no_recordings(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b.jls").write_bytes(b"hello")
    for name, code, said in (("none.jls", 2, "no such file"), ("a.txt", 2, "--layout"), ("b.jls", 4, "not a JLS v2")):
        found, _, err = lab("replay", tmp_path / name)
        assert (found, said in err) == (code, True), err
    assert not (tmp_path / "records").exists()


def test_a_table_with_a_broken_cell_says_so_and_gives_no_number(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("p\n1\n2\nthree\n4\n")
    (tmp_path / "layout.yaml").write_text("rate: 10 Hz\ncolumns: {power: {column: p, unit: W}}\n")
    code, out, err = lab("replay", "a.csv", "--layout", "layout.yaml")
    assert (code, out) == (4, "")
    assert "a.csv:4: column 'p': found 'three'" in err


def test_an_interrupted_recording_is_replayed_or_recovered(lab: Any, tmp_path: Path) -> None:
    path = killed_recording(tmp_path / "killed.jls", 400_000, kill_at=390_000)
    code, out, _ = lab("replay", path)
    assert code == 0
    assert "recording_unclosed" in out
    code, out, _ = lab("recover", path)
    assert code == 0
    assert "never closed" in out
    recovered = tmp_path / "killed.recovered.jls"
    assert recovered.exists()
    code, _, err = lab("recover", path)
    assert (code, "is there already" in err) == (2, True)
    code, out, _ = lab("replay", recovered, "--json")
    said = json.loads(out)
    assert code == 0
    assert {fault["code"] for fault in said["faults"]} == {"recording_unclosed"}
    assert (
        "recording_unclosed" in {row["quantity"]: row["reasons"] for row in said["results"]}["energy_process_gross_j"]
    )
    code, out, _ = lab("recover", path, "-o", tmp_path / "again.jls", "--json")
    assert (code, json.loads(out)["was_closed"]) == (0, False)


# -------------------------------------------------------------------------------------------------------- export


def record_of(lab: Any, *words: object) -> str:
    return str(json.loads(lab("replay", *words, "--json")[1])["record"])


def test_what_is_exported_and_imported_again_has_the_same_energy(lab: Any, recording: Path, tmp_path: Path) -> None:
    i, v = load(LENGTH)
    record = record_of(lab, recording, "--window", "whole")
    code, out, _ = lab("export", record, "--csv", "out.csv", "--from", "1s", "--to", "29s")
    assert (code, "28000 rows" in out) == (0, True)
    (tmp_path / "layout.yaml").write_text(
        "columns:\n"
        "  time: {column: time_s, unit: s}\n"
        "  current: {column: current_a, unit: A}\n"
        "  voltage: {column: voltage_v, unit: V}\n"
    )
    code, out, _ = lab("replay", "out.csv", "--layout", "layout.yaml", "--json")
    assert json.loads(out)["windows"][0]["energy_j"] == pytest.approx(energy(i, v, 1000, 29_000), rel=1e-12)


def test_the_window_alone_as_parquet_with_units(lab: Any, recording: Path) -> None:
    from pyarrow import parquet

    record = record_of(lab, recording)
    code, _, err = lab("export", record, "t0001.energy", "--window", "--parquet", "out.parquet")
    assert (code, err) == (0, "")
    found = parquet.read_table("out.parquet")
    assert found.num_rows == 10_001
    assert found.schema.field("current_a").metadata == {b"unit": b"A"}
    assert found.schema.metadata[b"origin"] == b"replayed"
    i, _ = load(LENGTH)
    np.testing.assert_array_equal(found["current_a"].to_numpy(), i[9_999:20_000])
    np.testing.assert_array_equal(found["gpi0"].to_numpy()[:3], [0, 1, 1])


def test_gaps_are_empty_cells(lab: Any, tmp_path: Path) -> None:
    i, v = load(LENGTH)
    i[500:600] = np.nan
    record = record_of(lab, write_foreign(tmp_path / "g.jls", [ForeignSignal("i", i), ForeignSignal("v", v)]))
    assert lab("export", record, "--csv", "out.csv")[0] == 0
    with Path("out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == LENGTH
    assert [place for place, row in enumerate(rows) if row["current_a"] == ""] == list(range(500, 600))
    assert rows[550] == {"time_s": "0.55", "current_a": "", "voltage_v": "", "power_w": ""}
    assert float(rows[3]["current_a"]) == pytest.approx(float(i[3]), rel=1e-7)


def test_readings_are_exported_one_by_one(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,p\n" + "".join(f"{k * 0.1:.1f},{k % 3}\n" for k in range(40)))
    (tmp_path / "layout.yaml").write_text(
        "rows: readings\ncolumns:\n  time: {column: t, unit: s}\n  power: {column: p, unit: W}\n"
    )
    record = record_of(lab, "a.csv", "--layout", "layout.yaml")
    assert lab("export", record, "--csv", "out.csv", "--from", "1s", "--to", "2s")[0] == 0
    with Path("out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time_s"]) for row in rows] == pytest.approx([1 + 0.1 * k for k in range(11)])
    assert {(row["channel"], row["unit"]) for row in rows} == {("power", "W")}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("t0009.energy", "--csv", "x.csv"), "no pass 't0009.energy'"),
        (("--instrument", "other", "--csv", "x.csv"), "no such trace by 'other'"),
        (("--from", "5s", "--to", "2s", "--csv", "x.csv"), "is not inside the trace"),
        (("--to", "99s", "--csv", "x.csv"), "is not inside the trace"),
        (("--window", "2", "--csv", "x.csv"), "the pass has 1 windows"),
        (("--window", "--from", "1s", "--csv", "x.csv"), "both say which stretch"),
        (("--csv", "a.jls"), "is there already"),
    ],
)
def test_an_export_that_cannot_be(lab: Any, recording: Path, options: tuple[str, ...], said: str) -> None:
    record = record_of(lab, recording)
    before = sorted(item.name for item in Path().iterdir())
    code, out, err = lab("export", record, *options)
    assert (code, out) == (2, "")
    assert said in err
    assert sorted(item.name for item in Path().iterdir()) == before


def test_an_export_takes_little_memory(lab: Any, tmp_path: Path) -> None:
    import tracemalloc

    count = 3_000_000
    i, v = load(count)
    signals = [ForeignSignal("i", i, rate_hz=1_000_000), ForeignSignal("v", v, rate_hz=1_000_000)]
    record = record_of(lab, write_foreign(tmp_path / "l.jls", signals, pieces=100_000))
    tracemalloc.start()
    try:
        assert lab("export", record, "--parquet", "out.parquet")[0] == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6, "all of the samples alone would be 60 MB"
