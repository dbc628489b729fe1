"""A campaign: every pass of a plan, in its order, on boards and instruments that are opened once and held."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from instruments.protocol import Instrument
from lab import __version__
from lab.boards.protocol import Board, Reconnects, Settles
from lab.errors import ExitCode, HardwareError, LinkLostError
from lab.record.documents import Fault, Start, Stop, TrialBegin
from lab.record.writer import RecordWriter
from lab.runner.one_pass import PassJob, PassOutcome, run_pass
from lab.runner.progress import Progress
from lab.runner.seeds import derived_seed
from lab.workloads.protocol import Workload


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a campaign is run with: the board, the instruments by their names in the bench file, the workload.

    ``elsewhere`` names the instruments in whose passes the program runs on another board than the bench's, and that
    board.
    """

    board: Board
    instruments: Mapping[str, Instrument]
    workload: Workload
    elsewhere: Mapping[str, Board] = field(default_factory=dict)

    @property
    def boards(self) -> tuple[Board, ...]:
        """All boards that programs are put on, the bench's own first, each once."""
        return tuple({id(board): board for board in (self.board, *self.elsewhere.values())}.values())

    def board_of(self, instruments: Sequence[str]) -> Board:
        """The board on which a pass that these instruments watch runs its program."""
        return next((self.elsewhere[name] for name in instruments if name in self.elsewhere), self.board)


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a campaign is conducted: waits before the first trial and before each trial and the limit for each pass, in
    board seconds; and what is done when the link to the board breaks in a pass and comes back."""

    warm_up_s: float = 0.0
    cool_down_s: float = 0.0
    deadline_s: float | None = None
    on_link_loss: Literal["repeat", "go_on", "stop"] = "repeat"


ATTEMPTS_ON_LINK_LOSS = 3
"""So often at most is a pass begun in which the link breaks, within one campaign."""


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
    """Open boards and instruments, and close them again whatever happens, last opened first."""
    with contextlib.ExitStack() as stack:
        for board in equipment.boards:
            stack.callback(board.close)
            board.open()
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
    conduct: Conduct,
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
        equipment.board.idle(conduct.warm_up_s)
        _run_trials(plan, equipment, writer, conduct, progress, attempts, completed, outcome)
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
    conduct: Conduct,
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
        equipment.board.idle(conduct.cool_down_s)
        befallen = _settled(equipment.board)
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
                deadline_s=conduct.deadline_s,
                befallen=befallen,
            )
            progress.pass_begins(pass_id, trial["label"])
            ended = _attempted(job, equipment, writer, conduct, progress)
            progress.pass_ends(pass_id, ended.state, ended.faults)
            if ended.state != "done":
                outcome.failed_passes.append(pass_id)
            if ended.lost is not None:
                outcome.lost = ended.lost
                return
        writer.sync()


def _settled(board: Board) -> tuple[tuple[str, str], ...]:
    """Let the board come to rest, if it is one that must. A link that breaks meanwhile shows in the next pass."""
    if not isinstance(board, Settles):
        return ()
    try:
        return board.settle()
    except LinkLostError:
        return ()


def _attempted(
    job: PassJob, equipment: Equipment, writer: RecordWriter, conduct: Conduct, progress: Progress
) -> PassOutcome:
    """Run a pass, again where the link broke and the campaign is to repeat it. ``lost`` is left only where the campaign
    cannot or shall not go on."""
    board = equipment.board_of(job.plan["instruments"])
    instruments = [equipment.instruments[name] for name in job.plan["instruments"]]
    first = job.attempt
    while True:
        ended = run_pass(job, board, instruments, equipment.workload, writer)
        if not isinstance(ended.lost, LinkLostError) or not isinstance(board, Reconnects):
            return ended
        progress.step(f"{job.pass_id}: {ended.lost.message}; connecting again")
        try:
            board.reconnect()
        except HardwareError as error:
            return replace(ended, lost=error)
        if conduct.on_link_loss == "stop":
            return ended
        if conduct.on_link_loss == "go_on" or job.attempt - first + 1 >= ATTEMPTS_ON_LINK_LOSS:
            return replace(ended, lost=None)
        job = replace(job, attempt=job.attempt + 1)
