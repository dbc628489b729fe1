"""The simulated line keeps exact account of what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.simulated.rail import Rail

segments = st.lists(
    st.tuples(st.floats(1e-6, 100.0), st.floats(0.0, 500.0)), min_size=1, max_size=30
)  # 12 V behind 50 mΩ gives up to 720 W


@given(segments)
def test_voltage_times_current_is_the_power_drawn_and_sags_by_the_resistance(drawn: list[tuple[float, float]]) -> None:
    rail = Rail(12.0, 0.05)
    for duration_s, power_w in drawn:
        rail.draw(duration_s, power_w)
    times_s, voltage_v, current_a = rail.segments()
    powers_w = [power_w for _, power_w in drawn]
    np.testing.assert_allclose(voltage_v * current_a, powers_w, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(voltage_v, 12.0 - 0.05 * current_a, rtol=1e-14)
    assert (voltage_v >= 6.0).all(), "of the two solutions the one with the higher voltage is the physical one"
    energy_j = sum(duration_s * power_w for duration_s, power_w in drawn)
    rounding_j = sum(powers_w) * float(np.spacing(times_s[-1]))  # of the instants, which are known to an ulp each
    measured_j = np.sum(np.diff(times_s) * voltage_v * current_a)
    assert measured_j == pytest.approx(energy_j, rel=1e-9, abs=2 * rounding_j)
    assert rail.now_s == times_s[-1] == pytest.approx(sum(duration_s for duration_s, _ in drawn))


@given(segments, st.integers(0, 5))
def test_repeating_is_the_same_as_drawing_again_and_again(drawn: list[tuple[float, float]], count: int) -> None:
    one_by_one, repeated = Rail(12.0, 0.05), Rail(12.0, 0.05)
    for duration_s, power_w in drawn * count:
        one_by_one.draw(duration_s, power_w)
    repeated.draw_repeated(drawn, count)
    for left, right in zip(one_by_one.segments(), repeated.segments(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12)


def test_edges_carry_the_instant_and_only_changes_count() -> None:
    rail = Rail(5.0, 0.0)
    rail.edge("window", 0)
    rail.draw(1.5, 1.0)
    rail.edge("window", 1)
    rail.edge("window", 1)
    rail.draw(0.5, 1.0)
    rail.edge("window", 0)
    assert rail.edges("window") == [(1.5, 1), (2.0, 0)]
    assert rail.edges("warmup") == []


def test_a_reset_forgets_everything() -> None:
    rail = Rail(5.0, 0.1)
    rail.draw(1.0, 2.0)
    rail.edge("window", 1)
    rail.reset()
    times_s, voltage_v, current_a = rail.segments()
    assert (rail.now_s, times_s.tolist(), voltage_v.size, current_a.size) == (0.0, [0.0], 0, 0)
    assert rail.edges("window") == []


def test_segments_without_duration_leave_no_trace() -> None:
    rail = Rail(5.0, 0.1)
    rail.draw_many(np.array([0.0, 1.0, 0.0]), np.array([1.0, 2.0, 3.0]))
    assert rail.segments()[0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("duration_s", "power_w"), [(-1.0, 1.0), (float("nan"), 1.0), (1.0, -1.0), (1.0, float("inf")), (1.0, 721.0)]
)
def test_what_cannot_be_drawn_is_refused(duration_s: float, power_w: float) -> None:
    rail = Rail(12.0, 0.05)
    with pytest.raises(ValueError, match=r"duration|power|supply"):
        rail.draw(duration_s, power_w)
    assert rail.now_s == 0.0


def test_a_supply_must_make_sense() -> None:
    with pytest.raises(ValueError, match="supply voltage"):
        Rail(0.0, 0.1)
    with pytest.raises(ValueError, match="resistance"):
        Rail(5.0, -0.1)
    with pytest.raises(ValueError, match="level"):
        Rail(5.0, 0.1).edge("window", 2)
