"""Energy from readings: what counts as one reading, when it is from, what lies between, and what is not believed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from analysis.energy import StretchEnergy
from analysis.energy_counter import CounterEnergy
from analysis.polled_power import PolledPower
from analysis.power_source import Kind, PowerSource
from analysis.reading_instants import origins
from analysis.readings_energy import readings_source
from lab.errors import DataError
from lab.record.traces.readings import Channel, ChannelReadings, Readings, ReadingsWriter, read_readings

S = 1e9


def said(
    channel: Channel, at_s: ArrayLike, value: ArrayLike, question_s: float = 0.0, wraps: int = 0
) -> ChannelReadings:
    """Readings whose questions are around the given instants; values in SI units."""
    at = np.asarray(at_s, float)
    begin, end = (at - question_s / 2) * S, (at + question_s / 2) * S
    values = np.asarray(value, float)
    return ChannelReadings(channel, np.rint(begin).astype(np.int64), np.rint(end).astype(np.int64), values, wraps)


def source(*named: tuple[str, ChannelReadings]) -> PowerSource:
    return readings_source(Readings(Path("trace"), 0, dict(named), torn=False))


def power(at_s: ArrayLike, watts: ArrayLike, question_s: float = 0.0, **channel: float) -> PowerSource:
    return source(("power", said(Channel(measures="power", **channel), at_s, watts, question_s)))  # type: ignore[arg-type]


def counter(
    at_s: ArrayLike, joules: ArrayLike, question_s: float = 0.0, wraps: int = 0, **channel: float
) -> PowerSource:
    return source(("energy", said(Channel(measures="energy", **channel), at_s, joules, question_s, wraps)))  # type: ignore[arg-type]


def energy(of: PowerSource, begin_s: float, end_s: float) -> StretchEnergy:
    found = of.energy(begin_s * S, end_s * S)
    assert found is not None
    return found


def u_of(found: StretchEnergy, name: str) -> float:
    return next(error.u_j for error in found.errors if error.name == name)


# ------------------------------------------------------------------------------------------------ polled power


@given(
    st.lists(st.floats(0.05, 0.14), min_size=20, max_size=40),
    st.floats(0.0, 1.0),
    st.floats(-2.0, 2.0),
    st.floats(0.0, 0.4),
    st.floats(0.6, 1.0),
)
def test_a_steady_slope_is_integrated_exactly_whatever_the_instants(
    steps: list[float], start: float, slope: float, first: float, last: float
) -> None:
    at = np.cumsum(steps)
    begin, end = at[0] + first * np.ptp(at), at[0] + last * np.ptp(at)
    # With fewer the scatter between readings cannot be told from the slope, and the spread stands for it.
    assume(np.count_nonzero((at > begin) & (at < end)) >= 6)
    found = energy(power(at, 5.0 + start + slope * at), float(begin), float(end))
    assert found.coverage == pytest.approx(1.0, abs=1e-7)
    exact = (5.0 + start) * (end - begin) + slope * (end**2 - begin**2) / 2
    assert found.energy_j == pytest.approx(exact, rel=1e-7)
    assert u_of(found, "sampling") == pytest.approx(0.0, abs=1e-6)


def test_two_stretches_that_meet_add_up() -> None:
    rng = np.random.default_rng(1)
    of = power(np.arange(0, 5, 0.07), rng.uniform(1, 3, 72))
    whole = energy(of, 0.5, 4.5).energy_j
    assert energy(of, 0.5, 2.34).energy_j + energy(of, 2.34, 4.5).energy_j == pytest.approx(whole, rel=1e-12)


def test_the_same_value_within_a_period_is_one_reading_and_says_how_old_it_is() -> None:
    """Renewed every 0.1 s, asked every 0.01 s: the value of a step must not be taken as it was between two renewals."""
    asked_s = np.arange(0.0, 4.0, 0.01)
    renewed_s = np.floor(asked_s / 0.1) * 0.1
    watts = np.where(renewed_s < 2.0 - 1e-9, 1.0, 3.0)
    found = energy(power(asked_s, watts, update_period_s=0.1), 1.0, 3.0)
    # The step lies somewhere between the two readings around it, 0.1 s apart and each up to 0.1 s old.
    assert abs(found.energy_j - 4.0) <= 2.0 * math.hypot(*(error.u_j for error in found.errors))
    assert found.errors[1].name == "reading interval"
    assert 0.2 / math.sqrt(12.0) <= u_of(found, "sampling") + u_of(found, "reading interval") <= 0.4
    once = energy(power(asked_s, watts), 1.0, 3.0)
    assert once.energy_j == pytest.approx(4.0, abs=0.03)


def test_readings_of_a_power_that_comes_and_goes_are_off_by_their_scatter_over_the_root() -> None:
    rng = np.random.default_rng(2)
    errors, stated = [], []
    for _ in range(300):
        at = np.arange(0.0, 3.0, 0.02)
        found = energy(power(at, 10.0 + rng.normal(0.0, 2.0, at.size)), 0.5, 2.5)
        errors.append(found.energy_j - 20.0)
        stated.append(u_of(found, "sampling"))
    assert math.sqrt(np.mean(np.square(stated))) == pytest.approx(float(np.std(errors)), rel=0.15)


def test_a_step_at_the_windows_end_is_misplaced_as_far_as_stated() -> None:
    rng = np.random.default_rng(3)
    errors, stated = [], []
    for _ in range(300):
        at, last_s = np.arange(0.0, 4.0, 0.1) + rng.uniform(0.0, 0.1), 3.0 + rng.uniform(0.0, 0.1)
        found = energy(power(at, np.where((at >= 1.0) & (at < last_s), 5.0, 1.0)), 1.0, last_s)
        errors.append(found.energy_j - 5.0 * (last_s - 1.0))
        stated.append(u_of(found, "reading interval"))
    # Always too little, so it is common to all repeats; the root mean square is what is stated.
    assert max(errors) <= 1e-9
    rms = float(np.sqrt(np.mean(np.square(errors))))
    assert 0.9 * rms <= math.sqrt(np.mean(np.square(stated))) <= 1.2 * rms


def test_the_instant_of_a_reading_is_open_by_its_question() -> None:
    rng = np.random.default_rng(4)
    errors, stated = [], []
    for _ in range(300):
        middle = np.arange(0.0, 4.0, 0.1)
        true_at = middle + rng.uniform(-0.04, 0.04, middle.size)
        found = energy(power(middle, 5.0 + 3.0 * np.sin(4.0 * true_at), question_s=0.08), 0.51, 3.27)
        exact = energy(power(middle, 5.0 + 3.0 * np.sin(4.0 * middle)), 0.51, 3.27)
        errors.append(found.energy_j - exact.energy_j)
        stated.append(u_of(found, "read instants"))
    assert float(np.mean(stated)) == pytest.approx(float(np.std(errors)), rel=0.2)


def test_a_long_silence_is_a_gap_and_not_a_straight_line() -> None:
    at = np.arange(0.0, 6.0, 0.1)
    kept = (at < 2.0) | (at > 2.9)
    watts = np.where(at < 2.5, 1.0, 3.0)
    found = energy(power(at[kept], watts[kept]), 1.0, 4.0)
    assert found.coverage == pytest.approx(1 - 1.0 / 3.0, abs=0.04)
    assert found.energy_j == pytest.approx(found.power_w * 3.0)
    # Three intervals are none yet.
    kept = (at < 2.0) | (at > 2.15)
    assert energy(power(at[kept], watts[kept]), 1.0, 4.0).coverage == 1.0


def test_outside_of_the_readings_nothing_was_seen() -> None:
    of = power(np.arange(1.0, 3.0, 0.1), np.full(20, 2.0))
    assert of.energy(0.0, 0.9 * S) is None
    assert energy(of, 0.0, 2.0).coverage == pytest.approx(0.5)


def test_a_mean_power_stands_for_the_middle_of_its_second_and_smears_the_ends() -> None:
    at = np.arange(0.0, 10.0, 0.02)
    smeared = np.clip(at - 4.0, 0.0, 1.0) - np.clip(at - 6.0, 0.0, 1.0)
    of = power(at, 1.0 + 4.0 * smeared, averaged_s=1.0)
    found = energy(of, 4.0, 6.0)
    lost_j = 10.0 - found.energy_j
    assert lost_j == pytest.approx(4.0 * 1.0 / 4.0, rel=0.03)
    assert u_of(found, "averaging") == pytest.approx(lost_j, rel=0.1)
    # All that was smeared is found again half a second further out.
    assert energy(of, 3.4, 6.6).energy_j == pytest.approx(10.0 + 1.2, rel=1e-3)


def test_voltage_and_current_are_multiplied_at_the_same_instants() -> None:
    at = np.arange(0.0, 4.0, 0.05)
    voltage, current = Channel(measures="voltage"), Channel(measures="current")
    of = source(("v", said(voltage, at, 5.0 - 0.5 * at)), ("i", said(current, at + 0.02, 1.0 + at + 0.02)))
    found = energy(of, 1.0, 3.0)
    exact = np.trapezoid((5.0 - 0.5 * (fine := np.linspace(1, 3, 20001))) * (1.0 + fine), fine)
    assert found.energy_j == pytest.approx(float(exact), rel=1e-4)
    assert found.voltage_v == pytest.approx(4.0, rel=1e-4)
    assert found.current_a == pytest.approx(3.0, rel=1e-4)


def test_a_power_that_never_changes_is_stale() -> None:
    assert power(np.arange(20), np.full(20, 3.0)).reasons == ("meter_stale",)
    assert power(np.arange(5), np.full(5, 3.0)).reasons == ()


def test_idle_that_shows_something_of_the_program_is_cut_off() -> None:
    at = np.arange(0.0, 10.0, 0.1)
    of = power(at, np.ones(100), averaged_s=1.0)
    settled = of.settled(0.0, 4.0 * S)
    assert settled is not None
    # A reading that is wholly from before 4 s stands for its middle, half a second earlier.
    assert 3.3 * S < settled[1] <= 3.5 * S
    assert of.settled(0.0, 0.5 * S) is None


# --------------------------------------------------------------------------------------------------- counters


def counted(power_w: float, period_s: float, asked_s: float, until_s: float, **channel: float) -> PowerSource:
    at = np.arange(0.0, until_s, asked_s)
    return counter(at, power_w * period_s * np.floor(at / period_s + 1e-9), update_period_s=period_s, **channel)


def test_a_steady_power_is_counted_exactly_wherever_the_ends_lie() -> None:
    of = counted(7.0, 0.1, 0.01, 5.0)
    for begin_s, end_s in ((1.0, 3.0), (1.03, 3.06), (1.099, 2.0)):
        assert energy(of, begin_s, end_s).energy_j == pytest.approx(7.0 * (end_s - begin_s), rel=2e-3)


def test_ends_between_edges_are_open_by_the_update_period_and_ends_on_edges_are_not() -> None:
    of = counted(7.0, 0.1, 0.001, 5.0)
    between, aligned = energy(of, 1.05, 3.05), energy(of, 1.0, 3.0)
    assert u_of(between, "update period") == pytest.approx(between.energy_j * 0.1 / (math.sqrt(6.0) * 2.0), rel=0.01)
    assert u_of(aligned, "update period") < 0.02 * u_of(between, "update period")
    one = energy(of, 1.0, 3.05)
    assert u_of(one, "update period") == pytest.approx(u_of(between, "update period") / math.sqrt(2.0), rel=0.02)


def test_an_edge_is_as_sharp_as_the_questions_are_close() -> None:
    fast, slow = counted(7.0, 0.1, 0.001, 5.0), counted(7.0, 0.1, 0.02, 5.0)
    for of, asked_s in ((fast, 0.001), (slow, 0.02)):
        assert u_of(energy(of, 1.0, 3.0), "counter edges") == pytest.approx(7.0 * asked_s / math.sqrt(6.0), rel=0.3)


def test_a_counter_asked_less_often_than_it_is_renewed_is_as_old_as_its_period() -> None:
    at = np.arange(0.0, 2.0, 0.05)
    channel = Channel(measures="energy", update_period_s=0.001)
    found = origins(said(channel, at, at, question_s=1e-4), 1e6, np.ones(at.size, np.bool_))
    assert found.limit.max() == pytest.approx(0.55e6, rel=0.01)
    assert at * S - found.at == pytest.approx(0.5e6, rel=0.1)


@given(st.integers(0, 999), st.integers(1001, 5000))
def test_wraps_are_counted_through(start: int, modulus: int) -> None:
    at = np.arange(0, 2000, 10)
    raw = start + at * 7
    values = np.concatenate([[0.0], np.cumsum(np.diff(raw % modulus) % modulus)])
    wraps = int(np.count_nonzero(np.diff(raw % modulus) < 0))
    of = counter(at * 1e-3, values, wraps=wraps, modulus=modulus, scale=1.0)
    assert of.reasons == ()
    assert energy(of, 0.5, 1.5).energy_j == pytest.approx(7000.0, rel=1e-3)


def test_a_reset_that_looks_like_a_wrap_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "trace.readings.csv"
    with ReadingsWriter(path, 0, {"energy": Channel(measures="energy", modulus=1 << 32, scale=1e-6)}) as writer:
        value = 3_000_000_000
        for step in range(200):
            if step == 100:
                value = 0
            value += 200_000
            writer.write("energy", step * 10_000_000, step * 10_000_000 + 1000, value)
    of = readings_source(read_readings(path))
    assert of.reasons == ("counter_reset",)
    across, beside = energy(of, 0.5, 1.5), energy(of, 1.2, 1.8)
    assert across.coverage == pytest.approx(0.99, abs=1e-3)
    assert across.energy_j == pytest.approx(20.0, rel=1e-3)
    assert beside.coverage == 1.0


def test_a_jump_without_a_wrap_is_left_out_too() -> None:
    at = np.arange(0.0, 2.0, 0.01)
    of = counter(at, 20.0 * at + np.where(at > 1.0, 5000.0, 0.0))
    assert of.reasons == ("counter_reset",)
    assert energy(of, 0.5, 1.5).energy_j == pytest.approx(20.0, rel=1e-3)


def test_a_counter_that_may_have_gone_round_unseen_is_not_trusted() -> None:
    at = np.concatenate([np.arange(0.0, 1.0, 0.01), np.arange(9.0, 10.0, 0.01)])
    joules = np.cumsum(np.concatenate([np.full(100, 0.5), [10.0], np.full(99, 0.5)]))
    of = counter(at, joules, modulus=100, scale=1.0)
    assert "readings_sparse" in of.reasons
    assert energy(of, 0.5, 9.5).coverage < 0.2


def test_a_counter_that_stands_still_gives_nothing() -> None:
    for joules in (np.full(50, 4.0), np.concatenate([np.zeros(25), np.ones(25)])):
        of = counter(np.arange(50) * 0.1, joules)
        assert of.reasons == ("meter_stale",)
        assert of.energy(1.0 * S, 3.0 * S) is None
        assert of.block_powers(0.0, 5 * S, 16).size == 0


def test_a_padded_window_ends_on_edges() -> None:
    of = counted(7.0, 0.1, 0.001, 5.0)
    padded = of.padded(1.05 * S, 3.05 * S, 0.01)
    assert padded is not None
    found = of.energy(padded.begin, padded.end, ((1.0 * S, 1.1 * S),))
    assert found is not None
    assert next(error.u_j for error in found.errors if error.name == "update period") < 1e-6
    assert padded.clear_begin <= 1.04 * S < 3.06 * S <= padded.clear_end
    assert padded.clear_begin - padded.begin == pytest.approx(0.1 * S, rel=0.02)
    assert of.padded(0.05 * S, 3.0 * S, 0.0) is None


# -------------------------------------------------------------------------------------------------- whole traces


def test_counters_come_before_power_and_checks_only_check() -> None:
    at = np.arange(0.0, 5.0, 0.02)
    check = Channel(measures="power", cross_check=True)
    of = source(
        ("power", said(check, at, np.where(at > 2, 3.0, 2.0))),
        ("energy", said(Channel(measures="energy"), at, 2.5 * at)),
    )
    assert of.kind is Kind.COUNTER
    assert isinstance(of, CounterEnergy)
    assert [type(item) for item in of.checks] == [PolledPower]


def test_several_counters_are_added_up_and_one_that_rests_adds_nothing() -> None:
    at = np.arange(0.0, 5.0, 0.01)
    channel = Channel(measures="energy", update_period_s=0.01)
    both = source(("a", said(channel, at, 2.0 * at)), ("b", said(channel, at + 0.003, 5.0 * at)))
    assert energy(both, 1.0, 3.0).energy_j == pytest.approx(14.0, rel=1e-2)
    with_rest = source(("a", said(channel, at, 2.0 * at)), ("b", said(channel, at, np.zeros(at.size))))
    assert energy(with_rest, 1.0, 3.0).energy_j == pytest.approx(4.0, rel=1e-2)
    assert with_rest.reasons == ()
    assert both.block_powers(0.0, 5.0 * S, 16) == pytest.approx(np.full(16, 7.0), rel=1e-2)


def test_a_trace_without_power_is_refused() -> None:
    for channels in ([], [("v", said(Channel(measures="voltage"), [1.0, 2.0], [5.0, 5.0]))]):
        with pytest.raises(DataError, match="holds no power"):
            source(*channels)
    with pytest.raises(DataError, match="fewer than two"):
        power([1.0], [2.0])


instants = st.lists(st.integers(0, 10**10), min_size=0, max_size=30).map(sorted)


@given(instants, st.data(), st.sampled_from(["energy", "power"]), st.one_of(st.none(), st.floats(0.0, 2.0)))
def test_no_readings_crash_it_or_give_a_number_that_is_none(
    begin: list[int], data: st.DataObject, measures: str, period_s: float | None
) -> None:
    values = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(begin), max_size=len(begin)))
    shown = np.maximum.accumulate(np.array(values)) if measures == "energy" else np.array(values)
    channel = Channel(measures=measures, update_period_s=period_s)  # type: ignore[arg-type]
    at = np.array(begin, np.int64)
    end = np.minimum(at + 1_000_000, np.append(at[1:], 2 * 10**10)) if begin else at
    try:
        of = source((measures, ChannelReadings(channel, at, end, shown, 0)))
    except DataError:
        return
    found = of.energy(2e9, 7e9)
    if found is not None:
        assert math.isfinite(found.energy_j)
        assert 0.0 < found.coverage <= 1.0
        assert all(math.isfinite(error.u_j) and error.u_j >= 0.0 for error in found.errors)
    assert np.isfinite(of.block_powers(0.0, 9e9, 16)).all()
    of.settled(0.0, 5e9)
    of.padded(2e9, 7e9, 0.1)
