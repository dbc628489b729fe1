"""Damaged JLS files: an error that names file and byte, or the numbers of the sound file; never anything between."""

import contextlib
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import DataError
from lab.record.traces.crc32c import crc32c
from lab.record.traces.jls_trace import JlsTrace
from lab.record.traces.jls_writer import JlsWriter

LENGTH = 90_000
"""Two index chunks of level 1, the second of them not full."""


class Sound:
    """A sound file, what it answers, and where its structure lies."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(3)
        self.target = folder / "damaged.jls"
        path = folder / "sound.jls"
        current = rng.normal(1, 0.3, LENGTH).astype(np.float32)
        channels = {"current": current, "voltage": current + 4, "power": current * (current + 4)}
        with JlsWriter(path, source="JS220", serial="7", rate_hz=1000, channels=tuple(channels)) as writer:
            for start in range(0, LENGTH, 10_000):
                for name, data in channels.items():
                    writer.write(name, start, data[start : start + 10_000])
        self.data = path.read_bytes()
        self.answers = ask(path)
        self.heads: list[int] = []
        self.structure: list[int] = list(range(32))
        self.padding: set[int] = set()
        offset = 32
        while offset < len(self.data):
            tag, length = self.data[offset + 16], int.from_bytes(self.data[offset + 20 : offset + 24], "little")
            self.heads.append(offset)
            end = offset + 32 + ((length + 4 + 7) & ~7 if length else 0)
            content = 16 if tag in (0x22, 0x24) else length
            self.structure.extend(range(offset, offset + 32 + min(content, length)))
            self.padding.update(range(offset + 32 + length, max(end - 4, offset + 32 + length)))
            offset = end

    def damaged(self, changes: dict[int, int]) -> Path:
        data = bytearray(self.data)
        for place, value in changes.items():
            data[place] = value
        self.target.write_bytes(data)
        return self.target


def ask(path: Path) -> tuple[object, ...]:
    """Everything that can be asked of a file that does not depend on its sample bytes."""
    with JlsTrace(path) as trace:
        origin, levels = trace.pyramid("power")
        shape = [(level.samples, level.entries, level.offsets.tolist()) for level in levels]
        sums = trace.block_sums().tolist()
        return trace.rate_hz, trace.length, trace.channels, origin, shape, sums, trace.missing()


def answer_or_refusal(path: Path) -> tuple[object, ...] | str:
    """The answers, or the message of the error."""
    try:
        return ask(path)
    except DataError as error:
        return error.message


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return Sound(tmp_path_factory.mktemp("damage"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_structure_is_refused_or_changes_nothing(sound: Sound, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.sampled_from(sound.structure), min_size=1, max_size=6))
    path = sound.damaged({place: data.draw(st.integers(0, 255)) for place in places})
    found = answer_or_refusal(path)
    assert found == sound.answers or str(path) in str(found)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_change_at_all_is_found_by_verifying(sound: Sound, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(sound.data) - 1).filter(lambda place: place not in sound.padding))
    path = sound.damaged({place: sound.data[place] ^ data.draw(st.integers(1, 255))})

    def verify() -> None:
        with JlsTrace(path) as trace:
            trace.verify()

    with pytest.raises(DataError, match=r"byte|closed|not a JLS|not known"):
        verify()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_forged_links_and_counts_with_right_checksums_do_no_harm(sound: Sound, data: st.DataObject) -> None:
    # A field of a header or of a structural payload is replaced by a plausible one, and all checksums put right again.
    forged = bytearray(sound.data)
    for _ in range(data.draw(st.integers(1, 3))):
        head = data.draw(st.sampled_from(sound.heads))
        value = data.draw(st.sampled_from([*sound.heads, 0, 1, 8, len(forged), 1 << 40, (1 << 64) - 8]))
        length = int.from_bytes(forged[head + 20 : head + 24], "little")
        if data.draw(st.booleans()) or length < 24:
            forged[head : head + 8] = struct.pack("<Q", value)
            forged[head + 28 : head + 32] = struct.pack("<I", crc32c(bytes(forged[head : head + 28])))
        else:
            place = head + 32 + 8 * data.draw(st.integers(0, min(length, 140) // 8 - 1))
            forged[place : place + 8] = struct.pack("<Q", value)
            end = head + 32 + ((length + 4 + 7) & ~7)
            forged[end - 4 : end] = struct.pack("<I", crc32c(bytes(forged[head + 32 : head + 32 + length])))
    sound.target.write_bytes(forged)
    # What a forger can reach without a word: other sample values, other names. Never samples that are not there.
    with contextlib.suppress(DataError), JlsTrace(sound.target) as trace:
        assert trace.length <= LENGTH
        for name in trace.channels:
            assert trace.read(name, 0, trace.length).size == trace.length
        if "current" in trace.channels and "voltage" in trace.channels:
            assert trace.block_sums().size == trace.blocks
        if "power" in trace.channels:
            for level in trace.pyramid("power")[1]:
                assert sum(means.size for means in trace.level_means(level, 0, level.entries)) == level.entries
        trace.verify()


@pytest.mark.parametrize("kind", [0x22, 0x23, 0x24, 0x02])
def test_a_list_that_leads_back_to_its_own_beginning_ends(sound: Sound, kind: int) -> None:
    alike = [head for head in sound.heads if sound.data[head + 16] == kind]
    last = max(
        alike, key=lambda head: (int.from_bytes(sound.data[head + 18 : head + 20], "little") & 0xF000 == 0x1000, head)
    )
    first = min(head for head in alike if sound.data[head + 18 : head + 20] == sound.data[last + 18 : last + 20])
    forged = bytearray(sound.data)
    forged[last : last + 8] = struct.pack("<Q", first)
    forged[last + 28 : last + 32] = struct.pack("<I", crc32c(bytes(forged[last : last + 28])))
    sound.target.write_bytes(forged)
    if kind == 0x24:
        # Summaries are found through the indices; their own links are not followed.
        assert ask(sound.target) == sound.answers
        return
    with pytest.raises(DataError, match="at byte"):
        ask(sound.target)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_file_cut_short_is_refused(sound: Sound, data: st.DataObject) -> None:
    kept = data.draw(st.one_of(st.integers(0, len(sound.data) - 1), st.sampled_from(sound.heads)))
    cut = bytearray(sound.data[:kept])
    if data.draw(st.booleans()) and kept >= 32:
        # Even if the header says that this is how long it should be.
        cut[16:24] = struct.pack("<Q", kept)
        cut[28:32] = struct.pack("<I", crc32c(bytes(cut[:28])))
    sound.target.write_bytes(cut)
    with pytest.raises(DataError):
        JlsTrace(sound.target)


READ_WHILE_CUT = """
import os, sys
from pathlib import Path
from lab.errors import DataError
from lab.record.traces.jls_trace import JlsTrace

