"""Recordings in experiments: named by the experiment or by the bench, found on disk, several meters at once."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from jls_files import ForeignSignal, load, write_foreign

from analysis.process import process
from lab.cli.main import main
from lab.config.problems import ConfigErrors
from lab.experiment.load import load_experiment
from lab.record.reader import Record
from lab.record.traces.jls_writer import JlsWriter
from lab.runner.progress import Silent
from lab.runner.session import start

LENGTH = 12_000

EXPERIMENT = """\
experiment: recordings
bench: bench.yaml
workload:
  kind: recorded_session
  format: jls
  folder: files
  session: "{recording}"
  inferences: "{count}"
factors:
  recording:
    - {value: one.jls, settings: {count: 4}}
    - {value: two.jls, settings: {count: 8}}
order: as_written
passes: {energy: {}}
"""
BENCH = """\
bench: played
board: {kind: replay}
instruments:
  meter: {kind: replay, window: {begin: 1 s, end: 11 s}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    for seed, name in ((1, "one"), (2, "two")):
        i, v = load(LENGTH, seed)
        write_foreign(tmp_path / "files" / f"{name}.jls", [ForeignSignal("i", i), ForeignSignal("v", v)])
    return tmp_path


def energy(seed: int, first: int, last: int) -> float:
    i, v = load(LENGTH, seed)
    return math.fsum((i[first:last].astype(np.float64) * v[first:last].astype(np.float64)).tolist()) / 1000.0


def results(folder: Path, experiment: str, bench: str) -> pd.DataFrame:
    (folder / "experiment.yaml").write_text(experiment)
    (folder / "bench.yaml").write_text(bench)
    loaded = load_experiment(folder / "experiment.yaml")
    finished = start(loaded, folder / "records", folder / "cache", Silent())
    assert finished.outcome.state == "complete"
    return process(Record.open(finished.root)).results


def values(found: pd.DataFrame, quantity: str) -> list[float]:
    return found[found["quantity"] == quantity]["value"].tolist()


def test_each_recording_with_its_own_count(files: Path) -> None:
    found = results(files, EXPERIMENT, BENCH)
    expected = [energy(1, 1000, 11_000) / 4, energy(2, 1000, 11_000) / 8]
    assert values(found, "energy_gross_j") == pytest.approx(expected, rel=1e-12)
    assert values(found, "inferences") == [4, 8]
    assert set(found["origin"]) == {"replayed"}
    assert "latency_s" not in set(found["quantity"]), "no program ran that could have said"


def test_recordings_are_found_on_disk(files: Path) -> None:
    text = EXPERIMENT.partition("factors:")[0].replace('  inferences: "{count}"\n', "  per: process\n")
    text += "factors:\n  recording: {glob: {folder: files, pattern: '*.jls', values: files}}\npasses: {energy: {}}\n"
    found = results(files, text, BENCH)
    assert values(found, "energy_process_gross_j") == pytest.approx(
        [energy(seed, 1000, 11_000) for seed in (1, 2)], rel=1e-12
    )


def test_two_meters_of_one_run(files: Path) -> None:
    bench = (
        "bench: played\nboard: {kind: replay}\ninstruments:\n"
        "  board_rail: {kind: replay, file: files/one.jls, window: whole}\n"
        "  soc_rail: {kind: replay, file: files/two.jls, window: whole, scope: soc}\n"
    )
    text = (
        "experiment: rails\nbench: bench.yaml\nworkload: {kind: recorded_session, format: jls, per: process}\n"
        "passes: {energy: {}}\n"
    )
    found = results(files, text, bench)
    rows = found[found["quantity"] == "energy_process_gross_j"]
    assert dict(zip(rows["source"], rows["scope"], strict=True)) == {"board_rail": "board", "soc_rail": "soc"}
    assert rows["value"].tolist() == pytest.approx([energy(1, 0, LENGTH), energy(2, 0, LENGTH)], rel=1e-12)


def test_a_recording_that_cannot_be_read_spoils_its_own_trial_only(files: Path) -> None:
    (files / "files" / "two.jls").write_bytes(b"nonsense")
    found = results(files, EXPERIMENT, BENCH)
    rows = found[found["quantity"] == "energy_gross_j"]
    assert rows["verdict"].tolist() == ["degraded", "invalid"]
    assert "trace_unreadable" in rows["reasons"].tolist()[1]
    assert rows["value"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: replay, window: {begin: 1 s, end: 11 s}", "kind: energyrunner", "instruments.meter.kind"),
        ("board: {kind: replay}", "board: {kind: local}", "board.kind"),
        ("begin: 1 s, end: 11 s", "begin: 11 s, end: 1 s", "ends before it begins"),
        ("window: {begin: 1 s, end: 11 s}", "window: gpi7", "instruments.meter.window"),
        ("window: {begin: 1 s, end: 11 s}", "window: gpi1, lines: {gpi1: warmup}", "this is the window's input"),
        ("window: {begin: 1 s, end: 11 s}", "layout: {rate: 10}", "columns: missing key"),
        ("window: {begin: 1 s, end: 11 s}", "range: 10 A", "no limits of error are given for this range"),
    ],
)
def test_a_mistake_in_the_bench_is_told_with_its_place(files: Path, old: str, new: str, said: str) -> None:
    assert old in BENCH
    (files / "experiment.yaml").write_text(EXPERIMENT)
    (files / "bench.yaml").write_text(BENCH.replace(old, new))
    with pytest.raises(ConfigErrors) as refused:
        load_experiment(files / "experiment.yaml")
    assert said in str(refused.value)
    assert "bench.yaml:" in str(refused.value)


def test_somebody_must_name_the_recording(files: Path) -> None:
    text = "experiment: e\nbench: bench.yaml\nworkload: {kind: recorded_session, format: jls}\npasses: {energy: {}}\n"
    (files / "experiment.yaml").write_text(text)
    (files / "bench.yaml").write_text(BENCH)
    with pytest.raises(ConfigErrors, match="neither the bench nor the experiment names a recording"):
        load_experiment(files / "experiment.yaml")


def test_playing_what_a_simulated_meter_recorded_does_not_make_it_real(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    i, v = load(LENGTH, 1)
    path = files / "files" / "one.jls"
    path.unlink()
    with JlsWriter(
        path, source="simulated JS220", serial="S", rate_hz=1000.0, channels=("current", "voltage")
    ) as writer:
        writer.write("current", 0, i)
        writer.write("voltage", 0, v)
    found = results(files, EXPERIMENT, BENCH)
    rows = found[found["quantity"] == "energy_gross_j"].sort_values("order")
    assert rows["verdict"].tolist() == ["invalid", "degraded"], "nothing simulated is stamped as replayed"
    declared = results(
        files, EXPERIMENT, BENCH.replace("{kind: replay, window", "{kind: replay, origin: simulated, window")
    )
    rows = declared[declared["quantity"] == "energy_gross_j"].sort_values("order")
    assert rows["verdict"].tolist() == ["degraded", "degraded"]
    assert set(rows["origin"]) == {"simulated"}
    assert main(["replay", str(path), "--records", str(files / "found"), "--json"]) == 0
    assert {row["origin"] for row in json.loads(capsys.readouterr().out)["results"]} == {"simulated"}
