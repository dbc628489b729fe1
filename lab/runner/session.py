"""From files to a campaign: ``start`` makes a new record, ``resume`` takes up one whose campaign did not end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from lab import __version__
from lab.bench.model import Bench
from lab.errors import DataError, UsageError
from lab.experiment.estimate import Estimate, estimate
from lab.experiment.load import LoadedExperiment
from lab.experiment.model import Experiment
from lab.experiment.plan import PassPlan, Plan, TrialPlan, build_plan
from lab.record.quantity import Origin
from lab.record.reader import Record
from lab.record.store import new_record_folder
from lab.record.writer import RecordWriter
from lab.runner.campaign import CampaignOutcome, Conduct, Equipment, held, run_campaign
from lab.runner.equip import equip
from lab.runner.manifest import new_manifest
from lab.runner.progress import Progress
from lab.workloads.protocol import PassRequest, Workload

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Finished:
    """A campaign that came to an end, and where its record lies."""

    root: Path
    outcome: CampaignOutcome


def start(loaded: LoadedExperiment, records: Path, cache: Path, progress: Progress) -> Finished:
    """Run a whole campaign into a fresh record.

    Board, instruments and workload are made ready before the record is made: what is not there, or does not build,
    leaves no empty record behind.
    """
    loaded = loaded.discovered()
    plan = build_plan(loaded.experiment, loaded.bench)
    equipment = equip(loaded.experiment, loaded.bench, loaded.experiment_path, loaded.bench_path)
    with held(equipment):
        progress.step("preparing the workload")
        for board in equipment.boards:
            equipment.workload.prepare_campaign(board, cache)
        inputs = _inputs(plan, equipment.workload)
        root = new_record_folder(records, loaded.experiment.experiment)
        writer = RecordWriter(root, new_manifest(root, loaded, plan, equipment))
        _keep_inputs(writer, inputs)
        outcome = run_campaign(
            equipment,
            writer,
            _conduct(loaded.experiment),
            progress,
            attempts={},
            estimated_s=_wall_time_s(loaded.experiment, loaded.bench, plan, equipment),
        )
    return Finished(root, outcome)


def resume(root: Path, cache: Path, progress: Progress) -> Finished:
    """Do the passes that a record still misses, with the experiment and bench it was begun with.

    Raises :class:`UsageError` if nothing is missing, :class:`DataError` if what is there changed since it was sealed:
    the resumed record is sealed anew, and nobody could tell any more.
    """
    record = Record.open(root)
    missing = record.missing_passes()
    if not missing and record.manifest["state"] == "complete":
        raise UsageError(
            f"{root}: nothing is missing, the campaign is complete", advice="`lab process` rebuilds results"
        )
    manifest = record.manifest
    if manifest["state"] != "running":
        record.require_unchanged(advice="restore them, or begin anew with `lab run`")
    experiment = _as_begun(Experiment, record, "experiment")
    bench = _as_begun(Bench, record, "bench")
    equipment = equip(experiment, bench, Path(manifest["experiment"]["path"]), Path(manifest["bench"]["path"]))
    plan = Plan.from_json(manifest["plan"])
    completed = frozenset(record.planned()) - frozenset(missing)
    with held(equipment):
        progress.step("preparing the workload")
        for board in equipment.boards:
            equipment.workload.prepare_campaign(board, cache)
        inputs = _inputs(plan, equipment.workload)
        _require_same_program(record, equipment.workload)
        manifest["state"] = "running"
        manifest["files"] = {}
        writer = RecordWriter(root, manifest)
        _keep_inputs(writer, inputs)
        outcome = run_campaign(
            equipment,
            writer,
            _conduct(experiment),
            progress,
            attempts=record.attempts(),
            completed=completed,
            estimated_s=_wall_time_s(experiment, bench, _without(plan, completed), equipment),
        )
    return Finished(root, outcome)


def _inputs(plan: Plan, workload: Workload) -> dict[str, bytes]:
    return workload.inputs([trial.settings for trial in plan.trials])


def _keep_inputs(writer: RecordWriter, inputs: Mapping[str, bytes]) -> None:
    for name, content in inputs.items():
        writer.add_input(name, content)


def _require_same_program(record: Record, workload: Workload) -> None:
    """Raise :class:`UsageError` if what would be run is not what was run before: one record, one program."""
    before: dict[str, str] = record.manifest["workload"]["versions"]
    now = workload.versions()
    changed = [name for name in before if name in now and now[name] != before[name]]
    if changed:
        raise UsageError(
            f"{record.root}: the program changed since the campaign began ({', '.join(changed)})",
            advice="restore it, or begin anew with `lab run`",
        )


def _without(plan: Plan, completed: frozenset[str]) -> Plan:
    """The part of a plan that is still to do."""
    trials = [
        replace(trial, passes=tuple(item for item in trial.passes if item.pass_id not in completed))
        for trial in plan.trials
    ]
    return replace(plan, trials=tuple(trial for trial in trials if trial.passes))


def _as_begun(model: type[_Model], record: Record, part: str) -> _Model:
    """The experiment or the bench of a record."""
    try:
        return model.model_validate(record.manifest[part]["resolved"])
    except (KeyError, TypeError, ValueError) as error:  # pydantic's ValidationError is a ValueError
        begun_with = record.manifest.get("lab_version")
        raise DataError(
            f"{record.root}: the {part} in its manifest is not one that lab {__version__} understands",
            advice=f"resume it with the version that it was begun with ({begun_with})",
        ) from error


def _wall_time_s(experiment: Experiment, bench: Bench, plan: Plan, equipment: Equipment) -> float:
    """About how long a plan takes on the wall clock; 0 where the board's time is not ours and nobody can say."""
    if equipment.board.origin in (Origin.SIMULATED, Origin.REPLAYED):
        return 0.0
    return estimated(experiment, bench, plan, equipment.workload).duration_s


def estimated(experiment: Experiment, bench: Bench, plan: Plan, workload: Workload) -> Estimate:
    """How long a plan takes, in board time, and how much disk; nothing is touched."""

    def program_s(trial: TrialPlan, item: PassPlan) -> float:
        request = PassRequest(item.kind, item.runs, item.min_duration_s, item.warmup_runs)
        return workload.estimate_s(trial.settings, request)

    return estimate(plan, bench, program_s, warm_up_s=experiment.warm_up, cool_down_s=experiment.cool_down)


def _conduct(experiment: Experiment) -> Conduct:
    return Conduct(
        warm_up_s=experiment.warm_up,
        cool_down_s=experiment.cool_down,
        deadline_s=experiment.deadline,
        on_link_loss=experiment.on_link_loss,
    )
