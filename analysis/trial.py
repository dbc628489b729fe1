"""Everything that one trial gives: the quantities of all its passes, and what is derived from several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis import anchors, naming, replay
from analysis.agreement import differences
from analysis.alignment import OBSERVED
from analysis.counters import counter_quantities, is_accelerated
from analysis.derived import energy_delay, energy_delay_budget
from analysis.energy_pass import energy_quantities, no_power
from analysis.measured import Measured, measured, missing
from analysis.meter import is_power_meter, meter_of
from analysis.program_pass import program_quantities, read_program, reading_quantities
from analysis.readers import RECORDED
from analysis.readers.program_output import ProgramOutput
from analysis.single_inferences import no_single_inferences
from analysis.uncertainty import Budget, Term
from analysis.verdicts import known_codes
from analysis.withholding import board_is_cycle_true, withheld
from lab.record.quantity import Origin, Quantity
from lab.record.reader import PassData, Record
from lab.record.timed import PROCESS_SUFFIX

BASELINE = ".baseline"
LATENCY = (("latency_s", "s"),)
ENERGY_DELAY = (
    ("energy_gross_j", "edp_gross_js", 1, "J·s"),
    ("energy_net_j", "edp_net_js", 1, "J·s"),
    ("energy_gross_j", "ed2p_gross_js2", 2, "J·s²"),
    ("energy_net_j", "ed2p_net_js2", 2, "J·s²"),
)
"""Energy → product, power of the latency, unit."""


@dataclass(frozen=True)
class Campaign:
    """What all trials of a record share."""

    record: Record
    passes: Mapping[str, PassData]
    board_origin: Origin
    cycle_true: str | None
    """The source whose times are an emulated core's own cycles, where the board's emulator counts them."""
    origins: Mapping[str, Origin]
    stated_origins: Mapping[str, Origin]
    """The origin that each counting instrument states of itself, whatever the board."""
    reader: str
    workload: str
    names: Mapping[str, str]
    """What quantities of an energy pass are called instead, where nothing is counted in its window."""
    unavailable: tuple[tuple[str, str], ...]
    planned: frozenset[str]
    asked: Mapping[str, Any]
    """The experiment's workload, as resolved."""

    @classmethod
    def of(cls, record: Record) -> Campaign:
        """Read from the manifest; origins of instruments are those of board and instrument together."""
        manifest = record.manifest
        board = Origin(manifest["board"]["origin"])
        origins = {
            name: Origin.furthest([board, Origin((entry.get("capabilities") or {}).get("origin") or board)])
            for name, entry in (manifest.get("instruments") or {}).items()
        }
        resolved = (manifest["experiment"].get("resolved") or {}).get("workload") or {}
        lost = tuple((item["what"], item["reason"]) for item in manifest["plan"].get("unavailable") or ())
        return cls(
            record=record,
            passes=record.passes(),
            board_origin=board,
            cycle_true=str(manifest["workload"].get("reader") or "none") if board_is_cycle_true(manifest) else None,
            origins=origins,
            stated_origins=_counting(manifest, board),
            reader=str(manifest["workload"].get("reader") or "none"),
            workload=str(manifest["workload"].get("kind") or ""),
            names=_names(resolved),
            unavailable=lost,
            planned=frozenset(record.planned()),
            asked=resolved,
        )

    @property
    def per_process(self) -> bool:
        """Are results stated for the whole of what ran, not for each inference?"""
        return bool(self.names)

    @property
    def times_inferences(self) -> bool:
        """Should a program have said how long an inference takes?"""
        return not self.per_process and self.reader != RECORDED

    def origin(self, instrument: str) -> Origin:
        """The origin of what an instrument gave on this board."""
        return self.origins.get(instrument, self.board_origin)

    def output(self, data: PassData) -> ProgramOutput:
        """What the program of a pass printed."""
        folder = self.record.path(data.end.output) if data.end.output else None
        return read_program(self.reader, folder)


