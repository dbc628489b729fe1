"""Emulated boards that are up: started, found again by any later lab, shared, and ended.

What is known of a machine's guest lies in a folder of the cache; a lock there lets one lab at a time start or end it.
Labs that use a guest hold it: one that a campaign booted ends with the last that holds it, one that a person asked for
(``lab board up``) stays until it is taken down.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.boards.qemu.emulator import Emulator, find_emulator
from lab.boards.qemu.image import Image, ensure_image, host_alias, ready_image
from lab.boards.qemu.locks import held
from lab.boards.qemu.machines import MACHINES, Machine
from lab.boards.qemu.processes import Process
from lab.boards.qemu.progress import Progress, Silent
from lab.boards.ssh.target import SshTarget
from lab.errors import HardwareError

USER = "root"
_HOST = "127.0.0.1"
_LOOK_AGAIN_S = 0.2
_BANNER_LIMIT_S = 2.0
_LOGIN_LIMIT_S = 60.0
_GENTLY_S = 5.0
_PORT_ATTEMPTS = 5
_PORT_TAKEN = "Could not set up host forwarding rule"
_CONSOLE_LINES = 12
_CONSOLE_TAIL_BYTES = 16384
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Guest:
    """An emulated board that runs. ``state`` is ``booting`` or ``up``; ``kept``: a person asked for it; ``holders`` are
    the processes that use it, by a token of their own."""

    machine: str
    process: Process
    port: int
    image: str
    image_hash: str
    emulator_version: str
    emulator_source: str
    since_s: float
    state: str = "booting"
    kept: bool = False
    boot_s: float | None = None
    holders: dict[str, Process] = field(default_factory=dict)

    def holding(self) -> dict[str, Process]:
        """The holders that still run: one that was killed holds nothing."""
        return {token: process for token, process in self.holders.items() if process.alive()}

    def target(self) -> SshTarget:
        """How it is reached: with its image's own key, and the one host key that it may show."""
        return ssh_target(MACHINES[self.machine], Image(Path(self.image)), self.port)

    @classmethod
    def from_json(cls, data: Any) -> Guest:
        """What :meth:`to_json` gave. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        if not isinstance(data, dict) or not isinstance(data["holders"], dict):
            raise ValueError("this is no guest")
        holders = {token: Process(**process) for token, process in data["holders"].items()}
        return cls(**{**data, "process": Process(**data["process"]), "holders": holders})

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def ssh_target(machine: Machine, image: Image, port: int) -> SshTarget:
    """How an emulated board on a port of this machine is reached; nothing of the engineer's own configuration can send
    it elsewhere or make it trust another key."""
    options = (
        f"IdentityFile={_quoted(image.identity)}",
        "IdentitiesOnly=yes",
        f"UserKnownHostsFile={_quoted(image.known_hosts)}",
        "GlobalKnownHostsFile=/dev/null",
        f"HostKeyAlias={host_alias(machine)}",
        "HostKeyAlgorithms=ssh-ed25519",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "PreferredAuthentications=publickey",
        "ProxyCommand=none",
        "BatchMode=yes",
    )
    return SshTarget(host=_HOST, user=USER, port=port, options=options)


def ssh_command(target: SshTarget, *words: str) -> list[str]:
    """The command line of OpenSSH that reaches a target."""
    options = [word for option in target.options for word in ("-o", option)]
    login = target.host if target.user is None else f"{target.user}@{target.host}"
    port = [] if target.port is None else ["-p", str(target.port)]
    return ["ssh", *options, *port, login, *words]


def guests_cache(cache: Path) -> Path:
    """Where, in the lab's cache, everything of emulated boards lies."""
    return cache / "qemu"


