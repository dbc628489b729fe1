"""The plan: every trial in its order, each with its passes and what watches them. Nothing is touched to make it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lab.bench.model import Bench, Instrument
from lab.bench.tools import Counters
from lab.config.templates import Value
from lab.errors import UsageError
from lab.experiment.discovery import discover
from lab.experiment.events import EventSet, chunks
from lab.experiment.matrix import expand
from lab.experiment.model import CountersPass, Experiment, ObserveWorkload, RecordedSessionWorkload
from lab.experiment.order import ordered
from lab.record.formats.user_space import user_space_event

PassKind: TypeAlias = Literal["latency", "energy", "counters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPlan:
    """One execution of a trial for one purpose.

    ``instruments`` are names of the bench file, ``events`` what a counter instrument shall count, ``anchors`` those of
    them that nobody asked for: they only check the others. ``runs`` is the least
    number of inferences, ``min_duration_s`` the least length of the window; ``None`` leaves it to the program.
    """

    pass_id: str
    kind: PassKind
    instruments: tuple[str, ...]
    events: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    runs: int | None = None
    min_duration_s: float | None = None
    idle_s: float = 0.0
    warmup_runs: int | None = None
    baseline: bool = False
    window_only: bool = False

    def to_json(self) -> dict[str, Any]:
        """As in the manifest."""
        return {
            "pass_id": self.pass_id,
            "kind": self.kind,
            "instruments": list(self.instruments),
            "events": list(self.events),
            "anchors": list(self.anchors),
            "runs": self.runs,
            "min_duration_s": self.min_duration_s,
            "idle_s": self.idle_s,
            "warmup_runs": self.warmup_runs,
            "baseline": self.baseline,
            "window_only": self.window_only,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """One point of the matrix, one repeat. ``order`` counts trials from 1, ``repeat`` from 0.

    ``values`` are the factors' values; ``settings`` also hold what those values stand for.
    """

    trial_id: str
    point_id: str
    order: int
    repeat: int
    label: str
    values: Mapping[str, Value]
    settings: Mapping[str, Value]
    passes: tuple[PassPlan, ...]

    def to_json(self) -> dict[str, Any]:
        """As in the manifest."""
        return {
            "trial_id": self.trial_id,
            "point_id": self.point_id,
            "order": self.order,
            "repeat": self.repeat,
            "label": self.label,
            "values": dict(self.values),
            "settings": dict(self.settings),
            "passes": [item.to_json() for item in self.passes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """Something the experiment asks for that this bench cannot give: a pass kind or an event, and the reason code."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All trials in their order, and what was asked for in vain."""

    trials: tuple[TrialPlan, ...]
    unavailable: tuple[Unavailable, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The manifest's ``plan``."""
        return {
            "trials": [trial.to_json() for trial in self.trials],
            "unavailable": [{"what": item.what, "reason": item.reason} for item in self.unavailable],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The plan of a manifest."""
        return cls(
            trials=tuple(_trial_from_json(item) for item in data["trials"]),
            unavailable=tuple(Unavailable(**item) for item in data.get("unavailable", ())),
        )


def build_plan(experiment: Experiment, bench: Bench, *, folder: Path | None = None) -> Plan:
    """Put an experiment on a bench.

    Energy passes are watched by the bench's power meters and nothing else, latency passes by what reads resource use;
    counters are spread over as many passes as each counter instrument needs. ``folder`` is where the experiment file
    lies, for factors that are discovered (default: the current folder).

    Raises :class:`lab.errors.UsageError` if nothing is left to do, or a discovered factor finds nothing.
    """
    experiment = discover(experiment, folder or Path())
    points = expand(experiment)
    templates, unavailable = _passes(experiment, bench)
    if not templates:
        asked = ", ".join(item.what for item in unavailable)
        raise UsageError(
            f"the bench {bench.bench!r} can give nothing of what {experiment.experiment!r} asks for ({asked})",
            advice="name another bench with --bench, or add instruments to this one",
        )
    turns = ordered(points, experiment.repeats, experiment.order, experiment.seed)
    width = max(4, len(str(len(turns))))
    trials = []
    for order, (repeat, point) in enumerate(turns, start=1):
        trial_id = f"t{order:0{width}d}"
        trials.append(
            TrialPlan(
                trial_id=trial_id,
                point_id=point.point_id,
                order=order,
                repeat=repeat,
                label=point.label,
                values=point.values,
                settings=point.settings,
                passes=tuple(PassPlan(pass_id=f"{trial_id}.{name}", **fields) for name, fields in templates),
            )
        )
    return Plan(trials=tuple(trials), unavailable=unavailable)


_Template: TypeAlias = tuple[str, dict[str, Any]]
"""A pass of every trial: what its id ends in, and the fields of its :class:`PassPlan`."""


def _passes(experiment: Experiment, bench: Bench) -> tuple[list[_Template], tuple[Unavailable, ...]]:
    """The passes that each trial consists of."""
    meters = _named(bench, "measures_power")
    if isinstance(experiment.workload, RecordedSessionWorkload):
        idle_s = 0.0 if experiment.passes.energy is None else experiment.passes.energy.idle
        return [("energy", {"kind": "energy", "instruments": meters, "idle_s": idle_s})], ()
    if isinstance(experiment.workload, ObserveWorkload):
        if bench.board.emulated:
            return [], (Unavailable(what="energy", reason="emulated_time"),)
        if not meters:
            return [], (Unavailable(what="energy", reason="no_power_meter"),)
        watched = {"kind": "energy", "instruments": meters, "min_duration_s": experiment.workload.duration}
        return [("energy", watched)], ()
    templates: list[_Template] = []
    unavailable: list[Unavailable] = []
    passes = experiment.passes
    if passes.latency is not None:
        fields: dict[str, Any] = {
            "kind": "latency",
            "instruments": _named(bench, "watches_process"),
            "runs": passes.latency.runs,
            "min_duration_s": passes.latency.min_duration,
            "warmup_runs": passes.latency.warmup_runs,
        }
        templates.append(("latency", fields))
    if passes.energy is not None and bench.board.emulated:
        unavailable.append(Unavailable(what="energy", reason="emulated_time"))
    elif passes.energy is not None and not meters:
        unavailable.append(Unavailable(what="energy", reason="no_power_meter"))
    elif passes.energy is not None:
        fields = {
            "kind": "energy",
            "instruments": meters,
            "runs": passes.energy.runs,
            "min_duration_s": passes.energy.duration,
            "idle_s": passes.energy.idle,
            "warmup_runs": passes.energy.warmup_runs,
        }
        templates.append(("energy", fields))
    if passes.counters is not None:
        counted, missing = _counters(passes.counters, bench.instruments)
        templates += counted
        unavailable += [Unavailable(what=event, reason="no_counter_source") for event in missing]
    return templates, tuple(unavailable)


def _named(bench: Bench, ability: str) -> tuple[str, ...]:
    return tuple(name for name, instrument in bench.instruments.items() if getattr(instrument, ability))


def _counters(wanted: CountersPass, instruments: Mapping[str, Instrument]) -> tuple[list[_Template], list[str]]:
    """The counter passes of a trial, and the events that no instrument counts."""
    templates: list[_Template] = []
    counted: set[str] = set()
    number = 0
    for name, instrument in instruments.items():
        for chosen in _event_sets(instrument, wanted.events):
            counted.update(chosen.events)
            fields: dict[str, Any] = {
                "kind": "counters",
                "instruments": (name,),
                "events": chosen.events,
                "anchors": chosen.anchors,
                "runs": wanted.runs,
                "warmup_runs": wanted.warmup_runs,
                "window_only": wanted.window_only,
            }
            templates.append((f"counters{number}", fields))
            if wanted.baseline_runs is not None:
                fields = {**fields, "runs": wanted.baseline_runs, "baseline": True}
                templates.append((f"counters{number}.baseline", fields))
            number += 1
    return templates, [event for event in wanted.events if event not in counted]


def _event_sets(instrument: Instrument, wanted: Sequence[str]) -> list[EventSet]:
    """The events that an instrument can count of those that are wanted, a set for each pass it needs."""
    if isinstance(instrument, Counters):
        able = [event for event in wanted if instrument.events is None or event in instrument.events]
        return chunks(able, instrument.counter_slots, instrument.dedicated_events)
    able = [event for event in wanted if user_space_event(event) in instrument.counts_at_once]
    return [EventSet(tuple(able))] if able else []


def _trial_from_json(data: Mapping[str, Any]) -> TrialPlan:
    passes = tuple(
        PassPlan(**{**item, **{name: tuple(item.get(name, ())) for name in ("instruments", "events", "anchors")}})
        for item in data["passes"]
    )
    return TrialPlan(**{**data, "passes": passes})