def trial_quantities(campaign: Campaign, trial: Mapping[str, Any]) -> list[Measured]:
    """All quantities of a trial; those that were asked for and could not be had are there with the reasons."""
    found: list[Measured] = []
    plans = trial["passes"]
    counted = False
    seen_events: set[tuple[str, str]] = set()
    has_latency = any(plan["kind"] == "latency" for plan in plans)
    doubtful = _unlike_passes(campaign, plans)
    accelerated = is_accelerated(campaign.asked, trial.get("settings") or {})
    for plan in plans:
        data = campaign.passes.get(plan["pass_id"])
        if plan["kind"] == "counters":
            if not plan["baseline"]:
                found += _first_of(_counters(campaign, plan, data, doubtful, accelerated), seen_events)
            continue
        if data is None:
            found += _missing_pass(campaign, plan, latency=plan["kind"] == "latency" or not has_latency)
            continue
        if replay.is_replay(data):
            found += _replayed(campaign, data)
            continue
        output = campaign.output(data)
        if plan["kind"] == "latency" or not has_latency:
            found += _program(campaign, data, output, with_count=not counted and plan["kind"] == "latency")
        if plan["kind"] == "energy":
            found += _energy(campaign, data, output)
            if not campaign.per_process:
                counted = True
                found = _counts_of_energy(campaign, data, output, found)
    found += differences(found, campaign.stated_origins)
    found += _unavailable(campaign, trial)
    named = naming.renamed([*found, *_products(found)], campaign.names)
    return withheld(named, campaign.board_origin, campaign.cycle_true)


def _counting(manifest: Mapping[str, Any], board: Origin) -> dict[str, Origin]:
    names = {
        name
        for trial in manifest["plan"]["trials"]
        for plan in trial["passes"]
        if plan["kind"] == "counters"
        for name in plan["instruments"]
    }
    entries = manifest.get("instruments") or {}
    return {
        name: Origin(((entries.get(name) or {}).get("capabilities") or {}).get("origin") or board)
        for name in sorted(names)
    }


def _names(workload: Mapping[str, Any]) -> Mapping[str, str]:
    if workload.get("kind") == OBSERVED:
        return naming.RECORDED
    return naming.PER_PROCESS if workload.get("per") == "process" else {}


def pass_codes(data: PassData, instrument: str | None = None) -> tuple[str, ...]:
    """The reason codes that befell a pass, from its faults and from how its program ended.

    With ``instrument``, faults of the pass's other instruments are left out: they say nothing of this one's numbers.
    """
    others = set(data.plan["instruments"]) - {instrument} if instrument is not None else set()
    codes = list(known_codes(fault.code for fault in data.faults if fault.source not in others))
    if data.end.exit_status not in (0, None) and "deadline" not in codes:
        codes.append("exit_nonzero")
    elif data.end.state != "done" and not codes:
        codes.append("pass_failed")
    return tuple(dict.fromkeys(codes))


def _program(campaign: Campaign, data: PassData, output: ProgramOutput, with_count: bool) -> list[Measured]:
    codes = pass_codes(data)
    expected = LATENCY if campaign.times_inferences else ()
    found = program_quantities(
        output,
        pass_id=data.pass_id,
        origin=campaign.board_origin,
        codes=codes,
        source=campaign.reader,
        with_count=with_count,
        expected=expected,
    )
    origins = {item.instrument: campaign.origin(item.instrument) for item in data.readings}
    return found + reading_quantities(data.readings, pass_id=data.pass_id, origins=origins, codes=codes)


def _counts_of_energy(
    campaign: Campaign, data: PassData, output: ProgramOutput, found: list[Measured]
) -> list[Measured]:
    """``inferences`` is the number that energy is divided by: the energy pass's, where there is one."""
    kept = [item for item in found if item.quantity.name != "inferences"]
    if output.inferences is None:
        return kept
    count = measured(
        "inferences",
        float(output.inferences),
        "1",
        pass_id=data.pass_id,
        origin=campaign.board_origin,
        reasons=(*pass_codes(data), *output.reasons),
        source=campaign.reader,
    )
    return [*kept, count]


