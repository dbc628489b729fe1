"""Folders that a command fills from a program's source: built once for one content, compiler and flags, and kept."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab.boards.protocol import Board, RunsBinaries
from lab.config.templates import fill
from lab.errors import DataError, UsageError
from lab.toolchains import architecture_name, toolchain

_SHOWN_LINES = 8
"""So many last lines of a failed build are shown."""
PRINTED = ".printed.txt"
"""What the command printed that filled a folder; hidden, so that it is no file of what was made."""
_FLAGS = ("CFLAGS", "CXXFLAGS", "LDFLAGS")


@dataclass(frozen=True, slots=True)
class Compiler:
    """What builds programs for a board: ``CC``, ``CXX`` and flags as a Makefile finds them in its environment.

    A flag that is absent is left to the Makefile. ``version`` is the first line that the compiler says of itself.
    """

    architecture: str
    environment: Mapping[str, str]
    version: str

    @property
    def flags(self) -> str:
        """The flags, as one reads them: ``LDFLAGS=-static``."""
        return " ".join(f"{name}={value}" for name in _FLAGS if (value := self.environment.get(name)))

    def key(self) -> str:
        """What of it decides what a build gives."""
        names = ("CC", "CXX", *_FLAGS)
        return "\0".join([self.version, *(f"{name}={self.environment.get(name, '')}" for name in names)])


def host_compiler() -> Compiler:
    """That of this machine, with the flags that its user set; it need not be installed."""
    machine = platform.machine()
    environment = {name: value for name in ("CC", "CXX", *_FLAGS) if (value := os.environ.get(name))}
    try:
        found = toolchain(machine)
    except UsageError:
        # Not every program's build needs one.
        return Compiler(machine, environment, version_of(environment.get("CC", "cc")))
    # A Makefile's own choice stands unless somebody named another.
    named = {"CC": found.cc, "CXX": found.cxx}.items() - {"CC": "cc", "CXX": "c++"}.items()
    environment |= dict(named) | _stated(found.cflags, found.ldflags)
    return Compiler(found.architecture, environment, version_of(found.cc))


def compiler_for(board: Board) -> Compiler:
    """What builds programs for a board: this machine's own compiler, a cross compiler where the board's architecture is
    another, and statically where the board has libraries of its own.

    Raises :class:`UsageError` if there is none for it here.
    """
    shares_files = getattr(board, "shares_files", False)
    at_home = not isinstance(board, RunsBinaries) or _is_this_machines(board.architecture)
    if at_home and (shares_files or not isinstance(board, RunsBinaries)):
        return host_compiler()
    assert isinstance(board, RunsBinaries)
    found = toolchain(board.architecture).statically()
    # Flags that this machine's user set are for this machine.
    environment = {"CC": found.cc, "CXX": found.cxx} | _stated(found.cflags, found.ldflags)
    return Compiler(found.architecture, environment, version_of(found.cc))


def made(
    shelf: Path, what: Literal["build", "prepare"], command: Sequence[str], source: Path, content: str, by: Compiler
) -> Path:
    """The folder below ``shelf`` that a command filled, there already or made now. ``{build}`` or ``{data}`` in the
    command is that folder, ``{source}`` the source, whose ``content`` is a checksum.

    Raises :class:`UsageError` if the command is not installed, :class:`DataError` if it fails.
    """
    own = "build" if what == "build" else "data"
    # With its own folder left open, the command is part of the key; so are scripts it names outside the source.
    asked = [fill(part, {"source": str(source), own: ""}) for part in command]
    scripts = hash_of_files([Path(part) for part in asked[1:] if Path(part).is_file()])
    key = hashlib.sha256("\0".join([content, scripts, by.key(), *command]).encode()).hexdigest()[:16]

    def argv(folder: Path) -> list[str]:
        return [fill(part, {"source": str(source), own: str(folder)}) for part in command]

    return filled(shelf / f"{source.name}-{key}", what, argv, source, by)


def filled(folder: Path, what: str, argv: Callable[[Path], Sequence[str]], source: Path, by: Compiler) -> Path:
    """The folder, filled by a command if it is not there; ``argv`` gives the command for the place where it is filled.
    What the command prints is kept in it as :data:`PRINTED`.

    Raises as :func:`made`, naming ``workload.{what}``.
    """
    if folder.is_dir():
        return folder
    shelf = folder.parent
    shelf.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there when whole: who finds the folder finds all of it.
    with tempfile.TemporaryDirectory(prefix=".making-", dir=shelf) as making:
        unfinished = Path(making).absolute() / "folder"
        unfinished.mkdir()
        printed = _run(what, argv(unfinished), source, by)
        (unfinished / PRINTED).write_text(printed, encoding="utf-8")
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another campaign was quicker, with the same content
                raise
    return folder


def files_of(folder: Path) -> Iterator[Path]:
    """All files of a source folder in a fixed order, without what builds and tools leave there."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part in ("build", "__pycache__") for part in parts):
            yield path


def content_hash(folder: Path) -> str:
    """A checksum over the files of a source folder and their names."""
    digest = hashlib.sha256()
    for path in files_of(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def hash_of_files(paths: Sequence[Path]) -> str:
    """A checksum over some files and their names."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()


def _is_this_machines(architecture: str) -> bool:
    return architecture_name(architecture) == architecture_name(platform.machine())


def _stated(cflags: Sequence[str], ldflags: Sequence[str]) -> dict[str, str]:
    """Flags that a toolchain states; what it leaves open is left open."""
    found: dict[str, str] = {}
    if cflags:
        found |= {"CFLAGS": shlex.join(cflags), "CXXFLAGS": shlex.join(cflags)}
    if ldflags:
        found["LDFLAGS"] = shlex.join(ldflags)
    return found


def _run(what: str, command: Sequence[str], folder: Path, by: Compiler) -> str:
    """Run a build or prepare command here; what it prints. ``python3`` is the interpreter that runs the lab."""
    argv = [sys.executable if part == "python3" else part for part in command[:1]] + list(command[1:])
    if shutil.which(argv[0]) is None:
        raise UsageError(f"workload.{what}: {argv[0]} is not installed here", advice=f"install {argv[0]}")
    environment = {name: value for name, value in os.environ.items() if name not in _FLAGS} | dict(by.environment)
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise DataError(f"workload.{what}: {argv[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-_SHOWN_LINES:])
        raise DataError(f"workload.{what}: {' '.join(argv)} ended with exit status {done.returncode}", advice=said)
    return done.stdout


def version_of(command: str) -> str:
    """The first line that a compiler says of itself; says so if it is not there."""
    argv = [*shlex.split(command), "--version"]
    if shutil.which(argv[0]) is None:
        return f"{argv[0]}: not installed"
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return next(iter(done.stdout.splitlines()), "")
