"""Records are never overwritten, are found by the names people use, and betray every change to their raw files."""

from pathlib import Path
from typing import Any

import pytest

from lab.errors import DataError, UsageError
from lab.record.documents import Fault, Mark, PassBegin, PassEnd, Reading
from lab.record.manifest import SCHEMA
from lab.record.reader import Record
from lab.record.store import find_records, new_record_folder, resolve_record
from lab.record.writer import RecordWriter


def manifest(**changes: Any) -> dict[str, Any]:
    passes = [{"pass_id": "t0001.latency"}, {"pass_id": "t0001.energy"}]
    return {
        "schema": SCHEMA,
        "state": "running",
        "plan": {"trials": [{"trial_id": "t0001", "passes": passes}]},
        **changes,
    }


def small_record(root: Path) -> RecordWriter:
    root.mkdir(parents=True, exist_ok=True)
    writer = RecordWriter(root, manifest())
    paths = writer.paths("t0001.latency", 1)
    (paths.output / "stdout.txt").write_text("hello")
    writer.append(
        PassBegin(pass_id="t0001.latency", attempt=1),
        Reading(pass_id="t0001.latency", attempt=1, instrument="x", name="elapsed_s", value=1.0, unit="s"),
        PassEnd(pass_id="t0001.latency", attempt=1, state="done"),
    )
    return writer


def test_folders_are_fresh(tmp_path: Path) -> None:
    roots = {new_record_folder(tmp_path, "x") for _ in range(20)}
    assert len(roots) == 20


def test_an_output_folder_is_never_used_twice(tmp_path: Path) -> None:
    writer = small_record(tmp_path / "r")
    with pytest.raises(FileExistsError):
        writer.paths("t0001.latency", 1)
    assert writer.paths("t0001.latency", 2).output.name == "t0001.latency.attempt2"
    writer.seal("partial")


def test_documents_of_an_attempt_without_end_do_not_count(tmp_path: Path) -> None:
    writer = small_record(tmp_path / "r")
    mark = Mark(pass_id="t0001.energy", attempt=1, instrument="m", name="window_begin", sample=3.5)
    writer.append(PassBegin(pass_id="t0001.energy", attempt=1), mark)
    writer.seal("interrupted")
    record = Record.open(tmp_path / "r")
    assert list(record.passes()) == ["t0001.latency"]
    assert record.missing_passes() == ["t0001.energy"]
    assert record.attempts() == {"t0001.latency": 1, "t0001.energy": 1}


def test_the_last_completed_attempt_counts_and_a_failed_one_is_still_missing(tmp_path: Path) -> None:
    writer = small_record(tmp_path / "r")
    fault = Fault(pass_id="t0001.energy", attempt=1, source="b", code="deadline")
    writer.append(PassBegin(pass_id="t0001.energy", attempt=1), fault)
    writer.append(PassEnd(pass_id="t0001.energy", attempt=1, state="failed"))
    record = Record.open(tmp_path / "r")
    assert record.passes()["t0001.energy"].faults == (fault_with_time(record),)
    assert record.missing_passes() == ["t0001.energy"]

    writer.append(PassBegin(pass_id="t0001.energy", attempt=2))
    writer.append(PassEnd(pass_id="t0001.energy", attempt=2, state="done"))
    writer.seal("complete")
    record = Record.open(tmp_path / "r")
    assert record.passes()["t0001.energy"].faults == ()
    assert record.missing_passes() == []


def fault_with_time(record: Record) -> Fault:
    (fault,) = (document for document in record.documents if isinstance(document, Fault))
    return fault


@pytest.mark.parametrize("victim", ["events.jsonl", "output/t0001.latency/stdout.txt"])
def test_a_changed_or_missing_raw_file_is_named(tmp_path: Path, victim: str) -> None:
    small_record(tmp_path / "r").seal("complete")
    record = Record.open(tmp_path / "r")
    assert record.verify() == []
    path = tmp_path / "r" / victim
    path.write_bytes(path.read_bytes() + b" ")
    assert record.verify() == [f"{victim}: changed since the record was sealed"]
    path.unlink()
    assert record.verify() == [f"{victim}: missing"]


def test_a_record_cannot_point_outside_itself(tmp_path: Path) -> None:
    small_record(tmp_path / "r").seal("complete")
    with pytest.raises(DataError, match="points outside"):
        Record.open(tmp_path / "r").path("../secret")


def test_inputs_may_be_given_again_but_not_changed(tmp_path: Path) -> None:
    writer = small_record(tmp_path / "r")
    writer.add_input("networks.json", b"{}")
    writer.add_input("networks.json", b"{}")
    with pytest.raises(UsageError, match="changed since the campaign began"):
        writer.add_input("networks.json", b"[]")
    writer.seal("complete")


def test_records_are_found_by_path_id_experiment_and_latest(tmp_path: Path) -> None:
    for name in ("x/20260101T000000Z-aaaaaa", "x/20260102T000000Z-bbbbbb", "y/20260103T000000Z-cccccc"):
        small_record(tmp_path / name).seal("complete")
    newest_x = tmp_path / "x/20260102T000000Z-bbbbbb"
    assert resolve_record(tmp_path, str(newest_x)) == newest_x
    assert resolve_record(tmp_path, "bbbbbb") == newest_x
    assert resolve_record(tmp_path, "x") == newest_x
    assert resolve_record(tmp_path, "latest").name.endswith("cccccc")
    assert [item.root.name[-6:] for item in find_records(tmp_path)] == ["aaaaaa", "bbbbbb", "cccccc"]
    with pytest.raises(UsageError, match="no record 'zzz'"):
        resolve_record(tmp_path, "zzz")


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "not a record"), ("{", "damaged manifest"), ("{}", "expected 'lab.record/1'"), ("[]", "found schema None")],
)
def test_what_is_not_a_record_is_refused_with_the_reason(tmp_path: Path, content: str | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=problem):
        Record.open(tmp_path)


def test_a_damaged_record_is_listed_with_its_problem(tmp_path: Path) -> None:
    root = tmp_path / "x" / "20260101T000000Z-aaaaaa"
    root.mkdir(parents=True)
    (root / "manifest.json").write_text("{")
    (found,) = find_records(tmp_path)
    assert found.manifest is None
    assert "damaged manifest" in found.problem
