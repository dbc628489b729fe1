"""The quantities of one energy pass: energy per inference gross and net of idle, warm-up, active and idle power."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from analysis.alignment import place_marks
from analysis.energy import StretchEnergy, Trace, joined
from analysis.energy_budget import (
    EnergyInputs,
    active_power_budget,
    gross_budget,
    idle_power_budget,
    net_budget,
    net_energy_j,
)
from analysis.idle import IdlePower, IdleSide, idle_power, idle_side
from analysis.measured import Measured, measured, missing
from analysis.meter import Meter
from analysis.padding import NetWindow, net_window
from analysis.power_source import Kind, PowerSource, SampledPower
from analysis.readers.program_output import ProgramOutput
from analysis.single_inferences import inference_quantities, no_single_inferences
from analysis.uncertainty import Budget, Term, rectangular
from analysis.verdicts import LOCATED, coverage_reasons, mixes_ranges
from analysis.windows import PassStretches, Stretch, pass_stretches, window_agrees
from lab.errors import DataError
from lab.record.documents import Mark, TraceRef
from lab.record.quantity import Origin
from lab.record.reader import PassData, Record
from lab.record.traces import open_trace
from lab.record.traces.readings import FORMAT as READINGS
from lab.record.traces.readings import read_readings

UNITS = {
    "energy_gross_j": "J",
    "energy_net_j": "J",
    "energy_warmup_j": "J",
    "power_active_w": "W",
    "power_idle_w": "W",
    "window_s": "s",
}
"""The quantities of an energy pass and their units."""


WINDOW_STEPS = 5.0
"""A window of fewer values of the source (update periods of a counter, intervals between readings) is ``window_short``:
one step of power more or less is then a large part of it."""

CHECK_SIGMAS, CHECK_FLOOR = 2.0, 0.02
"""Two readings of the same power agree if they differ by no more than so many standard uncertainties of each, what the
meter's limits allow each, and this share of the energy: the power that a meter says and the energy that it counts come
from different ends of its filters."""

SPARSE_STEPS = 3.0
"""A window's end in so many times the usual interval is a guess."""

WHOLE = "whole"
"""The method of marks that make all of a trace its window."""

_PROGRAM = {"program_begin": "window_begin", "program_end": "window_end"}


@dataclass(frozen=True, slots=True)
class TraceStretches:
    """What was read from one trace. ``active`` and ``warmup`` are ``None`` where there is no such stretch.

    ``net`` is what energy net of idle is taken from, ``None`` where there is no idle or no window. All edges may be off
    by ``bound_s`` together. ``lost`` is the reason code for what was not seen whole, ``reasons`` are those of marks and
    source. ``checks`` are the energies of the window by other readings of the same power.
    """

    stretches: PassStretches
    rate_hz: float
    active: StretchEnergy | None
    warmup: StretchEnergy | None
    idle: IdlePower | None
    kind: Kind = Kind.SAMPLED
    net: NetWindow | None = None
    bound_s: float = 0.0
    lost: str = "samples_dropped"
    reasons: tuple[str, ...] = ()
    checks: tuple[StretchEnergy, ...] = ()


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
        why = codes or ("trace_unreadable",)
        return [*absent(why), *no_single_inferences(record.manifest, data.pass_id, meter, origin, why)]
    try:
        seen = read_stretches(record, data, refs[0], per_process=per_process)
    except DataError:
        why = (*codes, "trace_unreadable")
        return [*absent(why), *no_single_inferences(record.manifest, data.pass_id, meter, origin, why)]
    inferences = 1 if per_process else output.inferences
    findings = [*_unlocated(codes, refs[0], seen), *seen.reasons, *seen.stretches.reasons, *meter.reasons]
    findings += _check_reasons(seen, meter)
    if not per_process:
        findings += [*output.reasons, *_count_reasons(output), *_length_reasons(seen, output)]
    found = _Pass(data.pass_id, meter, origin, seen, inferences, tuple(findings), asked).quantities()
    singles, doubts = inference_quantities(
        record, data, refs[0], meter, origin, seen, output.inferences, tuple(findings)
    )
    return [*(item.flagged(doubts) for item in found), *singles]


