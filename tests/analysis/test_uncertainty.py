"""Budgets: the worked case of the measurement method, combination, coverage, and how repeats add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.energy import StretchEnergy
from analysis.energy_budget import EnergyInputs, counter_update_u, gross_budget, net_budget
from analysis.idle import IdlePower
from analysis.meter import Meter, RangeLimits
from analysis.uncertainty import (
    Budget,
    Term,
    coverage_factor,
    effective_dof,
    point_result,
    rectangular,
    uniform_width,
)
from lab.record.quantity import Origin

LIMITS = RangeLimits("2 A", 2.0, gain_i=0.002, offset_i_a=100e-6, gain_v=0.001, offset_v_v=1.5e-3)


def meter(source: str = "datasheet", reasons: tuple[str, ...] = (), update_period_s: float | None = None) -> Meter:
    return Meter("meter", Origin.MEASURED, "board", (LIMITS,), LIMITS, 50.0, update_period_s, source, reasons)


def stretch(
    duration_s: float, voltage_v: float, current_a: float, *, coverage: float = 1.0, spread_w: float = 0.0
) -> StretchEnergy:
    power_w = voltage_v * current_a
    energy_j = power_w * duration_s
    low, high = power_w - spread_w, power_w + spread_w
    return StretchEnergy(duration_s, coverage, coverage * energy_j, energy_j, power_w, low, high, voltage_v, current_a)


def idle(
    voltage_v: float, current_a: float, se_w: float, drift_w: float | None, dof: float = math.inf, *reasons: str
) -> IdlePower:
    drift_u = uniform_width(drift_w) if drift_w is not None else 0.0
    return IdlePower(voltage_v * current_a, se_w, dof, drift_w, drift_u, 1.0, voltage_v, current_a, reasons)


def worked_case() -> EnergyInputs:
    """5.08 V, 0.600 A active; 5.12 V, 0.360 A idle; 10 s, 500 inferences; clock ±1 ms; idle SE 2 mW, drift 5 mW."""
    return EnergyInputs(
        active=stretch(10.0, 5.08, 0.600),
        inferences=500,
        idle=idle(5.12, 0.360, 2e-3, 5e-3),
        meter=meter(),
        rate_hz=1e9,
        u_edge_s=rectangular(1e-3),
    )


def test_every_term_of_the_worked_case() -> None:
    terms = {term.name: 1e6 * term.u for term in net_budget(worked_case()).terms}
    assert terms["gain I"] == pytest.approx(27.8, abs=0.05)
    assert terms["gain V"] == pytest.approx(13.9, abs=0.05)
    assert terms["offset I"] == pytest.approx(0.05, abs=0.005)
    assert terms["offset V"] == pytest.approx(4.2, abs=0.05)
    assert terms["timebase"] == pytest.approx(0.7, abs=0.05)
    assert terms["window edges"] == pytest.approx(2.0, abs=0.05)
    assert math.hypot(terms["idle noise"], terms["idle drift"]) == pytest.approx(49.3, abs=0.05)
    assert terms["sampling"] < 1e-4


def test_the_worked_case_as_a_whole() -> None:
    """One idle measured for all ten runs: it is common to them, so it counts beside their scatter."""
    inputs = worked_case()
    net_j = inputs.active.energy_j / 500 - 5.12 * 0.360 * 10.0 / 500
    assert 1e3 * net_j == pytest.approx(24.10, abs=0.005)
    repeats = Term("repeats", 0.012 * net_j / math.sqrt(10), "A", dof=9)
    assert 1e6 * repeats.u == pytest.approx(91.4, abs=0.05)
    budget = Budget((*net_budget(inputs).terms, repeats))
    assert 1e6 * budget.u == pytest.approx(108.6, abs=0.05)
    assert budget.nu_eff == pytest.approx(17.9, abs=0.05)
    assert budget.k == pytest.approx(2.10, abs=0.005)
    assert budget.expanded_u is not None
    assert 1e3 * budget.expanded_u == pytest.approx(0.23, abs=0.005)
    assert budget.largest == "repeats"


def test_comparison_leaves_common_gain_out() -> None:
    budget = net_budget(worked_case())
    without = Budget(tuple(term for term in budget.terms if term.name not in {"gain I", "gain V", "timebase"}))
    assert budget.expanded_u_comparison == pytest.approx(without.expanded_u)
    assert budget.expanded_u is not None
    assert budget.expanded_u_comparison < budget.expanded_u


def test_one_error_more_never_narrows_the_interval() -> None:
    scatter = Term("repeats", 1.0, "A", dof=1)
    alone = Budget((scatter,))
    with_gain = Budget((scatter, Term("gain I", 0.6, "B", common=True, common_gain=True)))
    assert with_gain.expanded_u is not None
    assert with_gain.expanded_u == pytest.approx(alone.expanded_u)
    assert with_gain.expanded_u == pytest.approx(with_gain.k * with_gain.u)
    assert with_gain.expanded_u_comparison == pytest.approx(alone.expanded_u)


def test_gross_terms_follow_the_whole_voltage_current_and_power() -> None:
    terms = {term.name: term.u for term in gross_budget(worked_case()).terms}
    per = 10.0 / 500
    power_w = 5.08 * 0.600
    assert terms["gain I"] == pytest.approx(power_w * per * 0.002 / math.sqrt(3))
    assert terms["offset I"] == pytest.approx(5.08 * 100e-6 / math.sqrt(3) * per)
    assert terms["offset V"] == pytest.approx(0.600 * 1.5e-3 / math.sqrt(3) * per)
    assert terms["window edges"] == pytest.approx(math.sqrt(2) * power_w * 1e-3 / math.sqrt(3) / 500)
    assert "idle noise" not in terms


def test_a_placeholder_shows_its_terms_and_claims_nothing() -> None:
    inputs = worked_case()
    placeholder = meter("placeholder", ("placeholder_accuracy",))
    budget = net_budget(EnergyInputs(inputs.active, 500, inputs.idle, placeholder, 1e9, inputs.u_edge_s))
    assert budget.u == pytest.approx(net_budget(inputs).u)
    assert budget.expanded_u is None
    assert budget.expanded_u_comparison is None


def test_instrument_terms_match_a_simulation_of_the_instrument() -> None:
    """Gains, offsets and idle noise drawn at random (JCGM 101): the spread of the energies is the budget's u."""
    rng = np.random.default_rng(5)
    n = 200_000
    inputs = worked_case()
    gain_i, gain_v = rng.uniform(-0.002, 0.002, n), rng.uniform(-0.001, 0.001, n)
    offset_i, offset_v = rng.uniform(-100e-6, 100e-6, n), rng.uniform(-1.5e-3, 1.5e-3, n)
    noise_w = rng.normal(0, 2e-3, n) + rng.uniform(-2.5e-3, 2.5e-3, n)
    active_w = (5.08 + offset_v) * (1 + gain_v) * (0.600 + offset_i) * (1 + gain_i)
    idle_w = (5.12 + offset_v) * (1 + gain_v) * (0.360 + offset_i) * (1 + gain_i) + noise_w
    simulated = float(np.std((active_w - idle_w) * 10.0 / 500))
    kept = {"gain I", "gain V", "offset I", "offset V", "idle noise", "idle drift"}
    budget = Budget(tuple(term for term in net_budget(inputs).terms if term.name in kept))
    assert budget.u == pytest.approx(simulated, rel=0.01)


