"""Uncertainty of the energy per inference of one trial, term by term.

N inferences completed in a window of T seconds, at mean power P with mean voltage V and current I; idle power P₀ with
V₀, I₀. Limits of error are half-widths of rectangular distributions (÷√3). Per inference, with E the energy in
question:

=================  ==========================================  ==========================================
term               net of idle                                 gross
=================  ==========================================  ==========================================
gain I, gain V     E·a/√3 each                                 E·a/√3 each
offset I           \\|V − V₀\\|·o_I/√3·T/N                      V·o_I/√3·T/N
offset V           \\|I − I₀\\|·o_V/√3·T/N                      I·o_V/√3·T/N
timebase           E·ppm·10⁻⁶/√3                               the same
window edges       √2·\\|P − P₀\\|·u_t/N                        √2·P·u_t/N
sampling           √2·\\|P − P₀\\|·Δt/√12/N                     √2·P·Δt/√12/N
idle noise, drift  (T/N)·s_batch/√n, (T/N)·\\|ΔP₀\\|/√12        –
update period τ    E·τ/(√6·T)                                  the same
gap                see below                                   the same
range change       see below                                   see below
idle drift         –                                           (T/N)·\\|ΔP₀\\|/√3, if flagged
=================  ==========================================  ==========================================

The first five are errors of the instrument that every repeat shares. Gain and timebase are moreover proportional to E.

*Gap.* The share m of the window without samples has some mean power between the least and the greatest seen; the mean
of the rest was put there. The variance of a uniform one about that estimate is (p_max − p_min)²/12 + (P − (p_max +
p_min)/2)², and u = m·T/N times its root.

*Range change.* Window and idle then carry errors of two different ranges, which no longer cancel: with limit a in
both, Var = (E_g² + E_i²)·a²/3 instead of (E_g − E_i)²·a²/3, that is 2·E_g·E_i·a²/3 more for each gain, and likewise
2·V·V₀·o_I²/3 and 2·I·I₀·o_V²/3 more (times (T/N)²) for the offsets. Gross energy has no such cancelling to lose. In
both cases the limits are the worst of all ranges that the record describes. The error is shared by the repeats that
it befell, so it is common.

*Idle drift, gross.* A flagged difference of idle power before and after may be the board's (gross energy is right) or
the meter's (then it is off by up to the difference); the trace cannot tell, so the difference counts as a limit,
common to all repeats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.energy import StretchEnergy
from analysis.idle import IdlePower
from analysis.meter import Meter, RangeLimits
from analysis.uncertainty import Budget, Term, rectangular, uniform_width


@dataclass(frozen=True, slots=True)
class EnergyInputs:
    """What the budget of one window needs.

    ``active`` is the window, ``inferences`` the number completed in it (1 for a figure of the whole window),
    ``rate_hz`` the trace's rate, ``u_edge_s`` the standard uncertainty of the instant of an edge, ``range_changed``
    whether the range did.
    """

    active: StretchEnergy
    inferences: float
    idle: IdlePower | None
    meter: Meter
    rate_hz: float
    u_edge_s: float
    range_changed: bool = False


def gross_budget(inputs: EnergyInputs) -> Budget:
    """The budget of the gross energy per inference, in J."""
    active, per = inputs.active, inputs.active.duration_s / inputs.inferences
    energy_j = active.energy_j / inputs.inferences
    terms = _instrument_terms(inputs, energy_j, active.voltage_v, active.current_a, per)
    terms += _edge_terms(inputs, active.power_w)
    terms += _shared_terms(inputs, energy_j, per)
    if inputs.idle is not None:
        terms += _meter_drift_terms(inputs.idle, per)
    return Budget(tuple(terms), _claims(inputs))


def net_budget(inputs: EnergyInputs) -> Budget:
    """The budget of the energy per inference net of idle, in J. Raises ``ValueError`` without an idle power."""
    active, idle = inputs.active, inputs.idle
    if idle is None:
        raise ValueError("energy net of idle has no budget without an idle power")
    per = active.duration_s / inputs.inferences
    energy_j = active.energy_j / inputs.inferences - idle.power_w * per
    voltage_v, current_a = _difference(active.voltage_v, idle.voltage_v), _difference(active.current_a, idle.current_a)
    terms = _instrument_terms(inputs, energy_j, voltage_v, current_a, per)
    terms += _edge_terms(inputs, active.power_w - idle.power_w)
    note = f"batch means, {idle.dof:.0f} degrees of freedom"
    terms.append(Term("idle noise", idle.se_w * per, "A", dof=idle.dof, note=note))
    terms.append(Term("idle drift", idle.drift_u_w * per, "B", note="difference before − after, uniform"))
    terms += _shared_terms(inputs, energy_j, per)
    if inputs.range_changed:
        terms += _range_terms(inputs, idle, per)
    return Budget(tuple(terms), _claims(inputs))


def active_power_budget(inputs: EnergyInputs) -> Budget:
    """The budget of the mean power in the window, in W: that of the gross energy without the timebase, over T."""
    whole = gross_budget(inputs).scaled(inputs.inferences / inputs.active.duration_s)
    return Budget(tuple(term for term in whole.terms if term.name != "timebase"), whole.claims)


def idle_power_budget(idle: IdlePower, meter: Meter, range_changed: bool) -> Budget:
    """The budget of the idle power, in W."""
    limits = meter.widest() if range_changed else meter.limits(idle.current_a)
    terms = _limit_terms(limits, meter, idle.power_w, idle.voltage_v, idle.current_a, 1.0) if limits else []
    terms.append(
        Term("idle noise", idle.se_w, "A", dof=idle.dof, note=f"batch means, {idle.dof:.0f} degrees of freedom")
    )
    terms.append(Term("idle drift", idle.drift_u_w, "B", note="difference before − after, uniform"))
    terms += _meter_drift_terms(idle, 1.0)
    return Budget(tuple(terms), meter.claims and limits is not None)


def _meter_drift_terms(idle: IdlePower, per: float) -> list[Term]:
    """What a flagged drift of idle power may mean for powers that nothing is subtracted from."""
    if idle.drift_w is None or "idle_drift" not in idle.reasons:
        return []
    note = "idle power before and after as limits"
    return [Term("meter drift", rectangular(idle.drift_w) * per, "B", common=True, note=note)]


def _limits(inputs: EnergyInputs) -> RangeLimits | None:
    return inputs.meter.widest() if inputs.range_changed else inputs.meter.limits(inputs.active.current_a)


def _claims(inputs: EnergyInputs) -> bool:
    return inputs.meter.claims and _limits(inputs) is not None


def _instrument_terms(
    inputs: EnergyInputs, energy_j: float, voltage_v: float | None, current_a: float | None, per: float
) -> list[Term]:
    limits, meter = _limits(inputs), inputs.meter
    terms = _limit_terms(limits, meter, energy_j, voltage_v, current_a, per) if limits else []
    u = abs(energy_j) * rectangular(meter.timebase_ppm * 1e-6)
    note = f"±{meter.timebase_ppm:g} ppm ({meter.source})"
    terms.append(Term("timebase", u, "B", common=True, common_gain=True, note=note))
    return terms


def _limit_terms(
    limits: RangeLimits, meter: Meter, value: float, voltage_v: float | None, current_a: float | None, per: float
) -> list[Term]:
    """Gain and offset: ``value`` is the energy (or power); offsets act on the other's mean, times ``per``."""
    where = f"range {limits.name} ({meter.source})"
    gains = (("gain I", limits.gain_i), ("gain V", limits.gain_v))
    terms = [
        Term(name, abs(value) * rectangular(a), "B", common=True, common_gain=True, note=f"±{100 * a:g} %, {where}")
        for name, a in gains
    ]
    offsets = (("offset I", limits.offset_i_a, voltage_v, "A"), ("offset V", limits.offset_v_v, current_a, "V"))
    terms += [
        Term(name, abs(lever) * rectangular(o) * per, "B", common=True, note=f"±{o:g} {unit}, {where}")
        for name, o, lever, unit in offsets
        if lever is not None
    ]
    return terms