def read_stretches(record: Record, data: PassData, ref: TraceRef, per_process: bool = False) -> TraceStretches:
    """Read window, warm-up and idle of a pass from its trace: a sampled one in bounded memory, readings as a whole.

    With ``per_process`` the program itself is the window where none is marked. Raises :class:`lab.errors.DataError` if
    the trace cannot be read.
    """
    with _opened(record, ref) as (trace, source):
        placed = place_marks(record, data, ref, trace)
        marks = _with_window(placed.marks) if per_process else placed.marks
        stretches = pass_stretches(
            marks, samples=int(source.length), rate_hz=source.rate_hz, planned_idle_s=data.plan.get("idle_s")
        )
        measured = tuple(_within_readings(source, item) for item in stretches.measured)
        stretches = replace(stretches, measured=measured)
        active, open_samples = _energy(source, measured), placed.bound_s * source.rate_hz
        idle = idle_power(
            _idle(source, stretches.idle_before, 0.0, open_samples),
            _idle(source, stretches.idle_after, open_samples, 0.0),
            source.lost,
        )
        net = None
        if active is not None and idle is not None:
            net = net_window(source, measured, active, idle, marks, placed.bound_s)
        return TraceStretches(
            stretches=stretches,
            rate_hz=source.rate_hz,
            active=active,
            warmup=_energy(source, stretches.warmup),
            idle=idle,
            kind=source.kind,
            net=net,
            bound_s=placed.bound_s,
            lost=source.lost,
            reasons=(*placed.reasons, *source.reasons, *_source_reasons(source, measured)),
            checks=tuple(found for check in source.checks if (found := _energy(check, measured)) is not None),
        )


@contextmanager
def _opened(record: Record, ref: TraceRef) -> Iterator[tuple[Trace | None, PowerSource]]:
    """The trace, where it is a sampled one, and what its energy is read from."""
    if ref.format == READINGS:
        from analysis.readings_energy import readings_source

        yield None, readings_source(read_readings(record.path(ref.path)))
        return
    with open_trace(record.root, ref) as trace:
        yield trace, SampledPower(trace, ref.gaps)


