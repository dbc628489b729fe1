"""A campaign: every pass of a plan, in its order, on boards and instruments that are opened once and held."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from instruments.protocol import Instrument
from lab import __version__
from lab.boards.protocol import Board
from lab.errors import ExitCode, HardwareError
from lab.record.documents import Fault, Start, Stop, TrialBegin
from lab.record.writer import RecordWriter
from lab.runner.one_pass import PassJob, run_pass
from lab.runner.progress import Progress
from lab.runner.seeds import derived_seed
from lab.workloads.protocol import Workload


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a campaign is run with: the board, the instruments by their names in the bench file, the workload."""

    board: Board
    instruments: Mapping[str, Instrument]
    workload: Workload


@dataclass(frozen=True, slots=True)
class Timing:
    """Waits and limits, in board seconds: before the first trial, before each trial, and for each pass."""

    warm_up_s: float = 0.0
    cool_down_s: float = 0.0
    deadline_s: float | None = None


@dataclass(slots=True)
class CampaignOutcome:
    """How a campaign ended. ``state`` is ``complete``, ``partial`` (some passes failed) or ``interrupted``."""

    state: str
    failed_passes: list[str] = field(default_factory=list)
    lost: HardwareError | None = None
    damaged_traces: list[Fault] = field(default_factory=list)
    """Traces that were not what had been recorded when the record was sealed."""

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that a command ends with after this."""
        if self.lost is not None:
            return ExitCode.HARDWARE
        if self.damaged_traces:
            return ExitCode.DATA
        return {
            "complete": ExitCode.OK,
            "partial": ExitCode.PARTIAL,
            "interrupted": ExitCode.INTERRUPTED,
        }[self.state]


@contextlib.contextmanager
def held(equipment: Equipment) -> Iterator[None]:
    """Open board and instruments, and close them again whatever happens, last opened first."""
    with contextlib.ExitStack() as stack:
        stack.callback(equipment.board.close)
        equipment.board.open()
        for instrument in equipment.instruments.values():
            stack.callback(instrument.close)
            try:
                instrument.open()
            except HardwareError as error:
                leave_out = f"or do without: --set bench:instruments.{instrument.name}=null"
                raise HardwareError(
                    error.message, advice=f"{error.advice}; {leave_out}" if error.advice else leave_out
                ) from error
        yield


def run_campaign(
    equipment: Equipment,
    writer: RecordWriter,
    timing: Timing,
    progress: Progress,
    *,
    attempts: Mapping[str, int],
    completed: frozenset[str] = frozenset(),
    estimated_s: float,
) -> CampaignOutcome:
    """Run the passes of the manifest's plan that are not ``completed``, then seal the record.

    ``attempts`` says how often each pass was begun before (on resume). Board and instruments must be held open and
    the workload prepared. A lost board or meter ends the campaign (``lost`` is set); a failed program does not.
    """
    plan: list[dict[str, Any]] = writer.manifest["plan"]["trials"]
    todo = sum(item["pass_id"] not in completed for trial in plan for item in trial["passes"])
    writer.append(Start(lab_version=__version__, pid=os.getpid(), resumed=bool(attempts)))
    outcome = CampaignOutcome("complete")
    try:
        progress.campaign_begins(todo, len(completed), estimated_s)
        equipment.board.idle(timing.warm_up_s)
        _run_trials(plan, equipment, writer, timing, progress, attempts, completed, outcome)
    except KeyboardInterrupt:
        outcome.state = "interrupted"
    finally:
        progress.close()
    if outcome.lost is not None:
        outcome.state = "interrupted"
    elif outcome.failed_passes and outcome.state == "complete":
        outcome.state = "partial"
    writer.append(Stop(state=outcome.state))
    outcome.damaged_traces = writer.seal(outcome.state)
    return outcome


def _run_trials(
    plan: list[dict[str, Any]],
    equipment: Equipment,
    writer: RecordWriter,
    timing: Timing,
    progress: Progress,
    attempts: Mapping[str, int],
    completed: frozenset[str],
    outcome: CampaignOutcome,
) -> None:
    seed = writer.manifest["seed"]
    for trial in plan:
        passes = [item for item in trial["passes"] if item["pass_id"] not in completed]
        if not passes:
            continue
        writer.append(TrialBegin(trial_id=trial["trial_id"]))
        equipment.board.idle(timing.cool_down_s)
        for item in passes:
            pass_id = item["pass_id"]
            # The kind with its number, not the pass's place in the plan: the same point and repeat draw the same
            # numbers whatever else the experiment measures.
            purpose = pass_id.removeprefix(trial["trial_id"])
            job = PassJob(
                trial=trial,
                plan=item,
                attempt=attempts.get(pass_id, 0) + 1,
                seed=derived_seed(seed, trial["point_id"], trial["repeat"], purpose),
                deadline_s=timing.deadline_s,
            )
            progress.pass_begins(pass_id, trial["label"])
            instruments = [equipment.instruments[name] for name in item["instruments"]]
            ended = run_pass(job, equipment.board, instruments, equipment.workload, writer)
            progress.pass_ends(pass_id, ended.state, ended.faults)
            if ended.state != "done":
                outcome.failed_passes.append(pass_id)
            if ended.lost is not None:
                outcome.lost = ended.lost
                return
        writer.sync()