class Guests:
    """The emulated boards of this user. ``cache`` holds images and packages; ``state`` what runs (default: below it).

    ``progress`` is told of what takes long. ``prepare`` finds the emulator and makes the image (machine, whether to ask
    for newer packages), as :meth:`prepared` does if it is not given.
    """

    def __init__(
        self,
        cache: Path,
        progress: Progress | None = None,
        *,
        state: Path | None = None,
        prepare: Callable[[Machine, bool], tuple[Emulator, Image]] | None = None,
    ) -> None:
        self._cache = cache.resolve()
        self._progress = progress or Silent()
        self._state = (state or cache / "guests").resolve()
        self._prepare = prepare or self.prepared

    def find(self, machine: Machine) -> Guest | None:
        """The machine's guest, if it runs; what a crash left of one that does not is no guest."""
        try:
            guest = Guest.from_json(json.loads(self._state_file(machine).read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return guest if guest.process.alive() else None

    def console_log(self, machine: Machine) -> Path:
        """What the guest says on its serial console."""
        return self._folder(machine) / "console.log"

    def image(self, machine: Machine) -> Image | None:
        """The machine's image, if it could be booted without anything being made or fetched."""
        return ready_image(machine, self._cache)

    def prepared(self, machine: Machine, refresh: bool = False) -> tuple[Emulator, Image]:
        """The emulator and the image, fetched and made if they are not in the cache; nothing is booted.

        Raises :class:`lab.boards.qemu.packages.NotToBeHadError` if that is not possible here.
        """
        emulator = find_emulator(machine, self._cache, self._progress, refresh=refresh)
        return emulator, ensure_image(machine, self._cache, self._progress, refresh=refresh)

    def up(self, machine: Machine, *, limit_s: float | None = None, refresh: bool = False) -> Guest:
        """Have the machine up, for a person: it stays so when this process ends. Returns once SSH answers.

        Raises :class:`HardwareError` if it cannot be made or does not come up, with the last lines of its console.
        """
        with self._locked(machine):
            guest = self._started(machine, limit_s, refresh)
            return self._write(machine, replace(guest, kept=True))

    @contextlib.contextmanager
    def holding(self, machine: Machine) -> Iterator[Guest]:
        """Have the machine up for as long as this lasts; see :meth:`hold`."""
        guest, token = self.hold(machine)
        try:
            yield guest
        finally:
            self.release(machine, token)

    def hold(self, machine: Machine, *, limit_s: float | None = None) -> tuple[Guest, str]:
        """Have the machine up while this process needs it; returns the guest and a token for :meth:`release`."""
        with self._locked(machine):
            guest = self._started(machine, limit_s, refresh=False)
            token = secrets.token_hex(8)
            holders = {**guest.holding(), token: Process.this()}
            return self._write(machine, replace(guest, holders=holders)), token

    def release(self, machine: Machine, token: str) -> None:
        """Hold it no longer: it ends if nobody else holds it and no person asked for it. Idempotent."""
        with self._locked(machine):
            guest = self.find(machine)
            if guest is None or token not in guest.holders:
                return
            holders = {other: process for other, process in guest.holding().items() if other != token}
            if holders or guest.kept:
                self._write(machine, replace(guest, holders=holders))
            else:
                self._end(machine, guest)

    def down(self, machine: Machine, *, force: bool = False) -> bool:
        """End the machine's guest; false if there was none.

        Raises :class:`HardwareError` if others use it (unless ``force``) or it does not end.
        """
        guest = self.find(machine)
        if guest is None:
            return False
        if guest.state == "booting":
            # Whoever waits for it holds the lock, sees it end and says so.
            self._end_process(guest)
            return True
        with self._locked(machine):
            guest = self.find(machine)
            if guest is None:
                return False
            if (holders := guest.holding()) and not force:
                pids = ", ".join(str(process.pid) for process in holders.values())
                raise HardwareError(
                    f"{machine.name} is in use by process {pids}",
                    advice=f"it goes down with the last campaign that uses it; `lab board down {machine.name} --force` "
                    "takes it from them",
                )
            self._end(machine, guest)
        return True

    def ended(self, machine: Machine) -> HardwareError:
        """What to say of a guest that is gone though nobody took it down."""
        return self._trouble(machine, f"{machine.name} has ended by itself")

    # ------------------------------------------------------------------------------------------------------ starting

    def _started(self, machine: Machine, limit_s: float | None, refresh: bool) -> Guest:
        """The guest, booted if it is not up. The lock must be held."""
        running = self.find(machine)
        if running is not None:
            if running.state == "up":
                return running
            # Whoever booted it was killed before it came up: the lock would be theirs otherwise.
            self._end(machine, running)
        emulator, image = self._prepare(machine, refresh)
        limit_s = machine.boot_limit_s if limit_s is None else limit_s
        self._progress.step(f"booting {machine.name}")
        for _ in range(_PORT_ATTEMPTS):
            try:
                return self._booted(machine, emulator, image, limit_s)
            except _PortTakenError:
                continue
        raise HardwareError(f"{machine.name}: no free port was found in {_PORT_ATTEMPTS} attempts")

    def _booted(self, machine: Machine, emulator: Emulator, image: Image, limit_s: float) -> Guest:
        folder = self._folder(machine)
        for log in (self.console_log(machine), self._qemu_log(machine)):
            log.write_bytes(b"")
        port = _free_port()
        argv = command_line(machine, emulator, image, port=port, console_log=self.console_log(machine), folder=folder)
        began = time.monotonic()
        process = _start(argv, self._qemu_log(machine))
        if process is None:
            raise self._failed(machine, "QEMU ended at once")
        guest = Guest(
            machine=machine.name,
            process=process,
            port=port,
            image=os.fspath(image.folder),
            image_hash=str(image.facts["hash"]),
            emulator_version=emulator.version,
            emulator_source=emulator.source,
            since_s=time.time(),
        )
        try:
            self._write(machine, guest)
            self._wait_for_ssh(machine, guest, began, limit_s)
        except BaseException:
            self._end(machine, guest)
            raise
        return self._write(machine, replace(guest, state="up", boot_s=round(time.monotonic() - began, 2)))

    def _wait_for_ssh(self, machine: Machine, guest: Guest, began: float, limit_s: float) -> None:
        while not _answers_as_ssh(guest.port):
            elapsed_s = time.monotonic() - began
            if guest.process.ended_within(_LOOK_AGAIN_S):
                raise self._failed(machine, f"it ended after {elapsed_s:.1f} s")
            if elapsed_s > limit_s:
                raise self._failed(machine, f"no SSH server answered within {limit_s:.0f} s")
            self._progress.waiting(f"booting {machine.name}: {elapsed_s:.0f} s of at most {limit_s:.0f} s")
        try:
            said = subprocess.run(
                ssh_command(guest.target(), "true"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LOGIN_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._failed(machine, f"no login was possible within {_LOGIN_LIMIT_S:.0f} s") from None
        if said.returncode:
            raise self._failed(machine, f"its SSH server did not let the lab in: {said.stderr.strip()}")

    def _failed(self, machine: Machine, why: str) -> HardwareError:
        if _PORT_TAKEN in "".join(_last_lines(self._qemu_log(machine))):
            return _PortTakenError(f"{machine.name}: the port was taken")
        return self._trouble(machine, f"{machine.name} did not come up: {why}")

    def _trouble(self, machine: Machine, what: str) -> HardwareError:
        """An error with the last words of the emulator and of the guest."""
        console = _last_lines(self.console_log(machine))
        lines = [what]
        lines += [f"  qemu:    {line}" for line in _last_lines(self._qemu_log(machine))]
        lines += [f"  console: {line}" for line in console] or ["  its console said nothing"]
        return HardwareError("\n".join(lines), advice=f"all that it said: {self.console_log(machine)}")

    # -------------------------------------------------------------------------------------------------------- ending

    def _end(self, machine: Machine, guest: Guest) -> None:
        self._end_process(guest)
        self._state_file(machine).unlink(missing_ok=True)

    def _end_process(self, guest: Guest) -> None:
        if not guest.process.end(gently_s=_GENTLY_S):
            raise HardwareError(f"{guest.machine}: process {guest.process.pid} does not end")

    # --------------------------------------------------------------------------------------------------------- state

    def _folder(self, machine: Machine) -> Path:
        return self._state / machine.name

    def _state_file(self, machine: Machine) -> Path:
        return self._folder(machine) / "state.json"

    def _qemu_log(self, machine: Machine) -> Path:
        return self._folder(machine) / "qemu.log"

    def _locked(self, machine: Machine) -> contextlib.AbstractContextManager[None]:
        return held(self._folder(machine) / "lock", self._progress, machine.name)

    def _write(self, machine: Machine, guest: Guest) -> Guest:
        path = self._state_file(machine)
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(guest.to_json(), indent=1) + "\n")
        beside.replace(path)
        return guest


class _PortTakenError(HardwareError):
    """Another program took the port between our look and QEMU's."""


def command_line(
    machine: Machine, emulator: Emulator, image: Image, *, port: int, console_log: Path, folder: Path
) -> list[str]:
    """QEMU's command line; what is made for this boot alone lies in ``folder``."""
    dtb: list[str] = []
    if image.dtb is not None:
        dtb = ["-dtb", os.fspath(_seeded(image.dtb, folder / "board.dtb"))]
    return [
        *emulator.argv,
        *(option.format(port=port, console_log=console_log) for option in machine.options),
        *("-kernel", os.fspath(image.kernel), "-initrd", os.fspath(image.initrd), *dtb),
        *("-append", f"console={machine.console} quiet panic=1"),
        *("-display", "none", "-monitor", "none", "-parallel", "none", "-no-reboot"),
    ]


def _seeded(dtb: Path, to: Path) -> Path:
    """A device tree with fresh randomness for the kernel: without it a guest waits minutes before SSH can start."""
    to.write_bytes(dtb.read_bytes())
    words = [secrets.token_hex(4) for _ in range(16)]
    try:
        done = subprocess.run(
            ["fdtput", "-t", "x", os.fspath(to), "/chosen", "rng-seed", *words],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise HardwareError("fdtput not found", advice="install device-tree-compiler (`make emulators`)") from None
    if done.returncode:
        raise HardwareError(f"fdtput cannot change {dtb.name}: {done.stderr.strip()}")
    return to


def _start(argv: list[str], log: Path) -> Process | None:
    """Start a process that outlives this one and is nobody's child here; ``None`` if it ended at once."""
    with log.open("ab") as out:
        said = subprocess.run(
            # The shell gives the process to the system's first one, and its number to us.
            ["/bin/sh", "-c", '"$@" </dev/null >&2 & echo $!', "sh", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=out,
            cwd="/",
            start_new_session=True,
            check=True,
        )
    return Process.of(int(said.stdout))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _answers_as_ssh(port: int) -> bool:
    """True if an SSH server greets. QEMU itself accepts connections long before the guest does."""
    try:
        with socket.create_connection((_HOST, port), timeout=_BANNER_LIMIT_S) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _last_lines(path: Path) -> list[str]:
    """The last lines of a log, with nothing in them that a terminal would obey."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _CONSOLE_TAIL_BYTES))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = [_UNPRINTABLE.sub("", line).rstrip() for line in text.splitlines()]
    return [line for line in lines if line][-_CONSOLE_LINES:]


def _quoted(path: Path) -> str:
    """A path as OpenSSH reads it in its configuration."""
    return '"' + os.fspath(path).replace("%", "%%") + '"'