def _with_window(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """The marks, with the program's begin and end as the window where none is marked."""
    if any(mark.name in _PROGRAM.values() for mark in marks):
        return marks
    return tuple(replace(mark, name=_PROGRAM.get(mark.name, mark.name)) for mark in marks)


def _within_readings(source: PowerSource, stretch: Stretch) -> Stretch:
    """A window that is all of the trace is all that its source shows: it may begin with half an update period."""
    settled = source.settled(0.0, source.length) if stretch.method == WHOLE else None
    return stretch if settled is None else replace(stretch, begin=settled[0], end=settled[1])


def _energy(source: PowerSource, stretches: Sequence[Stretch]) -> StretchEnergy | None:
    duration_s = math.fsum(item.samples for item in stretches) / source.rate_hz
    return joined([source.energy(item.begin, item.end) for item in stretches], duration_s) if stretches else None


def _idle(source: PowerSource, stretch: Stretch | None, cut_begin: float, cut_end: float) -> IdleSide | None:
    """A side without the samples next to the program that may not be idle, if its marks are off."""
    if stretch is None or stretch.end - cut_end <= stretch.begin + cut_begin:
        return None
    return idle_side(source, replace(stretch, begin=stretch.begin + cut_begin, end=stretch.end - cut_end))


def _source_reasons(source: PowerSource, measured: Sequence[Stretch]) -> tuple[str, ...]:
    """What the windows say of a source that shows the power in steps."""
    if source.kind is Kind.SAMPLED:
        return ()
    short = any(item.samples / source.rate_hz < WINDOW_STEPS * source.step_s for item in measured)
    sparse = any(
        source.hole_s(edge) > SPARSE_STEPS * source.step_s for item in measured for edge in (item.begin, item.end)
    )
    return (*(("window_short",) if short else ()), *(("readings_sparse",) if sparse else ()))


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
            window = (*self.codes, *coverage_reasons(active.coverage, self.seen.lost), *drift)
            found["window_s"] = self._value("window_s", active.duration_s, self._window_budget(active), window, active)
            power = active_power_budget(inputs)
            found["power_active_w"] = self._value("power_active_w", active.power_w, power, window, active)
            if count:
                gross = gross_budget(inputs)
                found["energy_gross_j"] = self._value("energy_gross_j", active.energy_j / count, gross, window, active)
                if idle is not None:
                    stretch = inputs.net_stretch
                    net_j = net_energy_j(stretch, idle) / count
                    codes = (*self.codes, *coverage_reasons(stretch.coverage, self.seen.lost), *drift, *idle_codes)
                    found["energy_net_j"] = self._value("energy_net_j", net_j, net_budget(inputs), codes, stretch)
        if idle is not None:
            budget = idle_power_budget(idle, self.meter, self._range_changed, self.seen.kind)
            found["power_idle_w"] = self._value(
                "power_idle_w", idle.power_w, budget, (*self.codes, *idle_codes), coverage=idle.coverage
            )
        warmup = self.seen.warmup
        if warmup is not None:
            budget = gross_budget(self._inputs(warmup, 1))
            codes = (*self.codes, *coverage_reasons(warmup.coverage, self.seen.lost), *drift)
            found["energy_warmup_j"] = self._value("energy_warmup_j", warmup.energy_j, budget, codes, warmup)
        names = (*self.asked, *(name for name in found if name not in self.asked))
        return [found[name] if name in found else self._missing(name) for name in names]

    @property
    def _range_changed(self) -> bool:
        return mixes_ranges(self.codes)

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
            kind=self.seen.kind,
            bound_s=self.seen.bound_s,
            net=self.seen.net,
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
            codes += [self.seen.lost, "coverage_too_low"]
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


def _unlocated(codes: tuple[str, ...], ref: TraceRef, seen: TraceStretches) -> tuple[str, ...]:
    """The pass's codes without those whose place the trace shows: what they hit is found from the coverage."""
    if ref.format == READINGS:
        # Every reading has its instant: where there were too few is always to be seen.
        return tuple(code for code in codes if code != seen.lost)
    located = bool(ref.gaps) or (seen.active is not None and seen.active.coverage < 1.0)
    return tuple(code for code in codes if not (located and code in LOCATED))


def _check_reasons(seen: TraceStretches, meter: Meter) -> tuple[str, ...]:
    """Whether other readings of the same power give another energy of the window."""
    active = seen.active
    if active is None or all(_agree(active, check, meter) for check in seen.checks):
        return ()
    return ("statistics_disagree",)


def _agree(one: StretchEnergy, other: StretchEnergy, meter: Meter) -> bool:
    apart_w = abs(one.power_w - other.power_w)
    largest_w = max(abs(one.power_w), abs(other.power_w))
    allowed_w = CHECK_FLOOR * largest_w
    allowed_w += CHECK_SIGMAS * sum(
        math.hypot(*(error.u_j for error in item.errors)) / item.duration_s for item in (one, other)
    )
    if meter.power is not None:
        allowed_w += 2.0 * (meter.power.gain_p * largest_w + meter.power.offset_p_w)
    return apart_w <= allowed_w


def _count_reasons(output: ProgramOutput) -> tuple[str, ...]:
    return () if output.inferences or output.reasons else ("count_missing",)


def _length_reasons(seen: TraceStretches, output: ProgramOutput) -> tuple[str, ...]:
    """Whether the window's length and the program's own time disagree."""
    if seen.active is None or output.inference_time_s is None or not output.inferences:
        return ()
    u_edge_s = max(item.u_samples for item in seen.stretches.measured) / seen.rate_hz
    agrees = window_agrees(seen.active.duration_s, output.inference_time_s, output.inferences, u_edge_s)
    return () if agrees else ("window_disagrees",)
