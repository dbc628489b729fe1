"""Replaying a session as a pass: the raw files in the record, marks, readings, and the values made from them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from energyrunner_sessions import MadeSession, log_text, results_text, write_session

from analysis.replay import is_replay, quantities
from instruments.energyrunner import EnergyRunnerReplay
from instruments.protocol import Instrument, Observation, PassContext, is_power_meter
from lab.boards.protocol import Board, Command
from lab.boards.replay import ReplayBoard
from lab.errors import DataError, LabError
from lab.record.documents import PassBegin, PassEnd
from lab.record.manifest import SCHEMA
from lab.record.quantity import Origin, Quantity, Verdict
from lab.record.reader import Record
from lab.record.reasons import REASONS
from lab.record.writer import RecordWriter
from lab.workloads.protocol import PassRequest, Workload
from lab.workloads.recorded import RecordedSession

PASS_ID = "t0001.energy"


def replay(root: Path, session: Path | None, accuracy: dict[str, Any] | None = None) -> tuple[Record, Observation]:
    """One pass that replays ``session``, as the runner would write it."""
    root.mkdir()
    manifest = {
        "schema": SCHEMA,
        "plan": {"trials": [{"trial_id": "t0001", "passes": [{"pass_id": PASS_ID}]}]},
        "instruments": {"meter": {"capabilities": {"accuracy": accuracy}}},
    }
    writer = RecordWriter(root, manifest)
    paths = writer.paths(PASS_ID, 1)
    instrument = EnergyRunnerReplay("meter")
    instrument.open()
    instrument.arm(
        PassContext(
            pass_id=PASS_ID,
            attempt=1,
            seed=1,
            record_root=root,
            output=paths.output,
            trace=paths.trace,
            session=session,
        )
    )
    instrument.start()
    seen = instrument.stop()
    instrument.close()
    end = PassEnd(pass_id=PASS_ID, attempt=1, state="done", traces=seen.traces)
    writer.append(PassBegin(pass_id=PASS_ID, attempt=1), *seen.marks, *seen.readings, *seen.faults, end)
    writer.seal("complete")
    return Record.open(root), seen


def values_of(record: Record) -> dict[tuple[int | None, str], Quantity]:
    found = quantities(record, record.passes()[PASS_ID])
    assert len({(window, quantity.name) for window, quantity in found}) == len(found)
    return {(window, quantity.name): quantity for window, quantity in found}


def test_the_replay_fits_the_protocols() -> None:
    instrument: Instrument = EnergyRunnerReplay("meter")
    board: Board = ReplayBoard("recordings")
    workload: Workload = RecordedSession(Path("sessions"), "{session}")
    assert is_power_meter(instrument.capabilities())
    assert instrument.capabilities().origin is Origin.REPLAYED
    assert instrument.capabilities().accuracy is None
    assert board.origin is Origin.REPLAYED
    assert workload.versions() == {}


def test_a_pass_keeps_the_session_as_it_is_and_marks_its_windows(
    made: tuple[MadeSession, Path], tmp_path: Path
) -> None:
    truth, folder = made
    record, seen = replay(tmp_path / "record", folder)
    (trace,) = seen.traces
    assert (trace.path, trace.format, trace.rate_hz, trace.samples) == (f"traces/{PASS_ID}", "energyrunner", 1e3, 5000)
    kept = record.path(trace.path)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert record.verify() == []
    assert seen.faults == ()
    marks = [(mark.index, mark.name, mark.sample) for mark in seen.marks]
    assert marks == [
        (2, "window_begin", pytest.approx(500.0)),
        (2, "window_end", pytest.approx(2012.0)),
        (4, "window_begin", pytest.approx(2601.0)),
        (4, "window_end", pytest.approx(4124.0)),
    ]
    assert all(mark.u_samples == pytest.approx(1 / math.sqrt(3)) for mark in seen.marks)
    assert all(mark.method == "timestamps" for mark in seen.marks)
    published = {reading.index: reading for reading in seen.readings if reading.name == "energy_published_j"}
    for true in truth.windows:
        assert published[true.index].value == pytest.approx(true.energy_uj * 1e-6 / true.inferences, abs=0.51e-9)
        assert published[true.index].details["meter"] == "JS110"


def test_the_values_of_a_replayed_pass(made: tuple[MadeSession, Path], tmp_path: Path) -> None:
    truth, folder = made
    record, _ = replay(tmp_path / "record", folder)
    assert is_replay(record.passes()[PASS_ID])
    values = values_of(record)
    assert {window for window, _ in values} == {2, 4}
    for true in truth.windows:
        gross = values[true.index, "energy_gross_j"]
        bound = values[true.index, "energy_edge_bound_j"].value
        published = values[true.index, "energy_published_j"].value
        assert gross.value is not None
        assert bound is not None
        assert published is not None
        assert abs(gross.value - published) <= bound
        assert gross.origin is Origin.REPLAYED
        assert gross.source == "JS110"
        assert gross.verdict is Verdict.DEGRADED
        assert gross.reasons == ("edge_ambiguous", "accuracy_unknown")
        assert gross.u is not None
        assert gross.expanded_u is None
        assert values[true.index, "energy_published_j"].verdict is Verdict.VALID
        assert values[true.index, "match_residual_rel"].value == pytest.approx(0.0, abs=1e-8)
        assert values[true.index, "inferences"].value == true.inferences
        begin_s, end_s = truth.stamps_s[true.index - 1], truth.stamps_s[true.index]
        assert values[true.index, "latency_s"].value == pytest.approx((end_s - begin_s) / true.inferences)
        assert values[true.index, "window_s"].value == pytest.approx(end_s - begin_s)
        assert values[true.index, "power_active_w"].value == pytest.approx(
            gross.value * true.inferences / (end_s - begin_s)
        )


def test_every_reason_given_is_a_known_one(made: tuple[MadeSession, Path], tmp_path: Path) -> None:
    (made[1] / "results.txt").write_text(results_text(made[0]).split("00514.965 ulp-ml: Perf")[0], encoding="utf-8")
    values = values_of(replay(tmp_path / "record", made[1])[0])
    assert all(reason in REASONS for quantity in values.values() for reason in quantity.reasons)


def test_a_placeholder_in_the_bench_is_said(made: tuple[MadeSession, Path], tmp_path: Path) -> None:
    record, _ = replay(tmp_path / "record", made[1], {"source": "placeholder"})
    assert "placeholder_accuracy" in values_of(record)[2, "energy_gross_j"].reasons


def test_without_the_number_of_inferences_there_is_no_energy_per_inference(
    made: tuple[MadeSession, Path], tmp_path: Path
) -> None:
    text = results_text(made[0]).split("00514.965 ulp-ml: Performance")[0]
    (made[1] / "results.txt").write_text(text, encoding="utf-8")
    record, seen = replay(tmp_path / "record", made[1])
    values = values_of(record)
    for name in ("energy_gross_j", "energy_published_j", "inferences", "latency_s"):
        assert values[2, name].value is None
        assert "count_missing" in values[2, name].reasons
    assert values[2, "energy_residual_rel"].value is not None
    assert values[2, "power_active_w"].value is not None
    assert {reading.value for reading in seen.readings if reading.name == "inferences"} == {None}


def test_a_window_that_contradicts_itself_is_invalid_and_the_others_are_not(
    made: tuple[MadeSession, Path], damage: Callable[[str, bytes | str], Path], tmp_path: Path
) -> None:
    text = results_text(made[0]).replace("at time 0.50", "at time 0.60")
    record, seen = replay(tmp_path / "record", damage("results.txt", text))
    assert [fault.code for fault in seen.faults] == ["window_disagrees"]
    assert "window 2" in seen.faults[0].detail
    values = values_of(record)
    assert values[2, "energy_gross_j"].verdict is Verdict.INVALID
    assert values[4, "energy_gross_j"].verdict is Verdict.DEGRADED


def test_packets_that_the_meter_dropped_degrade_the_energy(
    made: tuple[MadeSession, Path], damage: Callable[[str, bytes | str], Path], tmp_path: Path
) -> None:
    text = log_text(made[0]).replace("Dropped 0 packets", "Dropped 17 packets")
    record, seen = replay(tmp_path / "record", damage("log.txt", text))
    assert [fault.code for fault in seen.faults] == ["samples_dropped"]
    assert "samples_dropped" in values_of(record)[2, "energy_gross_j"].reasons


@pytest.mark.parametrize("case", ["none", "missing", "damaged"])
def test_a_session_that_cannot_be_replayed_is_a_fault(
    made: tuple[MadeSession, Path], tmp_path: Path, case: str
) -> None:
    folder: Path | None = {"none": None, "missing": tmp_path / "nowhere", "damaged": made[1]}[case]
    (made[1] / "results.txt").write_text("half a line", encoding="utf-8")
    record, seen = replay(tmp_path / "record", folder)
    assert [fault.code for fault in seen.faults] == ["trace_unreadable"]
    assert seen.traces == ()
    assert quantities(record, record.passes()[PASS_ID]) == []


def test_a_trace_that_was_damaged_in_the_record_is_a_missing_value(
    made: tuple[MadeSession, Path], tmp_path: Path
) -> None:
    record, seen = replay(tmp_path / "record", made[1])
    (record.path(seen.traces[0].path) / "trace1-energy.bin").write_bytes(b"\xf1")
    values = values_of(record)
    assert list(values) == [(None, "energy_gross_j")]
    assert values[None, "energy_gross_j"].value is None
    assert values[None, "energy_gross_j"].reasons == ("trace_unreadable",)


def test_probing_reads_the_sessions_and_names_the_meters(
    made: tuple[MadeSession, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = made[0]
    other.meter = "lpm01a"
    write_session(other, tmp_path / "more" / "other")
    monkeypatch.setenv("LAB_SESSIONS", str(tmp_path))
    probe = EnergyRunnerReplay("meter").probe()
    assert probe.present
    assert probe.detail == "2 recorded sessions (1 by JS110, 1 by LPM01A)"
    (tmp_path / "more" / "other" / "results.txt").write_text("", encoding="utf-8")
    probe = EnergyRunnerReplay("meter").probe()
    assert probe.present
    assert "1 cannot be read" in probe.detail
    assert json.dumps(probe.facts)


def test_probing_says_what_to_do_where_there_are_no_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_SESSIONS", raising=False)
    for instrument in (
        EnergyRunnerReplay("m"),
        EnergyRunnerReplay("m", tmp_path),
        EnergyRunnerReplay("m", tmp_path / "x"),
    ):
        probe = instrument.probe()
        assert not probe.present
        assert "LAB_SESSIONS" in probe.advice


def test_stop_without_a_pass_says_nothing() -> None:
    assert EnergyRunnerReplay("meter").stop() == Observation()


# --- workload and board ----------------------------------------------------------------------------------------------


def test_the_workload_names_the_folder_of_the_trials_session(made: tuple[MadeSession, Path]) -> None:
    workload = RecordedSession(made[1].parent, "{session}")
    request = PassRequest(kind="energy")
    prepared = workload.prepare(ReplayBoard("b"), {"session": made[1].name}, request)
    assert prepared.session == made[1]
    assert prepared.argv == ()
    with pytest.raises(DataError, match="no such recording"):
        workload.prepare(ReplayBoard("b"), {"session": "gone"}, request)


def test_the_replay_board_is_there_and_runs_nothing(tmp_path: Path) -> None:
    board = ReplayBoard("recordings")
    assert board.probe().present
    assert board.fingerprint()["kind"] == "replay"
    board.open()
    board.begin_pass(PASS_ID, 1)
    board.idle(3600.0)
    with pytest.raises(LabError, match="cannot run a program"):
        board.run(Command(argv=("true",)), tmp_path / "out", tmp_path / "err")
    with pytest.raises(LabError):
        board.put(tmp_path, "x")
    with pytest.raises(LabError):
        board.make_workdir("x")
    with pytest.raises(FileNotFoundError):
        board.fetch("x", tmp_path / "x")
    board.close()
