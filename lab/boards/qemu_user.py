"""A board that is this machine and yet is not: it runs another architecture's programs under QEMU's user mode emulator.

The program is the target's own, the kernel, its clock and its files are this machine's. What it gives is ``emulated``.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from instruments.commands import run_here
from instruments.protocol import Probe
from instruments.tcg.emulator import Emulator
from lab.boards.local import LocalBoard
from lab.boards.protocol import Command, CommandResult
from lab.errors import HardwareError
from lab.record.quantity import Origin

_LOGIN = {
    "HOME": "/",
    "LC_ALL": "C",
    "LOGNAME": "root",
    "PATH": "/usr/bin:/bin",
    "PWD": "/",
    "SHELL": "/bin/sh",
    "SHLVL": "1",
    "USER": "root",
}


class QemuUserBoard:
    """Runs programs of the emulator's architecture; those of this machine (a shell, perf) run as they are.

    ``caches`` are sizes in bytes of ``l1d``, ``l2`` and ``ram`` of the machine it stands for; nothing is known of them
    otherwise. ``affinity`` and ``root`` as for :class:`~lab.boards.local.LocalBoard`.
    """

    origin = Origin.EMULATED
    shares_files = True
    """Paths of the lab are paths on this board: nothing needs to be copied."""

    def __init__(
        self,
        name: str,
        emulator: Emulator,
        *,
        affinity: Sequence[int] | None = None,
        caches: Mapping[str, int] | None = None,
        root: Path | None = None,
    ) -> None:
        self.name = name
        self._emulator = emulator
        self._caches = dict(caches or {})
        self._host = LocalBoard(name, affinity=affinity, root=root)

    @property
    def architecture(self) -> str:
        """Programs are compiled for this one."""
        return self._emulator.architecture

    @property
    def caches(self) -> dict[str, int]:
        """Those of the machine it stands for, as far as they were given."""
        return dict(self._caches)

    def probe(self) -> Probe:
        """Can this machine run programs, and the emulator a small one of its architecture?"""
        host = self._host.probe()
        return self._emulator.probe(run_here) if host.present else host

    def open(self) -> None:
        """Make the working folder. Raises :class:`HardwareError` if nothing can be run here."""
        probe = self.probe()
        if not probe.present:
            raise HardwareError(f"board {self.name!r}: {probe.detail}", advice=probe.advice)
        self._host.open()

    def close(self) -> None:
        """Remove the working folder. Idempotent."""
        self._host.close()

    def fingerprint(self) -> dict[str, Any]:
        """The emulator and its CPU, and the machine that it runs on."""
        return {
            "kind": "qemu_user",
            "architecture": self.architecture,
            "cpu": self._emulator.cpu or "default",
            "emulator": f"{self._emulator.program} {self._emulator.version(run_here)}",
            "host": self._host.fingerprint(),
        }

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """Nothing to do."""
        self._host.begin_pass(pass_id, seed)

    def put(self, local: Path, remote: str) -> str:
        """Copy a file or folder into the working folder; ``remote`` is relative to it."""
        return self._host.put(local, remote)

    def fetch(self, remote: str, local: Path) -> None:
        """Copy a file of the working folder. Raises ``FileNotFoundError``."""
        self._host.fetch(remote, local)

    def fetch_folder(self, remote: str, local: Path) -> None:
        """Copy a folder's files here. Raises ``FileNotFoundError`` if it is not there."""
        self._host.fetch_folder(remote, local)

    def make_workdir(self, name: str) -> str:
        """A fresh, empty folder; one of that name from before is removed."""
        return self._host.make_workdir(name)

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Run a program to its end, under the emulator if it is one of its architecture's.

        A command line that names the emulator itself (a counting plugin's) is left alone. The host's account of the
        process is the emulator's own, so none is given.
        """
        argv = list(command.argv)
        if argv and argv[0] != self._emulator.program and _machine_of(Path(argv[0])) == self._emulator.machine:
            argv = [*self._emulator.command, *argv]
        # The window is for whoever counts here, and that is the plugin: it watches the program's word itself.
        asked = replace(command, argv=[*_environment(), *argv], opens_window=False, window_only=False, events=())
        result = self._host.run(asked, stdout, stderr)
        return replace(result, usage={})

    def idle(self, seconds: float) -> None:
        """Sleep."""
        self._host.idle(seconds)


def _environment() -> list[str]:
    """Takes all but a few variables away from a command line's program, and gives it those whatever this shell has.

    A C library looks at each variable when a program starts: some 450 instructions each, so that counts would depend on
    who runs the campaign. These are what a login over SSH has.
    """
    kept = {name: os.environ.get(name) or default for name, default in _LOGIN.items()}
    spare = [part for name in sorted(os.environ) if name not in kept for part in ("-u", name)]
    return ["env", *spare, *(f"{name}={value}" for name, value in kept.items())]


def _machine_of(path: Path) -> int | None:
    """ELF's number of the machine that a program is for; ``None`` for anything else."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return None
    return struct.unpack_from("<H", head, 18)[0] if len(head) == 20 and head[:4] == b"\x7fELF" else None
