"""The simulated converter averages exactly, and errs only where it says so."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.simulated.converter import MODELS, Conversion, RangeErrors, Signal, blocks, interval_means
from instruments.stream_recorder import Block

PERFECT = RangeErrors("2 A", 2.0, 0.0, 0.0, 0.0, 0.0)


@given(
    st.lists(st.tuples(st.floats(1e-3, 5.0), st.floats(0.0, 10.0)), min_size=1, max_size=20),
    st.lists(st.floats(0.01, 3.0), min_size=1, max_size=20),
    st.floats(0.0, 5.0),
)
def test_interval_means_are_the_integral_over_the_interval(
    pieces: list[tuple[float, float]], steps: list[float], begin: float
) -> None:
    times = np.concatenate([[0.0], np.cumsum([duration for duration, _ in pieces])])
    values = np.array([value for _, value in pieces])
    instants = begin + np.concatenate([[0.0], np.cumsum(steps)])
    expected = []
    for left, right in pairwise(instants):
        overlap = np.clip(np.minimum(times[1:], right) - np.maximum(times[:-1], left), 0.0, None)
        expected.append(float(np.sum(overlap * values)) / (right - left))
    np.testing.assert_allclose(interval_means(times, values, instants), expected, rtol=1e-9, atol=1e-9)


def _signal(rng: np.random.Generator, segments: int = 300) -> Signal:
    times = np.concatenate([[0.0], np.cumsum(rng.uniform(1e-5, 1e-2, segments))])
    edges = {"gpi0": [(float(times[50]), 1), (float(times[200]), 0)]}
    return Signal(times, rng.uniform(11.0, 12.0, segments), rng.uniform(0.1, 0.9, segments), edges)


def _conversion(samples: int, **changes: object) -> Conversion:
    plain = Conversion(
        model=replace(MODELS["JS220"], noise_steps=0.0),
        rate_hz=1000.0,
        samples=samples,
        received=samples,
        first_instant_s=0.0,
        period_s=1e-3,
        ranges=(PERFECT, replace(PERFECT, name="other", gain_i=0.1)),
        noise_seed=3,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def _joined(parts: list[Block]) -> tuple[np.ndarray, ...]:
    samples = np.concatenate([np.arange(part.first_sample, part.first_sample + part.current_a.size) for part in parts])
    return (
        samples,
        np.concatenate([part.current_a for part in parts]),
        np.concatenate([part.voltage_v for part in parts]),
        np.concatenate([part.range_codes for part in parts]),
        np.concatenate([part.logic["gpi0"] for part in parts]),
    )


@pytest.mark.parametrize("chunk", [1, 7, 100, 10_000])
def test_the_stream_does_not_depend_on_how_it_is_cut(chunk: int) -> None:
    signal = _signal(np.random.default_rng(1))
    conversion = _conversion(
        1000, model=MODELS["JS220"], range_change_at=333, lost=((10, 20), (95, 105), (990, 1000)), drift_a=1e-3
    )
    whole = _joined(list(blocks(signal, conversion)))
    parts = _joined(list(blocks(signal, conversion, chunk)))
    np.testing.assert_array_equal(parts[0], whole[0])
    # The integral of a chunk begins at the chunk, so rounding may move a sample to the next point of its grid.
    np.testing.assert_allclose(parts[1], whole[1], atol=1.01 * 2 / 2**15 / 1000 + 1e-7)
    np.testing.assert_allclose(parts[2], whole[2], atol=1.01 * 15 / 2**15 / 1000 + 2e-6)
    np.testing.assert_array_equal(parts[3], whole[3])
    np.testing.assert_array_equal(parts[4], whole[4])
    expected = sorted(set(range(1000)) - set(range(10, 20)) - set(range(95, 105)) - set(range(990, 1000)))
    assert whole[0].tolist() == expected


def test_a_perfect_converter_gives_the_true_means_to_half_a_step_of_its_grid() -> None:
    signal = _signal(np.random.default_rng(2))
    samples, current, voltage, codes, level = _joined(list(blocks(signal, _conversion(1200))))
    instants = np.arange(1201) * 1e-3
    grid_a, grid_v = 2 / 2**15 / 1000, 15 / 2**15 / 1000
    assert np.abs(current - interval_means(signal.times_s, signal.current_a, instants)).max() < grid_a / 2 + 1e-7
    assert np.abs(voltage - interval_means(signal.times_s, signal.voltage_v, instants)).max() < grid_v / 2 + 1e-6
    high = (instants[:-1] >= signal.edges["gpi0"][0][0]) & (instants[:-1] < signal.edges["gpi0"][1][0])
    np.testing.assert_array_equal(level, high)
    assert not codes.any()
    assert samples.size == 1200


def test_noise_falls_with_averaging_and_has_no_mean() -> None:
    signal = Signal(np.array([0.0, 100.0]), np.array([12.0]), np.array([0.4]), {"gpi0": []})
    spread = {}
    for rate_hz in (1e6, 1e4):
        conversion = _conversion(20_000, model=MODELS["JS220"], rate_hz=rate_hz, period_s=1 / rate_hz)
        _, current, *_ = _joined(list(blocks(signal, conversion)))
        spread[rate_hz] = float(current.std(dtype=np.float64))
        standard_error = spread[rate_hz] / np.sqrt(current.size)
        assert abs(current.mean(dtype=np.float64) - 0.4) < 5 * standard_error
    step = 2 / 2**15
    assert spread[1e6] == pytest.approx(np.sqrt(4.0**2 + 1 / 12) * step, rel=0.03)
    assert spread[1e4] == pytest.approx(4.0 * step / 10, rel=0.03)


def test_current_beyond_full_scale_is_clipped_also_for_a_part_of_a_sample() -> None:
    times, current = np.array([0.0, 0.0015, 0.0035, 0.006]), np.array([1.0, 3.0, 1.0])
    signal = Signal(times, np.full(3, 12.0), current, {"gpi0": []})
    _, seen, *_ = _joined(list(blocks(signal, _conversion(5))))
    np.testing.assert_allclose(seen, [1.0, 1.5, 2.0, 1.5, 1.0], atol=1e-6)


def test_a_change_of_range_takes_its_errors_along() -> None:
    signal = Signal(np.array([0.0, 1.0]), np.array([12.0]), np.array([1.0]), {"gpi0": []})
    _, current, _, codes, _ = _joined(list(blocks(signal, _conversion(100, range_change_at=40))))
    np.testing.assert_allclose(current[:40], 1.0, atol=1e-6)
    np.testing.assert_allclose(current[40:], 1.1, atol=1e-6)
    assert np.flatnonzero(np.diff(codes)).tolist() == [39]
