"""A record is sealed with a checksum of every file, and no broken trace goes unnoticed."""

import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from lab.record.documents import PassBegin, PassEnd, TraceRef
from lab.record.manifest import SCHEMA
from lab.record.reader import Record
from lab.record.sealing import verified_sha256
from lab.record.traces.jls_writer import JlsWriter
from lab.record.writer import RecordWriter

PASSES = ("t0001.energy", "t0002.energy")


def begun(root: Path) -> RecordWriter:
    """A record with two passes that left a trace each, not sealed yet."""
    root.mkdir(exist_ok=True)
    trials = [{"trial_id": name[:5], "passes": [{"pass_id": name}]} for name in PASSES]
    writer = RecordWriter(root, {"schema": SCHEMA, "state": "running", "plan": {"trials": trials}})
    for name in PASSES:
        write(root / f"traces/{name}.jls")
        trace = TraceRef(instrument="m", path=f"traces/{name}.jls", format="jls", rate_hz=1000, samples=30_000)
        writer.append(
            PassBegin(pass_id=name, attempt=1), PassEnd(pass_id=name, attempt=1, state="done", traces=(trace,))
        )
    return writer


def write(path: Path) -> Path:
    with JlsWriter(path, source="JS220", serial="7", rate_hz=1000, channels=("current", "voltage")) as writer:
        for channel in ("current", "voltage"):
            writer.write(channel, 0, np.arange(30_000, dtype=np.float32))
    return path


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def sample_place(path: Path) -> int:
    """A byte in the middle of the samples of a data chunk."""
    data = path.read_bytes()
    offset = 32
    while data[offset + 16] != 0x22:
        (length,) = struct.unpack_from("<I", data, offset + 20)
        offset += 32 + ((length + 4 + 7) & ~7 if length else 0)
    return offset + 5000


def test_sound_traces_are_sealed_without_a_word(tmp_path: Path) -> None:
    assert begun(tmp_path).seal("complete") == []
    record = Record.open(tmp_path)
    assert record.verify() == []
    assert list(record.manifest["files"]) == ["events.jsonl", *(f"traces/{name}.jls" for name in PASSES)]
    assert all(data.faults == () for data in record.passes().values())


def test_a_sample_that_changed_on_the_disk_is_a_fault_of_its_pass(tmp_path: Path) -> None:
    writer = begun(tmp_path)
    path = tmp_path / "traces" / f"{PASSES[1]}.jls"
    flip(path, sample_place(path))
    (told,) = writer.seal("complete")
    record = Record.open(tmp_path)
    assert record.verify() == []
    (fault,) = record.passes()[PASSES[1]].faults
    assert (fault.code, fault.source, fault.attempt, fault.detail) == ("trace_unreadable", "m", 1, told.detail)
    assert fault.detail.startswith(f"traces/{PASSES[1]}.jls: damaged JLS file: a payload fails its checksum")
    assert record.passes()[PASSES[0]].faults == ()


@pytest.mark.parametrize("harm", ["cut short", "unclosed", "emptied"])
def test_a_trace_that_is_not_whole_is_a_fault_not_a_crash(tmp_path: Path, harm: str) -> None:
    writer = begun(tmp_path)
    path = tmp_path / "traces" / f"{PASSES[0]}.jls"
    if harm == "unclosed":
        data = bytearray(path.read_bytes())
        data[16:24] = bytes(8)
        path.write_bytes(data)
    else:
        os.truncate(path, 100_000 if harm == "cut short" else 0)
    writer.seal("complete")
    record = Record.open(tmp_path)
    assert [fault.code for fault in record.passes()[PASSES[0]].faults] == ["trace_unreadable"]
    assert record.verify() == []


def test_sealing_again_says_it_once(tmp_path: Path) -> None:
    writer = begun(tmp_path)
    path = tmp_path / "traces" / f"{PASSES[0]}.jls"
    flip(path, sample_place(path))
    assert len(writer.seal("interrupted")) == 1
    assert RecordWriter(tmp_path, Record.open(tmp_path).manifest).seal("complete") == []
    assert len(Record.open(tmp_path).passes()[PASSES[0]].faults) == 1


def test_a_broken_trace_of_an_attempt_that_died_harms_nobody(tmp_path: Path) -> None:
    writer = begun(tmp_path)
    (tmp_path / "traces" / "t0003.energy.jls").write_bytes(b"half a file")
    assert writer.seal("interrupted") == []
    assert Record.open(tmp_path).verify() == []


def test_the_checksum_is_that_of_the_file_whatever_its_state(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jls")
    for harmed in (False, True):
        digest, problem = verified_sha256(path)
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert bool(problem) == harmed
        flip(path, sample_place(path))
