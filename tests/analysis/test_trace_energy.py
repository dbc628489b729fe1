"""Energies of windows of a trace: against exact summation, whatever the windows, the gaps and the chunks."""

import math
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.energy import stretch_energy
from analysis.trace_energy import PowerPyramid, window_energies
from lab.errors import DataError
from lab.record.traces.jls_trace import JlsTrace
from lab.record.traces.jls_writer import JlsWriter

LENGTH = 200_000
RATE = 1000
GAPS = ((8_000, 8_400), (30_000, 30_003), (120_000, 121_000))


def write(path: Path, **channels: np.ndarray) -> Path:
    with JlsWriter(path, source="JS220", serial="7", rate_hz=RATE, channels=tuple(channels)) as writer:
        for start in range(0, max(data.size for data in channels.values()), 50_000):
            for name, data in channels.items():
                writer.write(name, start, data[start : start + 50_000])
    return path


class Known:
    """A trace with gaps, and its samples."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(5)
        current = rng.lognormal(-3, 2, LENGTH).astype(np.float32)
        voltage = (5 + 0.1 * rng.standard_normal(LENGTH)).astype(np.float32)
        for start, stop in GAPS:
            current[start:stop] = np.nan
        self.path = write(folder / "iv.jls", current=current, voltage=voltage)
        self.power = current.astype(np.float64) * voltage.astype(np.float64)
        self.as_channel = (current * voltage).astype(np.float32)
        self.power_path = write(folder / "p.jls", power=self.as_channel)

    def exactly(self, power: np.ndarray, begin: float, end: float) -> tuple[float, float]:
        """Energy and coverage of a window, by fractions without any rounding at the edges and fsum in between."""
        first, last = max(math.floor(begin), 0), min(math.ceil(end), LENGTH)
        terms, weight = [], Fraction(0)
        for sample in {first, last - 1} if last > first else ():
            share = min(Fraction(sample + 1), Fraction(end)) - max(Fraction(sample), Fraction(begin))
            if np.isfinite(power[sample]):
                terms.append(float(share * Fraction(float(power[sample]))))
                weight += share
        inner = power[first + 1 : max(last - 1, first + 1)]
        inner = inner[np.isfinite(inner)]
        terms.extend(inner.tolist())
        weight += inner.size
        return math.fsum(terms) / RATE, float(weight / (Fraction(end) - Fraction(begin)))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    return Known(tmp_path_factory.mktemp("energy"))


edges = st.one_of(
    st.integers(-5, LENGTH + 5).map(float),
    st.floats(-5.0, LENGTH + 5.0),
    st.sampled_from([0, 8192, 8191.5, 16384, *np.ravel(GAPS).tolist(), LENGTH]).map(float),
)
windows = st.tuples(edges, edges).map(sorted).filter(lambda window: window[1] > window[0])


@settings(max_examples=150, deadline=None)
@given(st.lists(windows, min_size=1, max_size=8))
def test_windows_are_as_exact_summation_says(known: Known, chosen: list[list[float]]) -> None:
    with JlsTrace(known.path) as trace:
        found = window_energies(trace, [begin for begin, _ in chosen], [end for _, end in chosen])
    for k, (begin, end) in enumerate(chosen):
        energy, coverage = known.exactly(known.power, begin, end)
        assert found.seen_energy_j[k] == pytest.approx(energy, rel=1e-11, abs=1e-300)
        assert found.coverage[k] == pytest.approx(coverage, rel=1e-9, abs=1e-15)
        assert found.duration_s[k] == pytest.approx((end - begin) / RATE)


@settings(max_examples=150, deadline=None)
@given(windows)
def test_the_pyramid_says_the_same(known: Known, window: list[float]) -> None:
    with JlsTrace(known.power_path) as trace:
        found = PowerPyramid(trace, GAPS).window(*window)
    energy, coverage = known.exactly(known.as_channel.astype(np.float64), *window)
    assert found.seen_energy_j[0] == pytest.approx(energy, rel=2e-8, abs=1e-300)
    assert found.coverage[0] == pytest.approx(coverage, rel=1e-9, abs=1e-15)


def test_it_agrees_with_the_energy_of_one_stretch(known: Known) -> None:
    with JlsTrace(known.path) as trace:
        for begin, end in ((0.25, 150_000.75), (7_999.5, 8_000.25), (50.0, 60.0)):
            one = stretch_energy(trace, begin, end)
            many = window_energies(trace, begin, end)
            assert one is not None
            assert many.seen_energy_j[0] == pytest.approx(one.seen_energy_j, rel=1e-12)
            assert many.coverage[0] == pytest.approx(one.coverage, rel=1e-12)


def test_windows_that_meet_add_up_to_the_whole(known: Known) -> None:
    cuts = np.sort(np.random.default_rng(2).uniform(0, LENGTH, 5000))
    with JlsTrace(known.path) as trace:
        parts = window_energies(trace, cuts[:-1], cuts[1:])
        whole = window_energies(trace, cuts[0], cuts[-1])
    assert math.fsum(parts.seen_energy_j) == pytest.approx(whole.seen_energy_j[0], rel=1e-12)


def test_a_tiny_load_after_a_huge_one_keeps_its_digits(tmp_path: Path) -> None:
    current = np.full(100_000, 1e-12, np.float32)
    current[:50_000] = 1e6
    path = write(tmp_path / "a.jls", current=current, voltage=np.ones(100_000, np.float32))
    with JlsTrace(path) as trace:
        found = window_energies(trace, 90_000, 90_100)
    assert found.seen_energy_j[0] == pytest.approx(100 * float(current[-1]) / RATE, rel=1e-8)


def test_stated_gaps_count_as_missing_whatever_the_file_holds(known: Known) -> None:
    with JlsTrace(known.path) as trace:
        found = window_energies(trace, [50_000, 61_000], [60_000, 62_000], gaps=[(59_000, 61_500), (58_000, 59_500)])
    assert found.coverage.tolist() == [0.8, 0.5]
    expected = math.fsum(known.power[50_000:58_000]) / RATE
    assert found.seen_energy_j[0] == pytest.approx(expected, rel=1e-13)
    assert found.complete.tolist() == [False, False]


def test_a_window_without_a_sample_is_not_covered(known: Known) -> None:
    with JlsTrace(known.path) as trace:
        found = window_energies(trace, [-10, 8_100, LENGTH], [-5, 8_200, LENGTH + 1])
    assert found.coverage.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("begin", "end"), [(5, 5), (6, 5), (math.nan, 5), (0, math.inf)])
def test_a_window_that_is_none_is_refused(known: Known, begin: float, end: float) -> None:
    with JlsTrace(known.path) as trace, pytest.raises(DataError, match="window 1 is empty or not a number"):
        window_energies(trace, [0.0, begin], [1.0, end])
    with JlsTrace(known.power_path) as trace, pytest.raises(DataError, match="empty window"):
        PowerPyramid(trace, GAPS).window(begin, end)


def test_the_pyramid_finds_gaps_itself_and_refuses_to_guess(known: Known) -> None:
    with JlsTrace(known.power_path) as trace:
        found = PowerPyramid(trace).window(0, LENGTH)
        assert found.coverage[0] == pytest.approx(1 - sum(stop - start for start, stop in GAPS) / LENGTH)
        with pytest.raises(DataError, match="no stated gap names"):
            PowerPyramid(trace, GAPS[:2]).window(0, LENGTH)
    with JlsTrace(known.path) as trace, pytest.raises(DataError, match="no channel 'power'"):
        PowerPyramid(trace)


def test_a_long_window_of_the_pyramid_is_good_to_1e_8(tmp_path: Path) -> None:
    power = np.random.default_rng(1).lognormal(0, 0.5, 3_000_000).astype(np.float32)
    with JlsTrace(write(tmp_path / "p.jls", power=power)) as trace:
        pyramid = PowerPyramid(trace, ())
        for begin, end in ((1234.5, 2_999_000.25), (100.0, 90_000.0), (5.5, 1_000_000.0)):
            exact = window_energies(trace, begin, end).seen_energy_j[0]
            assert pyramid.window(begin, end).seen_energy_j[0] == pytest.approx(exact, rel=1e-8)


def test_many_windows_cost_one_pass(tmp_path: Path) -> None:
    # A generous bound (some 40 ms here): one pass each would take minutes.
    length = 2_000_000
    path = write(tmp_path / "a.jls", current=np.ones(length, np.float32), voltage=np.ones(length, np.float32))
    begins = np.linspace(0, length - 2000, 20_000)
    with JlsTrace(path) as trace:
        start = time.perf_counter()
        found = window_energies(trace, begins, begins + 1500.5)
        assert time.perf_counter() - start < 10
    np.testing.assert_allclose(found.seen_energy_j, 1.5005, rtol=1e-12)
