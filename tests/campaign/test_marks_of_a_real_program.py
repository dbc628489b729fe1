"""On this machine, end to end: a program writes marks, a meter is read, a window is placed from the record alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from analysis.alignment import place_marks
from analysis.board_marks import read_board_marks
from instruments.protocol import Capabilities, Observation, PassContext, Probe
from lab.boards.local import LocalBoard
from lab.boards.protocol import Board
from lab.record.documents import TraceRef
from lab.record.host_clock import host_ns
from lab.record.quantity import Origin
from lab.record.reader import Record
from lab.record.traces.readings import Channel, ReadingsWriter
from lab.record.writer import RecordWriter
from lab.runner.one_pass import PassJob, run_pass
from lab.workloads.protocol import PassRequest, Prepared

CODED_LOAD = Path(__file__).parents[2] / "workloads" / "coded_load"
PROGRAM = """
import os, time
def mark(name):
    ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    with open(os.environ["LAB_MARKS"], "a") as file:
        file.write(f"{name} {ns}\\n")
    print(ns)
mark("window_begin")
time.sleep(0.2)
mark("window_end")
"""
SILENT = "import time; time.sleep(0.2)"


class Polled:
    """A meter that is asked twice, before and after the pass."""

    name = "meter"

    def probe(self) -> Probe:
        return Probe(True, "a fake")

    def capabilities(self) -> Capabilities:
        return Capabilities(measures=("energy",), origin=Origin.MEASURED, scope="host")

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def arm(self, context: PassContext) -> None:
        self._context = context

    def start(self) -> None:
        self._zero_ns = host_ns()
        self._path = self._context.trace.with_name(self._context.trace.name + ".readings.csv")
        self._writer = ReadingsWriter(self._path, self._zero_ns, {"energy": Channel(measures="energy")})
        self._writer.write("energy", self._zero_ns, host_ns(), 0.0)

    def stop(self) -> Observation:
        now = host_ns()
        self._writer.write("energy", now, host_ns(), 1.0)
        self._writer.close()
        trace = TraceRef(
            instrument="meter",
            path=self._path.relative_to(self._context.record_root).as_posix(),
            format="readings",
            rate_hz=1e9,
            samples=now - self._zero_ns,
        )
        return Observation(traces=(trace,))


class Script:
    """A workload that is one line of Python."""

    reader = "none"

    def __init__(self, text: str) -> None:
        self._text = text

    def prepare(self, board: Board, values: Mapping[str, Any], request: PassRequest) -> Prepared:
        return Prepared(argv=(sys.executable, "-c", self._text))


def recorded(folder: Path, text: str, *, per: str | None = None, alignment: dict[str, Any] | None = None) -> Record:
    """A record of one energy pass on this machine."""
    plan = {
        "pass_id": "t0001.energy",
        "kind": "energy",
        "instruments": ["meter"],
        "events": [],
        "runs": 1,
        "min_duration_s": None,
        "idle_s": 0.05,
        "warmup_runs": None,
        "baseline": False,
    }
    trial = {"trial_id": "t0001", "settings": {}, "passes": [plan]}
    manifest = {
        "schema": "lab.record/1",
        "record_id": "r",
        "state": "running",
        "origin": "measured",
        "seed": 1,
        "plan": {"trials": [trial], "unavailable": []},
        "bench": {"resolved": {"alignment": alignment}},
        "experiment": {"resolved": {"workload": {"kind": "program", "per": per}}},
        "board": {"name": "board", "kind": "local", "origin": "measured"},
        "workload": {"kind": "program", "reader": "none", "versions": {}},
        "instruments": {"meter": {"kind": "rapl"}},
        "inputs": [],
        "files": {},
    }
    root = folder / "record"
    root.mkdir()
    writer = RecordWriter(root, manifest)
    board = LocalBoard("board")
    board.open()
    try:
        job = PassJob(trial=trial, plan=plan, attempt=1, seed=1, deadline_s=30.0)
        outcome = run_pass(job, board, [Polled()], Script(text), writer)  # type: ignore[arg-type]
    finally:
        board.close()
    assert outcome.state == "done"
    writer.seal("complete")
    return Record.open(root)


def window_s(record: Record) -> tuple[float, float, float]:
    """Begin and end of the placed window in seconds of the host's clock, and the bound."""
    (data,) = record.passes().values()
    (ref,) = data.end.traces
    placed = place_marks(record, data, ref, None)
    assert placed.reasons == ()
    zero_ns = int(record.path(ref.path).read_text().partition('"zero_ns": ')[2].partition(",")[0])
    at = {mark.name: 1e-9 * (zero_ns + mark.sample) for mark in placed.marks}
    return at["window_begin"], at["window_end"], placed.bound_s


def test_a_programs_window_is_placed_to_microseconds(tmp_path: Path) -> None:
    record = recorded(tmp_path, PROGRAM)
    begin_s, end_s, bound_s = window_s(record)
    (data,) = record.passes().values()
    assert {document.phase for document in data.pings} == {"before", "after"}
    assert all(len(document.pings) >= 50 for document in data.pings)
    said = [1e-9 * int(line) for line in (record.path(str(data.end.output)) / "stdout.txt").read_text().split()]
    assert begin_s == pytest.approx(said[0], abs=bound_s)
    assert end_s == pytest.approx(said[1], abs=bound_s)
    assert bound_s < 1e-3


def test_a_silent_program_measured_as_a_whole_is_placed_to_its_start_up(tmp_path: Path) -> None:
    before_s = time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    begin_s, end_s, bound_s = window_s(recorded(tmp_path, SILENT, per="process"))
    assert before_s < begin_s < end_s < time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    assert 0.2 <= end_s - begin_s < 2.0
    assert bound_s < 0.5


def test_the_marks_stay_raw_in_the_record_and_are_sealed(tmp_path: Path) -> None:
    record = recorded(tmp_path, PROGRAM)
    assert record.verify() == []
    sealed = record.manifest["files"]
    assert {"output/t0001.energy/marks.txt", "output/t0001.energy/host_marks.txt"} <= sealed.keys()


def test_the_real_coded_load_is_played_around_the_program(tmp_path: Path) -> None:
    done = subprocess.run(["make", "-s", "-C", CODED_LOAD, f"BUILD={tmp_path}"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    code = {"program": str(tmp_path / "coded_load"), "chip": 0.005, "order": 4}
    record = recorded(tmp_path, PROGRAM, alignment={"methods": ["agent", "coded_load"], "pings": 50, "code": code})
    (data,) = record.passes().values()
    output = record.path(str(data.end.output))
    names = [mark.name for mark in read_board_marks(output / "marks.txt").marks]
    assert [name for name in names if name not in ("code_busy", "code_idle")] == [
        "code_begin",
        "code_end",
        "window_begin",
        "window_end",
        "code_begin",
        "code_end",
    ]
    assert (output / "coded_load_before.stdout.txt").read_text().startswith("15 chips of 5 ms")
    (ref,) = data.end.traces
    placed = place_marks(record, data, ref, None)
    assert placed.reasons == ("alignment_unchecked",), "a meter that is read now and then cannot show the code"


def test_a_bench_that_names_the_pin_alone_asks_no_clock(tmp_path: Path) -> None:
    alignment = {"methods": ["gpio"], "pings": 50, "code": {"program": "coded_load", "chip": 0.02, "order": 6}}
    record = recorded(tmp_path, SILENT, alignment=alignment)
    (data,) = record.passes().values()
    assert data.pings == ()
    assert "output/t0001.energy/host_marks.txt" not in record.manifest["files"]
