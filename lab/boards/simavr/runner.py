"""The program that runs firmware in simavr: built once, kept in the cache, started and stopped here.

Its source is ``workloads/serial_protocol/avr/simavr_pty.c``. It puts the firmware's USART behind a pseudo terminal, and
writes every change of the window's pin, with the cycle at which it came, into a file.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from lab.errors import HardwareError

SOURCE = Path(__file__).parents[3] / "workloads" / "serial_protocol"
HEADER = Path("/usr/include/simavr/sim_avr.h")
INSTALL = "on Debian: apt install libsimavr-dev gcc make (`make emulators` does it)"

_NAME_WITHIN_S = 20.0
_SHOWN_LINES = 8


@dataclass(frozen=True, slots=True)
class Core:
    """Which microcontroller, at which clock; which of its parts speak to the lab. ``marks`` is an address in the data
    space: what the firmware writes there is noted with its cycle."""

    mcu: str = "atmega1284p"
    clock_hz: int = 20_000_000
    usart: int = 0
    pin: str = "B0"
    marks: int | None = None

    def options(self) -> list[str]:
        """As the program takes them."""
        given = ["--mcu", self.mcu, "--clock", str(self.clock_hz), "--usart", str(self.usart), "--pin", self.pin]
        return given if self.marks is None else [*given, "--marks", hex(self.marks)]


def why_not() -> str | None:
    """What keeps the program from being built here; ``None`` if nothing does."""
    source = SOURCE / "avr" / "simavr_pty.c"
    if not source.is_file():
        return f"there is no {source}: run the lab from its repository (pip install --editable .)"
    missing = [tool for tool in ("make", os.environ.get("CC", "cc").split()[0]) if shutil.which(tool) is None]
    if missing:
        return f"{missing[0]} is not installed here"
    return None if HEADER.exists() else "libsimavr's header is not here"


def runner_program(cache: Path) -> Path:
    """The program, built if it was not. Raises :class:`HardwareError` with what to install."""
    reason = why_not()
    if reason is not None:
        raise HardwareError(f"simavr cannot be used: {reason}", advice=INSTALL)
    sources = [SOURCE / "Makefile", SOURCE / "avr" / "simavr_pty.c"]
    digest = hashlib.sha256(b"\0".join([path.read_bytes() for path in sources] + [HEADER.read_bytes()]))
    shelf = cache.absolute() / "simavr"
    program = shelf / f"simavr_pty-{digest.hexdigest()[:16]}"
    if program.is_file():
        return program
    shelf.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=shelf) as making:
        command = ["make", "-s", "-C", str(SOURCE), f"BUILD={making}", "simavr"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode != 0:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-_SHOWN_LINES:])
            raise HardwareError("simavr's runner does not build", advice=f"{INSTALL}; the compiler said: {said}")
        Path(making, "simavr_pty").replace(program)
    return program


class RunningFirmware:
    """A firmware that runs in simavr. ``folder`` is where the file of edges is made.

    Raises :class:`HardwareError` if it does not start: an image that is none, or that does not fit.
    """

    def __init__(self, program: Path, core: Core, image: Path, folder: Path) -> None:
        number = sum(1 for _ in folder.glob("edges-*"))
        self._edges = folder / f"edges-{number}.txt"
        self._read = 0
        self._process = subprocess.Popen(
            [str(program), *core.options(), "--edges", str(self._edges), str(image)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.port = self._name()

    def _name(self) -> str:
        assert self._process.stdout is not None
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            end = time.monotonic() + _NAME_WITHIN_S
            while not line.endswith(b"\n") and selector.select(max(0.0, end - time.monotonic())):
                piece = os.read(self._process.stdout.fileno(), 4096)
                if not piece:
                    break
                line += piece
        if line.endswith(b"\n"):
            return line.decode("utf-8", errors="replace").strip()
        self._process.kill()
        _, complaint = self._process.communicate()
        said = complaint.decode("utf-8", errors="replace").strip().splitlines()
        raise HardwareError(
            f"the firmware does not start: {said[-1] if said else 'simavr says nothing'}",
            advice="is the image an ELF file for this microcontroller?",
        )

    @property
    def alive(self) -> bool:
        """Has the emulator not ended?"""
        return self._process.poll() is None

    def pause(self) -> None:
        """Let the emulated core stand still: it would otherwise keep a core of this machine busy."""
        if self.alive:
            self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The opposite."""
        if self.alive:
            self._process.send_signal(signal.SIGCONT)

    def new_edges(self) -> list[tuple[str, int, int]]:
        """What came since the last call: (``window`` or ``mark``, value, cycle)."""
        with self._edges.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        parts = (line.split() for line in whole.decode("ascii").splitlines())
        return [(kind, int(value), int(cycle)) for kind, value, cycle in parts]

    def stop(self) -> None:
        """End it. Never raises."""
        self._process.kill()
        self._process.communicate()
