"""Where the marks of a pass lie on one of its traces, whichever way they were found.

Everything is worked out here from what the record holds raw: the instrument's own marks, the marks that the program
wrote on the board's clock (:mod:`analysis.board_marks`), pings of that clock (:mod:`analysis.clock_fit`), anchors of
the trace's clock, the coded load's chips (:mod:`analysis.coded_load`). In this order of preference:

1. the instrument's own marks (``gpio``, or ``timestamps`` of a recorded session): they lie on the trace's clock;
2. ``agent``: the board's marks, over the clock fitted to its pings and the trace's anchors;
3. ``coded_load``: the board's marks, over the patterns found in the trace.

Where the bench file names methods, these alone are gone by. All that are at hand are worked out, and each checks the
first: a mark that two of them place further apart than their bounds together (and :data:`PIN_S` for a pin) makes the
pass ``alignment_disagrees``. A method that the bench names and that gives nothing leaves it ``alignment_unchecked``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from analysis.board_marks import BoardMark, BoardMarks, read_board_marks
from analysis.clock_fit import RATE_LIMIT, ClockFit, fit_clock
from analysis.coded_load import codes_in, find_codes
from analysis.energy import Trace
from analysis.trace_clock import TraceOnHost, trace_on_host
from analysis.uncertainty import rectangular
from analysis.windows import PER_EDGE_S
from lab.errors import DataError
from lab.record.documents import Mark, TraceRef
from lab.record.marks_file import HOST_MARKS_FILE, MARKS_FILE
from lab.record.reader import PassData, Record

OBSERVED = "observe"
"""The workload without a program: all of the trace is the window."""

GPIO, AGENT, CODED_LOAD = "gpio", "agent", "coded_load"

PIN_S = PER_EDGE_S
"""A pin written through the kernel may be this late on a loaded board."""

_WINDOW = "window_begin"
_IDLE = "idle_"
_PROGRAM = {"program_begin": "window_begin", "program_end": "window_end"}
_CODE = "code_"
_TRIED = 64
"""At so many marks at most the bound is worked out: it is a smooth function of time."""


@dataclass(frozen=True, slots=True)
class PlacedMarks:
    """The marks of a pass on the clock of one trace.

    ``bound_s`` is how far any of them may lie from the truth, all in the same direction (a common offset of two
    clocks); 0 where the marks lie on the trace's own clock. ``reasons`` are codes of what speaks against them,
    ``notes`` say for people how each way fared.
    """

    marks: tuple[Mark, ...]
    bound_s: float = 0.0
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def has_window(self) -> bool:
        """Is there a window among the marks?"""
        return any(mark.name == _WINDOW for mark in self.marks)


class _BoardOnTrace(Protocol):
    """The board's clock on a trace's, one way or another."""

    def sample(self, board_ns: int) -> float: ...
    def bound_s(self, board_ns: int) -> float: ...
    def change_s(self, span_s: float) -> float: ...


@dataclass(frozen=True, slots=True)
class _AgentClock:
    """The board's clock on the trace's over the host's."""

    board: ClockFit
    trace: TraceOnHost

    def sample(self, board_ns: int) -> float:
        return self.trace.sample(self.board.host_ns(board_ns))

    def bound_s(self, board_ns: int) -> float:
        return self.board.bound_s(board_ns) + self.trace.bound_s(self.board.host_ns(board_ns))

    def change_s(self, span_s: float) -> float:
        return span_s * self.board.drift_bound + self.trace.change_s(span_s)


@dataclass(frozen=True, slots=True)
class _HostClock:
    """The host's own clock on the trace's; each instant is open by ``open_s`` either way."""

    trace: TraceOnHost
    open_s: float

    def sample(self, board_ns: int) -> float:
        return self.trace.sample(board_ns)

    def bound_s(self, board_ns: int) -> float:
        return self.trace.bound_s(board_ns) + self.open_s

    def change_s(self, span_s: float) -> float:
        # How long it ran is known by a clock of this host: begin and end are off together.
        return self.trace.change_s(span_s) + RATE_LIMIT * span_s


