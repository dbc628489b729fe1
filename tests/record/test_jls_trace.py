"""The reader of JLS traces: the samples of the vendor's library, and sums as exact as can be."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import DataError
from lab.record.traces import crc32c as checksums
from lab.record.traces.crc32c import crc32c, crc32c_rows, folded, folded_rows
from lab.record.traces.jls_trace import JlsTrace
from lab.record.traces.jls_writer import JlsWriter


def write(path: Path, pieces: int = 5000, **channels: np.ndarray) -> Path:
    """Write channels a piece at a time, in turn, as a recorder does."""
    with JlsWriter(path, source="JS220", serial="7", rate_hz=1000, channels=tuple(channels)) as writer:
        for start in range(0, max(data.size for data in channels.values()), pieces):
            for name, data in channels.items():
                if data[start : start + pieces].size:
                    writer.write(name, start, data[start : start + pieces])
    return path


def load(length: int, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    current = rng.lognormal(-3, 2, length).astype(np.float32)
    voltage = (5 + 0.1 * rng.standard_normal(length)).astype(np.float32)
    return {"current": current, "voltage": voltage}


def exact_sum(current: np.ndarray, voltage: np.ndarray) -> float:
    return math.fsum((current.astype(np.float64) * voltage.astype(np.float64)).tolist())


@pytest.mark.parametrize("length", [1, 127, 128, 8191, 8192, 8193, 81920, 90000, 250000])
@pytest.mark.parametrize("pieces", [3000, 8192, 100000])
def test_samples_are_those_that_were_written(tmp_path: Path, length: int, pieces: int) -> None:
    logic = (np.arange(length) // 777 % 2).astype(np.uint8)
    data = load(length)
    with JlsTrace(write(tmp_path / "a.jls", pieces, **data, gpi0=logic)) as trace:
        assert (trace.rate_hz, trace.length, trace.channels) == (1000.0, length, ("current", "voltage", "gpi0"))
        for name, samples in (*data.items(), ("gpi0", logic)):
            np.testing.assert_array_equal(trace.read(name, 0, length), samples)
        sums = trace.block_sums()
        for block, (first, power) in enumerate(trace.products()):
            part = slice(first, first + power.size)
            expected = exact_sum(data["current"][part], data["voltage"][part])
            assert sums[block] == pytest.approx(expected, rel=1e-14)
        assert math.fsum(sums) == pytest.approx(exact_sum(**data), rel=1e-13)
        assert trace.verify() > 0


def vendor_read(path: Path, channel: str, start: int, stop: int) -> np.ndarray:
    """Samples as the vendor's library reads them; logic unpacked to a byte each."""
    from pyjls import Reader

    with Reader(str(path)) as reader:
        (signal,) = (item for item in reader.signals.values() if item.name == channel)
        # pyjls 0.17 never returns from reading logic to its end from within a byte: begin at the byte.
        early = start % 8 if channel.startswith("gpi") else 0
        if start == stop:
            return np.zeros(0, np.uint8 if early or channel.startswith("gpi") else np.float32)
        samples = reader.fsr(signal.signal_id, start - early, stop - start + early)
        if channel.startswith("gpi"):
            samples = np.unpackbits(samples, bitorder="little")[early : stop - start + early]
        return samples


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_stretch_reads_like_the_vendors_library(trace_path: Path, data: st.DataObject) -> None:
    with JlsTrace(trace_path) as trace:
        start = data.draw(st.integers(0, trace.length))
        stop = data.draw(st.integers(start, trace.length))
        for channel in trace.channels:
            found, expected = trace.read(channel, start, stop), vendor_read(trace_path, channel, start, stop)
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype


