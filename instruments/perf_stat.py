"""``perf stat`` in front of the program: hardware and software events of the kernel, one process tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from instruments.commands import RunCommand, attempt
from instruments.perf_events import CORES, PerfEvent, known_events, perf_event
from instruments.protocol import Capabilities, Observation, PassContext, Probe
from lab.errors import HardwareError, UsageError
from lab.record.documents import Fault, Reading
from lab.record.formats import perf_stat as perf_format
from lab.record.quantity import Origin

SCOPE = "process tree"

USER_SCOPE = "process tree, user space only"
"""Where the kernel lets an ordinary user count no more than that, perf adds ``:u`` to the event."""

_PLAIN_LOCALE = ("env", "LC_ALL=C")
"""perf writes numbers, even in JSON, with the decimal sign of its locale."""


class PerfStat:
    """An :class:`~instruments.protocol.Instrument` that stands in front of the command line.

    ``core`` is one of :data:`instruments.perf_events.CORES`; ``slots`` the PMU's programmable counters (``None``: no
    limit is known); ``events`` the only events it offers (``None``: any). ``run`` starts a command on the board.
    """

    def __init__(
        self,
        name: str,
        *,
        core: str,
        run: RunCommand,
        slots: int | None = None,
        events: Sequence[str] | None = None,
    ) -> None:
        if core not in CORES:
            raise UsageError(f"no events are known for a core {core!r}", advice=f"known: {', '.join(CORES)}")
        self.name = name
        self._core = core
        self._run = run
        self._slots = slots
        self._only = None if events is None else tuple(events)
        self._context: PassContext | None = None
        self._wrapped = False

    def probe(self) -> Probe:
        """Count the task clock of ``true``."""
        argv = [*_PLAIN_LOCALE, "perf", "stat", "-x,", "-e", "task-clock", "--", "true"]
        status, _, errors = attempt(self._run, argv)
        if status == 0:
            counted = perf_format.find(perf_format.parse(errors).counts, "task-clock")
            if counted is not None and counted.value is not None:
                return Probe(present=True, detail="perf stat counts", facts=self._facts())
        return Probe(present=False, detail=_last_line(errors) or f"perf ended with {status}", advice=_advice(errors))

    def capabilities(self) -> Capabilities:
        """The events it may be asked for. Whether the machine has them shows when it is asked."""
        return Capabilities(
            measures=known_events(self._core) if self._only is None else self._only,
            origin=Origin.MEASURED,
            scope=SCOPE,
            clock="none",
            slots=self._slots,
        )

    def open(self) -> None:
        """Nothing to hold, but perf must be there."""
        probe = self.probe()
        if not probe.present:
            raise HardwareError(f"{self.name}: perf cannot count on this board: {probe.detail}", advice=probe.advice)

    def arm(self, context: PassContext) -> None:
        """Take the events of a pass."""
        self._context = context
        self._wrapped = False

    def start(self) -> None:
        """Nothing to do: perf starts with the program."""

    def wrap(self, argv: Sequence[str], workdir: str) -> list[str]:
        """The command under ``perf stat``; unchanged if the pass asks for none of its events."""
        if self._context is None or not self._events(self._context):
            return list(argv)
        self._wrapped = True
        events = ",".join(event.kernel_name for event in self._events(self._context))
        perf = ["perf", "stat", "-j", "-o", f"{workdir}/{perf_format.FILE_NAME}", "-e", events, "--"]
        return [*_PLAIN_LOCALE, *perf, *argv]

    def files(self) -> tuple[str, ...]:
        """perf's own output, if the command was wrapped."""
        return (perf_format.FILE_NAME,) if self._wrapped else ()

    def stop(self) -> Observation:
        """One reading per event: the count of the whole process tree, or none and why."""
        context, wrapped = self._context, self._wrapped
        self._context, self._wrapped = None, False
        if context is None or not wrapped:
            return Observation()
        path = context.output / perf_format.FILE_NAME
        read = _read(path)
        if isinstance(read, str):
            fault = Fault(
                pass_id=context.pass_id,
                attempt=context.attempt,
                source=self.name,
                code="output_unreadable",
                detail=read,
            )
            readings = [self._reading(context, event, None) for event in self._events(context)]
            return Observation(readings=tuple(readings), faults=(fault,))
        readings = [
            self._reading(context, event, perf_format.find(read.counts, event.kernel_name))
            for event in self._events(context)
        ]
        return Observation(readings=tuple(readings))

    def close(self) -> None:
        """Nothing to let go of."""
        self._context = None

    def _events(self, context: PassContext) -> list[PerfEvent]:
        asked = [name for name in context.events if self._only is None or name in self._only]
        return [perf_event(name, self._core) for name in asked]

    def _reading(self, context: PassContext, event: PerfEvent, count: perf_format.PerfCount | None) -> Reading:
        usable = count is not None and not count.reasons
        user_only = count is not None and count.event.endswith(":u") and not event.kernel_name.endswith(":u")
        details = {key: value for key, value in asdict(event).items() if value not in ("", None) and key != "name"}
        if count is not None:
            details |= {"printed": count.event, "running_pct": count.running_pct, "state": count.state.value}
        return Reading(
            pass_id=context.pass_id,
            attempt=context.attempt,
            instrument=self.name,
            name=event.name,
            value=count.value if usable and count is not None else None,
            unit=count.unit if count is not None else "1",
            scope=USER_SCOPE if user_only else SCOPE,
            reasons=count.reasons if count is not None else ("output_unreadable",),
            details=details,
        )

    def _facts(self) -> dict[str, str]:
        status, version, _ = attempt(self._run, ["perf", "--version"])
        _, paranoid, _ = attempt(self._run, ["cat", "/proc/sys/kernel/perf_event_paranoid"])
        return {
            "version": version.strip() if status == 0 else "unknown",
            "perf_event_paranoid": paranoid.strip() or "unknown",
        }


def _read(path: Path) -> perf_format.PerfStatFile | str:
    """The file's counts, or why there are none."""
    try:
        file = perf_format.parse(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        return f"{path.name}: {error.strerror}"
    if not file.counts:
        return f"{path.name}: " + ("; ".join(file.problems) or "it holds no counts")
    return file


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _advice(errors: str) -> str:
    said = errors.lower()
    if "perf_event_paranoid" in said or "permission" in said or "not permitted" in said:
        return "as root on the board: sysctl kernel.perf_event_paranoid=1"
    return "install perf on the board: Debian linux-perf, Ubuntu linux-tools-$(uname -r), Yocto perf"
