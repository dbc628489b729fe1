"""Reads what ``perf stat`` writes: JSON lines (``-j``) or separated values (``-x,``), whatever the state of each count.

A count that is missing is a state with a reason, never a zero. Rows that cannot be understood are kept as problems
with their line number; they do not make the other rows unreadable.

The layout is that of linux/tools/perf/Documentation/perf-stat.txt ("CSV FORMAT", "JSON FORMAT").
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

FILE_NAME, SEPARATED_FILE_NAME = "perf.json", "perf.csv"
"""What the file is called in a pass's output folder, by its layout."""

FULL_TIME_PCT = 100.0
"""A counter that was on the PMU for less than this share of the time gives an extrapolated count."""

SOFTWARE_EVENTS = frozenset(
    {
        "alignment-faults",
        "bpf-output",
        "cgroup-switches",
        "context-switches",
        "cpu-clock",
        "cpu-migrations",
        "cs",
        "dummy",
        "emulation-faults",
        "faults",
        "major-faults",
        "migrations",
        "minor-faults",
        "page-faults",
        "task-clock",
    }
)
"""Events that the kernel counts itself, without a PMU (perf-list(1), "software events"). Their zero is true."""

_TIME_UNITS_S = {"nsec": 1e-9, "ns": 1e-9, "usec": 1e-6, "msec": 1e-3, "sec": 1.0}


class CountState(StrEnum):
    """Whether a count can be used; each but the first is a reason code of the record."""

    COUNTED = "counted"
    NOT_SUPPORTED = "not_supported"
    NOT_COUNTED = "not_counted"
    MULTIPLEXED = "multiplexed"


