"""What a board is: where a program is put, started and watched, whatever the way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from instruments.protocol import EventCount, EventRequest, Probe
from lab.record.quantity import Origin


@dataclass(frozen=True, slots=True)
class Command:
    """A program to start on a board. ``deadline_s`` is in board time; the program and all its children end with it.

    ``events`` are what the board shall count itself, if it can (:class:`CountsEvents`). ``opens_window``: the program
    understands :data:`lab.record.window_gate.LAB_WINDOW`; a board that can open its window (a pin, counters) then waits
    for the program's word, and otherwise takes the whole program for the window. ``window_only`` counts inside it only.
    ``collect_later`` lets a board at the end of a link leave the output there until :meth:`CollectsLater.collect`.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    deadline_s: float | None = None
    events: tuple[EventRequest, ...] = ()
    opens_window: bool = False
    window_only: bool = False
    collect_later: bool = False


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program ended.

    ``usage`` holds what the operating system accounted to it (keys as in
    :meth:`instruments.protocol.WatchesProcess.finished`); ``exit_status`` is negative for a signal; ``timed_out`` is
    true if the deadline ended it. ``faults`` are (reason code, detail) pairs the board noticed itself, such as
    throttling.
    """

    exit_status: int
    elapsed_s: float
    usage: dict[str, float] = field(default_factory=dict)
    timed_out: bool = False
    faults: tuple[tuple[str, str], ...] = ()
    counts: tuple[EventCount, ...] = ()
    """What became of the command's ``events``, one for each, in their order."""


class Board(Protocol):
    """The device under test, and how a program is put on it and started."""

    name: str
    origin: Origin
    """What a value measured on this board is at best: ``measured`` for a real one."""

    def probe(self) -> Probe:
        """Is it there; if not, why and what to do. Never raises for an absent board."""
        ...

    def open(self) -> None:
        """Connect and make the working folder. Raises :class:`lab.errors.HardwareError` if it is not there."""
        ...

    def close(self) -> None:
        """Stop what was started, restore what was changed, remove the working folder. Idempotent."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """What it is: model, kernel, cores, caches, governors, memory, tools with versions. Goes into the manifest."""
        ...

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """A pass begins. A simulated board draws its pass-to-pass variation from ``seed``; a real one has nothing to
        do."""
        ...

    def put(self, local: Path, remote: str) -> str:
        """Copy a file or folder to ``remote`` (relative to the working folder); returns its full path on the board."""
        ...

    def fetch(self, remote: str, local: Path) -> None:
        """Copy a file from the board. Raises ``FileNotFoundError`` if it is not there."""
        ...

    def make_workdir(self, name: str) -> str:
        """A fresh, empty folder on the board for one pass; returns its full path."""
        ...

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Run a program to its end, its output going to the two local files as it comes."""
        ...

    def idle(self, seconds: float) -> None:
        """Let the board do nothing for a while."""
        ...


@runtime_checkable
class ComparesClock(Protocol):
    """A board whose clock can be compared with the host's (:mod:`lab.record.host_clock`), over a link that stays open:
    a process that is started for every question takes longer than any answer is worth."""

    def ping(self) -> tuple[int, int, int]:
        """Ask the board for its ``CLOCK_MONOTONIC_RAW`` once: (host's ns before, board's ns, host's ns after).

        Raises :class:`lab.errors.HardwareError` if the board does not answer.
        """
        ...


@runtime_checkable
class CollectsLater(Protocol):
    """A board from which output is brought here over a link: work for the board, which would show in the idle power
    that is recorded right after the program."""

    def collect(self) -> tuple[tuple[str, str], ...]:
        """Bring the output of the last command that was to be collected later to the files that it named, and look at
        the board: (reason code, detail) pairs of what befell it meanwhile."""
        ...


@runtime_checkable
class FetchesFolders(Protocol):
    """A board that hands over all that a program left in a folder."""

    def fetch_folder(self, remote: str, local: Path) -> None:
        """Copy the regular files of a folder, and of those in it, into ``local``, which is made. Links, sockets and
        the like stay behind. Raises ``FileNotFoundError`` if the folder is not there."""
        ...


@runtime_checkable
class Reconnects(Protocol):
    """A board at the end of a link that can break. Its methods then raise :class:`lab.errors.LinkLostError`."""

    def reconnect(self) -> None:
        """Try for a while to reach it again; stop whatever was left running there, and find the working folder as it
        was. Raises :class:`lab.errors.HardwareError` if it does not come back."""
        ...


@runtime_checkable
class RunsBinaries(Protocol):
    """A board for which programs are compiled."""

    @property
    def architecture(self) -> str:
        """As ``uname -m`` says it: ``aarch64``, ``armv7l``, ``x86_64`` … The board must be open."""
        ...


@runtime_checkable
class AnswersQuestions(Protocol):
    """A board that runs a short command on the side, without a pass around it."""

    def ask(self, argv: list[str]) -> tuple[int, str, str]:
        """As :data:`instruments.commands.RunCommand`. The board must be open."""
        ...


@runtime_checkable
class CountsEvents(Protocol):
    """A board that counts a command's ``events`` itself."""

    def can_count(self) -> Probe:
        """Can it; if not, why and what to do. The board must be open."""
        ...


@runtime_checkable
class Settles(Protocol):
    """A board that must come to rest before a trial: cool down, for one."""

    def settle(self) -> tuple[tuple[str, str], ...]:
        """Wait until it is ready, as long as the bench file allows; (reason code, detail) pairs of what is still not as
        it should be, which then befall the trial's passes."""
        ...


@runtime_checkable
class ChecksItself(Protocol):
    """A board that can say more of itself than whether it is there."""

    def checks(self) -> list[tuple[str, Probe]]:
        """What was looked at (governor, temperature, perf …) and what to change on the board. The board must be
        open."""
        ...


@runtime_checkable
class FlashesFirmware(Protocol):
    """A board whose only program is a firmware, which a campaign can replace."""

    def flash(self, image: Path) -> None:
        """Put a firmware on it and wait until it answers; one that is there already stays. The board must be open.
        Raises :class:`lab.errors.HardwareError`."""
        ...
