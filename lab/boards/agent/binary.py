"""The agent's binary for a board: built from its source for the board's architecture, once, and kept in the cache."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.errors import DataError, UsageError
from lab.toolchains import Toolchain, toolchain

SOURCE = Path(__file__).parent
"""Where the agent's source lies."""

_SHOWN_LINES = 8
"""So many last lines of a failed build are shown."""


def agent_binary(architecture: str, cache: Path) -> Path:
    """The statically linked agent for an architecture (as ``uname -m`` says it).

    Raises :class:`lab.errors.UsageError` if no compiler for it is here, with what to install, and for an architecture
    that it is not built for; :class:`lab.errors.DataError` if the compiler fails.
    """
    tools = toolchain(architecture)
    if shutil.which("make") is None:
        raise UsageError("make is not installed here: the agent cannot be built", advice="on Debian: apt install make")
    shelf = cache.absolute() / "agent"
    binary = shelf / f"agent-{tools.architecture}-{_key(tools)}"
    if binary.is_file():
        return binary
    shelf.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there when whole: who finds it finds all of it.
    with tempfile.TemporaryDirectory(prefix=".making-", dir=shelf) as making:
        _make(tools, Path(making))
        (Path(making) / "agent").replace(binary)
    return binary


def _sources() -> list[Path]:
    return sorted(path for path in SOURCE.iterdir() if path.suffix in (".c", ".h") or path.name == "Makefile")


def _key(tools: Toolchain) -> str:
    """What the binary depends on: the source, the compiler, its flags."""
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    try:
        version = subprocess.run(
            [*shlex.split(tools.cc), "--version"], capture_output=True, stdin=subprocess.DEVNULL, check=False
        ).stdout
    except OSError as error:
        raise DataError(f"{tools.cc}: {error.strerror}") from error
    digest.update(version)
    digest.update("\0".join([tools.cc, *tools.cflags, "", *tools.ldflags]).encode())
    return digest.hexdigest()[:16]


def _make(tools: Toolchain, folder: Path) -> None:
    # The Makefile links statically by itself, also for the host's own architecture.
    command = ["make", "-s", "-j4", "-C", str(SOURCE), f"BUILD={folder}", f"CC={tools.cc}"]
    if tools.cflags:
        command.append(f"CFLAGS=-O2 {shlex.join(tools.cflags)}")
    if tools.ldflags:
        command.append(f"LDFLAGS={shlex.join(tools.ldflags)}")
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-_SHOWN_LINES:])
        raise DataError(f"the agent for {tools.architecture} could not be built with {tools.cc}", advice=said)