path, kept = Path(sys.argv[1]), int(sys.argv[2])
trace = JlsTrace(path)
level = trace.pyramid("power")[1][0]
os.truncate(path, kept)
for ask in (
    lambda: trace.block_sums(),
    lambda: trace.read("voltage", 0, trace.length),
    lambda: trace.missing("power"),
    lambda: list(trace.level_means(level, 0, level.entries)),
    lambda: trace.pyramid("power"),
    lambda: trace.verify(),
    lambda: JlsTrace(path),
):
    try:
        ask()
        print("answered")
    except DataError as error:
        print(error.message)
"""


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.3])
def test_a_file_that_is_cut_short_while_it_is_open_is_an_error_not_a_signal(sound: Sound, kept: float) -> None:
    sound.target.write_bytes(sound.data)
    program = [sys.executable, "-c", READ_WHILE_CUT, str(sound.target), str(int(kept * len(sound.data)))]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert len(said) == 7
    assert all("cut short while it was read" in line for line in said[:-1])
    assert said[-1] != "answered"


def test_a_file_that_is_cut_short_in_the_midst_of_a_sum_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "long.jls"
    ones = np.ones(2_000_000, np.float32)
    with JlsWriter(path, source="JS220", serial="7", rate_hz=1000, channels=("current", "voltage")) as writer:
        for channel in ("current", "voltage"):
            writer.write(channel, 0, ones)
    with JlsTrace(path) as trace:
        whole = trace.block_sums()
        cut = threading.Event()

        def shorten() -> None:
            cut.wait()
            os.truncate(path, path.stat().st_size // 2)

        thread = threading.Thread(target=shorten)
        thread.start()
        sums = []
        with pytest.raises(DataError, match="cut short"):
            sums.extend(_summed_again_and_again(trace, cut))
        thread.join()
        for found in sums:
            np.testing.assert_array_equal(found, whole)


def _summed_again_and_again(trace: JlsTrace, cut: threading.Event) -> Iterator[np.ndarray]:
    for _ in range(10_000):
        yield trace.block_sums()
        cut.set()


def test_a_trace_that_was_closed_answers_no_more(sound: Sound) -> None:
    sound.target.write_bytes(sound.data)
    trace = JlsTrace(sound.target)
    trace.close()
    with pytest.raises(DataError, match="cannot read the trace any more"):
        trace.block_sums()


def test_an_unclosed_file_is_refused_with_what_to_do(sound: Sound) -> None:
    path = sound.damaged(dict.fromkeys(range(16, 24), 0))
    with pytest.raises(DataError, match="never closed") as refusal:
        JlsTrace(path)
    assert "lab recover" in str(refusal.value.advice)


def test_something_behind_the_end_is_refused(sound: Sound) -> None:
    sound.target.write_bytes(sound.data + bytes(8))
    with pytest.raises(DataError, match="says it has"):
        JlsTrace(sound.target)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_trace(sound: Sound, data: bytes) -> None:
    sound.target.write_bytes(b"jlsfmt\r\n \n \x1a  \xb2\x1c" + data)
    with pytest.raises(DataError):
        JlsTrace(sound.target)