def test_lost_cancelling_after_a_range_change_matches_a_simulation() -> None:
    rng = np.random.default_rng(6)
    n = 200_000

    def power(voltage_v: float, current_a: float) -> np.ndarray:
        gain_i, gain_v = rng.uniform(-0.002, 0.002, n), rng.uniform(-0.001, 0.001, n)
        offset_i, offset_v = rng.uniform(-100e-6, 100e-6, n), rng.uniform(-1.5e-3, 1.5e-3, n)
        return np.asarray((voltage_v + offset_v) * (1 + gain_v) * (current_a + offset_i) * (1 + gain_i))

    simulated = float(np.std((power(5.08, 0.600) - power(5.12, 0.360)) * 10.0 / 500))
    inputs = worked_case()
    changed = EnergyInputs(inputs.active, 500, inputs.idle, meter(), 1e9, 0.0, range_changed=True)
    kept = {"gain I", "gain V", "offset I", "offset V", "range change"}
    budget = Budget(tuple(term for term in net_budget(changed).terms if term.name in kept))
    assert budget.u == pytest.approx(simulated, rel=0.01)


def test_a_counter_read_blindly_matches_a_simulation() -> None:
    rng = np.random.default_rng(7)
    period_s, window_s, power_w = 0.1, 1.0, 300.0
    lasts_s = window_s + rng.uniform(0, 1, 200_000) * period_s
    phase_s = rng.uniform(0, period_s, lasts_s.size)
    counted_j = power_w * period_s * (np.floor((phase_s + lasts_s) / period_s) - np.floor(phase_s / period_s))
    error = float(np.std(counted_j / (power_w * lasts_s) - 1))
    assert counter_update_u(1.0, period_s, float(lasts_s.mean())) == pytest.approx(error, rel=0.02)
    inputs = worked_case()
    budget = gross_budget(EnergyInputs(inputs.active, 500, None, meter(update_period_s=0.1), 1e9, 0.0))
    term = next(term for term in budget.terms if term.name == "update period")
    assert term.u == pytest.approx(inputs.active.energy_j / 500 * 0.1 / (math.sqrt(6) * 10.0))


