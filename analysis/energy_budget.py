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
clock offset       \\|P − P₀\\|·δ/√3/N                       the same
sampling           √2·\\|P − P₀\\|·Δt/√12/N                     √2·P·Δt/√12/N
idle noise, drift  (T/N)·s_batch/√n, (T/N)·\\|ΔP₀\\|/√12        –
update period τ    E·τ/(√6·T)                                  the same
gap                see below                                   the same
range change       see below                                   see below
idle drift         –                                           (T/N)·\\|ΔP₀\\|/√3, if flagged
=================  ==========================================  ==========================================

Gain, offset and timebase are errors of the instrument that every repeat shares. Gain and timebase are moreover
proportional to E. A meter that gives power or energy alone has ``gain P``, E·a/√3, and ``offset P``, o_P/√3·T/N gross
and nothing net of idle, from which the same offset was taken. A counter needs no time to give an energy, so it has a
timebase only in its powers.

*Clock offset.* Where the window was placed by another clock than the trace's, all its edges may be off by the same δ,
known to a bound. That loses \\|P − P₀\\|·\\|δ\\| whichever way it goes, so the limit is a bias, and common.

*Padding.* Net of idle, the window is widened into the idle around it where there is such (:mod:`analysis.padding`):
then edges and clock offset cancel, T is the padded window's, and ``padding`` is what the idle in it leaves open. The
notes of both terms say which was done.

*Sources that are not sampled* (:mod:`analysis.polled_power`, :mod:`analysis.energy_counter`) know their own errors of
the window's energy (``sampling``, ``reading interval``, ``read instants``, ``averaging``, ``update period``, ``counter
edges``, ``resolution``), which enter divided by N.

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
from analysis.padding import NetWindow
from analysis.power_source import Kind
from analysis.uncertainty import Budget, Term, rectangular, uniform_width


@dataclass(frozen=True, slots=True)
class EnergyInputs:
    """What the budget of one window needs.

    ``active`` is the window, ``inferences`` the number completed in it (1 for a figure of the whole window),
    ``rate_hz`` the trace's rate, ``u_edge_s`` the standard uncertainty of the instant of an edge, ``range_changed``
    whether the range did. ``kind`` is that of the source, ``bound_s`` how far all edges may be off together, ``net``
    the window that energy net of idle is taken from, ``None`` for ``active`` itself.
    """

    active: StretchEnergy
    inferences: float
    idle: IdlePower | None
    meter: Meter
    rate_hz: float
    u_edge_s: float
    range_changed: bool = False
    kind: Kind = Kind.SAMPLED
    bound_s: float = 0.0
    net: NetWindow | None = None

    @property
    def net_stretch(self) -> StretchEnergy:
        """The stretch that energy net of idle is taken from."""
        return self.active if self.net is None else self.net.energy

    @property
    def step_w(self) -> float:
        """From idle to the window; all of the power where nothing is known of idle."""
        return self.active.power_w - (0.0 if self.idle is None else self.idle.power_w)


def net_energy_j(stretch: StretchEnergy, idle: IdlePower) -> float:
    """Energy of a stretch net of idle."""
    return stretch.energy_j - idle.power_w * stretch.duration_s


def gross_budget(inputs: EnergyInputs) -> Budget:
    """The budget of the gross energy per inference, in J."""
    active, per = inputs.active, inputs.active.duration_s / inputs.inferences
    energy_j = active.energy_j / inputs.inferences
    terms = _instrument_terms(inputs, energy_j, active.voltage_v, active.current_a, per)
    terms += _power_limit_terms(inputs.meter, energy_j, per)
    terms += _edge_terms(inputs, active.power_w)
    terms += _shared_terms(inputs, active, energy_j)
    if inputs.idle is not None:
        terms += _meter_drift_terms(inputs.idle, per)
    return Budget(tuple(terms), _claims(inputs))


def net_budget(inputs: EnergyInputs) -> Budget:
    """The budget of the energy per inference net of idle, in J. Raises ``ValueError`` without an idle power."""
    stretch, idle = inputs.net_stretch, inputs.idle
    if idle is None:
        raise ValueError("energy net of idle has no budget without an idle power")
    per = stretch.duration_s / inputs.inferences
    energy_j = net_energy_j(stretch, idle) / inputs.inferences
    voltage_v = _difference(stretch.voltage_v, idle.voltage_v)
    current_a = _difference(stretch.current_a, idle.current_a)
    terms = _instrument_terms(inputs, energy_j, voltage_v, current_a, per)
    terms += _power_limit_terms(inputs.meter, energy_j, 0.0)
    terms += _edge_terms(inputs, inputs.step_w, inputs.net)
    note = f"batch means, {idle.dof:.0f} degrees of freedom"
    terms.append(Term("idle noise", idle.se_w * per, "A", dof=idle.dof, note=note))
    terms.append(Term("idle drift", idle.drift_u_w * per, "B", note="difference before − after, uniform"))
    terms += _shared_terms(inputs, stretch, energy_j)
    if inputs.range_changed:
        terms += _range_terms(inputs, idle, per)
    return Budget(tuple(terms), _claims(inputs))


def active_power_budget(inputs: EnergyInputs) -> Budget:
    """The budget of the mean power in the window, in W: that of the gross energy over T. The timebase is in one of the
    two: in the energy of samples, which is power times time, and in the power of a counter, which is energy over time.
    """
    whole = gross_budget(inputs).scaled(inputs.inferences / inputs.active.duration_s)
    terms = [term for term in whole.terms if term.name != "timebase"]
    if inputs.kind is Kind.COUNTER:
        terms.append(_timebase(inputs.meter, inputs.active.power_w))
    return Budget(tuple(terms), whole.claims)


