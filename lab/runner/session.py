"""From files to a campaign: ``start`` makes a new record, ``resume`` takes up one whose campaign did not end."""

from __future__ import annotations

from dataclasses import dataclass
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
from lab.record.reader import Record
from lab.record.store import new_record_folder
from lab.record.writer import RecordWriter
from lab.runner.campaign import CampaignOutcome, Timing, held, run_campaign
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
        equipment.workload.prepare_campaign(equipment.board, cache)
        root = new_record_folder(records, loaded.experiment.experiment)
        writer = RecordWriter(root, new_manifest(root, loaded, plan, equipment))
        for name, content in equipment.workload.inputs([dict(trial.settings) for trial in plan.trials]).items():
            writer.add_input(name, content)
        outcome = run_campaign(
            equipment,
            writer,
            _timing(loaded.experiment),
            progress,
            attempts={},
            estimated_s=estimated(loaded, plan, equipment.workload).duration_s,
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
    completed = frozenset(record.planned()) - frozenset(missing)
    with held(equipment):
        progress.step("preparing the workload")
        equipment.workload.prepare_campaign(equipment.board, cache)
        manifest["state"] = "running"
        manifest["files"] = {}
        writer = RecordWriter(root, manifest)
        outcome = run_campaign(
            equipment,
            writer,
            _timing(experiment),
            progress,
            attempts=record.attempts(),
            completed=completed,
            estimated_s=0.0,
        )
    return Finished(root, outcome)


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


def estimated(loaded: LoadedExperiment, plan: Plan, workload: Workload) -> Estimate:
    """How long a plan takes, in board time, and how much disk; nothing is touched."""

    def program_s(trial: TrialPlan, item: PassPlan) -> float:
        request = PassRequest(item.kind, item.runs, item.min_duration_s, item.warmup_runs)
        return workload.estimate_s(trial.settings, request)

    experiment = loaded.experiment
    return estimate(plan, loaded.bench, program_s, warm_up_s=experiment.warm_up, cool_down_s=experiment.cool_down)


def _timing(experiment: Experiment) -> Timing:
    return Timing(
        warm_up_s=experiment.warm_up,
        cool_down_s=experiment.cool_down,
        deadline_s=experiment.deadline,
    )