def test_a_gap_widens_by_what_could_have_been_missed() -> None:
    inputs = worked_case()
    active = stretch(10.0, 5.08, 0.600, coverage=0.97, spread_w=1.0)
    budget = net_budget(EnergyInputs(active, 500, inputs.idle, meter(), 1e9, 0.0))
    term = next(term for term in budget.terms if term.name == "gap")
    assert term.u == pytest.approx(0.03 * 2.0 / math.sqrt(12) * 10.0 / 500)


def test_a_gap_at_uneven_power_counts_the_distance_from_the_middle() -> None:
    """Mostly 1 W, seldom 3 W: the mean of what was seen is not the middle of what is possible."""
    active = StretchEnergy(10.0, 0.9, 9.0, 10.0, 1.0, 1.0, 3.0, None, None)
    budget = gross_budget(EnergyInputs(active, 1, None, meter(), 1e9, 0.0))
    term = next(term for term in budget.terms if term.name == "gap")
    drawn = np.random.default_rng(1).uniform(1.0, 3.0, 200_000)
    assert term.u == pytest.approx(0.1 * 10.0 * math.sqrt(np.mean((drawn - 1.0) ** 2)), rel=0.01)


def test_flagged_drift_bounds_the_gross_energy_too() -> None:
    inputs = worked_case()
    drifted = idle(5.12, 0.360, 2e-3, 60e-3, 30, "idle_drift")
    budget = gross_budget(EnergyInputs(inputs.active, 500, drifted, meter(), 1e9, 0.0))
    term = next(term for term in budget.terms if term.name == "meter drift")
    assert term.common
    assert term.u == pytest.approx(60e-3 / math.sqrt(3) * 10.0 / 500)


@pytest.mark.parametrize("dof", [1.0, 2.5, 4.0, 17.9, 300.0])
def test_the_coverage_factor_is_students(dof: float) -> None:
    assert coverage_factor(dof) == pytest.approx(stats.t.ppf(0.975, dof), rel=1e-12)


def test_infinitely_many_degrees_of_freedom_are_normal() -> None:
    assert coverage_factor(math.inf) == pytest.approx(1.959964, abs=1e-6)
    with pytest.raises(ValueError, match="positive"):
        coverage_factor(0.0)


sizes = st.floats(1e-9, 1e3)
dofs = st.one_of(st.just(math.inf), st.floats(1, 100))


@given(st.lists(st.tuples(sizes, dofs), min_size=1, max_size=8), st.floats(1e-12, 1e6))
def test_effective_dof_lies_between_the_least_and_the_sum_and_ignores_the_unit(
    parts: list[tuple[float, float]], unit: float
) -> None:
    terms = [Term(f"t{i}", u, "A", dof=dof) for i, (u, dof) in enumerate(parts)]
    nu = effective_dof(terms)
    assert nu >= min(dof for _, dof in parts) * (1 - 1e-9)
    assert nu <= sum(dof for _, dof in parts) * (1 + 1e-9) or math.isinf(nu)
    assert effective_dof([term.scaled(unit) for term in terms]) == pytest.approx(nu, rel=1e-9)


