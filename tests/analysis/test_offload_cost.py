"""The offload model: its equations by hand, its break-evens put back into them, its choices with their uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.offload import break_even, cost
from analysis.offload.decision import Choice, cheapest, decide
from analysis.offload.map import boundary, offloading_wins, plane, winners
from analysis.offload.medium import LatencyMeaning, Medium, Payload
from analysis.offload.thresholds import threshold

RADIO = Medium(name="radio", latency_s=0.029, up_bytes_s=1e6, down_bytes_s=3.53e6, up_j_byte=139e-9, down_j_byte=110e-9)

seconds = st.floats(1e-4, 2.0)
watts = st.floats(0.05, 20.0)
joules = st.floats(1e-5, 20.0)
sizes = st.floats(1.0, 1e6)
bandwidths = st.floats(1e4, 1e9)


def test_a_worked_case() -> None:
    """A 75 × 75 image in colours over the radio, 400 B back, a server of 6 ms, an idle device of 3.04 W."""
    sent = Payload(bytes_per_pixel=3, result_bytes=400).sent_bytes(75)
    assert sent == 16875
    assert RADIO.round_trip_s == 0.058
    network = cost.network_time_s(RADIO.round_trip_s, sent, RADIO.up_bytes_s, 400, RADIO.down_bytes_s)
    assert network == pytest.approx(0.058 + 0.016875 + 400 / 3.53e6, rel=1e-12)
    total = cost.offloaded_time_s(0.006, network)
    assert total == pytest.approx(0.0809883, abs=1e-7)
    spent = cost.network_energy_j(sent, 139e-9, 400, 110e-9)
    assert spent == pytest.approx(2.3456e-3 + 4.4e-5, rel=1e-4)
    assert cost.offloaded_energy_j(total, 3.04, spent) == pytest.approx(0.24859, abs=1e-5)


def test_a_latency_that_is_there_and_back_is_not_doubled() -> None:
    there_and_back = Medium(
        name="radio", latency_s=0.029, up_bytes_s=1e6, down_bytes_s=1e6, latency_is=LatencyMeaning.ROUND_TRIP
    )
    assert there_and_back.round_trip_s == 0.029
    assert not there_and_back.energy_known
    assert RADIO.energy_known


def test_arrays_of_networks_and_media_broadcast() -> None:
    sent, trips = np.array([1024.0, 5625.0, 16384.0]), np.array([[0.02], [0.058]])
    total = cost.offloaded_time_s([0.001, 0.002, 0.003], cost.network_time_s(trips, sent, [[3.04e6], [1e6]]))
    assert total.shape == (2, 3)
    assert total[1, 2] == pytest.approx(0.003 + 0.058 + 0.016384)


@given(joules, seconds, st.floats(0.0, 1.0))
def test_at_the_break_even_idle_power_both_cost_the_same(local_j: float, offloaded_s: float, share: float) -> None:
    network_j = share * local_j
    idle_w = break_even.idle_power_w(local_j, offloaded_s, network_j)
    assert cost.offloaded_energy_j(offloaded_s, idle_w, network_j) == pytest.approx(local_j, rel=1e-9)


def test_bytes_that_cost_more_than_the_inference_leave_no_idle_power() -> None:
    assert break_even.idle_power_w(1e-3, 0.01, 2e-3) == 0.0


@given(seconds, seconds, seconds, sizes)
def test_at_the_break_even_bandwidth_both_take_the_same(local: float, remote: float, trip: float, sent: float) -> None:
    bandwidth = break_even.up_bandwidth_bytes_s(local, remote, trip, sent)
    if local <= remote + trip:
        assert bandwidth == np.inf
    else:
        assert remote + cost.network_time_s(trip, sent, bandwidth) == pytest.approx(local, rel=1e-6)


@given(seconds, seconds, seconds)
def test_at_the_break_even_round_trip_both_take_the_same(local: float, remote: float, transfer: float) -> None:
    trip = break_even.round_trip_s(local, remote, transfer)
    assert trip >= 0.0
    if trip > 0.0:
        assert trip + remote + transfer == pytest.approx(local, rel=1e-9)


@given(joules, watts, seconds, seconds)
def test_at_the_break_even_round_trip_for_energy_both_cost_the_same(
    local_j: float, idle_w: float, remote: float, transfer: float
) -> None:
    trip = break_even.round_trip_for_energy_s(local_j, idle_w, remote, transfer)
    if trip > 0.0:
        assert cost.offloaded_energy_j(trip + remote + transfer, idle_w) == pytest.approx(local_j, rel=1e-9)


@given(joules, watts, seconds, sizes)
def test_at_the_break_even_energy_of_a_byte_both_cost_the_same(
    local_j: float, idle_w: float, offloaded_s: float, sent: float
) -> None:
    each = float(break_even.byte_energy_j(local_j, idle_w, offloaded_s, sent))
    if local_j <= idle_w * offloaded_s:
        assert each == 0.0
    else:
        assert cost.offloaded_energy_j(offloaded_s, idle_w, sent * each) == pytest.approx(local_j, rel=1e-9)


def test_bytes_that_are_none_cost_whatever_they_like() -> None:
    assert break_even.byte_energy_j(1.0, 1.0, 0.1, 0.0) == np.inf
    assert break_even.byte_energy_j(1.0, 10.0, 0.1, 0.0) == 0.0


@given(st.floats(1e-3, 1.0), st.floats(1e-3, 1.0), st.floats(1e-3, 1.0))
def test_the_break_even_batch_is_the_first_that_pays(local: float, each: float, once: float) -> None:
    number = float(break_even.batch(local, each, once))
    if local <= each:
        assert number == np.inf
    elif number < 1e6:
        slack = 1e-9 * (number * local)
        assert number >= 1
        assert once + number * each < number * local + slack
        if number > 1:
            assert once + (number - 1) * each >= (number - 1) * local - slack


@given(joules, joules, st.floats(0.0, 1.0))
def test_at_the_break_even_rate_both_draw_the_same(local: float, offloaded: float, keep_alive_w: float) -> None:
    rate = float(break_even.request_rate_hz(local, offloaded, keep_alive_w))
    if local <= offloaded:
        assert rate == np.inf
    else:
        assert rate * offloaded + keep_alive_w == pytest.approx(rate * local, rel=1e-6, abs=1e-9)


def test_the_slower_stage_holds_the_rate_up() -> None:
    assert break_even.highest_rate_hz(0.006, 16384, 1e6) == pytest.approx(1 / 0.016384)
    assert break_even.highest_rate_hz(0.05, 16384, 1e6) == pytest.approx(20.0)


def test_a_choice_within_its_uncertainty_is_none() -> None:
    found = decide([0.10, 0.10, 0.10], [0.01, 0.01, 0.01], [0.05, 0.20, 0.095], 0.002)
    assert found.choice == (Choice.OFFLOAD, Choice.LOCAL, Choice.UNDECIDED)
    assert found.expanded == pytest.approx([np.hypot(0.01, 0.002)] * 3)
    assert found.margin == pytest.approx([0.05, -0.10, 0.005])


def test_without_any_difference_nothing_is_chosen() -> None:
    assert decide(0.1, 0.0, 0.1).choice == (Choice.UNDECIDED,)


@given(st.lists(st.lists(st.floats(0, 10), min_size=4, max_size=4), min_size=1, max_size=5))
def test_the_map_names_the_cheapest_way(costs: list[list[float]]) -> None:
    assert cheapest(costs).tolist() == np.argmin(np.array(costs), axis=0).tolist()


def test_a_map_of_a_million_points_is_right_where_it_is_looked_at() -> None:
    bandwidth, trip = np.meshgrid(np.geomspace(1e4, 1e8, 1000), np.geomspace(1e-4, 1.0, 1000))
    offloaded = cost.offloaded_time_s(0.006, cost.network_time_s(trip, 16384.0, bandwidth))
    winner = cheapest([np.float64(0.08), offloaded])
    assert winner.shape == (1000, 1000)
    assert winner[0, -1] == 1, "a fast link close by"
    assert winner[-1, 0] == 0, "a slow one far away"


@given(
    st.lists(st.tuples(st.floats(-0.1, 1.0), st.floats(0.0, 1e5)), min_size=1, max_size=8),
    st.integers(2, 12),
)
def test_a_map_counts_the_networks_that_are_better_offloaded(networks: list[tuple[float, float]], side: int) -> None:
    allowed, sent = map(np.array, zip(*networks, strict=True))
    where = plane((1e4, 1e8), (1e-4, 1.0), side, side + 1)
    count = offloading_wins(where, allowed, sent)
    assert count.shape == where.shape == (side + 1, side)
    for row, column in ((0, 0), (-1, -1), (side // 2, side // 2)):
        trip, bandwidth = where.round_trip_s[row], where.up_bytes_s[column]
        assert count[row, column] == sum(trip + amount / bandwidth < longest for longest, amount in networks) or any(
            trip + amount / bandwidth == pytest.approx(longest) for longest, amount in networks
        )
    for number in range(1, len(networks) + 1):
        edge = boundary(where.up_bytes_s, allowed, sent, number)
        assert np.array_equal(where.round_trip_s[:, None] < edge[None, :], count >= number)


def test_a_network_without_a_value_is_not_counted() -> None:
    where = plane((1e4, 1e8), (1e-4, 1.0), 3, 3)
    assert offloading_wins(where, [np.nan, 10.0], [1.0, 1.0]).tolist() == [[1] * 3] * 3
    assert boundary(where.up_bytes_s, [np.nan, 10.0], [1.0, 1.0], 2).tolist() == [0.0] * 3


def test_the_quickest_way_of_a_plane() -> None:
    where = plane((1e4, 1e8), (1e-4, 1.0), 50, 40)
    found = winners(where, [0.08, 0.02], [0.006, 0.002], 16384.0)
    assert found.shape == (40, 50)
    assert found[0, -1] == 3, "the quicker server over a fast link"
    assert set(found[-1].tolist()) == {1}, "the quicker platform where the way is long"


def test_the_studys_mean_latencies_come_out() -> None:
    """Table 4.2's means, with one byte a pixel, twice the latency, no reply, and servers of 6.0 and 2.0 ms."""
    sides = np.array([32] * 9 + [75] * 12 + [128] * 12)
    for trip, bandwidth, remote, printed_ms in (
        (0.058, 1e6, 0.006, 72),
        (0.020, 3.04e6, 0.006, 29),
        (0.058, 1e6, 0.002, 68),
        (0.020, 3.04e6, 0.002, 25),
    ):
        sent = Payload(bytes_per_pixel=1).sent_bytes(1) * sides**2
        found = threshold(cost.offloaded_time_s(remote, cost.network_time_s(trip, sent, bandwidth)))
        assert round(1e3 * found.mean) == printed_ms
        assert found.n == 33


def test_one_network_makes_no_threshold() -> None:
    with pytest.raises(ValueError, match="at least two"):
        threshold([0.1])