def place_marks(record: Record, data: PassData, ref: TraceRef, trace: Trace | None) -> PlacedMarks:
    """The marks of a pass on the trace ``ref``; ``trace`` is it, open, or ``None`` where it is a trace of readings."""
    if record.manifest["workload"].get("kind") == OBSERVED:
        return PlacedMarks(whole_trace(data, ref))
    asked = _asked(record)
    own = PlacedMarks(_own_marks(data, ref, asked))
    placings = [own] if own.has_window else []
    notes: list[str] = []
    written: BoardMarks | None = None
    try:
        written = _written(record, data)
    except DataError as error:
        notes.append(str(error))
    for method in (AGENT, CODED_LOAD):
        if asked is not None and method not in asked:
            continue
        try:
            placed = _placed(method, record, data, ref, trace, written)
        except DataError as error:
            notes.append(f"{method}: {error}")
            continue
        if placed is not None and placed.has_window:
            placings.append(placed)
            notes.append(f"{method}: right to {1e3 * placed.bound_s:.3g} ms")
    if not placings:
        failed = ("alignment_failed",) if notes or (written is not None and written.marks) else ()
        return PlacedMarks(own.marks, reasons=failed, notes=tuple(notes))
    chosen, others = placings[0], placings[1:]
    reasons = []
    for other in others:
        if apart := _disagreement(chosen, other, ref.rate_hz):
            reasons.append("alignment_disagrees")
            notes.append(apart)
    if missing := set(asked or ()) - {_method(item) for item in placings}:
        reasons.append("alignment_unchecked")
        notes.append(f"asked for and not to be had: {', '.join(sorted(missing))}")
    marks = chosen.marks
    if chosen is not own:
        # Where the instrument itself saw the board idle lies on the trace's own clock.
        marks += tuple(mark for mark in own.marks if mark.name.startswith(_IDLE))
    return PlacedMarks(marks, chosen.bound_s, tuple(dict.fromkeys(reasons)), tuple(notes))


def whole_trace(data: PassData, ref: TraceRef) -> tuple[Mark, ...]:
    """Marks that make all of a trace its window; none for an empty one."""
    if not ref.samples:
        return ()
    return tuple(
        Mark(
            pass_id=data.pass_id,
            attempt=data.end.attempt,
            instrument=ref.instrument,
            name=f"window_{edge}",
            sample=sample,
            method="whole",
        )
        for edge, sample in (("begin", 0.0), ("end", float(ref.samples)))
    )


def _own_marks(data: PassData, ref: TraceRef, asked: Collection[str] | None) -> tuple[Mark, ...]:
    """The instrument's own marks, without those of logic inputs where the bench does not go by them."""
    left_out = GPIO if asked is not None and GPIO not in asked else None
    return tuple(mark for mark in data.marks if mark.instrument == ref.instrument and mark.method != left_out)


def _placed(
    method: str, record: Record, data: PassData, ref: TraceRef, trace: Trace | None, written: BoardMarks | None
) -> PlacedMarks | None:
    """The marks by one way, ``None`` where nothing was recorded for it. Raises :class:`DataError` where that is not
    enough, or makes no sense."""
    if method == CODED_LOAD:
        codes = [] if written is None else codes_in(written)
        if written is None or not codes:
            return None
        if trace is None:
            raise DataError("a trace of readings is too slow for a coded load")
        return _on_trace(written.marks, find_codes(trace, codes, ref.gaps), method, record, data, ref)
    if written is not None and data.pings:
        host = trace_on_host(record, data, ref)
        board = fit_clock(batch.pings for batch in data.pings)
        placed = _on_trace(written.marks, _AgentClock(board, host), method, record, data, ref)
        if placed.has_window:
            return placed
    return _by_host(record, data, ref)


