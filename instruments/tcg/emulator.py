"""QEMU's user mode emulators: what they are called, and whether one runs programs here."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from instruments.commands import RunCommand, attempt
from instruments.protocol import Probe

EMULATORS: Mapping[str, str] = {"aarch64": "qemu-aarch64", "armv7l": "qemu-arm", "x86_64": "qemu-x86_64"}
"""Architecture, as ``uname -m`` says it → program of Debian's package ``qemu-user``."""

INSTALL = "on Debian: apt install qemu-user (7.2 of bookworm takes plugins; the static and the backported one do not)"

SMALLEST_INSTRUCTIONS = 3
"""How many instructions :func:`smallest_program` executes."""

_ELF: Mapping[str, tuple[int, bytes]] = {
    # mov x0, #0; mov x8, #93; svc #0
    "aarch64": (183, struct.pack("<3I", 0xD2800000, 0xD2800BA8, 0xD4000001)),
    # mov r0, #0; mov r7, #1; svc #0
    "armv7l": (40, struct.pack("<3I", 0xE3A00000, 0xE3A07001, 0xEF000000)),
    # mov edi, 0; mov eax, 60; syscall
    "x86_64": (62, bytes.fromhex("bf00000000 b83c000000 0f05")),
}
"""ELF's number of the machine, and code that ends with exit status 0."""
_BASE = 0x10000


@dataclass(frozen=True, slots=True)
class Emulator:
    """The emulator for programs of an architecture. ``cpu`` as ``qemu-… -cpu help`` lists them; ``None``: any."""

    architecture: str
    cpu: str | None = None

    @property
    def program(self) -> str:
        """The emulator's name. Raises ``KeyError`` for an architecture that none is known for."""
        return EMULATORS[self.architecture]

    @property
    def command(self) -> list[str]:
        """What stands in front of the program."""
        return [self.program, *([] if self.cpu is None else ["-cpu", self.cpu])]

    @property
    def machine(self) -> int:
        """ELF's number of the architecture."""
        return _ELF[self.architecture][0]

    @property
    def zeroed_bytes(self) -> int | None:
        """How many bytes A64's ``dc zva`` sets to zero on this CPU; ``None`` where it has none or that is not known."""
        if self.architecture != "aarch64" or self.cpu is None:
            return None
        return 64 if self.cpu.startswith(("cortex-a", "neoverse-")) else None

    def version(self, run: RunCommand) -> str:
        """As it says it itself (``7.2.22``); empty if it is not there."""
        _, said, _ = attempt(run, [self.program, "--version"])
        found = re.search(r"version (\d+(?:\.\d+)+)", said)
        return found[1] if found else ""

    def probe(self, run: RunCommand) -> Probe:
        """Run the smallest program there is."""
        version = self.version(run)
        if not version:
            return Probe(False, f"{self.program} is not installed here", INSTALL)
        with TemporaryDirectory(prefix="lab-") as folder:
            program = Path(folder, "smallest")
            program.write_bytes(smallest_program(self.architecture))
            program.chmod(0o755)
            status, _, errors = attempt(run, [*self.command, str(program)])
        facts = {"version": version, "architecture": self.architecture, "cpu": self.cpu or "default"}
        if status != 0:
            said = next(iter(errors.strip().splitlines()), f"it ended with {status}")
            advice = f"`{self.program} -cpu help` lists the CPUs" if self.cpu else INSTALL
            return Probe(False, f"{' '.join(self.command)} runs no program: {said}", advice, facts)
        return Probe(True, f"{' '.join(self.command)} (QEMU {version})", facts=facts)


def smallest_program(architecture: str) -> bytes:
    """An ELF executable of three instructions that ends with exit status 0. Needs no compiler."""
    machine, code = _ELF[architecture]
    wide = architecture != "armv7l"
    header, segment = (64, 56) if wide else (52, 32)
    entry, total = _BASE + header + segment, header + segment + len(code)
    identity = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    words = "3Q" if wide else "3I"
    # An EABI program of version 5, as Arm's kernels want it.
    flags = 0 if wide else 0x05000000
    file_header = identity + struct.pack(
        f"<HHI{words}I6H", 2, machine, 1, entry, header, 0, flags, header, segment, 1, 0, 0, 0
    )
    load, readable = 1, 5
    if wide:
        program_header = struct.pack("<II6Q", load, readable, 0, _BASE, _BASE, total, total, 0x1000)
    else:
        program_header = struct.pack("<8I", load, 0, _BASE, _BASE, total, total, readable, 0x1000)
    return file_header + program_header + code
