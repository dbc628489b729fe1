"""JLS traces: what was written comes back, gaps stay gaps, and damaged files are refused with a reason."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import DataError
from lab.record.documents import TraceRef
from lab.record.traces import open_trace
from lab.record.traces.jls_trace import JlsTrace
from lab.record.traces.jls_writer import JlsWriter


def write(path: Path, current: np.ndarray, logic: np.ndarray, pieces: list[int]) -> None:
    with JlsWriter(path, source="JS220", serial="7", rate_hz=1000, channels=("current", "gpi0")) as writer:
        edges = [0, *sorted(pieces), len(current)]
        for start, stop in itertools.pairwise(edges):
            if stop > start:
                writer.write("current", start, current[start:stop])
                writer.write("gpi0", start, logic[start:stop])


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_samples_come_back_whatever_pieces_they_were_written_in(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    length = data.draw(st.integers(1, 3000))
    rng = np.random.default_rng(length)
    current = rng.normal(size=length).astype(np.float32)
    logic = rng.integers(0, 2, length).astype(np.uint8)
    path = tmp_path_factory.mktemp("jls") / "a.jls"
    write(path, current, logic, data.draw(st.lists(st.integers(0, length), max_size=4)))
    with JlsTrace(path) as trace:
        assert (trace.rate_hz, trace.length, set(trace.channels)) == (1000.0, length, {"current", "gpi0"})
        start = data.draw(st.integers(0, length))
        stop = data.draw(st.integers(start, length))
        np.testing.assert_array_equal(trace.read("current", start, stop), current[start:stop])
        np.testing.assert_array_equal(trace.read("gpi0", start, stop), logic[start:stop])


def test_a_gap_is_nan_and_says_nothing_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gap.jls"
    with JlsWriter(path, source="JS220", serial="7", rate_hz=1000, channels=("current", "gpi0")) as writer:
        for start in (0, 300):
            writer.write("current", start, np.ones(100, np.float32))
            writer.write("gpi0", start, np.ones(100, np.uint8))
    with JlsTrace(path) as trace:
        current = trace.read("current", 0, 400)
        assert np.isnan(current[100:300]).all()
        assert not np.isnan(current[:100]).any()
        assert not trace.read("gpi0", 100, 300).any()
    assert capfd.readouterr().err == ""


def test_a_trace_is_never_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "a.jls"
    write(path, np.ones(10, np.float32), np.ones(10, np.uint8), [])
    with pytest.raises(FileExistsError):
        JlsWriter(path, source="JS220", serial="7", rate_hz=1000, channels=("current",))


def test_reading_outside_the_trace_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jls"
    write(path, np.ones(10, np.float32), np.ones(10, np.uint8), [])
    with JlsTrace(path) as trace:
        with pytest.raises(IndexError):
            trace.read("current", 0, 11)
        with pytest.raises(IndexError):
            trace.read("current", -1, 5)
        with pytest.raises(KeyError):
            trace.read("voltage", 0, 5)


def test_an_unclosed_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.jls"
    write(path, np.ones(1000, np.float32), np.ones(1000, np.uint8), [])
    data = bytearray(path.read_bytes())
    data[16:24] = bytes(8)
    path.write_bytes(data)
    with pytest.raises(DataError, match="never closed") as caught:
        JlsTrace(path)
    assert "lab recover" in str(caught.value.advice)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.jls"
    write(path, np.ones(5000, np.float32), np.ones(5000, np.uint8), [])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError):
        JlsTrace(path)


def test_a_missing_file_and_an_unknown_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the trace"):
        JlsTrace(tmp_path / "absent.jls")
    ref = TraceRef(instrument="m", path="a.xyz", format="xyz", rate_hz=1.0, samples=1)
    with pytest.raises(DataError, match="unknown trace format 'xyz'"):
        open_trace(tmp_path, ref)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_many_short_traces_do_not_grow_the_process(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    def make(name: str) -> None:
        write(tmp_path / name, np.ones(1000, np.float32), np.ones(1000, np.uint8), [])

    for number in range(3):
        make(f"first{number}.jls")
    before = resident()
    for number in range(30):
        make(f"then{number}.jls")
    # Each writer owns a 64 MiB queue: one that stays is seen at once.
    assert resident() - before < 64 << 20
