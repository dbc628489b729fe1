"""The quantities of one energy pass: energy per inference gross and net of idle, warm-up, active and idle power."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from analysis.alignment import place_marks
from analysis.energy import Gaps, StretchEnergy, Trace, joined_energy
from analysis.energy_budget import (
    EnergyInputs,
    active_power_budget,
    gross_budget,
    idle_power_budget,
    net_budget,
)
from analysis.idle import IdlePower, IdleSide, idle_power, idle_side
from analysis.measured import Measured, measured, missing
from analysis.meter import Meter
from analysis.readers.program_output import ProgramOutput
from analysis.uncertainty import Budget, Term, rectangular
from analysis.verdicts import LOCATED, coverage_reasons
from analysis.windows import PassStretches, Stretch, pass_stretches, window_agrees
from lab.errors import DataError
from lab.record.documents import TraceRef
from lab.record.quantity import Origin
from lab.record.reader import PassData, Record
from lab.record.traces import open_trace

UNITS = {
    "energy_gross_j": "J",
    "energy_net_j": "J",
    "energy_warmup_j": "J",
    "power_active_w": "W",
    "power_idle_w": "W",
    "window_s": "s",
}
"""The quantities of an energy pass and their units."""


@dataclass(frozen=True, slots=True)
class TraceStretches:
    """What was read from one trace. ``active`` and ``warmup`` are ``None`` where there is no such stretch."""

    stretches: PassStretches
    rate_hz: float
    active: StretchEnergy | None
    warmup: StretchEnergy | None
    idle: IdlePower | None


def energy_quantities(
    record: Record,
    data: PassData,
    meter: Meter,
    origin: Origin,
    output: ProgramOutput,
    codes: tuple[str, ...],
    per_process: bool,
) -> list[Measured]:
    """Everything that one meter gives of one energy pass; what cannot be had is there with the reasons.

    ``origin`` is that of meter and board together, ``codes`` are the reason codes that befell the pass, ``per_process``
    states energies per process instead of per inference.
    """
    asked = _asked(data)
    absent = partial(_all_missing, asked, data.pass_id, origin, meter)
    refs = [ref for ref in data.end.traces if ref.instrument == meter.name]
    if not refs:
        return absent(codes or ("trace_unreadable",))
    try:
        seen = read_stretches(record, data, refs[0])
    except DataError:
        return absent((*codes, "trace_unreadable"))
    inferences = 1 if per_process else output.inferences
    findings = [*_unlocated(codes, refs[0], seen), *seen.stretches.reasons, *meter.reasons]
    if not per_process:
        findings += [*output.reasons, *_count_reasons(output), *_length_reasons(seen, output)]
    return _Pass(data.pass_id, meter, origin, seen, inferences, tuple(findings), asked).quantities()


def read_stretches(record: Record, data: PassData, ref: TraceRef) -> TraceStretches:
    """Read window, warm-up and idle of a pass from its trace, in bounded memory.

    Raises :class:`lab.errors.DataError` if the trace cannot be read.
    """
    with open_trace(record.root, ref) as trace:
        placed = place_marks(record, data, ref, trace)
        stretches = pass_stretches(
            placed.marks, samples=trace.length, rate_hz=trace.rate_hz, planned_idle_s=data.plan.get("idle_s")
        )
        return TraceStretches(
            stretches=stretches,
            rate_hz=trace.rate_hz,
            active=_energy(trace, stretches.measured, ref.gaps),
            warmup=_energy(trace, stretches.warmup, ref.gaps),
            idle=idle_power(
                _idle(trace, stretches.idle_before, ref.gaps), _idle(trace, stretches.idle_after, ref.gaps)
            ),
        )


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass's trace, ready to be turned into quantities. ``codes`` are all reason codes that concern the pass."""

    pass_id: str
    meter: Meter
    origin: Origin
    seen: TraceStretches
    inferences: int | None
    codes: tuple[str, ...]
    asked: tuple[str, ...]

    def quantities(self) -> list[Measured]:
        active, idle, count = self.seen.active, self.seen.idle, self.inferences
        found: dict[str, Measured] = {}
        inputs = self._inputs(active, count or 1) if active is not None else None
        idle_codes = idle.reasons if idle is not None else ()
        drift = tuple(code for code in idle_codes if code == "idle_drift")
        if active is not None and inputs is not None:
            window = (*self.codes, *coverage_reasons(active.coverage), *drift)
            found["window_s"] = self._value("window_s", active.duration_s, self._window_budget(active), window, active)
            power = active_power_budget(inputs)
            found["power_active_w"] = self._value("power_active_w", active.power_w, power, window, active)
            if count:
                gross = gross_budget(inputs)
                found["energy_gross_j"] = self._value("energy_gross_j", active.energy_j / count, gross, window, active)
                if idle is not None:
                    net_j = (active.energy_j - idle.power_w * active.duration_s) / count
                    net = net_budget(inputs)
                    found["energy_net_j"] = self._value("energy_net_j", net_j, net, (*window, *idle_codes), active)
        if idle is not None:
            budget = idle_power_budget(idle, self.meter, self._range_changed)
            found["power_idle_w"] = self._value(
                "power_idle_w", idle.power_w, budget, (*self.codes, *idle_codes), coverage=idle.coverage
            )
        warmup = self.seen.warmup
        if warmup is not None:
            budget = gross_budget(self._inputs(warmup, 1))
            codes = (*self.codes, *coverage_reasons(warmup.coverage), *drift)
            found["energy_warmup_j"] = self._value("energy_warmup_j", warmup.energy_j, budget, codes, warmup)
        names = (*self.asked, *(name for name in found if name not in self.asked))
        return [found[name] if name in found else self._missing(name) for name in names]

    @property
    def _range_changed(self) -> bool:
        return "range_changed" in self.codes

    @property
    def _u_edge_s(self) -> float:
        return max((item.u_samples for item in self.seen.stretches.measured), default=0.0) / self.seen.rate_hz

    def _inputs(self, stretch: StretchEnergy, count: int) -> EnergyInputs:
        return EnergyInputs(
            active=stretch,
            inferences=count,
            idle=self.seen.idle,
            meter=self.meter,
            rate_hz=self.seen.rate_hz,
            u_edge_s=self._u_edge_s,
            range_changed=self._range_changed,
        )

    def _window_budget(self, active: StretchEnergy) -> Budget:
        u_clock = active.duration_s * rectangular(self.meter.timebase_ppm * 1e-6)
        terms = (
            Term("timebase", u_clock, "B", common=True, common_gain=True, note=f"±{self.meter.timebase_ppm:g} ppm"),
            Term("window edges", math.sqrt(2.0) * self._u_edge_s, "B"),
        )
        return Budget(terms, self.meter.claims)

    def _value(
        self,
        name: str,
        value: float,
        budget: Budget,
        codes: Iterable[str],
        stretch: StretchEnergy | None = None,
        coverage: float | None = None,
    ) -> Measured:
        return measured(
            name,
            value,
            UNITS[name],
            pass_id=self.pass_id,
            origin=self.origin,
            budget=budget,
            reasons=codes,
            coverage=stretch.coverage if stretch is not None else coverage,
            source=self.meter.name,
            scope=self.meter.scope,
        )

    def _missing(self, name: str) -> Measured:
        codes = list(self.codes)
        measurable = self.seen.active is not None and self.inferences
        if name == "power_idle_w" or (name == "energy_net_j" and measurable):
            codes.append("idle_too_short")
        elif name in {"energy_gross_j", "energy_net_j"} and not self.inferences:
            codes.append("count_missing")
        if self.seen.stretches.measured and self.seen.active is None and name != "power_idle_w":
            codes += ["samples_dropped", "coverage_too_low"]
        return missing(
            name,
            UNITS[name],
            pass_id=self.pass_id,
            origin=self.origin,
            reasons=codes or ("no_window",),
            source=self.meter.name,
            scope=self.meter.scope,
        )


