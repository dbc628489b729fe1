"""A microcontroller in simavr: a board on a serial line whose core is emulated cycle by cycle.

Its times are cycles of the core that the bench file names, at the clock that it names; this machine's pace is not in
them. So they are stated, with origin ``emulated``, where those of other emulators are withheld.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from instruments.protocol import Probe
from lab.boards.host_folder import HostFolder
from lab.boards.protocol import Command, CommandResult
from lab.boards.serial.board import SerialBoard, SerialSettings
from lab.boards.simavr.runner import INSTALL, Core, RunningFirmware, runner_program, why_not
from lab.errors import HardwareError, LinkLostError
from lab.record.marks_file import LAB_MARKS, mark_lines
from lab.record.quantity import Origin


@dataclass(frozen=True, slots=True)
class SimavrSettings:
    """``image`` is the firmware that is there from the start; without it, the workload brings one. ``serial`` says how
    to speak to it; its port is not looked at."""

    core: Core
    serial: SerialSettings
    image: Path | None = None


class SimavrBoard:
    """A :class:`~lab.boards.protocol.Board` that is a process of this machine; it stands still between programs."""

    origin = Origin.EMULATED
    cycle_true = True
    shares_files = True

    def __init__(
        self, name: str, settings: SimavrSettings, cache: Callable[[], Path], *, root: Path | None = None
    ) -> None:
        self.name = name
        self._settings = settings
        self._cache = cache
        self._root = root
        self._folder = HostFolder(name, root)
        self._image = settings.image
        self._running: RunningFirmware | None = None
        self._serial: SerialBoard | None = None

    # ------------------------------------------------------------------------------------------------------ there

    def probe(self) -> Probe:
        """Present if simavr is here, and the firmware, where the bench file names one, answers."""
        reason = why_not()
        if reason is not None:
            return Probe(False, reason, INSTALL)
        if self._image is not None and not self._image.is_file():
            return Probe(False, f"there is no firmware {self._image}", "build it, or name another in board.image")
        try:
            if self._serial is not None:
                with self._awake():
                    return self._serial.probe()
            if self._image is None:
                runner_program(self._cache())
                return Probe(True, f"{self._named()}; the experiment brings the firmware")
            with contextlib.ExitStack() as stack:
                stack.callback(self.close)
                self.open()
                return self.probe()
        except HardwareError as error:
            return Probe(False, error.message, error.advice or "")

    def open(self) -> None:
        """Make the working folder; start the firmware that the bench file names. Raises :class:`HardwareError`."""
        runner_program(self._cache())
        self._folder.make()
        if self._image is not None and self._serial is None:
            self._start()

    def close(self) -> None:
        """End the firmware, remove the working folder. Idempotent."""
        self._stop()
        self._image = self._settings.image
        self._folder.remove()

    def flash(self, image: Path) -> None:
        """Start this firmware from its reset; a running one of the same content goes on."""
        if self._serial is not None and self._image is not None and _same(self._image, image):
            return
        self._stop()
        self._image = image
        self._start()

    def reconnect(self) -> None:
        """Start the firmware again. Raises :class:`HardwareError` if it does not answer."""
        self._stop()
        if self._image is not None:
            self._start()

    def fingerprint(self) -> dict[str, Any]:
        """The emulated core, and what the firmware that is there says of itself."""
        core = self._settings.core
        emulated = {"mcu": core.mcu, "clock_hz": core.clock_hz, "usart": core.usart, "pin": core.pin}
        found: dict[str, Any] = {"kind": "simavr", "model": self._named(), "core": emulated, "cycle_true": True}
        if self._serial is not None:
            with self._awake():
                found["firmware"] = self._serial.fingerprint()
        return found

    def checks(self) -> list[tuple[str, Probe]]:
        """The line to the firmware, where there is one already."""
        if self._serial is None:
            return []
        with self._awake():
            return self._serial.checks()

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
        """Carry out a request (:mod:`lab.boards.serial.requests`); what the pin did is a last line of ``stdout``.

        Raises :class:`LinkLostError` if the firmware falls silent or the emulator ends.
        """
        if self._serial is None or self._running is None:
            raise HardwareError(
                f"board {self.name!r}: no firmware is on it",
                advice="name one in board.image, or let the experiment bring it (workload: {kind: firmware})",
            )
        marks = command.env.get(LAB_MARKS)
        env = {name: value for name, value in command.env.items() if name != LAB_MARKS}
        workdir = command.workdir if command.workdir is not None else str(self._folder.path)
        with self._awake():
            self._running.new_edges()
            result = self._serial.run(replace(command, env=env, workdir=workdir), stdout, stderr)
            edges = self._running.new_edges()
            if not self._running.alive:
                raise LinkLostError(f"board {self.name!r}: the emulator ended", advice="did the firmware crash?")
        if result.exit_status == 0 and edges:
            seen = _pin_event(edges, self._settings.core.clock_hz)
            with stdout.open("a", encoding="utf-8") as file:
                file.write(json.dumps(seen) + "\n")
            if marks:
                with Path(marks).open("a", encoding="ascii") as file:
                    file.write(mark_lines(_marks(seen)))
        return result

    def idle(self, seconds: float) -> None:
        """The emulated core stands still meanwhile."""
        time.sleep(max(0.0, seconds))

    # ------------------------------------------------------------------------------------------------------ parts

    def _named(self) -> str:
        core = self._settings.core
        return f"{core.mcu} at {core.clock_hz / 1e6:g} MHz in simavr"

    def _start(self) -> None:
        assert self._image is not None
        running = RunningFirmware(runner_program(self._cache()), self._settings.core, self._image, self._folder.path)
        try:
            serial = SerialBoard(self.name, replace(self._settings.serial, port=running.port), root=self._root)
            serial.open()
        except BaseException:
            running.stop()
            raise
        self._running, self._serial = running, serial
        running.pause()

    def _stop(self) -> None:
        running, self._running = self._running, None
        serial, self._serial = self._serial, None
        if running is not None:
            running.go_on()
        if serial is not None:
            serial.close()
        if running is not None:
            running.stop()

    @contextlib.contextmanager
    def _awake(self) -> Iterator[None]:
        assert self._running is not None
        self._running.go_on()
        try:
            yield
        finally:
            self._running.pause()


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def _pin_event(edges: list[tuple[str, int, int]], clock_hz: int) -> dict[str, Any]:
    """The windows that the pin showed, as [begin, end] in cycles, and in each the marks: [value, cycle]."""
    windows: list[list[int]] = []
    marks: list[list[list[int]]] = []
    inside: list[list[int]] = []
    begun: int | None = None
    for kind, value, cycle in edges:
        if kind == "window" and value == 1:
            begun, inside = cycle, []
        elif kind == "window" and begun is not None:
            windows.append([begun, cycle])
            marks.append(inside)
            begun = None
        elif kind == "mark" and begun is not None:
            inside.append([value, cycle])
    found: dict[str, Any] = {"event": "pin", "clock_hz": clock_hz, "windows": windows}
    return found | ({"marks": marks} if any(marks) else {})


def _marks(seen: dict[str, Any]) -> list[tuple[str, int]]:
    """The windows' begins and ends, in ns of the emulated core's clock."""
    names = ("window_begin", "window_end")
    return [
        (name, cycle * 1_000_000_000 // seen["clock_hz"])
        for window in seen["windows"]
        for name, cycle in zip(names, window, strict=True)
    ]