@dataclass(frozen=True, slots=True)
class PerfCount:
    """One row: an event and its count.

    ``event`` is as perf printed it, with PMU and modifiers (``armv8_cortex_a53/l2d_cache_refill/``,
    ``instructions:u``). ``value`` is in ``unit``: ``1`` for counts, ``s`` for times; it is there for ``counted`` and
    for ``multiplexed`` (extrapolated by the kernel), and ``None`` otherwise. ``running_pct``
    is the share of the time that the event was on the PMU; perf says 100 also of events that are not supported.
    ``spread_pct`` is the relative standard deviation over repetitions (``-r``), and ``interval_s`` the row's instant
    when counts were printed at intervals (``-I``).
    """

    event: str
    state: CountState
    value: float | None
    unit: str
    running_pct: float | None = None
    runtime_ns: float | None = None
    spread_pct: float | None = None
    interval_s: float | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason codes why the count must not be used; none if it may."""
        return () if self.state is CountState.COUNTED else (self.state.value,)


@dataclass(frozen=True, slots=True)
class PerfStatFile:
    """All rows of a file in order, and what was not understood (``line N: why``)."""

    counts: tuple[PerfCount, ...]
    problems: tuple[str, ...] = ()


def parse(text: str, separator: str = ",") -> PerfStatFile:
    """Read a file of ``perf stat -j`` or ``-x SEPARATOR``; which of the two is seen from its rows.

    Never raises: what is not understood is among the problems, and a file without any row has no counts.
    """
    counts: list[PerfCount] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        row = line.strip()
        if not row or row.startswith("#"):
            continue
        try:
            count = _json_row(row) if row.startswith("{") else _separated_row(row, separator)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            continue
        if count is not None:
            counts.append(count)
    return PerfStatFile(tuple(counts), tuple(problems))


def find(counts: Iterable[PerfCount], event: str) -> PerfCount | None:
    """The count of one event, asked for by the name that perf was given; ``None`` if there is no such row.

    For files of totals (one row per event), not of intervals.

    A privilege modifier that perf added (``:u``) does not matter. Where an event has several rows, one per kind of
    core (``cpu_core/…/``, ``cpu_atom/…/``), the one that counted is taken if all others never ran; otherwise the
    counts are of a share of the time each, and the state is ``multiplexed``.
    """
    counts = list(counts)
    rows = [count for count in counts if count.event == event] or [
        count for count in counts if _matches(count.event, event)
    ]
    if not rows:
        return None
    rows = list({row.event: row for row in reversed(rows)}.values())[::-1]  # an event may have been asked for twice
    ran = [row for row in rows if row.state is not CountState.NOT_COUNTED]
    if len(ran) <= 1:
        return (ran or rows)[0]
    if all(row.state is CountState.NOT_SUPPORTED for row in ran):
        return ran[0]
    if any(row.state is CountState.NOT_SUPPORTED for row in ran):
        ran = [row for row in ran if row.state is not CountState.NOT_SUPPORTED]
        if len(ran) == 1:
            return ran[0]
    total = math.fsum(row.value for row in ran if row.value is not None)
    return replace(ran[0], event=event, state=CountState.MULTIPLEXED, value=total)


def _matches(printed: str, asked: str) -> bool:
    if printed == asked or _without_modifier(printed) == asked:
        return True
    # With several kinds of cores perf prints cpu_core/instructions/ for the event instructions, on Arm
    # armv8_cortex_a53/instructions/.
    inner = re.fullmatch(r"\w+/([^/]*)/([a-zA-Z]*)", printed)
    return inner is not None and asked in (inner[1], f"{inner[1]}:{inner[2]}")


def _without_modifier(event: str) -> str:
    return re.sub(r":[a-zA-Z]+$", "", event)


def _json_row(row: str) -> PerfCount | None:
    try:
        data = json.loads(row)
    except json.JSONDecodeError:
        # A locale with a decimal comma makes perf write numbers that are no JSON: "pcnt-running" : 100,00
        try:
            data = json.loads(re.sub(r"(:\s*-?\d+),(\d+)(?=\s*[,}])", r"\1.\2", row))
        except json.JSONDecodeError as error:
            raise ValueError(f"not a whole JSON row ({error.msg})") from error
    if "event" not in data:
        if "metric-value" in data:
            return None  # a further metric of the row before
        raise ValueError("a row without an event")
    return _count(
        event=data["event"],
        printed=data.get("counter-value"),
        unit=data.get("unit", ""),
        running=data.get("pcnt-running"),
        runtime=data.get("event-runtime"),
        spread=data.get("variance"),
        interval=data.get("interval"),
    )


_INSTANT = re.compile(r"\s*\d+\.\d{9}")
_VALUE = re.compile(r"\s*(<not (supported|counted)>|-?\d+([.,]\d+)?)\s*")


def _separated_row(row: str, separator: str) -> PerfCount:
    fields = _rejoined(row.split(separator), separator)
    interval: str | None = None
    # With -I the row begins with the instant: then the second field is a value too, where else the unit is.
    if len(fields) > 3 and _INSTANT.fullmatch(fields[0]) and _VALUE.fullmatch(fields[1]):
        interval, *fields = fields
    if len(fields) < 5:
        raise ValueError(f"{len(fields)} fields, expected value, unit, event, run time and share of the time")
    printed, unit, event, *rest = fields
    spread = rest.pop(0) if rest[0].endswith("%") else None
    if len(rest) < 2:
        raise ValueError("the row ends before the share of the time that the event was counted")
    return _count(
        event=event,
        printed=printed,
        unit=unit,
        running=rest[1],
        runtime=rest[0],
        spread=None if spread is None else spread.rstrip("%"),
        interval=interval,
    )


def _rejoined(fields: Sequence[str], separator: str) -> list[str]:
    """The fields with those of an event such as ``cpu/event=0x3c,umask=0x0/`` put together again."""
    joined: list[str] = []
    open_event = ""
    for field in fields:
        if open_event:
            open_event += separator + field
            if "/" in field:
                joined.append(open_event)
                open_event = ""
        elif len(joined) >= 2 and re.fullmatch(r"[\w.-]+/[^/]*", field):
            open_event = field
        else:
            joined.append(field)
    return [*joined, open_event] if open_event else joined


def _count(
    *, event: object, printed: object, unit: object, running: object, runtime: object, spread: object, interval: object
) -> PerfCount:
    if not isinstance(event, str) or not event.strip():
        raise ValueError("a row without an event's name")
    if not isinstance(unit, str):
        raise ValueError(f"{event}: the unit is {unit!r}")
    running_pct = _optional_number(running)
    scale_s = _TIME_UNITS_S.get(unit.strip())
    count = PerfCount(
        event=event.strip(),
        state=CountState.COUNTED,
        value=None,
        unit="1" if not unit.strip() else "s" if scale_s is not None else unit.strip(),
        running_pct=running_pct,
        runtime_ns=_optional_number(runtime),
        spread_pct=_optional_number(spread),
        interval_s=_optional_number(interval),
    )
    text = str(printed).strip()
    if text == "<not supported>":
        return replace(count, state=CountState.NOT_SUPPORTED)
    if text == "<not counted>":
        return replace(count, state=CountState.NOT_COUNTED)
    value = _number(text) * (1.0 if scale_s is None else scale_s)
    if value < 0:
        raise ValueError(f"{event}: a negative count ({text})")
    if running_pct is None:
        raise ValueError(f"{event}: no share of the time that it was counted")
    if running_pct == 0:
        return replace(count, state=CountState.NOT_COUNTED)
    state = CountState.MULTIPLEXED if running_pct < FULL_TIME_PCT else CountState.COUNTED
    return replace(count, state=state, value=value)


def _optional_number(printed: object) -> float | None:
    if printed is None or not str(printed).strip():
        return None
    return _number(str(printed))


def _number(printed: str) -> float:
    """A number that perf printed, as a string or not, with a decimal point or a decimal comma.

    Raises ``ValueError`` on anything else, and where a comma may as well separate thousands.
    """
    text = printed.strip()
    if re.fullmatch(r"-?\d+,\d+", text):
        if re.fullmatch(r"-?\d{1,3},\d{3}", text):
            raise ValueError(f"{text!r} can be read in two ways; perf must run with LC_ALL=C")
        text = text.replace(",", ".")
    # float() alone would also take 'nan', 'inf' and '1_000'.
    if not re.fullmatch(r"-?\d+(\.\d*)?([eE][-+]?\d+)?", text):
        raise ValueError(f"{printed!r} is not a number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{printed!r} is too large")
    return value