def test_no_terms_are_certain_and_claimless() -> None:
    assert Budget(()).u == 0.0
    assert Budget(()).largest is None
    assert math.isinf(effective_dof([Term("a", 0.0, "A", dof=3)]))


# ------------------------------------------------------------------------------------------------ repeats


def trial_budget(gain: float, noise: float, claims: bool = True) -> Budget:
    return Budget(
        (Term("gain I", gain, "B", common=True, common_gain=True), Term("idle noise", noise, "A", 15)), claims
    )


def test_repeats_hold_what_is_independent_and_not_what_is_common() -> None:
    result = point_result([1.0, 1.2, 1.1, 0.9], [trial_budget(0.03, 0.5)] * 4)
    assert result.s is not None
    assert result.s == pytest.approx(np.std([1.0, 1.2, 1.1, 0.9], ddof=1))
    counted = {term.name: term for term in result.budget.counted}
    assert set(counted) == {"repeats", "gain I"}
    assert counted["repeats"].u == pytest.approx(result.s / 2)
    assert counted["repeats"].dof == 3
    shown = next(term for term in result.budget.terms if term.name == "idle noise")
    assert not shown.counted
    assert shown.u == pytest.approx(0.25)


def test_one_repeat_counts_every_term_and_no_scatter() -> None:
    result = point_result([2.0], [trial_budget(0.03, 0.04)])
    assert result.s is None
    assert result.budget.u == pytest.approx(0.05)
    assert result.budget.expanded_u is not None


def test_one_plain_count_claims_nothing() -> None:
    assert point_result([7.0], [None]).budget.expanded_u is None


def test_counts_that_repeat_have_their_scatter() -> None:
    result = point_result([10.0, 12.0], [None, None])
    assert result.budget.expanded_u == pytest.approx(coverage_factor(1) * 1.0)


def test_one_trial_that_claims_nothing_spoils_the_claim() -> None:
    budgets = [trial_budget(0.03, 0.1), trial_budget(0.03, 0.1, claims=False)]
    assert point_result([1.0, 1.1], budgets).budget.expanded_u is None


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no mean"):
        point_result([], [])


@pytest.mark.parametrize(("spread", "gain"), [(0.01, 0.0022), (0.01, 0.0), (0.02, 0.004), (0.005, 0.0022)])
def test_the_interval_covers_the_truth_as_often_as_it_claims(spread: float, gain: float) -> None:
    """Five repeats that scatter, one gain error common to all: 93 to 97 of 100 intervals hold the truth."""
    rng = np.random.default_rng(20)
    trials, repeats = 4000, 5
    covered = 0
    for _ in range(trials):
        error = rng.uniform(-gain, gain)
        values = (1.0 + error) * (1.0 + rng.normal(0.0, spread, repeats))
        budget = Budget((Term("gain I", rectangular(gain), "B", common=True, common_gain=True),))
        result = point_result(values.tolist(), [budget] * repeats)
        assert result.budget.expanded_u is not None
        covered += abs(result.value - 1.0) <= result.budget.expanded_u
    assert 0.93 <= covered / trials <= 0.97


def test_ratios_on_one_instrument_are_covered_by_the_comparison_interval() -> None:
    rng = np.random.default_rng(21)
    gain, spread, repeats, trials = 0.01, 0.004, 5, 2000
    budget = Budget((Term("gain I", rectangular(gain), "B", common=True, common_gain=True),))
    covered = 0
    for _ in range(trials):
        error = 1.0 + rng.uniform(-gain, gain)
        a, b = (
            point_result((error * (1.0 + rng.normal(0.0, spread, repeats))).tolist(), [budget] * repeats)
            for _ in range(2)
        )
        assert a.budget.expanded_u_comparison is not None
        assert b.budget.expanded_u_comparison is not None
        half = math.hypot(a.budget.expanded_u_comparison / a.value, b.budget.expanded_u_comparison / b.value)
        covered += abs(a.value / b.value - 1.0) <= half
    # Two intervals of four degrees of freedom each, added as such, cover a little more than they claim.
    assert 0.94 <= covered / trials <= 0.99