def _edge_terms(inputs: EnergyInputs, step_w: float) -> list[Term]:
    """Window edges and sampling: two edges, each over a step of power ``step_w``."""
    both = math.sqrt(2.0) * abs(step_w) / inputs.inferences
    return [
        Term("window edges", both * inputs.u_edge_s, "B", note=f"each edge known to {inputs.u_edge_s:.3g} s"),
        Term("sampling", both * uniform_width(1.0 / inputs.rate_hz), "B", note=f"{inputs.rate_hz:g} samples/s"),
    ]


def _shared_terms(inputs: EnergyInputs, energy_j: float, per: float) -> list[Term]:
    """Terms that gross and net have alike: gaps, and a counter's update period."""
    active, terms = inputs.active, []
    missing = 1.0 - active.coverage
    if missing > 0.0:
        centre_w = (active.power_max_w + active.power_min_w) / 2.0
        spread_w = math.hypot(uniform_width(active.power_max_w - active.power_min_w), active.power_w - centre_w)
        terms.append(Term("gap", missing * spread_w * per, "B", note=f"{100 * missing:.3g} % of the window missing"))
    if inputs.meter.update_period_s:
        u = counter_update_u(energy_j, inputs.meter.update_period_s, active.duration_s)
        terms.append(Term("update period", u, "B", note=f"counter updated every {inputs.meter.update_period_s:g} s"))
    return terms


def counter_update_u(energy_j: float, update_period_s: float, window_s: float) -> float:
    """Standard uncertainty of an energy taken as the difference of a counter that is updated every τ: E·τ/(√6·T).

    Each end is late by a uniform part of τ (variance τ²/12); the two together have τ²/6.
    """
    return abs(energy_j) * update_period_s / (math.sqrt(6.0) * window_s)


def _range_terms(inputs: EnergyInputs, idle: IdlePower, per: float) -> list[Term]:
    limits = inputs.meter.widest()
    if limits is None:
        return []
    product = 2.0 * abs(inputs.active.power_w * idle.power_w)
    parts = [math.sqrt(product) * rectangular(math.hypot(limits.gain_i, limits.gain_v)) * per]
    for active, at_rest, offset in (
        (inputs.active.voltage_v, idle.voltage_v, limits.offset_i_a),
        (inputs.active.current_a, idle.current_a, limits.offset_v_v),
    ):
        if active is not None and at_rest is not None:
            parts.append(math.sqrt(2.0 * abs(active * at_rest)) * rectangular(offset) * per)
    note = "errors of two ranges do not cancel"
    return [Term("range change", math.hypot(*parts), "B", common=True, note=note)]


def _difference(active: float | None, at_rest: float | None) -> float | None:
    return None if active is None or at_rest is None else active - at_rest