def no_power(pass_id: str, origin: Origin, reasons: Iterable[str]) -> list[Measured]:
    """The rows of an energy pass that nobody could measure: each quantity, empty, with the reasons."""
    names = ("energy_gross_j", "energy_net_j", "power_active_w", "power_idle_w")
    return [missing(name, UNITS[name], pass_id=pass_id, origin=origin, reasons=reasons) for name in names]


def _asked(data: PassData) -> tuple[str, ...]:
    names = ["energy_gross_j", "power_active_w", "window_s"]
    if data.plan.get("idle_s"):
        names += ["energy_net_j", "power_idle_w"]
    if data.plan.get("warmup_runs"):
        names.append("energy_warmup_j")
    return tuple(sorted(names, key=list(UNITS).index))


def _all_missing(
    asked: tuple[str, ...], pass_id: str, origin: Origin, meter: Meter, reasons: Iterable[str]
) -> list[Measured]:
    codes = tuple(reasons)
    return [
        missing(name, UNITS[name], pass_id=pass_id, origin=origin, reasons=codes, source=meter.name, scope=meter.scope)
        for name in asked
    ]


def _energy(trace: Trace, stretches: tuple[Stretch, ...], gaps: Gaps) -> StretchEnergy | None:
    return joined_energy(trace, [(item.begin, item.end) for item in stretches], gaps)


def _idle(trace: Trace, stretch: Stretch | None, gaps: Gaps) -> IdleSide | None:
    return None if stretch is None else idle_side(trace, stretch, gaps)


def _unlocated(codes: tuple[str, ...], ref: TraceRef, seen: TraceStretches) -> tuple[str, ...]:
    """The pass's codes without those whose place the trace shows: what they hit is found from the coverage."""
    located = bool(ref.gaps) or (seen.active is not None and seen.active.coverage < 1.0)
    return tuple(code for code in codes if not (located and code in LOCATED))


def _count_reasons(output: ProgramOutput) -> tuple[str, ...]:
    return () if output.inferences or output.reasons else ("count_missing",)


def _length_reasons(seen: TraceStretches, output: ProgramOutput) -> tuple[str, ...]:
    """Whether the window's length and the program's own time disagree."""
    if seen.active is None or output.inference_time_s is None or not output.inferences:
        return ()
    u_edge_s = max(item.u_samples for item in seen.stretches.measured) / seen.rate_hz
    agrees = window_agrees(seen.active.duration_s, output.inference_time_s, output.inferences, u_edge_s)
    return () if agrees else ("window_disagrees",)