def _energy(campaign: Campaign, data: PassData, output: ProgramOutput) -> list[Measured]:
    entries = campaign.record.manifest.get("instruments") or {}
    meters = [name for name in data.plan["instruments"] if is_power_meter(entries.get(name) or {})]
    if not meters:
        return no_power(data.pass_id, campaign.board_origin, ("no_power_meter",))
    found: list[Measured] = []
    for name in meters:
        meter = meter_of(campaign.record.manifest, name)
        origin = campaign.origin(name)
        codes = pass_codes(data, name)
        found += energy_quantities(campaign.record, data, meter, origin, output, codes, campaign.per_process)
    return found


def _unlike_passes(campaign: Campaign, plans: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Counter passes of a trial that did not do the same work, by what their anchors say."""
    names: set[str] = set()
    for baseline in (False, True):
        ids = [plan["pass_id"] for plan in plans if plan["kind"] == "counters" and plan["baseline"] is baseline]
        done = {pass_id: campaign.passes[pass_id].readings for pass_id in ids if pass_id in campaign.passes}
        names |= anchors.disagreeing(done, emulated=campaign.board_origin is Origin.EMULATED)
    return frozenset(names)


def _counters(
    campaign: Campaign,
    plan: Mapping[str, Any],
    data: PassData | None,
    doubtful: frozenset[str],
    accelerated: bool,
) -> list[Measured]:
    """The counts of one counter pass and of its baseline; of events without a reading, the reason why.

    What was counted only to check the others (the plan's ``anchors``) is not stated.
    """
    pass_id = str(plan["pass_id"])
    baseline_id = pass_id + BASELINE
    planned = baseline_id in campaign.planned
    before = campaign.passes.get(baseline_id)
    source = plan["instruments"][0] if plan["instruments"] else ""
    origin = campaign.origin(source)
    suffixes = ("", PROCESS_SUFFIX) if planned else ("",)
    events = [event for event in plan["events"] if event not in plan.get("anchors", ())]
    if data is None or (planned and before is None):
        return _events_missing(plan, events, origin, source, ("pass_missing",), suffixes)
    codes = pass_codes(data)
    baseline = None
    output = campaign.output(data)
    codes += output.reasons
    if before is not None:
        baseline = (before.readings, campaign.output(before))
        codes += pass_codes(before) + baseline[1].reasons
    if doubtful & {pass_id, baseline_id}:
        codes += (anchors.CODE,)
    readings = [item for item in data.readings if item.name in events]
    found = counter_quantities(
        readings,
        output,
        baseline,
        pass_id=pass_id,
        origin=origin,
        codes=codes,
        accelerated=accelerated,
        per_process=campaign.per_process,
    )
    absent = [event for event in events if event not in {item.name for item in readings}]
    return found + _events_missing(plan, absent, origin, source, codes or ("not_counted",), suffixes)


def _events_missing(
    plan: Mapping[str, Any],
    events: Sequence[str],
    origin: Origin,
    source: str,
    reasons: tuple[str, ...],
    suffixes: tuple[str, ...],
) -> list[Measured]:
    pass_id = str(plan["pass_id"])
    names = [name + suffix for suffix in suffixes for name in events]
    return [missing(name, "1", pass_id=pass_id, origin=origin, reasons=reasons, source=source) for name in names]


def _first_of(items: list[Measured], seen: set[tuple[str, str]]) -> list[Measured]:
    """Those whose event and source come for the first time: anchors are counted in every pass, and stated once."""
    kept = [item for item in items if (item.quantity.name, item.quantity.source) not in seen]
    seen |= {(item.quantity.name, item.quantity.source) for item in kept}
    return kept


def _missing_pass(campaign: Campaign, plan: Mapping[str, Any], latency: bool) -> list[Measured]:
    pass_id, reasons = str(plan["pass_id"]), ("pass_missing",)
    found: list[Measured] = []
    if latency and campaign.times_inferences and campaign.reader != "none":
        found += [
            missing(name, unit, pass_id=pass_id, origin=campaign.board_origin, reasons=reasons, source=campaign.reader)
            for name, unit in LATENCY
        ]
    if plan["kind"] == "energy":
        entries = campaign.record.manifest.get("instruments") or {}
        for name in plan["instruments"]:
            if is_power_meter(entries.get(name) or {}):
                rows = no_power(pass_id, campaign.origin(name), reasons)
                meter = meter_of(campaign.record.manifest, name)
                found += [_with_source(item, meter.name, meter.scope) for item in rows]
                manifest, origin = campaign.record.manifest, campaign.origin(name)
                found += no_single_inferences(manifest, pass_id, meter, origin, reasons)
    return found


def _with_source(item: Measured, source: str, scope: str) -> Measured:
    old = item.quantity
    return missing(
        old.name, old.unit, pass_id=item.pass_id, origin=old.origin, reasons=old.reasons, source=source, scope=scope
    )


def _unavailable(campaign: Campaign, trial: Mapping[str, Any]) -> list[Measured]:
    """Rows for what the experiment asks for and the bench cannot give."""
    pass_id = str(trial["trial_id"])
    found: list[Measured] = []
    for what, reason in campaign.unavailable:
        if what == "energy":
            found += no_power(pass_id, campaign.board_origin, (reason,))
        else:
            found.append(missing(what, "1", pass_id=pass_id, origin=campaign.board_origin, reasons=(reason,)))
    return found


def _products(found: list[Measured]) -> list[Measured]:
    """Energy-delay products of every energy with the trial's latency; none without a latency that was asked for."""
    latency = next((item for item in found if item.quantity.name == "latency_s"), None)
    if latency is None or latency.window is not None:
        return []
    return [
        _product(name, unit, power, energy, latency)
        for energy_name, name, power, unit in ENERGY_DELAY
        for energy in found
        if energy.quantity.name == energy_name
    ]


def _product(name: str, unit: str, power: int, energy: Measured, latency: Measured) -> Measured:
    origin = Origin.furthest([energy.quantity.origin, latency.quantity.origin])
    reasons = tuple(dict.fromkeys((*energy.quantity.reasons, *latency.quantity.reasons)))
    source, scope = energy.quantity.source, energy.quantity.scope
    energy_j, latency_s = energy.quantity.value, latency.quantity.value
    if energy_j is None or latency_s is None:
        return missing(name, unit, pass_id=energy.pass_id, origin=origin, reasons=reasons, source=source, scope=scope)
    budget = None
    if energy.budget is not None and latency.budget is not None:
        budget = energy_delay_budget(energy_j, energy.budget, latency_s, latency.budget, power)
    return measured(
        name,
        energy_delay(energy_j, latency_s, power),
        unit,
        pass_id=energy.pass_id,
        origin=origin,
        budget=budget,
        reasons=reasons,
        coverage=energy.quantity.coverage,
        source=source,
        scope=scope,
    )


def _replayed(campaign: Campaign, data: PassData) -> list[Measured]:
    """The windows of a replayed session, and what its instrument read beside them."""
    codes = pass_codes(data)
    found = [
        Measured(quantity, data.pass_id, _replay_budget(quantity), window).flagged(codes)
        for window, quantity in replay.quantities(campaign.record, data)
    ]
    names = {item.quantity.name for item in found}
    others = [item for item in data.readings if item.name not in names]
    origins = {item.instrument: campaign.origin(item.instrument) for item in others}
    read = reading_quantities(others, pass_id=data.pass_id, origins=origins, codes=codes)
    return found + [
        Measured(item.quantity, item.pass_id, _replay_budget(item.quantity), reading.index)
        for item, reading in zip(read, others, strict=True)
    ]


def _replay_budget(quantity: Quantity) -> Budget:
    """What a replayed window states of its uncertainty. Nothing is known of the meter, so no interval is claimed."""
    terms = () if quantity.u is None else (Term("window edges", quantity.u, "B"),)
    return Budget(terms, claims=False)