@pytest.fixture(scope="module")
def trace_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logic = (np.arange(170_000) // 5000 % 2).astype(np.uint8)
    data = load(170_000)
    power = data["current"] * data["voltage"]
    return write(tmp_path_factory.mktemp("jls") / "a.jls", 7000, **data, gpi0=logic, power=power)


def test_the_last_samples_are_read_though_no_index_names_them(tmp_path: Path) -> None:
    # The vendor's library 0.17 does not see samples behind the last full summary entry of a full index chunk.
    length = 81_920 * 20 + 100
    data = load(length)
    with JlsTrace(write(tmp_path / "a.jls", 1 << 16, **data)) as trace:
        assert trace.length == length
        np.testing.assert_array_equal(trace.read("current", length - 200, length), data["current"][-200:])


def test_constant_load_is_summed_without_drift(tmp_path: Path) -> None:
    # 0.1 A · 3.3 V rounds the same way in every addition: the worst case of a float32 total.
    length = 300_000
    data = {"current": np.full(length, 0.1, np.float32), "voltage": np.full(length, 3.3, np.float32)}
    with JlsTrace(write(tmp_path / "a.jls", **data)) as trace:
        expected = length * float(data["current"][0]) * float(data["voltage"][0])
        assert float(trace.block_sums().sum()) == pytest.approx(expected, rel=1e-12)


def test_missing_samples_make_a_sum_nan_and_are_found(tmp_path: Path) -> None:
    data = load(50_000)
    data["current"][[5, 6, 20_000]] = np.nan
    data["voltage"][7] = np.inf
    data["voltage"][49_990:] = np.nan
    with JlsTrace(write(tmp_path / "a.jls", **data)) as trace:
        assert trace.missing() == [(5, 8), (20_000, 20_001), (49_990, 50_000)]
        assert trace.missing("current") == [(5, 7), (20_000, 20_001)]
        finite = np.isfinite(trace.block_sums())
        assert [bool(flag) for flag in finite] == [False, True, False, True, True, True, False]


def test_a_channel_that_ends_early_is_missing_from_there_on(tmp_path: Path) -> None:
    data = load(30_000)
    data["voltage"] = data["voltage"][:20_000]
    with JlsTrace(write(tmp_path / "a.jls", **data)) as trace:
        assert trace.length == 30_000
        assert trace.missing() == [(20_000, 30_000)]


def vendor_file(path: Path, starts: dict[str, int], length: int, **sizes: int) -> Path:
    """A file with channels that begin at different samples, or with other chunk sizes."""
    from pyjls import DataType, Writer

    writer = Writer(str(path))
    writer.source_def(source_id=1, name="a", vendor="", model="", version="", serial_number="")
    for number, (name, start) in enumerate(starts.items(), start=1):
        writer.signal_def(
            signal_id=number, source_id=1, data_type=DataType.F32, sample_rate=1000, name=name, units="", **sizes
        )
        writer.fsr_f32(number, start, np.arange(length, dtype=np.float32) + start)
    writer.close()
    return path


def test_channels_are_aligned_by_their_sample_numbers(tmp_path: Path) -> None:
    path = vendor_file(tmp_path / "a.jls", {"current": 1000, "voltage": 1300}, 20_000)
    with JlsTrace(path) as trace:
        assert trace.length == 20_300
        assert trace.missing() == [(0, 300), (20_000, 20_300)]
        first, power = next(iter(trace.products()))
        assert first == 0
        np.testing.assert_array_equal(power[300:400], (np.arange(1300.0, 1400.0)) ** 2)


def test_other_chunk_sizes_are_followed(tmp_path: Path) -> None:
    path = vendor_file(
        tmp_path / "a.jls",
        {"current": 0, "voltage": 0},
        40_000,
        samples_per_data=1024,
        sample_decimate_factor=64,
        entries_per_summary=160,
        summary_decimate_factor=10,
    )
    with JlsTrace(path) as trace:
        assert trace.block_samples == 1024
        theirs = vendor_read(path, "voltage", 0, 39_900)
        np.testing.assert_array_equal(trace.read("voltage", 0, 39_900), theirs)
        assert float(trace.block_sums().sum()) == pytest.approx(sum(k * k for k in range(40_000)), rel=1e-12)


def test_logic_that_was_left_out_as_constant_comes_back(tmp_path: Path) -> None:
    from pyjls import DataType, Writer

    level = np.repeat([0, 1, 1, 0, 0, 1], 200_000).astype(np.uint8)
    sizes = []
    # pyjls 0.17 takes this flag the wrong way round: one of the two files is the small one.
    for flag in (0, 1):
        path = tmp_path / f"{flag}.jls"
        writer = Writer(str(path))
        writer.source_def(source_id=1, name="a", vendor="", model="", version="", serial_number="")
        writer.signal_def(signal_id=1, source_id=1, data_type=DataType.U1, sample_rate=1000, name="gpi0", units="")
        writer.fsr_omit_data(1, flag)
        writer.fsr(1, 0, np.packbits(level, bitorder="little"))
        writer.close()
        sizes.append(path.stat().st_size)
        with JlsTrace(path) as trace:
            np.testing.assert_array_equal(trace.read("gpi0", 0, level.size), level)
    assert min(sizes) < level.size // 16 < max(sizes)


def empty(path: Path) -> Path:
    from pyjls import Writer

    Writer(str(path)).close()
    return path


def test_a_trace_without_power_or_channels_is_told(tmp_path: Path) -> None:
    with JlsTrace(write(tmp_path / "v.jls", voltage=load(100)["voltage"])) as trace:
        with pytest.raises(DataError, match="holds no power"):
            trace.block_sums()
        with pytest.raises(KeyError):
            trace.read("current", 0, 5)
        with pytest.raises(IndexError):
            trace.read("voltage", 0, 101)
    with pytest.raises(DataError, match="cannot read"):
        JlsTrace(tmp_path / "absent.jls")
    with pytest.raises(DataError, match="found sample rates"):
        JlsTrace(empty(tmp_path / "none.jls"))


def test_closing_twice_is_fine_and_views_outlive_it(tmp_path: Path) -> None:
    data = load(20_000)
    trace = JlsTrace(write(tmp_path / "a.jls", **data))
    view = trace.read("current", 10, 20)
    trace.close()
    trace.close()
    np.testing.assert_array_equal(view, data["current"][10:20])


@given(st.binary(max_size=700))
def test_the_checksum_is_the_published_one(data: bytes) -> None:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    for function in (crc32c, folded):
        assert function(b"123456789") == 0xE3069283
        assert function(data) == function(memoryview(data)) == register ^ 0xFFFFFFFF


@given(st.integers(1, 5), st.integers(1, 300))
def test_rows_are_summed_each_for_itself(rows: int, width: int) -> None:
    words = np.random.default_rng(width).integers(0, 1 << 32, (rows, width), dtype=np.uint32)
    expected = [crc32c(row.tobytes()) for row in words]
    assert crc32c_rows(words).tolist() == folded_rows(words).tolist() == expected
    assert crc32c_rows(words[:, 1:]).tolist() == [crc32c(row[1:].tobytes()) for row in words]


def test_without_the_vendors_function_the_checksums_are_the_same(
    trace_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "vendor_crc32c", lambda: None)
    with JlsTrace(trace_path) as trace:
        assert trace.verify() > 0
    assert crc32c(b"123456789") == 0xE3069283


def test_many_small_chunks_are_summed_in_more_than_one_plan(tmp_path: Path) -> None:
    path = vendor_file(
        tmp_path / "a.jls",
        {"current": 0, "voltage": 0},
        16 * 6000 + 5,
        samples_per_data=16,
        sample_decimate_factor=16,
        entries_per_summary=160,
        summary_decimate_factor=10,
    )
    with JlsTrace(path) as trace:
        assert (trace.block_samples, trace.blocks) == (16, 6001)
        samples = trace.read("current", 0, trace.length).astype(np.float64)
        expected = np.add.reduceat(samples * samples, np.arange(0, trace.length, 16))
        np.testing.assert_allclose(trace.block_sums(), expected, rtol=1e-14)
        np.testing.assert_allclose(trace.block_sums(4090, 4101), expected[4090:4101], rtol=1e-14)
        assert trace.missing() == []


def test_a_chunk_larger_than_what_is_verified_at_once(tmp_path: Path) -> None:
    path = vendor_file(
        tmp_path / "a.jls",
        {"current": 0, "voltage": 0},
        700_000,
        samples_per_data=1 << 19,
        sample_decimate_factor=1 << 9,
        entries_per_summary=1 << 10,
        summary_decimate_factor=1 << 4,
    )
    with JlsTrace(path) as trace:
        assert trace.verify() > 0
        expected = math.fsum(k * k for k in range(700_000))
        assert math.fsum(trace.block_sums()) == pytest.approx(expected, rel=1e-13)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with JlsTrace(path) as trace, pytest.raises(DataError, match="a payload fails its checksum"):
        trace.verify()


@pytest.mark.parametrize("pieces", [700, 20_000, 160_000])
def test_channels_beside_each_other_are_summed_however_they_lie(tmp_path: Path, pieces: int) -> None:
    length = 300_000
    data = load(length, seed=4)
    logic = (np.arange(length) // 3 % 2).astype(np.uint8)
    beside = {"gpi0": logic, "gpi1": logic}
    with JlsTrace(write(tmp_path / "a.jls", pieces, **data, **beside)) as trace:
        for block, found in enumerate(trace.block_sums()):
            part = slice(block * trace.block_samples, (block + 1) * trace.block_samples)
            assert found == pytest.approx(exact_sum(data["current"][part], data["voltage"][part]), rel=1e-14)
    # A meter's own power is the better one at a lowered rate: it was multiplied before it was averaged.
    power_w = (1.1 * data["current"]).astype(np.float32)
    with JlsTrace(write(tmp_path / "b.jls", pieces, **data, **beside, power=power_w)) as trace:
        for block, found in enumerate(trace.block_sums()):
            part = slice(block * trace.block_samples, (block + 1) * trace.block_samples)
            assert found == pytest.approx(math.fsum(power_w[part].tolist()), rel=1e-14)


def test_runs_of_chunks_may_begin_anywhere(tmp_path: Path) -> None:
    with JlsTrace(write(tmp_path / "a.jls", 70_000, **load(400_000))) as trace:
        whole = trace.block_sums()
        for first, stop in itertools.combinations(range(0, trace.blocks + 1, 3), 2):
            np.testing.assert_allclose(trace.block_sums(first, stop), whole[first:stop], rtol=1e-14)
