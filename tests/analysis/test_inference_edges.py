"""Single inferences are found between their edges, none is invented, and what cannot be seen is counted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from analysis_fakes import ArrayTrace
from hypothesis import given
from hypothesis import strategies as st

from analysis import inference_edges
from analysis.inference_edges import InferenceEdges, inference_channel, read_edges
from analysis.single_inferences import STATISTICS, _statistics, single_inferences
from lab.record.traces.jls_trace import JlsTrace
from lab.record.traces.jls_writer import JlsWriter

RATE_HZ = 10_000.0


def _levels(spans: list[tuple[int, int]], length: int) -> np.ndarray:
    levels = np.zeros(length, np.uint8)
    for rise, fall in spans:
        levels[rise:fall] = 1
    return levels


def _seen(
    spans: list[tuple[int, int]], window: tuple[float, float], gaps: tuple[tuple[int, int], ...] = (), length: int = 400
) -> InferenceEdges:
    return read_edges(ArrayTrace(RATE_HZ, gpi1=_levels(spans, length)), "gpi1", [window], gaps)


def _pairs(edges: InferenceEdges) -> list[tuple[int, int]]:
    return list(zip(edges.rises.tolist(), edges.falls.tolist(), strict=True))


SPANS = [(50, 60), (70, 95), (100, 101), (120, 180), (200, 230)]


def test_all_inside_are_found() -> None:
    edges = _seen(SPANS, (40.0, 250.0))
    assert _pairs(edges) == SPANS
    assert (edges.cut, edges.hidden, edges.gaps) == (0, 0, 0)
    assert edges.agrees(5)
    assert not edges.agrees(4)
    assert not edges.agrees(6)


def test_edges_at_the_windows_own_edges_are_inside() -> None:
    """Both lines rise at the same sample: the window's mark is half a sample before it, and so is the inference's."""
    edges = _seen(SPANS, (49.5, 229.5))
    assert _pairs(edges) == SPANS
    assert edges.cut == 0


@pytest.mark.parametrize(
    ("window", "kept", "cut"),
    [
        ((52.0, 250.0), SPANS[1:], 1),
        ((40.0, 215.0), SPANS[:-1], 1),
        ((75.0, 150.0), [(100, 101)], 2),
        ((130, 170), [], 1),
    ],
)
def test_those_that_the_window_cuts_are_left_out_and_counted(
    window: tuple[float, float], kept: list[tuple[int, int]], cut: int
) -> None:
    edges = _seen(SPANS, window)
    assert (_pairs(edges), edges.cut, edges.hidden) == (kept, cut, 0)
    assert edges.agrees(len(kept))
    assert edges.agrees(len(kept) + cut)
    assert not edges.agrees(len(kept) + cut + 1)


@pytest.mark.parametrize(
    ("gap", "kept", "hidden"),
    [
        ((130, 140), [SPANS[0], SPANS[1], SPANS[2], SPANS[4]], 2),
        ((97, 110), [SPANS[0], SPANS[1], SPANS[3], SPANS[4]], 0),
        ((55, 65), SPANS[1:], 1),
        ((110, 115), SPANS, 0),
        ((90, 210), SPANS[:1], 2),
    ],
)
def test_those_with_a_gap_in_them_are_left_out(gap: tuple[int, int], kept: list[tuple[int, int]], hidden: int) -> None:
    edges = _seen(SPANS, (40.0, 250.0), (gap,))
    assert (_pairs(edges), edges.hidden, edges.cut) == (kept, hidden, 0)
    assert edges.gap_samples == gap[1] - gap[0]
    assert edges.agrees(5), "the program's count can be true: a gap may hide what it likes"
    assert not edges.agrees(len(kept) - 1), "but not fewer than were seen"


def test_a_gap_hides_only_so_many() -> None:
    spans = [(10 * k, 10 * k + 8) for k in range(1, 30)]
    edges = _seen(spans, (5.0, 350.0), ((100, 116),))
    assert edges.agrees(29)
    assert not edges.agrees(29 + 10)


def test_a_line_that_never_moves_tells_nothing() -> None:
    assert _seen([], (40.0, 250.0)).count == 0
    high = _seen([(0, 400)], (40.0, 250.0))
    assert (high.count, high.cut) == (0, 1)
    assert read_edges(ArrayTrace(RATE_HZ, current=np.zeros(10)), "gpi1", [(1.0, 9.0)]).count == 0


def test_reading_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _seen(SPANS, (40.0, 250.0))
    for size in (1, 2, 3, 10, 61):
        monkeypatch.setattr(inference_edges, "CHUNK_SAMPLES", size)
        assert _pairs(_seen(SPANS, (40.0, 250.0))) == _pairs(whole)


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=25),
    st.floats(0.0, 120.0),
    st.floats(1.0, 400.0),
    st.lists(st.tuples(st.integers(0, 390), st.integers(1, 20)), max_size=3),
)
def test_what_is_found_is_there_and_inside_and_whole(
    shape: list[tuple[int, int]], begin: float, length: float, holes: list[tuple[int, int]]
) -> None:
    spans, at = [], 1
    for low, high in shape:
        spans.append((at + low, at + low + high))
        at += low + high
    gaps: list[tuple[int, int]] = []
    for start, size in sorted(holes):
        if not gaps or start > gaps[-1][1]:
            gaps.append((start, min(start + size, 400)))
    window = (begin, min(begin + length, 800.0))
    edges = _seen(spans, window, tuple(gaps), length=800)
    found = _pairs(edges)
    assert set(found) <= set(spans), "no inference is invented"
    inside = [span for span in spans if window[0] + 0.5 <= span[0] and span[1] <= window[1] + 0.5]
    untouched = [span for span in inside if not any(low < span[1] + 1 and high > span[0] - 1 for low, high in gaps)]
    assert set(untouched) <= set(found) <= set(inside), "and none that can be seen is left out"
    assert edges.agrees(len(found))


def test_the_bench_file_says_which_input_it_is() -> None:
    lines = {"gpi0": "warmup", "gpi3": "inference"}
    manifest = {"bench": {"resolved": {"instruments": {"meter": {"lines": lines}, "other": {}}}}}
    assert inference_channel(manifest, "meter") == "gpi3"
    assert inference_channel(manifest, "other") is None
    assert inference_channel(manifest, "absent") is None
    assert inference_channel({}, "meter") is None


# ------------------------------------------------------------------------------------------------------- energies


def _written(path: Path, power_w: np.ndarray, levels: np.ndarray) -> JlsTrace:
    with JlsWriter(path, source="test", serial="1", rate_hz=RATE_HZ, channels=("current", "voltage", "gpi1")) as writer:
        writer.write("current", 0, (power_w / 8.0).astype(np.float32))
        writer.write("voltage", 0, np.full(power_w.size, 8.0, np.float32))
        writer.write("gpi1", 0, levels)
    return JlsTrace(path)


def _sampled(
    begins: np.ndarray, ends: np.ndarray, samples: int, inside_w: float, outside_w: float
) -> tuple[np.ndarray, np.ndarray]:
    """What a meter makes of inferences at fractional samples: power averaged over each, levels at its instant."""
    share = np.zeros(samples)
    levels = np.zeros(samples, np.uint8)
    for begin, end in zip(begins, ends, strict=True):
        first, last = math.floor(begin), math.floor(end)
        share[first : last + 1] += 1.0
        share[first] -= begin - first
        share[last] -= last + 1 - end
        levels[math.ceil(begin) : math.ceil(end)] = 1
    return outside_w + (inside_w - outside_w) * share, levels


def _random_train(rng: np.random.Generator, count: int, length: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    durations = rng.normal(length, spread, count)
    pauses = rng.uniform(3.0, 5.0, count)
    ends = 20.0 + np.cumsum(durations + pauses)
    return ends - durations, ends


@pytest.mark.parametrize("reader", ["jls", "any"])
def test_mean_and_scatter_are_the_true_ones_for_all_the_coarseness(tmp_path: Path, reader: str) -> None:
    """Scatter of two samples: the edges add a tenth to it, and a step in power at each edge must not bias the mean."""
    rng = np.random.default_rng(5)
    begins, ends = _random_train(rng, 4000, 40.0, 1.0)
    samples = int(ends[-1]) + 40
    power_w, levels = _sampled(begins, ends, samples, 5.0, 1.0)
    with _written(tmp_path / "t.jls", power_w, levels) as jls:
        trace = jls
        if reader == "any":
            trace = ArrayTrace(RATE_HZ, power=power_w, gpi1=levels)
        found = single_inferences(trace, "gpi1", [(5.0, samples - 5.0)])
    assert found.count == 4000
    true_s = (ends - begins) / RATE_HZ
    for values, truth, u_each in (
        (found.energy_j, 5.0 * true_s, float(np.sqrt(np.mean(found.u_energy_j**2)))),
        (found.duration_s, true_s, found.u_time_s),
    ):
        by_name = dict(zip(STATISTICS, _statistics(values, u_each), strict=True))
        assert by_name["mean"].value == pytest.approx(truth.mean(), abs=4 * u_each / math.sqrt(4000))
        assert np.std(values, ddof=1) > 1.05 * np.std(truth, ddof=1), "as seen it is too large"
        assert by_name["sd"].value == pytest.approx(np.std(truth, ddof=1), rel=0.03)
        for name, quantile in (("min", 0.0), ("p05", 0.05), ("median", 0.5), ("p95", 0.95), ("max", 1.0)):
            open_by = 3 * math.hypot(by_name[name].u_edges, by_name[name].u_grid)
            assert by_name[name].value == pytest.approx(np.quantile(truth, quantile), abs=open_by)
        each = (values - truth) / u_each
        assert np.sqrt(np.mean(each**2)) == pytest.approx(1.0, abs=0.05), "u of a single one is what it claims"


def test_scatter_below_the_samples_is_said_to_be_unknown() -> None:
    rng = np.random.default_rng(1)
    begins, ends = _random_train(rng, 500, 40.0, 0.05)
    durations = np.ceil(ends) - np.ceil(begins)
    sd = _statistics(durations, 1 / math.sqrt(6))[1]
    assert sd.codes == ("edges_coarse",)
    assert sd.value is not None
    assert abs(sd.value - 0.05) < 3 * math.hypot(sd.u_edges, sd.u_grid)


def test_one_inference_has_no_scatter_and_short_ones_an_energy() -> None:
    assert _statistics(np.array([2.0]), 0.1)[1].value is None
    levels = _levels([(10, 11), (20, 22)], 40)
    found = single_inferences(ArrayTrace(RATE_HZ, power=np.full(40, 3.0), gpi1=levels), "gpi1", [(5.0, 35.0)])
    np.testing.assert_allclose(found.energy_j, np.array([1.0, 2.0]) * 3.0 / RATE_HZ)


def test_missing_samples_inside_one_leave_it_out(tmp_path: Path) -> None:
    power_w = np.full(400, 2.0)
    power_w[150] = np.nan
    with _written(tmp_path / "t.jls", power_w, _levels(SPANS, 400)) as trace:
        found = single_inferences(trace, "gpi1", [(40.0, 250.0)])
    assert _pairs(found.edges) == [SPANS[0], SPANS[1], SPANS[2], SPANS[4]]
    assert found.edges.hidden == 1
    np.testing.assert_allclose(found.energy_j, found.duration_s * 2.0, rtol=1e-6)


def test_a_hundred_thousand_inferences_take_a_moment(tmp_path: Path) -> None:
    import time

    count = 100_000
    samples = 22 * count + 100
    levels = np.zeros(samples, np.uint8)
    levels[50 : 50 + 22 * count].reshape(count, 22)[:, :18] = 1
    with _written(tmp_path / "t.jls", np.full(samples, 4.0), levels) as trace:
        begun = time.perf_counter()
        found = single_inferences(trace, "gpi1", [(10.0, samples - 10.0)])
        took_s = time.perf_counter() - begun
    assert found.count == count
    np.testing.assert_allclose(found.energy_j, 18 * 4.0 / RATE_HZ, rtol=1e-6)
    assert took_s < 2.0
