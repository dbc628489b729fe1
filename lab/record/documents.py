"""The documents of ``events.jsonl``: small facts, appended as they happen and never changed.

One document is one JSON object on one line. ``doc`` says which kind it is; the rest are the fields of the dataclass.
Bulk data (traces, program output) is pointed to by path, relative to the record's folder, never copied in.

A pass is *attempted*; documents between its ``PassBegin`` and ``PassEnd`` carry ``pass_id`` and ``attempt``. Those of
an attempt without a ``PassEnd`` belong to a process that died: readers leave them out, ``lab resume`` tries again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

JsonValue = Any
"""What ``json.loads`` returns; typed loosely because documents may carry free-form details."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What all documents share: ``t_utc``, ISO 8601 with microseconds, for people; never used to align data."""

    kind: ClassVar[str]
    t_utc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Document):
    """A process began (``resumed=False``) or took up again (``resumed=True``) this campaign."""

    kind: ClassVar[str] = "start"
    lab_version: str
    pid: int
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBegin(Document):
    """The first pass of a trial is about to start; the plan in the manifest has its factors."""

    kind: ClassVar[str] = "trial"
    trial_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassBegin(Document):
    """An attempt at a pass begins."""

    kind: ClassVar[str] = "pass_begin"
    pass_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRef:
    """Where a pass's raw trace lies and how to read it. ``path`` is relative to the record's folder.

    ``format`` is ``jls`` (channels ``current``, ``voltage``, optionally ``power``, ``gpi0``…), ``readings`` (values of
    a meter that is asked again and again, :mod:`lab.record.traces.readings`; then samples are nanoseconds) or
    ``energyrunner`` (a folder with the session's files). ``rate_hz`` is samples per second, ``samples`` the length of
    the longest channel, ``gaps`` half-open index ranges ``[first missing, first present again)`` on the trace's own
    clock.
    """

    instrument: str
    path: str
    format: str
    rate_hz: float
    samples: int
    gaps: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PassEnd(Document):
    """An attempt ended. ``state`` is ``done`` or ``failed``; a failed one has fault documents that say why.

    ``output`` is the folder (relative) with stdout.txt, stderr.txt and the instruments' files; ``exit_status`` is the
    program's (``None`` if none was started, negative for a signal); ``elapsed_s`` is board time, virtual on a simulated
    bench.
    """

    kind: ClassVar[str] = "pass_end"
    pass_id: str
    attempt: int
    state: str
    output: str | None = None
    traces: tuple[TraceRef, ...] = ()
    exit_status: int | None = None
    elapsed_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(Document):
    """An instant on a trace's own clock.

    ``sample`` is a fractional sample index into the trace of ``instrument``; ``u_samples`` the standard uncertainty of
    that index. ``name``: ``window_begin``, ``window_end``, ``warmup_begin``, ``warmup_end``, ``idle_before_begin``,
    ``idle_before_end``, ``idle_after_begin``, ``idle_after_end``. ``method``: ``gpio``, ``agent``, ``coded_load``,
    ``timestamps``. ``index`` counts windows where a pass has several.
    """

    kind: ClassVar[str] = "mark"
    pass_id: str
    attempt: int
    instrument: str
    name: str
    sample: float
    u_samples: float = 0.0
    method: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceClock(Document):
    """How the clock of a trace stands to the host's (:mod:`lab.record.host_clock`).

    ``anchors`` are pairs (fractional sample, host's nanoseconds) of one and the same instant, in rising order; each is
    right to ``bound_s`` either way. ``method`` says where they come from: ``same_clock``, ``utc``, ``arrival``.
    """

    kind: ClassVar[str] = "trace_clock"
    pass_id: str
    attempt: int
    instrument: str
    anchors: tuple[tuple[float, int], ...]
    bound_s: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockPings(Document):
    """Questions for the board's clock: (host's ns before, board's ns, host's ns after), in their order.

    ``phase`` is ``before`` or ``after`` the program. The board's clock is one that only counts
    (``CLOCK_MONOTONIC_RAW``), never the time of day.
    """

    kind: ClassVar[str] = "clock_pings"
    pass_id: str
    attempt: int
    phase: str
    pings: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Document):
    """One number an instrument or board gave directly (resource use, temperature, a published value).

    ``value`` is ``None`` with ``reasons`` when it was asked for and could not be had.
    """

    kind: ClassVar[str] = "reading"
    pass_id: str
    attempt: int
    instrument: str
    name: str
    value: float | None
    unit: str
    scope: str = ""
    reasons: tuple[str, ...] = ()
    index: int = 0
    details: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Document):
    """Something went wrong or is doubtful. ``code`` is one of :data:`lab.record.reasons.REASONS`."""

    kind: ClassVar[str] = "fault"
    pass_id: str | None
    attempt: int
    source: str
    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Document):
    """The process ended the campaign: ``state`` is ``complete``, ``partial`` or ``interrupted``."""

    kind: ClassVar[str] = "stop"
    state: str


_KINDS: dict[str, type[Document]] = {
    cls.kind: cls for cls in (Start, TrialBegin, PassBegin, PassEnd, Mark, TraceClock, ClockPings, Reading, Fault, Stop)
}

_FIELDS = {kind: frozenset(item.name for item in fields(cls)) for kind, cls in _KINDS.items()}


def to_json(document: Document) -> dict[str, JsonValue]:
    """The JSON object of a document."""
    return {"doc": document.kind, **asdict(document)}


def from_json(data: dict[str, JsonValue]) -> Document:
    """The document of a JSON object.

    Raises ``ValueError`` on an unknown kind, and on missing or unknown fields: a record that a newer lab wrote is
    refused with a reason, not half understood.
    """
    kind = data.get("doc") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"unknown document kind {kind!r}")
    cls = _KINDS[kind]
    values = {key: value for key, value in data.items() if key != "doc"}
    if unknown := sorted(values.keys() - _FIELDS[kind]):
        raise ValueError(f"{kind} document with unknown field {unknown[0]!r}")
    try:
        if "reasons" in values:
            values["reasons"] = tuple(values["reasons"])
        if "anchors" in values:
            values["anchors"] = tuple((float(sample), int(ns)) for sample, ns in values["anchors"])
        if "pings" in values:
            values["pings"] = tuple((int(sent), int(board), int(back)) for sent, board, back in values["pings"])
        if "traces" in values:
            values["traces"] = tuple(_trace_ref(item) for item in values["traces"])
        return cls(**values)
    except TypeError as error:
        raise ValueError(f"{kind} document: {error}") from error


def _trace_ref(data: dict[str, JsonValue]) -> TraceRef:
    gaps = tuple((int(first), int(last)) for first, last in data.get("gaps", ()))
    return TraceRef(**{**data, "gaps": gaps})
