"""The counters of a board's kernel: ``perf stat`` in front of the program, or the board's own counting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from instruments.commands import RunCommand
from instruments.counters import board_facts, on_board
from instruments.counters.cores import CORES
from instruments.counters.counted import WINDOW_NOT_OPENED, Counted, reasons
from instruments.counters.events import CounterEvent, EventTable, RawEvent
from instruments.counters.free_counters import free_counters
from instruments.counters.on_board import CountingBoard
from instruments.counters.perf import PerfStat
from instruments.protocol import Capabilities, EventCount, EventRequest, Observation, PassContext, Probe
from lab.errors import HardwareError, UsageError
from lab.record.documents import Fault, Reading
from lab.record.formats.perf_stat import CountState
from lab.record.quantity import Origin

SCOPE = "process tree"
USER_ONLY, KERNEL_ONLY, IN_WINDOW = "user space only", "kernel only", "in the window"

Way = Literal["perf_stat", "agent"]


class Counters:
    """An :class:`~instruments.protocol.Instrument` for hardware and software events of one process tree.

    ``core`` is one of :data:`instruments.counters.cores.CORES`; ``by`` says who counts: ``perf_stat``, ``agent`` (the
    board itself), or ``auto``: perf where it works, else the board. ``slots`` are the PMU's programmable counters
    (default: the core's), ``events`` the only events it offers (``None``: any), ``raw`` those that the bench file
    defines by number. ``run`` starts a command on the board, ``board`` counts there (``None``: it cannot).
    """

    def __init__(
        self,
        name: str,
        *,
        core: str,
        run: RunCommand,
        by: Literal["auto", "perf_stat", "agent"] = "auto",
        slots: int | None = None,
        events: Sequence[str] | None = None,
        raw: Mapping[str, RawEvent] | None = None,
        board: CountingBoard | None = None,
    ) -> None:
        if core not in CORES:
            raise UsageError(f"no events are known for a core {core!r}", advice=f"known: {', '.join(CORES)}")
        self.name = name
        self._core = core
        self._run = run
        self._by = by
        self._slots = CORES[core].slots if slots is None else slots
        self._only = None if events is None else tuple(events)
        self._board = board
        self._perf = PerfStat(run)
        self.table = EventTable(core, dict(raw or {}))
        self._way: Way = "agent" if by == "agent" else "perf_stat"
        self._context: PassContext | None = None
        self._events: list[CounterEvent] = []
        self._refused: set[str] = set()
        self._asked = False
        self._answers: tuple[EventCount, ...] | None = None

    # ------------------------------------------------------------------------------------------------ presence

    def probe(self) -> Probe:
        """Let whoever shall count do so once, and ask the board for its PMUs and cores."""
        tried = self._try_ways()
        if not tried.present:
            return tried
        facts = board_facts.ask(self._run)
        self.table = replace(self.table, listed=facts.listed)
        if facts.cores and self._is_another_core(facts.cores):
            seen = ", ".join(facts.cores)
            right = next((core for core in facts.cores if core in CORES), "generic")
            return Probe(
                present=False,
                detail=f"the bench file says core: {self._core}, the board has {seen}",
                advice=f"set core: {right} in the bench file",
            )
        own = {"by": self._way, "core": self._core, "cores": list(facts.cores), "pmus": sorted(facts.listed)}
        return replace(tried, facts={**tried.facts, **own})

    def checks(self) -> list[tuple[str, Probe]]:
        """For ``lab doctor``: are as many counters free as the plan takes for granted?"""
        count = self._count_by_perf if self._way == "perf_stat" else self._count_by_board
        return [("free counters", free_counters(self._slots, CORES[self._core].dedicated, self.table, count))]

    def capabilities(self) -> Capabilities:
        """The events it may be asked for. Whether the machine has them shows when it is asked."""
        return Capabilities(
            measures=self.table.known() if self._only is None else self._only,
            origin=Origin.MEASURED,
            scope=SCOPE,
            clock="none",
            slots=self._slots,
        )

    def open(self) -> None:
        """Nothing to hold, but someone must be able to count, on the kind of core that the bench file names."""
        probe = self.probe()
        if not probe.present:
            raise HardwareError(f"{self.name}: no events can be counted: {probe.detail}", advice=probe.advice)

    # ----------------------------------------------------------------------------------------------- one pass

    def arm(self, context: PassContext) -> None:
        """Take the events of a pass.

        Raises :class:`HardwareError` if they shall be counted in the program's window and this board's perf cannot.
        """
        self._context = context
        self._events = [self.table.event(name) for name in context.events if self._offers(name)]
        self._asked, self._answers, self._refused = False, None, set()
        if self._way != "perf_stat" or not self._events:
            return
        if context.window_only and not self._perf.abilities.control:
            raise HardwareError(
                f"{self.name}: this board's perf cannot count in the program's window alone",
                advice="perf 5.10 or newer can; or let the board count (by: agent); or leave window_only out",
            )
        self._refused = self._perf.refused(self._events)

    def start(self) -> None:
        """Nothing to do: counting starts with the program."""

    def wrap(self, argv: Sequence[str], workdir: str) -> list[str]:
        """The command under ``perf stat``; unchanged if the pass asks for none of its events, or the board counts."""
        if self._context is None or self._way != "perf_stat":
            return list(argv)
        self._asked = True
        understood = self._understood()
        if not understood:
            return list(argv)
        return self._perf.command(argv, workdir, understood, self._context.window_only)

    def files(self) -> tuple[str, ...]:
        """perf's own output, if the command was wrapped."""
        counts = self._asked and self._way == "perf_stat" and self._understood()
        return (self._perf.abilities.file_name,) if counts else ()

    def requests(self) -> tuple[EventRequest, ...]:
        """What the board shall count; nothing if perf does."""
        if self._way != "agent":
            return ()
        self._asked = True
        return on_board.requests(self._events)

    def counted(self, counts: Sequence[EventCount]) -> None:
        """Take the board's answers."""
        self._answers = tuple(counts)

    def stop(self) -> Observation:
        """One reading per event: the count of the whole process tree, or none and why."""
        context, events, asked = self._context, self._events, self._asked
        if context is None or not events or not asked:  # without a program that was started there is nothing to say
            self.close()
            return Observation()
        found = self._found(context, events)
        self.close()
        if isinstance(found, str):
            fault = self._fault(context, "output_unreadable", found)
            lost = [self._reading(context, _lost(event), ("output_unreadable",)) for event in events]
            return Observation(readings=tuple(lost), faults=(fault,))
        why = reasons(found, context.window_only)
        readings = [self._reading(context, count, codes) for count, codes in zip(found, why, strict=True)]
        faults: tuple[Fault, ...] = ()
        if any(WINDOW_NOT_OPENED in codes for codes in why):
            faults = (self._fault(context, WINDOW_NOT_OPENED, "nothing was enabled between start and end"),)
        return Observation(readings=tuple(readings), faults=faults)

    def close(self) -> None:
        """Nothing to let go of."""
        self._context, self._events, self._asked, self._answers = None, [], False, None

    # ---------------------------------------------------------------------------------------------- inner parts

    def _try_ways(self) -> Probe:
        """Who counts here; sets the way."""
        if self._by in ("auto", "perf_stat"):
            perf = self._perf.probe()
            if perf.present or self._by == "perf_stat":
                self._way = "perf_stat"
                return perf
        board = on_board.ABSENT if self._board is None else self._board.can_count()
        if board.present or self._by == "agent":
            self._way = "agent"
            return board
        detail = f"{perf.detail}; {board.detail}"
        return Probe(present=False, detail=detail, advice=perf.advice)

    def _is_another_core(self, cores: Sequence[str]) -> bool:
        return bool(CORES[self._core].parts) and self._core not in cores

    def _offers(self, name: str) -> bool:
        return self._only is None or name in self._only

    def _understood(self) -> list[CounterEvent]:
        """The pass's events without those that this perf does not know."""
        return [event for event in self._events if event.name not in self._refused]

    def _found(self, context: PassContext, events: Sequence[CounterEvent]) -> list[Counted] | str:
        if self._way == "agent":
            if self._answers is None:
                return "the board gave no counts"
            return on_board.counted(events, self._answers)
        understood = self._understood()
        if not understood:
            return [_refused(event) for event in events]
        read = self._perf.read(context.output / self._perf.abilities.file_name, understood)
        if isinstance(read, str):
            return read
        answers = iter(read)
        return [_refused(event) if event.name in self._refused else next(answers) for event in events]

    def _reading(self, context: PassContext, count: Counted, codes: tuple[str, ...]) -> Reading:
        return Reading(
            pass_id=context.pass_id,
            attempt=context.attempt,
            instrument=self.name,
            name=count.event.name,
            value=None if codes else count.value,
            unit=count.unit,
            scope=_scope(count, context.window_only),
            reasons=codes,
            details={**count.details(), "by": self._way, "core": self._core, "window_only": context.window_only},
        )

    def _fault(self, context: PassContext, code: str, detail: str) -> Fault:
        return Fault(pass_id=context.pass_id, attempt=context.attempt, source=self.name, code=code, detail=detail)

    def _count_by_perf(self, events: Sequence[CounterEvent]) -> list[Counted] | str:
        return self._perf.count_here(["true"], events)

    def _count_by_board(self, events: Sequence[CounterEvent]) -> list[Counted] | str:
        if self._board is None:
            return on_board.ABSENT.detail
        return on_board.counted(events, self._board.count(["true"], on_board.requests(events)))


def _lost(event: CounterEvent) -> Counted:
    return Counted(event, CountState.NOT_COUNTED)


def _refused(event: CounterEvent) -> Counted:
    return Counted(event, CountState.NOT_SUPPORTED, error="this board's perf does not know the name")


def _scope(count: Counted, window_only: bool) -> str:
    """Whose work was counted."""
    parts = [SCOPE]
    if count.user_only or not count.event.kernel:
        parts.append(USER_ONLY)
    elif not count.event.user:
        parts.append(KERNEL_ONLY)
    if window_only:
        parts.append(IN_WINDOW)
    return ", ".join(parts)
