"""One pass: instruments armed and started, the board idle, the program run, idle again, everything written down."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from instruments.protocol import (
    CountsOnBoard,
    Instrument,
    Observation,
    PassContext,
    WatchesProcess,
    WrapsCommand,
    is_power_meter,
)
from lab.boards.protocol import Board, CollectsLater, Command, CommandResult, FetchesFolders
from lab.errors import HardwareError, LinkLostError
from lab.record.documents import Document, Fault, PassBegin, PassEnd, TraceRef
from lab.record.writer import PassPaths, RecordWriter
from lab.runner.clock import ClockNotes, gathering
from lab.workloads.protocol import OUT_FOLDER, PassRequest, Prepared, UnmadeError, Workload

STDOUT = "stdout.txt"
STDERR = "stderr.txt"
OUT = "out"
"""Folder of the files that the program left where its command says ``{out}``."""


@dataclass(frozen=True, slots=True)
class PassJob:
    """What the runner needs to know of one pass. ``trial`` and ``plan`` are entries of the manifest's plan."""

    trial: Mapping[str, Any]
    plan: Mapping[str, Any]
    attempt: int
    seed: int
    deadline_s: float | None
    befallen: tuple[tuple[str, str], ...] = ()
    """(reason code, detail) of what was wrong with the board before the pass began."""

    @property
    def pass_id(self) -> str:
        """The pass's name, unique in the record."""
        return str(self.plan["pass_id"])


@dataclass(frozen=True, slots=True)
class PassOutcome:
    """How a pass ended. ``lost`` is set when board or instrument went away: the campaign cannot go on."""

    state: str
    faults: tuple[str, ...]
    lost: HardwareError | None = None


def run_pass(
    job: PassJob, board: Board, instruments: Sequence[Instrument], workload: Workload, writer: RecordWriter
) -> PassOutcome:
    """Run one attempt at a pass and append its documents.

    An interrupt (``KeyboardInterrupt``) stops the instruments and leaves the attempt without its end, so that a resumed
    campaign tries it again.
    """
    # First the document, then the files: a process killed in between must leave its attempt's number taken.
    writer.append(PassBegin(pass_id=job.pass_id, attempt=job.attempt))
    paths = writer.paths(job.pass_id, job.attempt)
    execution = _Execution(job, board, instruments, workload, writer, paths)
    lost: HardwareError | None = None
    unmade: UnmadeError | None = None
    try:
        execution.run()
    except HardwareError as error:
        lost = error
    except UnmadeError as error:
        unmade = error
    finally:
        execution.stop_instruments()
    faults = execution.faults()
    if unmade is not None:
        said = f"{unmade.message}: {unmade.advice}" if unmade.advice else unmade.message
        faults.append(_fault(job, board.name, "not_built", said))
    if lost is not None:
        code = "link_lost" if isinstance(lost, LinkLostError) else "pass_failed"
        faults.append(_fault(job, board.name, code, str(lost)))
    result = execution.result
    ended_badly = result is not None and (result.timed_out or result.exit_status != 0)
    failed = lost is not None or unmade is not None or ended_badly
    state = "failed" if failed else "done"
    documents: list[Document] = [*execution.findings(), *faults]
    documents.append(
        PassEnd(
            pass_id=job.pass_id,
            attempt=job.attempt,
            state=state,
            output=paths.output.relative_to(writer.root).as_posix(),
            traces=execution.traces(),
            exit_status=None if result is None else result.exit_status,
            elapsed_s=None if result is None else result.elapsed_s,
        )
    )
    writer.append(*documents)
    return PassOutcome(state, tuple(dict.fromkeys(fault.code for fault in faults)), lost)


def _fault(job: PassJob, source: str, code: str, detail: str) -> Fault:
    return Fault(pass_id=job.pass_id, attempt=job.attempt, source=source, code=code, detail=detail)


