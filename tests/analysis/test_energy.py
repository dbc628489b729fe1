"""The energy of a stretch: exact sums, stretches that add up, gaps that show, whatever the chunks."""

from __future__ import annotations

import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from analysis_fakes import ArrayTrace
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis import energy
from analysis.energy import block_powers, joined_energy, stretch_energy, trace_energy
from lab.errors import DataError

RATE_HZ = 1000.0
volts = st.floats(0.0, 20.0, width=32, allow_subnormal=False)
amperes = st.floats(-1.0, 3.0, width=32, allow_subnormal=False)


def exact_energy_j(trace: ArrayTrace, begin: float, end: float) -> Fraction:
    """The same sum in rational numbers, from the definition."""
    total = Fraction(0)
    for k in range(trace.length):
        low, high = max(Fraction(begin), k), min(Fraction(end), k + 1)
        if high > low:
            total += (
                (high - low) * Fraction(float(trace.data["voltage"][k])) * Fraction(float(trace.data["current"][k]))
            )
    return total / Fraction(RATE_HZ)


@st.composite
def traces(draw: st.DrawFn) -> ArrayTrace:
    n = draw(st.integers(2, 60))
    voltage = draw(st.lists(volts, min_size=n, max_size=n))
    current = draw(st.lists(amperes, min_size=n, max_size=n))
    return ArrayTrace(RATE_HZ, voltage=voltage, current=current)


@st.composite
def traces_with_edges(draw: st.DrawFn, edges: int) -> tuple[ArrayTrace, list[float]]:
    trace = draw(traces())
    found = draw(
        st.lists(st.floats(0, trace.length, width=32), min_size=edges, max_size=edges, unique=True).map(sorted)
    )
    return trace, found


@given(traces_with_edges(2))
def test_energy_equals_the_sum_in_rational_numbers(case: tuple[ArrayTrace, list[float]]) -> None:
    trace, (begin, end) = case
    seen = stretch_energy(trace, begin, end)
    exact = exact_energy_j(trace, begin, end)
    magnitude = exact_energy_j(
        ArrayTrace(RATE_HZ, voltage=np.abs(trace.data["voltage"]), current=np.abs(trace.data["current"])), begin, end
    )
    assert seen is not None
    assert abs(Fraction(seen.energy_j) - exact) <= Fraction(1, 10**12) * magnitude + Fraction(1, 10**300)
    assert seen.coverage == 1.0


@given(traces_with_edges(3))
def test_two_stretches_that_meet_add_up(case: tuple[ArrayTrace, list[float]]) -> None:
    trace, (begin, middle, end) = case
    whole, left, right = (stretch_energy(trace, a, b) for a, b in ((begin, end), (begin, middle), (middle, end)))
    assert whole is not None
    assert left is not None
    assert right is not None
    magnitude = sum(abs(float(v) * float(i)) for v, i in zip(trace.data["voltage"], trace.data["current"], strict=True))
    assert left.energy_j + right.energy_j == pytest.approx(whole.energy_j, abs=1e-12 * (magnitude / RATE_HZ + 1e-300))
    assert left.duration_s + right.duration_s == pytest.approx(whole.duration_s)


