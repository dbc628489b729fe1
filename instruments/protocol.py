"""What an instrument is: small protocols, composed, not a class tree.

An instrument is opened once per campaign and held; each pass it takes part in goes ``arm`` → ``start`` → (the
program runs) → ``stop``. ``stop`` returns everything the instrument has to say about the pass as documents. An
instrument that cannot do its work says so in a :class:`~lab.record.documents.Fault`; only what makes the whole
campaign pointless is raised (:class:`lab.errors.HardwareError`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lab.record.documents import Fault, Mark, Reading, TraceClock, TraceRef
from lab.record.quantity import Origin


@dataclass(frozen=True, slots=True)
class Probe:
    """The outcome of a real attempt to read from an instrument, a board or a tool."""

    present: bool
    detail: str
    """What was found, or why it is not there."""
    advice: str = ""
    """What to do about it, if it is not there."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Serial numbers, firmware, versions: copied into the manifest."""


@dataclass(frozen=True, slots=True)
class RangeAccuracy:
    """Limits of error (rectangular, half-width) of one measuring range.

    ``gain_i``, ``gain_v`` are relative; ``offset_i_a`` in ampere, ``offset_v_v`` in volt; ``full_scale_a`` is the
    range's end.
    """

    full_scale_a: float
    gain_i: float
    offset_i_a: float
    gain_v: float
    offset_v_v: float


@dataclass(frozen=True, slots=True)
class PowerAccuracy:
    """Limits of error (rectangular, half-width) of a meter that gives power or energy and no current and voltage.

    ``gain_p`` is relative, ``offset_p_w`` in watt.
    """

    gain_p: float
    offset_p_w: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """An instrument's limits of error, and where the figures come from.

    ``source`` is ``datasheet``, ``calibration`` or ``placeholder``; with a placeholder no expanded uncertainty is
    claimed.
    """

    ranges: dict[str, RangeAccuracy]
    timebase_ppm: float
    source: str
    date: str = ""
    note: str = ""
    power: PowerAccuracy | None = None
    """For a meter that gives power or energy alone; ``ranges`` are then empty."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an instrument measures and what it only assumes.

    ``measures``: any of ``voltage``, ``current``, ``power``, ``energy``, ``logic`` (then it is a power meter) and the
    lab names of events and resources (``instructions``, ``page-faults``, ``elapsed_s`` …).
    ``slots``: how many events it counts at once without multiplexing; ``None`` means no limit.
    """

    measures: tuple[str, ...]
    origin: Origin
    scope: str
    rate_hz: float | None = None
    update_period_s: float | None = None
    accuracy: Accuracy | None = None
    assumes: tuple[str, ...] = ()
    clock: str = ""
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class PassContext:
    """What an instrument is told about the pass it is armed for.

    ``output`` is the pass's output folder (it exists), ``record_root`` the record's folder; paths that go into
    documents are relative to the latter. ``trace`` is a free file path in ``traces/`` without suffix. ``seed`` is
    derived from the campaign's seed and the pass's id, so that a simulated instrument gives the same samples on
    resume. ``events`` are the lab names a counter instrument shall count in this pass.
    """

    pass_id: str
    attempt: int
    seed: int
    record_root: Path
    output: Path
    trace: Path
    events: tuple[str, ...] = ()
    session: Path | None = None
    """The recorded session to replay, for replaying instruments."""
    session_inferences: int | None = None
    """How many inferences the session's windows hold, where the experiment says so."""
    window_only: bool = False
    """Count only while the program has its window open (:data:`lab.record.window_gate.LAB_WINDOW`)."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything an instrument has to say about one pass."""

    traces: tuple[TraceRef, ...] = ()
    marks: tuple[Mark, ...] = ()
    readings: tuple[Reading, ...] = ()
    faults: tuple[Fault, ...] = ()
    clocks: tuple[TraceClock, ...] = ()
    """How the traces' clocks stand to the host's, where the instrument can tell."""


