"""A microcontroller on a serial line, with firmware that speaks the lab's protocol."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instruments.protocol import Probe
from instruments.serial_port import Port, SerialPort
from lab.boards.host_folder import HostFolder
from lab.boards.protocol import Command, CommandResult
from lab.boards.serial.firmware import Firmware, Identity
from lab.boards.serial.flashing import run_flash_command
from lab.boards.serial.link import RefusedError, SerialLink
from lab.boards.serial.ports import absent_advice, facts
from lab.boards.serial.requests import DONE, Requests
from lab.errors import HardwareError, LinkLostError
from lab.record.marks_file import LAB_MARKS
from lab.record.quantity import Origin

_RETRY_S = 0.2
_CHECKED_PINGS = 20
_CHECKED_S = 0.5

OpenPort = Callable[["SerialSettings"], Port]


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """How to reach the firmware; see :class:`lab.bench.serial_board.SerialBoard` for what each means."""

    port: str
    baud: int = 115200
    dtr: bool = True
    boot_wait_s: float = 0.0
    timeout_s: float = 2.0
    longest_inference_s: float = 10.0
    reconnect_s: float = 30.0
    clock_tolerance: float = 0.05
    emulator: str | None = None
    flash: tuple[str, ...] | None = None
    flash_timeout_s: float = 120.0


def _open_port(settings: SerialSettings) -> Port:
    return SerialPort(settings.port, settings.baud, advice=absent_advice(settings.port), dtr=settings.dtr)


class SerialBoard:
    """A :class:`~lab.boards.protocol.Board` on which the only programs are the firmware's requests
    (:mod:`lab.boards.serial.requests`).

    It has no files: what a request reads and a pass leaves lies on this machine. ``root`` is the folder below which the
    working folder is made.
    """

    shares_files = True
    """Paths of the lab are what its requests take: nothing needs to be copied."""

    def __init__(
        self, name: str, settings: SerialSettings, *, open_port: OpenPort = _open_port, root: Path | None = None
    ) -> None:
        self.name = name
        self.origin = Origin.EMULATED if settings.emulator else Origin.MEASURED
        self.cycle_true = settings.emulator == "simavr"
        self._settings = settings
        self._open_port = open_port
        self._folder = HostFolder(name, root)
        self._firmware: Firmware | None = None
        self._known: Identity | None = None
        self._is_open = False
        self._flashed = ""

    # ------------------------------------------------------------------------------------------------------ there

    def probe(self) -> Probe:
        """Present if the firmware says hello. Opening the port resets boards of the Arduino kind."""
        try:
            if self._firmware is not None:
                self._firmware.link.ping()
                return Probe(True, f"{self._firmware.identity.describe()}, on {self._settings.port}")
            firmware = self._connected()
        except HardwareError as error:
            if self._settings.flash is not None and Path(self._settings.port).exists():
                return Probe(True, f"{self._settings.port}; no firmware answers yet: the experiment brings one")
            return Probe(False, error.message, error.advice or "")
        firmware.link.close()
        return Probe(True, f"{firmware.identity.describe()}, on {self._settings.port}")

    def open(self) -> None:
        """Open the port, greet the firmware, make the working folder. Raises :class:`HardwareError`.

        A board that can be flashed need not answer yet.
        """
        if self._firmware is None:
            try:
                self._firmware = self._connected()
                self._known = self._firmware.identity
            except HardwareError:
                if self._settings.flash is None or not Path(self._settings.port).exists():
                    raise
        self._folder.make()
        self._is_open = True

    def close(self) -> None:
        """Stop what runs there, let the port go, remove the working folder. Idempotent."""
        self._let_go()
        self._is_open, self._flashed = False, ""
        self._folder.remove()

    def flash(self, image: Path) -> None:
        """Put a firmware on the board with the bench file's command, and greet it; nothing is done if it is there since
        the board was opened.

        Raises :class:`HardwareError` if the bench file has no such command, it fails, or nothing answers afterwards.
        """
        command = self._settings.flash
        if command is None:
            raise HardwareError(
                f"board {self.name!r}: the bench file does not say how to put a firmware on it",
                advice="add board.flash, for instance [avrdude, -c, atmelice, -p, m1284p, -U, 'flash:w:{image}:e']",
            )
        content = hashlib.sha256(image.read_bytes()).hexdigest()
        if content == self._flashed and self._firmware is not None:
            return
        self._let_go()
        self._flashed = ""
        run_flash_command(command, image, self._settings.port, self._settings.flash_timeout_s)
        self._known = None
        self.reconnect()
        self._flashed = content

    def reconnect(self) -> None:
        """Try for a while to reach the firmware again; what it was running ends. Raises :class:`HardwareError` if it
        does not come back, or another one does."""
        self._let_go()
        end = time.monotonic() + self._settings.reconnect_s
        while True:
            try:
                firmware = self._connected()
                break
            except HardwareError:
                if time.monotonic() >= end:
                    raise
                time.sleep(_RETRY_S)
        if self._known is not None and firmware.identity != self._known:
            firmware.link.close()
            raise HardwareError(
                f"board {self.name!r}: another firmware answers now: {firmware.identity.describe()}",
                advice=f"put back what was there: {self._known.describe()}",
            )
        self._firmware, self._known = firmware, firmware.identity

    def fingerprint(self) -> dict[str, Any]:
        """What the firmware says of itself, and where it was found."""
        if self._is_open and self._firmware is None:
            return {"kind": "serial", **self._where(), "flash": list(self._settings.flash or ())}
        identity = self._connection().identity
        said = {"firmware": identity.firmware, "version": identity.version, "build": identity.build}
        network = {"model": identity.model, "hash": identity.hello.model_hash}
        return {
            "kind": "serial",
            "model": identity.mcu,
            "clock_hz": identity.hello.clock_hz,
            "tick_hz": identity.hello.tick_hz,
            "firmware": said,
            "network": network,
            "hello": asdict(identity.hello),
            **self._where(),
        }

    def _where(self) -> dict[str, Any]:
        return {
            "port": self._settings.port,
            "baud": self._settings.baud,
            "adapter": facts(self._settings.port),
            "emulator": self._settings.emulator,
        }

    def checks(self) -> list[tuple[str, Probe]]:
        """The line (are answers lost?) and the firmware's clock (does it run as fast as it says?)."""
        firmware = self._connection()
        link = firmware.link
        damaged, repeats = link.damaged, link.counts.repeats
        begin = time.monotonic()
        trips_s: list[float] = []
        try:
            while len(trips_s) < _CHECKED_PINGS or time.monotonic() - begin < _CHECKED_S:
                before, ticks, after = link.ping()
                if self._settings.emulator is None:
                    firmware.clock.observe(ticks, before, after)
                trips_s.append((after - before) / 1e9)
                time.sleep(_CHECKED_S / _CHECKED_PINGS)
        except HardwareError as error:
            return [("serial line", Probe(False, error.message, error.advice or ""))]
        lost = link.counts.repeats - repeats
        said = f"{len(trips_s)} questions, {1e3 * min(trips_s):.2f} ms each"
        if lost > 1 or link.damaged > damaged:  # one may be this machine's, busy otherwise
            line = Probe(
                False,
                f"{said}; {lost} were asked again, {link.damaged - damaged} answers were damaged",
                "a lower `baud`, a shorter cable, a common ground, an interrupt-driven receiver",
            )
        else:
            line = Probe(True, said + (", one asked again" if lost else ", none asked again"))
        clock = [] if self._settings.emulator else [("firmware's clock", self._clock_checked(firmware))]
        return [("serial line", line), *clock]

    def ping(self) -> tuple[int, int, int]:
        """The firmware's tick counter as nanoseconds, between two of the host's. Raises :class:`HardwareError` for an
        emulated one, whose seconds are none."""
        if self._settings.emulator:
            raise HardwareError(f"board {self.name!r}: an emulator's clock cannot be compared with this machine's")
        return self._connection().ping()

    # --------------------------------------------------------------------------------------------------- programs

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """Nothing to do."""

    def put(self, local: Path, remote: str) -> str:
        """Copy a file or folder into the working folder on this machine, from where requests read it."""
        return self._folder.put(local, remote)

    def fetch(self, remote: str, local: Path) -> None:
        """Copy a file of the working folder. Raises ``FileNotFoundError`` if it is not there."""
        self._folder.fetch(remote, local)

    def make_workdir(self, name: str) -> str:
        """A fresh, empty folder on this machine."""
        return self._folder.make_workdir(name)

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Carry out a request. An interrupt stops the inferences.

        Raises :class:`LinkLostError` if the line breaks or the firmware falls silent, :class:`HardwareError` if what it
        says cannot be.
        """
        firmware = self._connection()
        folder = self._folder.path if command.workdir is None else Path(command.workdir)
        begin = time.monotonic()
        with stdout.open("w", encoding="utf-8") as out, stderr.open("w", encoding="utf-8") as err:
            requests = Requests(firmware, folder, out, err, real_time=self._settings.emulator is None)
            try:
                finished = requests.run(command.argv, command.deadline_s)
            except KeyboardInterrupt:
                with contextlib.suppress(HardwareError, RefusedError):
                    firmware.link.stop()
                raise
        marks = command.env.get(LAB_MARKS)
        if marks and finished.marks and finished.status == DONE:
            with Path(marks).open("a", encoding="ascii") as file:
                file.write(finished.marks_text())
        return CommandResult(finished.status, time.monotonic() - begin, timed_out=finished.overdue)

    def idle(self, seconds: float) -> None:
        """Leave the firmware alone: it waits for a request."""
        time.sleep(max(0.0, seconds))

    # ------------------------------------------------------------------------------------------------------ parts

    def _connected(self) -> Firmware:
        settings = self._settings
        port = self._open_port(settings)
        try:
            if settings.boot_wait_s:
                time.sleep(settings.boot_wait_s)
            link = SerialLink(
                port,
                settings.port,
                baud=settings.baud,
                timeout_s=settings.timeout_s,
                longest_inference_s=settings.longest_inference_s,
            )
            return Firmware(link, clock_tolerance=settings.clock_tolerance)
        except (LinkLostError, RefusedError) as error:
            port.close()
            advice = error.advice if isinstance(error, LinkLostError) else None
            raise HardwareError(f"board {self.name!r}: {error}", advice=advice) from error
        except BaseException:
            port.close()
            raise

    def _clock_checked(self, firmware: Firmware) -> Probe:
        rate = firmware.clock.rate_error()
        if rate is None:
            return Probe(False, "was not read", "see the line above")
        ticks = f"{firmware.clock.resolution_ns / 1e3:.3g} µs a tick, begins anew every {firmware.clock.range_s:.3g} s"
        return Probe(True, f"{ticks}; runs {1e6 * rate[0]:+.0f} ppm fast, right to {1e6 * rate[1]:.0f} ppm")

    def _let_go(self) -> None:
        if self._firmware is not None:
            firmware, self._firmware = self._firmware, None
            firmware.link.close()

    def _connection(self) -> Firmware:
        if self._firmware is None and self._is_open and self._settings.flash is not None:
            raise HardwareError(
                f"board {self.name!r}: no firmware answers on {self._settings.port}",
                advice="let the experiment bring one (workload: {kind: firmware})",
            )
        if self._firmware is None:
            raise HardwareError(f"board {self.name!r} is not open")
        return self._firmware
