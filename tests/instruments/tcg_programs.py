"""Small programs for other architectures, and running them under the counting plugin."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from instruments.tcg.build import plugin
from instruments.tcg.emulator import Emulator
from lab.errors import UsageError
from lab.record.formats import tcg as tcg_format
from lab.toolchains import toolchain

CORES: Mapping[str, Emulator] = {
    "aarch64": Emulator("aarch64", "cortex-a53"),
    "armv7l": Emulator("armv7l", "cortex-a9"),
}


_BUILT = tempfile.TemporaryDirectory(prefix="lab-tests-tcg-")


def build_folder() -> Path:
    """Where the plugin is built once for all tests."""
    return Path(_BUILT.name)


def needs(architecture: str) -> Emulator:
    """The emulator for an architecture; skips where it or the compiler is not installed."""
    emulator = CORES[architecture]
    if shutil.which(emulator.program) is None:
        pytest.skip(f"no {emulator.program} on this machine (make emulators)")
    try:
        toolchain(architecture)
    except UsageError as error:
        pytest.skip(f"{error.message} (make emulators)")
    return emulator


def compiled(folder: Path, architecture: str, source: str, *options: str, suffix: str = "c") -> Path:
    """A static program from C (or assembly) text."""
    needs(architecture)
    tools = toolchain(architecture)
    text, program = folder / f"program.{suffix}", folder / "program"
    text.write_text(source, encoding="utf-8")
    command = [*tools.cc.split(), "-O1", "-static", *options, "-o", str(program), str(text)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def counted(
    program: Path, architecture: str, *arguments: str, options: str = "l1d=32768/4/64/lru/allocate", status: int = 0
) -> tcg_format.TcgCounts:
    """What the plugin counts of a program."""
    out = program.with_name("counts.json")
    out.unlink(missing_ok=True)
    emulator = needs(architecture)
    library = plugin(build_folder())
    argv = [*emulator.command, "-plugin", f"file={library},out={out},{options}", str(program), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    return tcg_format.parse(out.read_text(encoding="utf-8"))


EXIT: Mapping[str, str] = {
    "aarch64": "mov x0, #0\n mov x8, #93\n svc #0\n",
    "armv7l": "mov r0, #0\n mov r7, #1\n svc #0\n",
}
"""Three instructions that end the program."""

BUFFER: Mapping[str, str] = {
    "aarch64": "adrp x0, buffer\n add x0, x0, :lo12:buffer\n",
    "armv7l": "movw r0, #:lower16:buffer\n movt r0, #:upper16:buffer\n",
}
"""Two instructions that put the address of the buffer into the first register."""

HEAD: Mapping[str, str] = {
    "aarch64": "",
    "armv7l": ".syntax unified\n.arch armv7-a\n.fpu neon\n.arm\n",
}


def assembled(folder: Path, architecture: str, body: str, *, buffer_bytes: int = 1 << 20) -> Path:
    """A program that does what the text says, and nothing else, and ends. ``buffer`` is aligned to 64 KiB."""
    text = (
        f"{HEAD[architecture]}.bss\n.balign 65536\nbuffer: .skip {buffer_bytes}\n"
        f".text\n.balign 64\n.globl _start\n_start:\n{body}\n{EXIT[architecture]}"
    )
    return compiled(folder, architecture, text, "-nostdlib", "-nostartfiles", suffix="S")