@settings(max_examples=50)
@given(traces_with_edges(2), st.integers(1, 9))
def test_chunks_do_not_matter(case: tuple[ArrayTrace, list[float]], chunk: int) -> None:
    trace, (begin, end) = case
    whole = stretch_energy(trace, begin, end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(energy, "CHUNK_SAMPLES", chunk)
        pieces = stretch_energy(trace, begin, end)
    assert whole is not None
    assert pieces is not None
    assert pieces.energy_j == pytest.approx(whole.energy_j, rel=1e-12, abs=1e-15)
    assert (pieces.power_min_w, pieces.power_max_w) == (whole.power_min_w, whole.power_max_w)


@given(traces_with_edges(2), st.integers(0, 50))
def test_shifting_trace_and_stretch_together_changes_nothing(case: tuple[ArrayTrace, list[float]], shift: int) -> None:
    trace, (begin, end) = case
    assume(end - begin > 1e-3)
    later = ArrayTrace(
        RATE_HZ,
        voltage=np.concatenate([np.full(shift, 7.0), trace.data["voltage"]]),
        current=np.concatenate([np.full(shift, 2.0), trace.data["current"]]),
    )
    before, after = stretch_energy(trace, begin, end), stretch_energy(later, begin + shift, end + shift)
    assert before is not None
    assert after is not None
    # The shifted edges are rounded to float64.
    assert after.energy_j == pytest.approx(before.energy_j, rel=1e-9, abs=1e-13)


def test_a_long_trace_of_small_samples_loses_nothing() -> None:
    rng = np.random.default_rng(3)
    voltage = rng.normal(5.0, 0.01, 600_000).astype(np.float32)
    current = rng.normal(0.5, 0.2, 600_000).astype(np.float32)
    exact = math.fsum((voltage.astype(np.float64) * current.astype(np.float64)).tolist()) / RATE_HZ
    seen = trace_energy(ArrayTrace(RATE_HZ, voltage=voltage, current=current))
    assert seen is not None
    assert seen.energy_j == pytest.approx(exact, rel=1e-13)


def test_edges_between_samples_take_their_fraction() -> None:
    trace = ArrayTrace(10.0, voltage=[1, 1, 1], current=[1, 2, 4])
    seen = stretch_energy(trace, 0.75, 2.25)
    assert seen is not None
    assert seen.energy_j == pytest.approx((0.25 * 1 + 2 + 0.25 * 4) / 10)
    assert seen.duration_s == pytest.approx(0.15)


def test_a_stretch_inside_one_sample() -> None:
    seen = stretch_energy(ArrayTrace(10.0, voltage=[2.0], current=[3.0]), 0.25, 0.5)
    assert seen is not None
    assert seen.energy_j == pytest.approx(6 * 0.25 / 10)


@pytest.mark.parametrize("how", ["nan", "gaps"])
def test_missing_samples_lower_the_coverage_and_are_said(how: str) -> None:
    current = np.full(100, 2.0)
    current[:50] = 1.0
    gaps: tuple[tuple[int, int], ...] = ()
    if how == "nan":
        current[20:30] = np.nan
    else:
        current[20:30] = 99.0  # whatever the file holds there
        gaps = ((20, 30),)
    seen = stretch_energy(ArrayTrace(100.0, voltage=np.ones(100), current=current), 0, 100, gaps)
    assert seen is not None
    assert seen.coverage == pytest.approx(0.9)
    assert seen.seen_energy_j == pytest.approx((40 * 1 + 50 * 2) / 100)
    assert seen.energy_j == pytest.approx(140 / 90)
    assert (seen.power_min_w, seen.power_max_w) == (1.0, 2.0)


def test_a_missing_voltage_leaves_the_current_of_that_sample_out_too() -> None:
    voltage = np.array([1.0, np.nan, 1.0, 1.0])
    seen = stretch_energy(ArrayTrace(1.0, voltage=voltage, current=np.array([1.0, 9.0, 1.0, 1.0])), 0, 4)
    assert seen is not None
    assert seen.current_a == 1.0


def test_what_lies_outside_the_trace_is_missing() -> None:
    seen = stretch_energy(ArrayTrace(10.0, voltage=np.ones(8), current=np.ones(8)), 0, 10)
    assert seen is not None
    assert seen.coverage == pytest.approx(0.8)


def test_nothing_seen_is_nothing_said() -> None:
    nan = np.full(10, np.nan)
    assert stretch_energy(ArrayTrace(10.0, voltage=nan, current=nan), 2, 8) is None
    assert stretch_energy(ArrayTrace(10.0, voltage=np.ones(4), current=np.ones(4)), 5, 8) is None


def test_other_channels_that_hold_power() -> None:
    power = stretch_energy(ArrayTrace(10.0, power=[1.0, 3.0]), 0, 2)
    joules = stretch_energy(ArrayTrace(10.0, energy=[0.1, 0.3]), 0, 2)
    assert power is not None
    assert joules is not None
    assert power.energy_j == pytest.approx(joules.energy_j) == pytest.approx(0.4)
    assert power.voltage_v is None


def test_bad_requests_are_refused() -> None:
    with pytest.raises(DataError, match="empty stretch"):
        stretch_energy(ArrayTrace(10.0, power=[1.0]), 1.0, 1.0)
    with pytest.raises(DataError, match="no power"):
        stretch_energy(ArrayTrace(10.0, gpi0=[1.0]), 0.0, 1.0)


def test_blocks_are_means_and_skip_what_is_mostly_missing() -> None:
    power = np.repeat([1.0, 2.0, 3.0, 4.0], 10)
    power[10:16] = np.nan
    power[20:23] = np.nan
    assert block_powers(ArrayTrace(10.0, power=power), 0, 40, 4).tolist() == [1.0, 3.0, 4.0]
    assert block_powers(ArrayTrace(10.0, power=power), 0.5, 3.5, 16).tolist() == [1.0, 1.0]
    assert block_powers(ArrayTrace(10.0, power=power), 0.5, 1.0, 16).size == 0


def test_several_stretches_count_as_one() -> None:
    current = np.array([1.0, 2, 3, np.nan, 5, 6, 7, 8])
    trace = ArrayTrace(10.0, voltage=np.full(8, 2.0), current=current)
    joined = joined_energy(trace, [(0, 2), (2.5, 5)])
    assert joined is not None
    assert joined.duration_s == pytest.approx(0.45)
    assert joined.coverage == pytest.approx(3.5 / 4.5)
    assert joined.seen_energy_j == pytest.approx(2 * (1 + 2 + 1.5 + 5) / 10)
    assert joined.energy_j == pytest.approx(joined.seen_energy_j * 4.5 / 3.5)
    assert joined.current_a == pytest.approx(9.5 / 3.5)
    assert joined.voltage_v == pytest.approx(2.0)
    assert (joined.power_min_w, joined.power_max_w) == (2.0, 10.0)
    assert joined_energy(trace, []) is None
    assert joined_energy(trace, [(3, 4)]) is None
    assert joined_energy(trace, [(0, 2)]) == stretch_energy(trace, 0, 2)


@given(traces_with_edges(4))
def test_joining_neighbours_is_the_whole(case: tuple[ArrayTrace, list[float]]) -> None:
    trace, (a, b, c, d) = case
    whole, joined = stretch_energy(trace, a, d), joined_energy(trace, [(a, b), (b, c), (c, d)])
    assert whole is not None
    assert joined is not None
    scale = float(np.abs(trace.data["voltage"] * trace.data["current"]).sum()) / RATE_HZ
    assert joined.energy_j == pytest.approx(whole.energy_j, rel=1e-9, abs=1e-12 * scale + 1e-30)


class EndlessTrace:
    """Constant power, made as it is read."""

    rate_hz, length, channels = 1e6, 20_000_000, ("current", "voltage")

    def read(self, channel: str, start: int, stop: int) -> np.ndarray:
        return np.full(stop - start, 0.5 if channel == "current" else 4.0, dtype=np.float32)


def test_a_long_trace_takes_no_more_memory_than_a_chunk() -> None:
    tracemalloc.start()
    try:
        seen = trace_energy(EndlessTrace())
        blocks = block_powers(EndlessTrace(), 0, 20_000_000, 16)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen is not None
    assert seen.energy_j == pytest.approx(40.0, rel=1e-12)
    assert blocks.tolist() == [2.0] * 16
    assert peak_bytes < 80 * energy.CHUNK_SAMPLES
