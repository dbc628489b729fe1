"""``perf stat`` in front of the program: its command line, what it can do on a board, and what it counted.

perf ends with the status of the program it runs, except when that program ends before perf begins to wait for it: a
signal handler then forgets the program's number, and perf says 0 (builtin-stat.c, ``skip_signal``; seen with perf 5.10,
6.1 and 6.12, a few times in a hundred for ``sh -c 'exit 3'`` on a busy machine). A perf that listens to a control
channel waits in another way, which loses nothing. So it is given one wherever it can use it, also where nobody will
ever write to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instruments.commands import RunCommand, attempt
from instruments.counters.counted import Counted
from instruments.counters.events import CounterEvent, is_generic
from instruments.protocol import Probe
from lab.record.formats import perf_stat as perf_format
from lab.record.formats.perf_stat import CountState
from lab.record.window_gate import LAB_WINDOW

_PLAIN_LOCALE = ("env", "LC_ALL=C")
"""perf writes numbers, even in JSON, with the decimal sign of its locale."""

_CONTROL, _ACKNOWLEDGE = "perf.control", "perf.acknowledge"
"""Named pipes in the working folder. Not those of the board's own window: both may be there at once."""

_TRY = ("perf", "stat")
_CLOCK_OF_TRUE = ("-e", "task-clock", "--", "true")
_WITH_PIPES = 'mkfifo "$1" "$2" && shift 2 && exec "$@"'
_TRY_CONTROL = (
    'd=$(mktemp -d) && mkfifo "$d/c" "$d/a" && '
    'LC_ALL=C perf stat -x, -e task-clock --control "fifo:$d/c,$d/a" -- true; s=$?; rm -rf "$d"; exit $s'
)

INSTALL = "install perf on the board: Debian linux-perf, Ubuntu linux-tools-$(uname -r), Yocto perf"
PERMIT = "as root on the board: sysctl kernel.perf_event_paranoid=1"


@dataclass(frozen=True, slots=True)
class PerfAbilities:
    """What a board's perf can do. ``json``: Linux 6.0 and newer; ``control``: 5.10 and newer, and pipes can be made."""

    json: bool = True
    control: bool = False

    @property
    def file_name(self) -> str:
        """What its output is called."""
        return perf_format.FILE_NAME if self.json else perf_format.SEPARATED_FILE_NAME