def _by_host(record: Record, data: PassData, ref: TraceRef) -> PlacedMarks | None:
    """The program's begin and end as the lab itself saw them, for programs that are measured as a whole."""
    path = _output_file(record, data, HOST_MARKS_FILE)
    if path is None or data.end.elapsed_s is None or not _per_process(record):
        return None
    instants = {mark.name: mark.ns for mark in read_board_marks(path).marks}
    if not _PROGRAM.keys() <= instants.keys():
        return None
    asked, told = instants["program_begin"], instants["program_end"]
    # The lab asked before the program began and was told after it ended; in between it ran for elapsed_s.
    around_ns = max(told - asked - round(1e9 * data.end.elapsed_s), 0)
    marks = (
        BoardMark("program_begin", asked + around_ns // 2, 0),
        BoardMark("program_end", told - around_ns // 2, 0),
    )
    clock = _HostClock(trace_on_host(record, data, ref), 0.5e-9 * around_ns)
    return _on_trace(marks, clock, AGENT, record, data, ref)


def _on_trace(
    written: Sequence[BoardMark], clock: _BoardOnTrace, method: str, record: Record, data: PassData, ref: TraceRef
) -> PlacedMarks:
    """Marks of a board on a trace. What all of them may be off by is the bound; what the error may change by from the
    first to the last of a window is each mark's own uncertainty."""
    marks = [mark for mark in written if not mark.name.startswith(_CODE)]
    if _per_process(record) and not any(mark.name == _WINDOW for mark in marks):
        marks = [BoardMark(_PROGRAM.get(mark.name, mark.name), mark.ns, mark.index) for mark in marks]
    if not marks:
        return PlacedMarks(())
    within = [mark for mark in marks if mark.name.startswith(("window_", "warmup_"))] or marks
    span_s = (within[-1].ns - within[0].ns) * 1e-9
    u_samples = rectangular(clock.change_s(span_s) / 2.0) * ref.rate_hz
    return PlacedMarks(
        tuple(
            Mark(
                pass_id=data.pass_id,
                attempt=data.end.attempt,
                instrument=ref.instrument,
                name=mark.name,
                sample=clock.sample(mark.ns),
                u_samples=u_samples,
                method=method,
                index=mark.index,
            )
            for mark in marks
        ),
        bound_s=max(clock.bound_s(mark.ns) for mark in (*within[:: len(within) // _TRIED + 1], within[-1])),
    )


def _disagreement(chosen: PlacedMarks, other: PlacedMarks, rate_hz: float) -> str:
    """What two placings say of the worst mark that both have, if they lie too far apart; empty if they agree."""
    theirs = {(mark.name, mark.index): mark for mark in other.marks}
    worst_s, text = 0.0, ""
    for mark in chosen.marks:
        twin = theirs.get((mark.name, mark.index))
        if twin is None:
            continue
        apart_s = abs(mark.sample - twin.sample) / rate_hz
        edges_s = 4.0 * math.hypot(mark.u_samples, twin.u_samples) / rate_hz
        pin_s = PIN_S if mark.method not in (AGENT, CODED_LOAD) else 0.0
        allowed_s = chosen.bound_s + other.bound_s + edges_s + pin_s
        if apart_s - allowed_s > worst_s:
            worst_s = apart_s - allowed_s
            text = (
                f"{mark.name} {mark.index}: {mark.method} and {twin.method} lie {1e3 * apart_s:.3g} ms apart, "
                f"{1e3 * allowed_s:.3g} ms are allowed"
            )
    return text


def _method(placed: PlacedMarks) -> str:
    return next((mark.method for mark in placed.marks if mark.name == _WINDOW), "")


def _asked(record: Record) -> tuple[str, ...] | None:
    """The ways that the bench file names; ``None`` where it leaves that open, and whatever is at hand goes."""
    alignment: Mapping[str, Any] | None = _resolved(record, "bench").get("alignment")
    return None if alignment is None else tuple(alignment.get("methods") or ())


def _per_process(record: Record) -> bool:
    workload: Mapping[str, Any] = _resolved(record, "experiment").get("workload") or {}
    return workload.get("per") == "process"


def _resolved(record: Record, part: str) -> Mapping[str, Any]:
    found = (record.manifest.get(part) or {}).get("resolved")
    return found if isinstance(found, dict) else {}


def _written(record: Record, data: PassData) -> BoardMarks | None:
    path = _output_file(record, data, MARKS_FILE)
    return None if path is None else read_board_marks(path)


def _output_file(record: Record, data: PassData, name: str) -> Path | None:
    """A file of the pass's output, ``None`` if it is not there."""
    if data.end.output is None:
        return None
    path = record.path(data.end.output) / name
    return path if path.is_file() else None
