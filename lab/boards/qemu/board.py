"""An emulated board in a campaign: booted if it is not up, then a board like any other that is reached over SSH."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from instruments.protocol import Probe
from lab.boards.protocol import Command, CommandResult
from lab.boards.qemu import emulator, image, packages
from lab.boards.qemu.guests import Guest, Guests
from lab.boards.qemu.machines import USERLAND, Machine
from lab.boards.qemu.progress import Steps
from lab.boards.ssh.board import SshBoard
from lab.boards.ssh.settings import SshSettings
from lab.errors import HardwareError
from lab.record.quantity import Origin

_SILENCE_S = 60.0
"""An emulator on a busy host is slow to give a sign of life; its link hardly breaks."""


def _matters(package: str) -> bool:
    """The kernel and the programs; of libraries the C library, which is in every count."""
    return package.startswith("linux-image-") or package in (*USERLAND, "libc6")


class QemuBoard:
    """A machine of :data:`lab.boards.qemu.machines.MACHINES`. Whatever it gives is ``emulated``.

    ``open`` boots it if it is not up; ``close`` ends it if a campaign booted it and none uses it any more. Between the
    two everything is what :class:`lab.boards.ssh.board.SshBoard` does. ``cache`` is where all of emulated boards lies.
    """

    origin = Origin.EMULATED

    def __init__(self, name: str, machine: Machine, settings: SshSettings, cache: Path) -> None:
        self.name = name
        self._machine = machine
        self._cache = cache
        self._guests = Guests(cache, Steps())
        # The way to it is all its own: nothing in the engineer's configuration is meant for it.
        self._settings = replace(settings, config=Path(os.devnull), silence_s=_SILENCE_S)
        self._board: SshBoard | None = None
        self._guest: Guest | None = None
        self._token: str | None = None

    # --------------------------------------------------------------------------------------------- there and away

    def probe(self) -> Probe:
        """Present if it is up or could be booted; boots nothing, and makes and fetches nothing."""
        machine = self._machine
        if sys.platform != "linux":
            return Probe(False, f"this is {sys.platform}", "emulated boards are started on Linux only")
        guest = self._guests.find(machine)
        if guest is not None:
            return Probe(True, f"{machine.name} is {guest.state}: QEMU {guest.emulator_version}, port {guest.port}")
        if missing := image.missing_tools():
            return Probe(False, f"{machine.name}: {', '.join(missing)} not found", "run `make emulators`")
        found = emulator.installed(machine) or emulator.unpacked(machine, self._cache)
        if found is not None and self._guests.image(machine) is not None:
            return Probe(True, f"{machine.name} is not up; it is booted when needed (QEMU {found.version})")
        if missing := packages.missing_tools():
            lacking = "image" if found is not None else "QEMU"
            return Probe(
                False,
                f"{machine.name}: its {lacking} cannot be fetched: {', '.join(missing)} missing",
                "emulated boards are made of Debian's packages: run `make emulators` on a Debian system",
            )
        return Probe(True, f"{machine.name} is not up; its image is made first, from packages that are fetched")

    def open(self) -> None:
        """Boot it if it is not up, connect. Raises :class:`HardwareError` if one of these cannot be."""
        if self._board is not None:
            return
        guest, self._token = self._guests.hold(self._machine)
        board = SshBoard(self.name, guest.target(), self._settings, origin=self.origin, kind="qemu")
        try:
            board.open()
        except BaseException:
            self._release()
            raise
        self._guest, self._board = guest, board

    def close(self) -> None:
        """Leave it as it was found; end it if nobody needs it any more. Idempotent."""
        board, self._board = self._board, None
        try:
            if board is not None and self._still_runs():
                board.close()
            elif board is not None:
                # Nothing is left there to restore or to remove; what is closed is our end.
                with contextlib.suppress(HardwareError):
                    board.close()
        finally:
            self._guest = None
            self._release()

    def reconnect(self) -> None:
        """Reach it again. Raises :class:`HardwareError` if it ended: what was on it is gone."""
        board = self._opened()
        if not self._still_runs():
            raise self._guests.ended(self._machine)
        board.reconnect()

    def _release(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            self._guests.release(self._machine, token)

    def _still_runs(self) -> bool:
        return self._guest is not None and self._guest.process.alive()

    def _opened(self) -> SshBoard:
        if self._board is None:
            raise HardwareError(f"board {self.name!r} is not open")
        return self._board

    # ------------------------------------------------------------------------------------------------ what it is

    @property
    def architecture(self) -> str:
        """As ``uname -m`` says it there."""
        return self._machine.architecture

    @property
    def caches(self) -> dict[str, int]:
        """Sizes in bytes of ``l1d``, ``l2`` and ``ram`` as the bench file says: QEMU models none."""
        return dict(self._settings.caches) if self._board is None else self._board.caches

    def fingerprint(self) -> dict[str, Any]:
        """What it is, what emulates it and what it was made of."""
        board, guest = self._opened(), self._guest
        assert guest is not None
        facts = image.Image(Path(guest.image)).facts
        return {
            **board.fingerprint(),
            "emulated": {
                "machine": self._machine.name,
                "what": self._machine.title,
                "qemu": guest.emulator_version,
                "qemu_source": guest.emulator_source,
                "image": facts["hash"],
                "packages": {name: version for name, version in facts["packages"].items() if _matters(name)},
                "kernel_modules": facts["modules"],
            },
        }

    def can_count(self) -> Probe:
        """As the board over SSH."""
        return self._opened().can_count()

    def settle(self) -> tuple[tuple[str, str], ...]:
        """As the board over SSH."""
        return self._opened().settle()

    def checks(self) -> list[tuple[str, Probe]]:
        """As the board over SSH."""
        return self._opened().checks()

    def ask(self, argv: list[str]) -> tuple[int, str, str]:
        """As the board over SSH."""
        return self._opened().ask(argv)

    def ping(self) -> tuple[int, int, int]:
        """As the board over SSH. Its clock is virtual: it goes slower than ours while a program runs."""
        return self._opened().ping()

    # ---------------------------------------------------------------------------------------- files and programs

    def collect(self) -> tuple[tuple[str, str], ...]:
        """As over any SSH."""
        return self._opened().collect()

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """As the board over SSH."""
        self._opened().begin_pass(pass_id, seed)

    def put(self, local: Path, remote: str) -> str:
        """As the board over SSH."""
        return self._opened().put(local, remote)

    def fetch(self, remote: str, local: Path) -> None:
        """As the board over SSH."""
        self._opened().fetch(remote, local)

    def fetch_folder(self, remote: str, local: Path) -> None:
        """As the board over SSH."""
        self._opened().fetch_folder(remote, local)

    def make_workdir(self, name: str) -> str:
        """As the board over SSH."""
        return self._opened().make_workdir(name)

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """As the board over SSH."""
        return self._opened().run(command, stdout, stderr)

    def idle(self, seconds: float) -> None:
        """As the board over SSH."""
        self._opened().idle(seconds)