def idle_power_budget(idle: IdlePower, meter: Meter, range_changed: bool, kind: Kind = Kind.SAMPLED) -> Budget:
    """The budget of the idle power, in W."""
    limits = meter.widest() if range_changed else meter.limits(idle.current_a)
    terms = _limit_terms(limits, meter, idle.power_w, idle.voltage_v, idle.current_a, 1.0) if limits else []
    terms += _power_limit_terms(meter, idle.power_w, 1.0)
    if kind is Kind.COUNTER:
        terms.append(_timebase(meter, idle.power_w))
    terms.append(
        Term("idle noise", idle.se_w, "A", dof=idle.dof, note=f"batch means, {idle.dof:.0f} degrees of freedom")
    )
    terms.append(Term("idle drift", idle.drift_u_w, "B", note="difference before − after, uniform"))
    terms += _meter_drift_terms(idle, 1.0)
    return Budget(tuple(terms), meter.claims and (limits is not None or meter.power is not None))


def _meter_drift_terms(idle: IdlePower, per: float) -> list[Term]:
    """What a flagged drift of idle power may mean for powers that nothing is subtracted from."""
    if idle.drift_w is None or "idle_drift" not in idle.reasons:
        return []
    note = "idle power before and after as limits"
    return [Term("meter drift", rectangular(idle.drift_w) * per, "B", common=True, note=note)]


def _limits(inputs: EnergyInputs) -> RangeLimits | None:
    return inputs.meter.widest() if inputs.range_changed else inputs.meter.limits(inputs.active.current_a)


def _claims(inputs: EnergyInputs) -> bool:
    return inputs.meter.claims and (_limits(inputs) is not None or inputs.meter.power is not None)


def _instrument_terms(
    inputs: EnergyInputs, energy_j: float, voltage_v: float | None, current_a: float | None, per: float
) -> list[Term]:
    limits, meter = _limits(inputs), inputs.meter
    terms = _limit_terms(limits, meter, energy_j, voltage_v, current_a, per) if limits else []
    if inputs.kind is not Kind.COUNTER:
        terms.append(_timebase(meter, energy_j))
    return terms


def _timebase(meter: Meter, value: float) -> Term:
    u = abs(value) * rectangular(meter.timebase_ppm * 1e-6)
    note = f"±{meter.timebase_ppm:g} ppm ({meter.source})"
    return Term("timebase", u, "B", common=True, common_gain=True, note=note)


def _power_limit_terms(meter: Meter, value: float, per: float) -> list[Term]:
    """Gain and offset of a meter that gives power or energy alone: ``value`` is the energy (or power); the offset acts
    over ``per``, 0 net of idle."""
    if meter.power is None:
        return []
    gain, offset_w, where = meter.power.gain_p, meter.power.offset_p_w, f"({meter.source})"
    note = f"±{offset_w:g} W {where}" + ("" if per else ": the same in idle, cancels")
    return [
        Term(
            "gain P",
            abs(value) * rectangular(gain),
            "B",
            common=True,
            common_gain=True,
            note=f"±{100 * gain:g} % {where}",
        ),
        Term("offset P", rectangular(offset_w) * per, "B", common=True, note=note),
    ]


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


def _edge_terms(inputs: EnergyInputs, step_w: float, net: NetWindow | None = None) -> list[Term]:
    """Window edges, the offset of clocks, and sampling; the edges each over a step of power ``step_w``.

    With ``net`` for energy net of idle, whose window may be padded.
    """
    both = math.sqrt(2.0) * abs(step_w) / inputs.inferences
    padded = net is not None and net.padded
    why = f"; {net.note}" if net is not None and net.note else ""
    note = f"each edge known to {inputs.u_edge_s:.3g} s{why}"
    terms = [Term("window edges", 0.0 if padded else both * inputs.u_edge_s, "B", note=note)]
    if inputs.bound_s > 0.0:
        u = rectangular(inputs.step_w * inputs.bound_s) / inputs.inferences
        note = f"all edges off by up to {inputs.bound_s:.3g} s together{why or '; not padded: gross of idle'}"
        terms.append(Term("clock offset", 0.0 if padded else u, "B", common=True, note=note))
    if net is not None and padded:
        terms.append(Term("padding", net.u_idle_j / inputs.inferences, "B", note="how the idle in it wanders"))
    if inputs.kind is Kind.SAMPLED:
        note = f"{inputs.rate_hz:g} samples/s"
        terms.append(Term("sampling", both * uniform_width(1.0 / inputs.rate_hz), "B", note=note))
    return terms


def _shared_terms(inputs: EnergyInputs, stretch: StretchEnergy, energy_j: float) -> list[Term]:
    """Terms that gross and net have alike: gaps, what the source itself knows, and a counter's update period."""
    terms: list[Term] = []
    missing = 1.0 - stretch.coverage
    if missing > 0.0:
        centre_w = (stretch.power_max_w + stretch.power_min_w) / 2.0
        spread_w = math.hypot(uniform_width(stretch.power_max_w - stretch.power_min_w), stretch.power_w - centre_w)
        u = missing * spread_w * stretch.duration_s / inputs.inferences
        terms.append(Term("gap", u, "B", note=f"{100 * missing:.3g} % of the window missing"))
    terms += [
        Term(error.name, error.u_j / inputs.inferences, error.kind, error.dof, error.common, note=error.note)
        for error in stretch.errors
    ]
    period_s = inputs.meter.update_period_s
    if inputs.kind is Kind.SAMPLED and period_s:
        u = counter_update_u(energy_j, period_s, stretch.duration_s)
        terms.append(Term("update period", u, "B", note=f"counter updated every {period_s:g} s"))
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
