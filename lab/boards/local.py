"""The board that is this very machine."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from instruments.protocol import Probe
from lab.boards import host_facts
from lab.boards.host_process import SHELL, HostProcess
from lab.boards.protocol import Command, CommandResult
from lab.errors import HardwareError
from lab.record.host_clock import host_ns
from lab.record.quantity import Origin


class LocalBoard:
    """Runs programs on this machine, each in a process group of its own, with files in a temporary folder.

    ``affinity`` are the CPUs that programs may use, all if ``None``; ``caches`` the sizes in bytes of ``l1d``, ``l2``
    and ``ram``, those of this machine where not given; ``root`` the folder below which the working folder is made,
    the system's temporary folder if ``None``.
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
    ) -> None:
        self.name = name
        self._affinity = None if affinity is None else frozenset(affinity)
        self._caches = dict(caches or {})
        self._parent = root
        self._root: Path | None = None

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
        description = host_facts.model() or "this machine"
        return Probe(True, f"{description}, {len(self._affinity or usable)} CPUs")

    def open(self) -> None:
        """Make the working folder. Raises :class:`HardwareError` if programs cannot be run here as asked."""
        if self._root is not None:
            return
        probe = self.probe()
        if not probe.present:
            raise HardwareError(f"board {self.name!r}: {probe.detail}", advice=probe.advice)
        self._root = Path(tempfile.mkdtemp(prefix="lab-", dir=self._parent))

    def close(self) -> None:
        """Remove the working folder. Idempotent."""
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    @property
    def caches(self) -> dict[str, int]:
        """Sizes in bytes of ``l1d``, ``l2`` and ``ram``, as far as they are known."""
        return {**host_facts.cache_sizes(), **self._caches}

    def fingerprint(self) -> dict[str, Any]:
        """What this machine is, and the CPUs that programs are held to."""
        return {
            "kind": "local",
            **host_facts.fingerprint(),
            "affinity": None if self._affinity is None else sorted(self._affinity),
        }

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """Nothing to do: a real machine brings its own variation."""

    def put(self, local: Path, remote: str) -> str:
        """Copy a file or folder into the working folder; ``remote`` is relative to it."""
        target = self._inside(remote)
        target.parent.mkdir(parents=True, exist_ok=True)
        if local.is_dir():
            shutil.copytree(local, target, dirs_exist_ok=True)
        else:
            shutil.copy2(local, target)
        return str(target)

    def fetch(self, remote: str, local: Path) -> None:
        """Copy a file of the working folder (relative to it, or in full). Raises ``FileNotFoundError``."""
        source = self._inside(remote)
        if not source.is_file():
            raise FileNotFoundError(source)
        shutil.copyfile(source, local)

    def make_workdir(self, name: str) -> str:
        """A fresh, empty folder; one of that name from before is removed."""
        folder = self._inside(name)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        return str(folder)

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Run a program to its end. Its standard input is empty and it speaks the C locale.

        All its descendants end with it, at the latest at the deadline. Raises :class:`HardwareError` if it cannot be
        started; a program that is not there gives exit status 127, as in a shell.
        """
        workdir = self._working_folder() if command.workdir is None else Path(command.workdir)
        if not workdir.is_dir():
            raise HardwareError(f"board {self.name!r}: the working folder {workdir} is not there")
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
        return CommandResult(ended.exit_status, ended.elapsed_s, ended.usage, ended.timed_out)

    def idle(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(max(0.0, seconds))

    def ping(self) -> tuple[int, int, int]:
        """Three readings of the one clock."""
        return host_ns(), host_ns(), host_ns()

    def _working_folder(self) -> Path:
        if self._root is None:
            raise HardwareError(f"board {self.name!r} is not open")
        return self._root

    def _inside(self, remote: str) -> Path:
        """The path of ``remote`` in the working folder. Raises ``ValueError`` if it points outside."""
        root = self._working_folder()
        path = Path(os.path.normpath(root / remote))
        if not path.is_relative_to(root) or path == root:
            raise ValueError(f"{remote!r} is not below the board's working folder")
        return path
