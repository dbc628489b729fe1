"""Thinning a trace: nothing that matters is lost, nothing that is missing is averaged over, memory stays bounded."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from view_traces import MemoryTrace

from analysis.view import tiles
from analysis.view.columns import envelope
from analysis.view.detail import bucket_bytes, detail_tiles, finest
from analysis.view.runs import RunCollector
from analysis.view.tiles import scan
from lab.errors import DataError

VALUES = st.floats(-100, 100, width=32) | st.sampled_from([np.nan, np.inf, -np.inf])
SAMPLES = st.integers(1, 400).flatmap(lambda size: arrays(np.float32, size, elements=VALUES))


def gap_ranges(length: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    pair = st.tuples(st.integers(0, length), st.integers(0, length)).map(lambda item: (min(item), max(item)))
    return st.lists(pair, max_size=3)


def missing_of(samples: NDArray[np.float32], gaps: list[tuple[int, int]]) -> NDArray[np.bool_]:
    bad = ~np.isfinite(samples)
    for first, last in gaps:
        bad[first:last] = True
    return bad


@settings(max_examples=150, deadline=None)
@given(data=st.data(), samples=SAMPLES, per=st.integers(1, 70), chunk=st.integers(1, 90))
def test_buckets_are_what_brute_force_says(
    data: st.DataObject, samples: NDArray[np.float32], per: int, chunk: int
) -> None:
    gaps = data.draw(gap_ranges(samples.size))
    start = data.draw(st.integers(0, samples.size - 1))
    with mock.patch.object(tiles, "CHUNK", chunk):
        found = scan(MemoryTrace(power=samples), per, start=start, gaps=gaps)
    series = found.tile.series["power"]
    bad = missing_of(samples, gaps)
    for bucket in range(found.tile.buckets):
        part = slice(start + bucket * per, min(start + (bucket + 1) * per, samples.size))
        kept = samples[part][~bad[part]]
        assert series.count[bucket] == kept.size
        if kept.size:
            assert series.low[bucket] == kept.min()
            assert series.high[bucket] == kept.max()
            assert series.mean[bucket] == pytest.approx(kept.mean(dtype=np.float64), rel=1e-12, abs=1e-12)
        else:
            assert np.isnan([series.low[bucket], series.mean[bucket], series.high[bucket]]).all()
    whole = np.zeros(samples.size, np.bool_)
    for first, last in zip(found.missing.start, found.missing.stop, strict=True):
        assert not whole[max(first - 1, start) : last].any(), "runs are apart and in order"
        whole[first:last] = True
    assert (whole[start:] == bad[start:]).all()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), levels=st.lists(st.integers(0, 1), min_size=1, max_size=200), chunk=st.integers(1, 50))
def test_edges_are_what_brute_force_says(data: st.DataObject, levels: list[int], chunk: int) -> None:
    line = np.array(levels, np.uint8)
    gaps = data.draw(gap_ranges(line.size))
    power = np.ones(line.size, np.float32)
    with mock.patch.object(tiles, "CHUNK", chunk):
        found = scan(MemoryTrace(power=power, gpi0=line), 7, gaps=gaps, lines=("gpi0",)).lines["gpi0"]
    seen = np.flatnonzero(~missing_of(power, gaps))
    expected = [(int(a), int(b), int(line[b])) for a, b in pairwise(seen) if line[a] != line[b]]
    changes = found.changes
    assert list(zip(changes.start, changes.stop, changes.level, strict=True)) == expected
    assert found.first_level == (int(line[seen[0]]) if seen.size else None)


def test_power_is_the_product_rounded_once() -> None:
    rng = np.random.default_rng(1)
    current, voltage = (rng.normal(size=10_000).astype(np.float32) for _ in range(2))
    series = scan(MemoryTrace(current=current, voltage=voltage), 100).tile.series["power"]
    exact = (current.astype(np.float64) * voltage).reshape(100, 100)
    assert (series.low == exact.min(axis=1).astype(np.float32)).all()
    assert (series.high == exact.max(axis=1).astype(np.float32)).all()
    np.testing.assert_allclose(series.mean, exact.mean(axis=1), rtol=0, atol=1e-7)


def test_a_trace_without_anything_to_draw_is_refused() -> None:
    with pytest.raises(DataError, match="its channels are gpi0"):
        scan(MemoryTrace(gpi0=np.zeros(8, np.uint8)), 1)
    with pytest.raises(ValueError, match="buckets of 0"):
        scan(MemoryTrace(power=np.zeros(8, np.float32)), 0)


def test_memory_does_not_grow_with_the_trace() -> None:
    power = np.zeros(4_000_000, np.float32)
    power[::2] = np.nan  # the worst that gaps can be
    trace = MemoryTrace(power=power, gpi0=(np.arange(power.size) // 2 % 2).astype(np.uint8))
    tracemalloc.start()
    found = scan(trace, 4096, lines=("gpi0",))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert trace.largest_read <= tiles.CHUNK
    assert peak < 40e6
    assert len(found.missing) <= tiles.MOST_RUNS
    assert int(found.missing.pieces.sum()) == 2_000_000
    assert int(found.lines["gpi0"].changes.pieces.sum()) == 1_999_999


def test_too_many_runs_are_joined_and_counted() -> None:
    collector = RunCollector(10, touching=False)
    for start in range(0, 1000, 10):
        collector.add(np.array([start]), np.array([start + 1]), np.array([1]))
    runs = collector.runs()
    assert len(runs) <= 10
    assert int(runs.pieces.sum()) == 100
    assert (runs.start[0], runs.stop[-1]) == (0, 991)
    assert runs.apart > 0
    assert (runs.start[1:] >= runs.stop[:-1]).all()


@settings(max_examples=100, deadline=None)
@given(samples=SAMPLES, per=st.integers(1, 9), columns=st.integers(1, 40))
def test_columns_of_a_picture_keep_extremes_and_means(samples: NDArray[np.float32], per: int, columns: int) -> None:
    part = envelope(scan(MemoryTrace(power=samples), per).tile, "power", columns)
    assert part.at.size <= columns
    kept = samples[np.isfinite(samples)].astype(np.float64)
    if kept.size:
        assert np.nanmin(part.low) == kept.min()
        assert np.nanmax(part.high) == kept.max()
    assert (np.nan_to_num(part.low, nan=-np.inf) <= np.nan_to_num(part.mean, nan=-np.inf) + 1e-9).all()


def test_detail_lies_around_the_places_and_within_the_budget() -> None:
    rng = np.random.default_rng(2)
    trace = MemoryTrace(current=rng.normal(size=2_000_000).astype(np.float32), voltage=np.ones(2_000_000, np.float32))
    per = finest(trace, trace.length, 200_000)
    assert per & (per - 1) == 0
    assert trace.length / per * bucket_bytes(trace, per) <= 200_000
    places = [0.0, 1000.5, 999_999.0, 2_000_000.0]
    found = detail_tiles(trace, places, per, 300_000)
    size = sum(tile.buckets * bucket_bytes(trace, tile.per) for tile in found)
    assert 100_000 < size < 330_000
    for place in places:
        around = [
            tile for tile in found if tile.start <= max(place - 1, 0) and tile.stop >= min(place + 1, trace.length)
        ]
        assert {tile.per for tile in around} >= {1, 16}, place
    for tile in found:
        assert tile.start % tile.per == 0


def test_a_short_trace_needs_no_detail() -> None:
    trace = MemoryTrace(power=np.ones(100, np.float32))
    assert finest(trace, 100, 1_000) == 1
    assert detail_tiles(trace, [50.0], 1, 1_000) == []