class PerfStat:
    """``perf stat`` on one board; ``run`` starts a command there."""

    def __init__(self, run: RunCommand) -> None:
        self._run = run
        self.abilities = PerfAbilities()
        self._refused: dict[str, bool] = {}

    def probe(self) -> Probe:
        """Count the task clock of ``true``, and see which of its newer options this perf has."""
        status, _, errors = attempt(self._run, [*_PLAIN_LOCALE, *_TRY, "-x,", *_CLOCK_OF_TRUE])
        if status != 0 or not _counted(errors):
            return Probe(
                present=False, detail=_last_line(errors) or f"perf ended with {status}", advice=_advice(errors)
            )
        self.abilities = PerfAbilities(self._has_json(), self._has_control())
        facts = self._facts()
        lost = "" if self.abilities.control else "; without --control it may lose a program's exit status"
        return Probe(present=True, detail=f"{facts['version']} counts{lost}", facts=facts)

    def command(
        self, argv: Sequence[str], workdir: str, events: Sequence[CounterEvent], window_only: bool
    ) -> list[str]:
        """``argv`` under perf, its files going below ``workdir`` on the board.

        With ``window_only`` perf counts nothing until the program says so, through :data:`LAB_WINDOW`.
        """
        control, acknowledge = f"{workdir}/{_CONTROL}", f"{workdir}/{_ACKNOWLEDGE}"
        names = ",".join(event.kernel_name for event in events)
        layout = "-j" if self.abilities.json else "-x,"
        perf = [*_PLAIN_LOCALE, "perf", "stat", layout, "-o", f"{workdir}/{self.abilities.file_name}", "-e", names]
        if not self.abilities.control:
            return [*perf, "--", *argv]
        perf += ["--control", f"fifo:{control},{acknowledge}"]
        if window_only:
            perf += ["-D", "-1"]
            argv = ["env", f"{LAB_WINDOW}={control},{acknowledge}", *argv]
        return ["sh", "-c", _WITH_PIPES, "sh", control, acknowledge, *perf, "--", *argv]

    def refused(self, events: Sequence[CounterEvent]) -> set[str]:
        """Names of those events that this perf does not understand: one of them would keep it from counting any.

        The board is asked once for each name that not every perf knows.
        """
        unsure = [event for event in events if not is_generic(event.name) and event.kernel_name not in self._refused]
        if unsure and self._understands(*unsure):
            self._refused |= {event.kernel_name: False for event in unsure}
        else:
            self._refused |= {event.kernel_name: not self._understands(event) for event in unsure}
        return {event.name for event in events if self._refused.get(event.kernel_name, False)}

    def read(self, path: Path, events: Sequence[CounterEvent]) -> list[Counted] | str:
        """The counts of a finished pass, one for each event; or why there are none."""
        try:
            file = perf_format.parse(path.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            return f"{path.name}: {error.strerror}"
        if not file.counts:
            return f"{path.name}: " + ("; ".join(file.problems) or "it holds no counts")
        return [_counted_as(event, perf_format.find(file.counts, event.kernel_name)) for event in events]

    def count_here(self, argv: Sequence[str], events: Sequence[CounterEvent]) -> list[Counted] | str:
        """Count a short command at once, outside any pass: one count for each event, in order, or why there are none.

        The same event may be there several times: each takes a counter, and perf prints them in the order asked for.
        """
        names = ",".join(event.kernel_name for event in events)
        status, _, errors = attempt(self._run, [*_PLAIN_LOCALE, *_TRY, "-x,", "-e", names, "--", *argv])
        counts = perf_format.parse(errors).counts
        if status != 0 or len(counts) != len(events):
            return _last_line(errors) or f"perf ended with {status}"
        return [_counted_as(event, count) for event, count in zip(events, counts, strict=True)]

    def _understands(self, *events: CounterEvent) -> bool:
        names = ",".join(event.kernel_name for event in events)
        status, _, _ = attempt(self._run, [*_PLAIN_LOCALE, *_TRY, "-x,", "-e", names, "--", "true"])
        return status == 0

    def _has_json(self) -> bool:
        status, _, errors = attempt(self._run, [*_PLAIN_LOCALE, *_TRY, "-j", *_CLOCK_OF_TRUE])
        return status == 0 and errors.lstrip().startswith("{") and _counted(errors)

    def _has_control(self) -> bool:
        status, _, errors = attempt(self._run, ["sh", "-c", _TRY_CONTROL])
        return status == 0 and _counted(errors)

    def _facts(self) -> dict[str, str]:
        status, version, _ = attempt(self._run, ["perf", "--version"])
        _, paranoid, _ = attempt(self._run, ["cat", "/proc/sys/kernel/perf_event_paranoid"])
        return {
            "version": version.strip() if status == 0 and version.strip() else "perf of an unknown version",
            "perf_event_paranoid": paranoid.strip() or "unknown",
            "output": "JSON" if self.abilities.json else "separated values",
            "control": "yes" if self.abilities.control else "no",
        }


def _counted_as(event: CounterEvent, count: perf_format.PerfCount | None) -> Counted:
    if count is None:
        return Counted(event, CountState.NOT_COUNTED, error="no row of perf's names it")
    modifiers = re.search(r"[:/]([a-zA-Z]*)$", count.event)
    privilege = "" if modifiers is None else modifiers[1]
    return Counted(
        event,
        count.state,
        count.value,
        count.unit,
        count.running_pct,
        count.runtime_ns,
        printed=count.event,
        user_only=event.kernel and "u" in privilege and "k" not in privilege,
    )


def _counted(errors: str) -> bool:
    """Did perf, on its standard error, count the task clock?"""
    counted = perf_format.find(perf_format.parse(errors).counts, "task-clock")
    return counted is not None and counted.value is not None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _advice(errors: str) -> str:
    said = errors.lower()
    if "perf_event_paranoid" in said or "permission" in said or "not permitted" in said:
        return PERMIT
    return INSTALL
