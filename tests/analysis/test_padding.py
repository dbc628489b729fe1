"""Padding: net of idle, an offset of the clocks makes no difference where there is idle on both sides of the window."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_fakes import ArrayTrace
from hypothesis import given
from hypothesis import strategies as st

from analysis.energy import stretch_energy
from analysis.energy_budget import EnergyInputs, gross_budget, net_budget, net_energy_j
from analysis.idle import IdlePower, idle_power, idle_side
from analysis.meter import Meter, PowerLimits
from analysis.padding import NetWindow, net_window
from analysis.power_source import Kind, PowerSource, SampledPower
from analysis.uncertainty import Budget
from analysis.windows import Stretch
from lab.record.documents import Mark
from lab.record.quantity import Origin

RATE_HZ = 2000.0
IDLE_W, ACTIVE_W = 2.0, 5.0
BEGIN_S, END_S, LENGTH_S = 2.0, 3.0, 5.0
METER = Meter("m", Origin.MEASURED, "board", (), None, 0.0, None, "datasheet", (), PowerLimits(0.0, 0.0))


def source(load_s: float = 0.0, noise_w: float = 0.0, drift_w: float = 0.0, begin_s: float = BEGIN_S) -> SampledPower:
    """Idle, the program at work for ``load_s``, the window, idle; every sample is the mean over its interval."""
    edges = np.arange(int(LENGTH_S * RATE_HZ) + 1) / RATE_HZ
    busy = np.diff(np.clip(edges, begin_s - load_s, begin_s + END_S - BEGIN_S)) * RATE_HZ
    idle_w = IDLE_W + drift_w * (edges[:-1] / LENGTH_S - 0.5)
    rng = np.random.default_rng(1)
    power = idle_w + (ACTIVE_W - IDLE_W) * busy + noise_w * rng.normal(size=busy.size)
    return SampledPower(ArrayTrace(RATE_HZ, power=power))


def mark(name: str, at_s: float) -> Mark:
    return Mark(pass_id="p", attempt=1, instrument="m", name=name, sample=at_s * RATE_HZ)


def idle_of(of: PowerSource) -> IdlePower:
    sides = (idle_side(of, Stretch(0.0, 1.4 * RATE_HZ)), idle_side(of, Stretch(3.2 * RATE_HZ, LENGTH_S * RATE_HZ)))
    found = idle_power(*sides)
    assert found is not None
    return found


def placed(
    of: SampledPower, offset_s: float, bound_s: float, marks: tuple[Mark, ...] = (), begin_s: float = BEGIN_S
) -> tuple[NetWindow, EnergyInputs]:
    """The window placed by a clock that is off."""
    window = Stretch((begin_s + offset_s) * RATE_HZ, (begin_s + END_S - BEGIN_S + offset_s) * RATE_HZ, u_samples=0.3)
    active = stretch_energy(of.trace, window.begin, window.end)
    assert active is not None
    idle = idle_of(of)
    own = (mark("window_begin", window.begin / RATE_HZ), mark("window_end", window.end / RATE_HZ))
    net = net_window(of, [window], active, idle, (*own, *marks), bound_s)
    u_edge_s = 0.3 / RATE_HZ
    return net, EnergyInputs(active, 1.0, idle, METER, RATE_HZ, u_edge_s, False, Kind.SAMPLED, bound_s, net)


def term(budget: Budget, name: str) -> float:
    return next(item.u for item in budget.terms if item.name == name)


def note(budget: Budget, name: str) -> str:
    return next(item.note for item in budget.terms if item.name == name)


TRUE_J = (ACTIVE_W - IDLE_W) * (END_S - BEGIN_S)


@given(st.floats(-1.0, 1.0), st.floats(1e-4, 0.1), st.floats(0.0, 0.05), st.floats(0.0, 1.0))
def test_the_padded_net_energy_is_within_its_interval_for_any_offset_within_the_bound(
    share: float, bound_s: float, drift_w: float, fraction: float
) -> None:
    """Whatever the offset, however the edge lies between samples, and with idle that drifts evenly."""
    begin_s = BEGIN_S + fraction / RATE_HZ
    net, inputs = placed(source(drift_w=drift_w, begin_s=begin_s), share * bound_s, bound_s, begin_s=begin_s)
    assert net.padded
    expanded = net_budget(inputs).expanded_u
    assert expanded is not None
    assert inputs.idle is not None
    assert abs(net_energy_j(net.energy, inputs.idle) - TRUE_J) <= expanded + 1e-6 * TRUE_J
    assert term(net_budget(inputs), "clock offset") == 0.0
    assert "padded by" in note(net_budget(inputs), "clock offset")
    # Which is far less than what an unpadded window would have to state.
    assert expanded < 0.02 * TRUE_J + 0.1 * drift_w


@given(st.floats(-1.0, 1.0), st.floats(1e-3, 0.1))
def test_gross_energy_is_not_padded_and_holds_the_truth_with_a_term_for_the_offset(
    share: float, bound_s: float
) -> None:
    _, inputs = placed(source(), share * bound_s, bound_s)
    budget = gross_budget(inputs)
    assert budget.expanded_u is not None
    assert abs(inputs.active.energy_j - ACTIVE_W * (END_S - BEGIN_S)) <= budget.expanded_u
    assert term(budget, "clock offset") == pytest.approx((ACTIVE_W - IDLE_W) * bound_s / 3**0.5, rel=0.15)
    assert next(item for item in budget.terms if item.name == "clock offset").common


@given(st.floats(-1.0, 1.0))
def test_unpadded_the_net_energy_holds_the_truth_with_the_limit_of_the_bias(share: float) -> None:
    """The program works right up to the window: nothing to pad with."""
    bound_s = 0.02
    net, inputs = placed(source(load_s=0.5), share * bound_s, bound_s)
    assert not net.padded
    budget = net_budget(inputs)
    assert budget.expanded_u is not None
    assert inputs.idle is not None
    assert abs(net_energy_j(net.energy, inputs.idle) - TRUE_J) <= budget.expanded_u
    assert term(budget, "clock offset") == pytest.approx((ACTIVE_W - IDLE_W) * bound_s / 3**0.5, rel=0.05)
    assert "not idle beside the window" in note(budget, "clock offset")


@pytest.mark.parametrize(
    ("name", "at_s", "padded"),
    [
        ("warmup_end", BEGIN_S, False),
        ("warmup_end", BEGIN_S - 0.015, False),
        ("program_begin", BEGIN_S - 0.01, False),
        ("program_end", END_S + 0.01, False),
        ("window_begin", END_S + 0.01, False),
        ("idle_before_end", BEGIN_S - 0.01, True),
        ("program_begin", BEGIN_S - 0.5, True),
    ],
)
def test_nothing_that_works_beside_the_window_is_taken_for_idle(name: str, at_s: float, padded: bool) -> None:
    net, _ = placed(source(), 0.0, 0.01, (mark(name, at_s),))
    assert net.padded is padded
    assert (name in net.note) is not padded


def test_a_trace_that_ends_too_early_is_not_padded() -> None:
    net, _ = placed(source(), 0.0, 1.5)
    assert (net.padded, net.note) == (False, "not padded: the trace ends too close to the window")


def test_without_an_offset_a_sampled_window_stays_as_it_is() -> None:
    net, inputs = placed(source(), 0.0, 0.0)
    assert not net.padded
    assert net.energy == inputs.active
    assert "clock offset" not in {item.name for item in net_budget(inputs).terms}


def test_what_the_idle_in_the_padding_leaves_open_grows_with_it() -> None:
    small, large = (placed(source(noise_w=0.5), 0.0, bound_s)[0] for bound_s in (0.01, 0.1))
    assert small.padded
    assert large.padded
    assert 0.0 < small.u_idle_j < large.u_idle_j
    assert large.u_idle_j == pytest.approx(0.5 * (2 * 0.2 / RATE_HZ) ** 0.5, rel=0.6)
