"""Files whose recorder died, that were cut short or damaged: what is on disk comes back, what is lost is said."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jls_files import U1, U4, ForeignSignal, Played, killed_recording, load, played, write_foreign

from lab.errors import DataError, LabError, UsageError
from lab.record.traces.crc32c import crc32c
from lab.record.traces.jls_recording import JlsChoice, JlsRecording
from lab.record.traces.jls_recovery import recover
from lab.record.traces.jls_trace import JlsTrace

LENGTH = 150_000
LINE = JlsChoice({}, lines=("gpi0",))
CURRENT, VOLTAGE = load(LENGTH)
LEVEL = np.zeros(LENGTH, np.uint8)
LEVEL[7_000:71_000] = 1


class Sound(bytes):
    """The bytes of a file, which nobody wants to see whole where a test fails."""

    def __repr__(self) -> str:
        return f"{len(self)} bytes"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """A sound file of three signals, two of them of many chunks."""
    path = tmp_path_factory.mktemp("sound") / "sound.jls"
    write_foreign(
        path,
        [
            ForeignSignal("current", CURRENT, units="A", utc=[(0, 1 << 40)]),
            ForeignSignal("voltage", VOLTAGE, units="V"),
            ForeignSignal("gpi0", LEVEL, data_type=U1),
            ForeignSignal("current_range", LEVEL, data_type=U4),
        ],
    )
    return Sound(path.read_bytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broken")


def write(folder: Path, content: bytes) -> Path:
    path = folder / "broken.jls"
    path.write_bytes(content)
    return path


def unclosed(content: bytes) -> bytes:
    """As a file is before it is closed: no length in its header."""
    head = bytearray(content[:32])
    head[16:24] = bytes(8)
    head[28:32] = crc32c(bytes(head[:28])).to_bytes(4, "little")
    return bytes(head) + content[32:]


@contextlib.contextmanager
def recovered(path: Path) -> Iterator[Path]:
    """The recovered file, removed again; the original must not have changed."""
    before = hashlib.sha256(path.read_bytes()).digest()
    target = path.with_name("recovered.jls")
    target.unlink(missing_ok=True)
    try:
        recover(path, target)
        yield target
    finally:
        target.unlink(missing_ok=True)
        assert hashlib.sha256(path.read_bytes()).digest() == before
        assert not list(path.parent.glob(".recovering*"))


def played_or_refused(path: Path) -> Played | None:
    """What is left of a file; ``None`` where it is refused with a reason that names it."""
    said = ""
    try:
        with JlsRecording(path, LINE) as recording:
            return played(recording)
    except DataError as error:
        said = error.message
    assert str(path) in said
    return None


def check_true(found: Played, offset: int = 0) -> None:
    """Every sample that came back is the one that was written."""
    present = np.flatnonzero(found.present)
    np.testing.assert_array_equal(found.analog["current"][present], CURRENT[present + offset])
    np.testing.assert_array_equal(found.analog["voltage"][present], VOLTAGE[present + offset])


def test_a_file_that_was_never_closed_gives_all_that_is_on_disk(sound: Sound, folder: Path) -> None:
    path = write(folder, unclosed(sound))
    with JlsRecording(path, LINE) as recording:
        found = played(recording)
    assert found.present.sum() == LENGTH
    check_true(found)
    np.testing.assert_array_equal(found.logic["gpi0"], LEVEL)
    assert [code for code, _ in found.findings] == ["recording_unclosed"]
    with pytest.raises(DataError, match="never closed"):
        JlsTrace(path)
    with recovered(path) as target, JlsTrace(target) as trace:
        assert trace.verify() > 0
        np.testing.assert_array_equal(trace.read("current", 0, LENGTH), CURRENT)
        np.testing.assert_array_equal(trace.read("gpi0", 0, LENGTH), LEVEL)


def test_what_was_lost_is_said_again_when_the_recovered_file_is_played(sound: Sound, folder: Path) -> None:
    with recovered(write(folder, unclosed(sound[:-4000]))) as target, JlsRecording(target, LINE) as recording:
        codes = {code for code, _ in played(recording).findings}
        assert recording.facts["closed"]
        assert recording.facts["utc"] == {"sample": 0, "ticks": 1 << 40}
    assert codes == {"recording_unclosed"}


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1), zeroed=st.booleans())
def test_a_file_cut_anywhere_gives_its_beginning_or_is_refused(
    sound: Sound, folder: Path, share: float, zeroed: bool
) -> None:
    cut = sound[: int(share * (len(sound) - 1))]
    path = write(folder, unclosed(cut) if zeroed and len(cut) >= 32 else cut)
    found = played_or_refused(path)
    if found is None:
        assert share < 0.45, "a file of which half is there has samples of every signal"
        return
    check_true(found)
    assert "recording_unclosed" in {code for code, _ in found.findings}
    # A chunk of each signal may have been torn, and the line's are long.
    assert found.present.sum() >= (share - 0.55) * LENGTH
    with recovered(path) as target, JlsRecording(target, JlsChoice({})) as again:
        whole = played(again)
        check_true(whole)
        assert whole.present.sum() >= max(found.present.sum(), (share - 0.1) * LENGTH)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bits_lose_samples_and_never_change_one(sound: Sound, folder: Path, data: st.DataObject) -> None:
    broken = bytearray(unclosed(sound) if data.draw(st.booleans()) else sound)
    for _ in range(data.draw(st.integers(1, 5))):
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = write(folder, bytes(broken))
    found = played_or_refused(path)
    if found is None:
        return
    check_true(found)
    levels = found.logic["gpi0"][found.present]
    np.testing.assert_array_equal(levels, LEVEL[np.flatnonzero(found.present)])
    # Headers link forward and back, which is not needed here; all else that changed cost samples, and was said.
    assert found.present.all() or found.findings


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bytes_that_are_gone_or_added_in_the_middle(sound: Sound, folder: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(2_000, len(sound) - 2_000))
    length = data.draw(st.integers(1, 40_000))
    if data.draw(st.booleans()):
        broken = sound[:start] + sound[start + length :]
    else:
        broken = sound[:start] + data.draw(st.binary(max_size=200)) + sound[start:]
    path = write(folder, unclosed(broken))
    found = played_or_refused(path)
    if found is None:
        return
    check_true(found)
    with contextlib.suppress(DataError), recovered(path) as target, JlsRecording(target, LINE) as again:
        whole = played(again)
        check_true(whole)
        np.testing.assert_array_equal(whole.logic["gpi0"][whole.present], LEVEL[np.flatnonzero(whole.present)])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_anything_that_begins_like_a_jls_file(sound: Sound, folder: Path, data: st.DataObject) -> None:
    tail = data.draw(st.one_of(st.binary(max_size=3000), st.just(bytes(5000)), st.just(b"\xff" * 5000)))
    path = write(folder, sound[: data.draw(st.sampled_from([16, 32, 64, 2048, 20_000]))] + tail)
    for attempt in (lambda: JlsRecording(path, LINE).close(), lambda: recover(path, folder / "r.jls")):
        with contextlib.suppress(LabError):
            attempt()
    (folder / "r.jls").unlink(missing_ok=True)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_forged_chunks_with_right_checksums_do_no_harm(sound: Sound, folder: Path, data: st.DataObject) -> None:
    # Numbers in headers and definitions are replaced by tempting ones, and the checksums put right again.
    forged, heads, offset = bytearray(sound), [], 32
    while offset < len(sound):
        length = int.from_bytes(sound[offset + 20 : offset + 24], "little")
        heads.append((offset, length))
        offset += 32 + ((length + 4 + 7) & ~7 if length else 0)
    for _ in range(data.draw(st.integers(1, 3))):
        head, length = data.draw(st.sampled_from(heads))
        value = data.draw(
            st.sampled_from([0, 1, 7, 255, 8192, 1 << 20, 1 << 31, 1 << 40, (1 << 62) + 1, (1 << 64) - 1])
        )
        size = data.draw(st.sampled_from([1, 2, 4, 8]))
        content = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        if data.draw(st.booleans()) and length >= 16:
            place = head + 32 + data.draw(st.integers(0, min(length, 160) - size))
            forged[place : place + size] = content
            end = head + 32 + ((length + 4 + 7) & ~7)
            forged[end - 4 : end] = crc32c(bytes(forged[head + 32 : head + 32 + length])).to_bytes(4, "little")
        else:
            place = head + data.draw(st.integers(0, 28 - size))
            forged[place : place + size] = content
        forged[head + 28 : head + 32] = crc32c(bytes(forged[head : head + 28])).to_bytes(4, "little")
    path = write(folder, bytes(forged))
    with contextlib.suppress(DataError), JlsRecording(path, LINE) as recording:
        played_length = recording.length
        assert played_length <= 10_000_000 or sum(1 for _ in recording.stretches()) < 1000
    target = folder / "forged.jls"
    target.unlink(missing_ok=True)
    with contextlib.suppress(LabError):
        recover(path, target)
    target.unlink(missing_ok=True)


def test_a_recorder_that_was_killed(tmp_path: Path) -> None:
    samples = 1_000_000
    path = killed_recording(tmp_path / "killed.jls", samples, kill_at=800_000)
    current, voltage = load(samples)
    with JlsRecording(path, LINE) as recording:
        found = played(recording)
    count = int(found.present.sum())
    assert 780_000 < count <= 800_000  # by the line's last chunk of 65536
    assert found.present[:count].all()
    np.testing.assert_array_equal(found.analog["current"][:count], current[:count])
    np.testing.assert_array_equal(found.analog["voltage"][:count], voltage[:count])
    assert (np.flatnonzero(np.diff(found.logic["gpi0"][:count])) + 1).tolist() == [250_000, 500_000]
    target = tmp_path / "recovered.jls"
    recovery = recover(path, target)
    assert not recovery.closed
    assert count < recovery.signals[0].samples <= 800_000
    with JlsTrace(target) as trace:
        trace.verify()
        np.testing.assert_array_equal(trace.read("current", 0, count), current[:count])


def test_the_vendors_reader_opens_what_was_recovered(sound: Sound, folder: Path) -> None:
    # In a process of its own: the reader has been seen to crash on files that it does not like.
    with recovered(write(folder, unclosed(sound[: len(sound) * 9 // 10]))) as target:
        code = (
            "import sys; from pyjls import Reader; r = Reader(sys.argv[1]);"
            "print(sorted(s.name for s in r.signals.values() if s.signal_id))"
        )
        done = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "['current', 'current_range', 'gpi0', 'voltage']"), done.stderr


def test_nothing_is_overwritten_and_nothing_sound_is_recovered(sound: Sound, tmp_path: Path) -> None:
    path = tmp_path / "a.jls"
    path.write_bytes(sound)
    with pytest.raises(UsageError, match="closed and sound"):
        recover(path, tmp_path / "b.jls")
    path.write_bytes(unclosed(sound))
    (tmp_path / "b.jls").write_bytes(b"precious")
    with pytest.raises(UsageError, match="is there already"):
        recover(path, tmp_path / "b.jls")
    assert (tmp_path / "b.jls").read_bytes() == b"precious"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.jls", "b.jls"]


def test_a_file_without_a_sample_is_refused_with_a_reason(sound: Sound, tmp_path: Path) -> None:
    path = tmp_path / "a.jls"
    path.write_bytes(unclosed(sound[:3000]))
    with pytest.raises(DataError, match="nothing can be recovered: no sound samples"):
        recover(path, tmp_path / "b.jls")
    path.write_bytes(unclosed(sound[:100]))
    with pytest.raises(DataError, match="no definition of a signal"):
        recover(path, tmp_path / "b.jls")
    with pytest.raises(DataError, match="cannot read the recording"):
        recover(tmp_path / "none.jls", tmp_path / "b.jls")


def test_a_file_that_grows_meanwhile_is_read_as_it_was(sound: Sound, folder: Path) -> None:
    path = write(folder, unclosed(sound[: len(sound) // 2]))
    with JlsRecording(path, JlsChoice({})) as recording:
        with path.open("ab") as file:
            file.write(os.urandom(10_000))
        first = played(recording)
    check_true(first)


def test_a_file_that_shrinks_meanwhile_loses_samples_and_ends_no_process(sound: Sound, folder: Path) -> None:
    path = write(folder, sound)
    with JlsRecording(path, JlsChoice({})) as recording:
        with path.open("r+b") as file:
            file.truncate(len(sound) // 2)
        found = played(recording)
    check_true(found)
    assert 0 < found.present.sum() < LENGTH
    assert found.findings