@runtime_checkable
class Instrument(Protocol):
    """A source of samples, counts or marks."""

    name: str
    """Its name in the bench file."""

    def probe(self) -> Probe:
        """Try to read from it: is it there, and if not, why and what to do. Never raises for an absent device."""
        ...

    def capabilities(self) -> Capabilities:
        """What it measures, with which rate, accuracy and origin."""
        ...

    def open(self) -> None:
        """Take hold of the device. Idempotent. Raises :class:`lab.errors.HardwareError` if it is not there."""
        ...

    def arm(self, context: PassContext) -> None:
        """Get ready for a pass; nothing is recorded yet."""
        ...

    def start(self) -> None:
        """Begin to record."""
        ...

    def stop(self) -> Observation:
        """End recording and give what was seen. Called also after the program failed or was interrupted."""
        ...

    def close(self) -> None:
        """Restore what ``open`` changed and let go. Idempotent."""
        ...


@runtime_checkable
class WrapsCommand(Protocol):
    """An instrument that watches by standing in front of the program's command line (perf, cachegrind)."""

    def wrap(self, argv: Sequence[str], workdir: str) -> list[str]:
        """The command line that runs ``argv`` under this instrument, its own files going below ``workdir``.

        ``workdir`` is a folder on the *board*; the runner fetches :meth:`files` from there after the run, into the
        pass's output folder, before ``stop`` is called.
        """
        ...

    def files(self) -> tuple[str, ...]:
        """Names (relative to ``workdir``) of the files that the wrapped command leaves."""
        ...


@dataclass(frozen=True, slots=True)
class EventRequest:
    """One event for ``perf_event_open(2)`` on the board. ``pmu`` is the kernel's name of the counting unit (a folder of
    ``/sys/bus/event_source/devices``), or ``hardware``, ``software``, ``hw_cache``, ``raw`` for the kernel's fixed
    types; ``config`` as that unit wants it. Events of one ``group`` are on the PMU together or not at all."""

    name: str
    pmu: str
    config: int
    group: int = 0
    user: bool = True
    kernel: bool = True


@dataclass(frozen=True, slots=True)
class EventCount:
    """What became of a request: the count of the program and all its descendants, and for how long of the time it was
    enabled the event really ran on the PMU. ``value`` is ``None`` with the kernel's ``error`` (``ENOENT`` …) if it
    could not be counted."""

    name: str
    value: int | None
    enabled_ns: int = 0
    running_ns: int = 0
    error: str = ""
    user_only: bool = False
    """The kernel's part was asked for and is not permitted."""


@runtime_checkable
class CountsOnBoard(Protocol):
    """An instrument whose events the board itself counts while it runs the program (the agent, where no perf is)."""

    def requests(self) -> tuple[EventRequest, ...]:
        """The events of the pass it is armed for; empty if something else counts them."""
        ...

    def counted(self, counts: Sequence[EventCount]) -> None:
        """Take the counts of the ended program, one for each request."""
        ...


@runtime_checkable
class WatchesProcess(Protocol):
    """An instrument that reads what the operating system accounted to the program (resource use)."""

    def finished(self, usage: dict[str, float]) -> None:
        """Take the usage of the ended process: ``elapsed_s``, ``user_s``, ``system_s``, ``peak_rss_bytes``,
        ``minor_faults``, ``major_faults``, ``voluntary_switches``, ``involuntary_switches``; any may be absent."""
        ...


@dataclass(frozen=True, slots=True)
class LiveReading:
    """What a power meter saw since it was asked last: means over ``duration_s``, the extremes of power, the energy.

    What the meter does not give is ``None``; nothing at all was seen if ``duration_s`` is 0. ``faults`` are (reason
    code, detail) pairs.
    """

    duration_s: float
    power_w: float | None = None
    power_min_w: float | None = None
    power_max_w: float | None = None
    voltage_v: float | None = None
    current_a: float | None = None
    energy_j: float | None = None
    faults: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class ShowsLive(Protocol):
    """A power meter that can be watched without recording. It must be open, and no pass may be under way."""

    def begin_live(self) -> None:
        """Begin to measure. Raises :class:`lab.errors.HardwareError` if the meter does not answer."""
        ...

    def take_live(self) -> LiveReading:
        """What was seen since the last call (or since :meth:`begin_live`). Never waits for more."""
        ...

    def end_live(self) -> None:
        """Stop measuring. Idempotent."""
        ...


def is_power_meter(capabilities: Capabilities) -> bool:
    """True if the instrument gives energy: power samples, an energy counter, or voltage and current."""
    return bool({"power", "energy", "current"} & set(capabilities.measures))