class _Execution:
    """The moving parts of one attempt: which instruments run, what they saw, how the program ended."""

    def __init__(
        self,
        job: PassJob,
        board: Board,
        instruments: Sequence[Instrument],
        workload: Workload,
        writer: RecordWriter,
        paths: PassPaths,
    ) -> None:
        self.result: CommandResult | None = None
        self._job = job
        self._board = board
        self._instruments = instruments
        self._workload = workload
        self._writer = writer
        self._paths = paths
        self._armed: list[Instrument] = []
        self._observations: list[Observation] = []
        self._board_faults = [_fault(job, board.name, code, detail) for code, detail in job.befallen]
        self._clock = ClockNotes(gathering(writer.manifest, job.plan, board), board, paths.output)

    def run(self) -> None:
        plan = self._job.plan
        self._board.begin_pass(self._job.pass_id, self._job.seed)
        request = PassRequest(
            kind=plan["kind"],
            runs=plan["runs"],
            min_duration_s=plan["min_duration_s"],
            warmup_runs=plan["warmup_runs"],
        )
        prepared = self._workload.prepare(self._board, self._job.trial["settings"], request)
        for name, content in prepared.notes.items():
            (self._paths.output / name).write_bytes(content)
        self._start_instruments(prepared)
        if prepared.watch_s:
            with contextlib.suppress(KeyboardInterrupt) if prepared.ends_early else contextlib.nullcontext():
                self._board.idle(prepared.watch_s)
        idle_s = plan["idle_s"] or 0.0
        if prepared.argv:
            workdir = self._board.make_workdir(self._job.pass_id)
            prepared, outputs = self._with_folder(prepared)
            if idle_s:
                self._board.idle(idle_s)
            self._run_program(prepared, workdir, collect_later=idle_s > 0)
            if idle_s:
                self._board.idle(idle_s)
            self._collect(workdir)
            if outputs is not None:
                self._fetch_outputs(outputs)

    def _with_folder(self, prepared: Prepared) -> tuple[Prepared, str | None]:
        """The program with the folder of its output files, made now, in its command, if it asks for one; and that."""
        if not any(OUT_FOLDER in part for part in prepared.argv):
            return prepared, None
        folder = self._board.make_workdir(f"{self._job.pass_id}/{OUT}")
        argv = tuple(part.replace(OUT_FOLDER, folder) for part in prepared.argv)
        return replace(prepared, argv=argv), folder

    def _fetch_outputs(self, folder: str) -> None:
        """Bring the program's output files, also those of one that failed. That there are none is for whoever needs
        them to say."""
        if isinstance(self._board, FetchesFolders):
            with contextlib.suppress(FileNotFoundError):
                self._board.fetch_folder(folder, self._paths.output / OUT)

    def _start_instruments(self, prepared: Prepared) -> None:
        context = PassContext(
            pass_id=self._job.pass_id,
            attempt=self._job.attempt,
            seed=self._job.seed,
            record_root=self._writer.root,
            output=self._paths.output,
            trace=self._paths.trace,
            events=tuple(self._job.plan["events"]),
            session=prepared.session,
            session_inferences=prepared.session_inferences,
            window_only=self._job.plan.get("window_only", False),
        )
        meters = [item.name for item in self._instruments if is_power_meter(item.capabilities())]
        for instrument in self._instruments:
            # Where several meters record in one pass, each has a file of its own.
            several = len(meters) > 1 and instrument.name in meters
            trace = context.trace.with_name(f"{context.trace.name}.{instrument.name}") if several else context.trace
            instrument.arm(replace(context, trace=trace))
            self._armed.append(instrument)
        for instrument in self._instruments:
            instrument.start()

    def _run_program(self, prepared: Prepared, workdir: str, *, collect_later: bool) -> None:
        wrappers = [item for item in self._instruments if isinstance(item, WrapsCommand)]
        argv = list(prepared.argv)
        for wrapper in wrappers:
            argv = wrapper.wrap(argv, workdir)
        env = {**prepared.env, **self._clock.env(workdir)}
        counting = [item for item in self._instruments if isinstance(item, CountsOnBoard)]
        requests = [item.requests() for item in counting]
        events = tuple(event for asked in requests for event in asked)
        window_only = self._job.plan.get("window_only", False)
        command = Command(
            argv=argv,
            env=env,
            workdir=workdir,
            deadline_s=self._job.deadline_s,
            events=events,
            # A wrapper that counts inside the window speaks with the program itself, through pipes of its own.
            opens_window=prepared.opens_window and (bool(events) or not window_only),
            window_only=window_only and bool(events),
            collect_later=collect_later,
        )
        self._clock.before(workdir)
        result = self._clock.run(command, self._paths.output / STDOUT, self._paths.output / STDERR)
        self.result = result
        self._clock.after(workdir)
        name = self._board.name
        self._board_faults += [_fault(self._job, name, code, detail) for code, detail in self._clock.faults]
        self._board_faults += [_fault(self._job, name, code, detail) for code, detail in result.faults]
        if result.timed_out:
            limit = f"stopped after {self._job.deadline_s:g} s"
            self._board_faults.append(_fault(self._job, name, "deadline", limit))
        elif result.exit_status != 0:
            self._board_faults.append(_fault(self._job, name, "exit_nonzero", f"exit status {result.exit_status}"))
        counts = iter(result.counts)
        for item, asked in zip(counting, requests, strict=True):
            item.counted(list(itertools.islice(counts, len(asked))))
        for instrument in self._instruments:
            if isinstance(instrument, WatchesProcess):
                instrument.finished(result.usage)

    def _collect(self, workdir: str) -> None:
        """Bring what the program and the instruments left on the board: after the idle time, which it would disturb."""
        if isinstance(self._board, CollectsLater):
            seen = self._board.collect()
            self._board_faults += [_fault(self._job, self._board.name, code, detail) for code, detail in seen]
        self._clock.collect(workdir)
        for item in self._instruments:
            if not isinstance(item, WrapsCommand):
                continue
            for file in item.files():
                # An absent file is no surprise after a failed program; the instrument says what is missing.
                with contextlib.suppress(FileNotFoundError):
                    self._board.fetch(f"{workdir}/{file}", self._paths.output / file)

    def stop_instruments(self) -> None:
        """Stop what was armed, last first; one that fails to stop does not keep the others from stopping."""
        while self._armed:
            instrument = self._armed.pop()
            try:
                self._observations.append(instrument.stop())
            except HardwareError as error:
                fault = _fault(self._job, instrument.name, "meter_unplugged", str(error))
                self._observations.append(Observation(faults=(fault,)))

    def faults(self) -> list[Fault]:
        seen = [fault for observation in self._observations for fault in observation.faults]
        return self._board_faults + seen

    def findings(self) -> list[Document]:
        documents: list[Document] = []
        for observation in self._observations:
            documents += observation.marks
            documents += observation.readings
            documents += observation.clocks
        documents += self._clock.documents(self._job.pass_id, self._job.attempt)
        return documents

    def traces(self) -> tuple[TraceRef, ...]:
        return tuple(trace for observation in self._observations for trace in observation.traces)
