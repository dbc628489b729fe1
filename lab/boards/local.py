"""The board that is this very machine."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from instruments.commands import run_here
from instruments.protocol import Probe
from lab.boards.host_folder import HostFolder
from lab.boards.host_process import SHELL, HostProcess
from lab.boards.protocol import Command, CommandResult
from lab.boards.state.board_state import BoardState
from lab.boards.state.settings import StateSettings
from lab.errors import HardwareError
from lab.record.host_clock import host_ns
from lab.record.quantity import Origin


class LocalBoard:
    """Runs programs on this machine, each in a process group of its own, with files in a temporary folder.

    ``affinity`` are the CPUs that programs may use, all if ``None``; ``caches`` the sizes in bytes of ``l1d``, ``l2``
    and ``ram``, those of this machine where not given; ``root`` the folder below which the working folder is made,
    the system's temporary folder if ``None``; ``state`` what the machine shall be like while it is measured.
    """

    origin = Origin.MEASURED
    shares_files = True
    """Paths of the lab are paths on this board: nothing needs to be copied."""
    shares_clock = True
    """The lab's clock is this board's clock."""

    def __init__(
        self,
        name: str,
        *,
        affinity: Sequence[int] | None = None,
        caches: Mapping[str, int] | None = None,
        root: Path | None = None,
        state: StateSettings | None = None,
    ) -> None:
        self.name = name
        self._affinity = None if affinity is None else frozenset(affinity)
        self._caches = dict(caches or {})
        self._folder = HostFolder(name, root)
        self._opened = False
        cpus = None if self._affinity is None else tuple(sorted(self._affinity))
        settings = replace(state or StateSettings(), cpus=cpus, workdir=str(root or tempfile.gettempdir()))
        self._state = BoardState(_run_here, settings, name=name)

    def probe(self) -> Probe:
        """Present on Linux, if the CPUs that are asked for are there."""
        if sys.platform != "linux":
            return Probe(False, f"this is {sys.platform}", "programs are run here on Linux only")
        if not Path(SHELL).exists() or not Path("/proc/self/stat").exists():
            return Probe(False, f"{SHELL} or /proc is missing", f"programs are started through {SHELL} and /proc")
        usable = os.sched_getaffinity(0)
        if self._affinity is not None and not self._affinity <= usable:
            absent = ", ".join(str(cpu) for cpu in sorted(self._affinity - usable))
            there = ", ".join(str(cpu) for cpu in sorted(usable))
            return Probe(False, f"no CPU {absent} to run on", f"set the board's affinity to some of: {there}")
        try:
            description = self._state.model() or "this machine"
        except HardwareError as error:
            return Probe(False, error.message, error.advice or "")
        return Probe(True, f"{description}, {len(self._affinity or usable)} CPUs")

    def open(self) -> None:
        """Make the working folder and set governor and clock as asked.

        Raises :class:`HardwareError` if programs cannot be run here as asked; then nothing is changed.
        """
        if self._opened:
            return
        probe = self.probe()
        if not probe.present:
            raise HardwareError(f"board {self.name!r}: {probe.detail}", advice=probe.advice)
        self._folder.make()
        try:
            self._state.prepare()
        except BaseException:
            self._folder.remove()
            raise
        self._opened = True

    def close(self) -> None:
        """Set governor and clock back and remove the working folder. Idempotent.

        Raises :class:`HardwareError` if they cannot be set back.
        """
        self._opened = False
        try:
            self._state.restore()
        finally:
            self._folder.remove()

    @property
    def caches(self) -> dict[str, int]:
        """Sizes in bytes of ``l1d``, ``l2`` and ``ram``, as far as they are known."""
        return {**self._state.cache_sizes(), **self._caches}

    def fingerprint(self) -> dict[str, Any]:
        """What this machine is, and the CPUs that programs are held to."""
        return {
            "kind": "local",
            **self._state.fingerprint(),
            "affinity": None if self._affinity is None else sorted(self._affinity),
        }

    def settle(self) -> tuple[tuple[str, str], ...]:
        """Wait until this machine is as cool as the bench asks for."""
        return self._state.settle()

    def checks(self) -> list[tuple[str, Probe]]:
        """What about this machine would disturb a measurement."""
        return self._state.checks()

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """Nothing to do: a real machine brings its own variation."""

    def put(self, local: Path, remote: str) -> str:
        """Copy a file or folder into the working folder; ``remote`` is relative to it."""
        return self._folder.put(local, remote)

    def fetch(self, remote: str, local: Path) -> None:
        """Copy a file of the working folder (relative to it, or in full). Raises ``FileNotFoundError``."""
        self._folder.fetch(remote, local)

    def fetch_folder(self, remote: str, local: Path) -> None:
        """Copy a folder's files here. Raises ``FileNotFoundError`` if it is not there."""
        self._folder.fetch_folder(remote, local)

    def make_workdir(self, name: str) -> str:
        """A fresh, empty folder; one of that name from before is removed."""
        return self._folder.make_workdir(name)

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Run a program to its end. Its standard input is empty and it speaks the C locale.

        All its descendants end with it, at the latest at the deadline. Raises :class:`HardwareError` if it cannot be
        started; a program that is not there gives exit status 127, as in a shell.
        """
        workdir = self._folder.path if command.workdir is None else Path(command.workdir)
        if not workdir.is_dir():
            raise HardwareError(f"board {self.name!r}: the working folder {workdir} is not there")
        self._state.begin_run()
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = HostProcess(
                command.argv,
                env={**os.environ, "LC_ALL": "C", **command.env},
                workdir=workdir,
                stdout=out,
                stderr=err,
                affinity=self._affinity,
            )
            ended = process.wait(command.deadline_s)
        faults = self._state.end_run()
        return CommandResult(ended.exit_status, ended.elapsed_s, ended.usage, ended.timed_out, faults)

    def idle(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(max(0.0, seconds))

    def ping(self) -> tuple[int, int, int]:
        """Three readings of the one clock."""
        return host_ns(), host_ns(), host_ns()


def _run_here(argv: list[str]) -> tuple[int, str, str]:
    """A :data:`~instruments.commands.RunCommand` that finds the shell under any PATH."""
    return run_here([SHELL, *argv[1:]] if argv[0] == "sh" else argv)
