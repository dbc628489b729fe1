"""Programs that are built from source and run with a command line: workloads of kind ``program``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.boards.protocol import Board
from lab.config.templates import Value, fill
from lab.errors import DataError, UsageError
from lab.workloads.protocol import PassRequest, Prepared

_ESTIMATE_S = 1.0
"""A program says nothing of how long it takes before it has run; this stands for 'short'."""
_SHOWN_LINES = 8
"""So many last lines of a failed build are shown."""


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """What the experiment says of its program; templates are not filled in yet.

    ``source`` is the folder with the source, in full. ``data_env`` names the environment variable with the folder of
    input files; ``None`` if the program reads none that a user could name. ``data_needs`` are the files that must be in
    it, each as it is or with ``.gz``; ``a|b`` is either. ``prepare`` makes them in ``{data}`` where the variable is not
    set.
    """

    source: Path
    command: tuple[str, ...]
    reader: str
    build: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    data_env: str | None = None
    data_needs: tuple[str, ...] = ()


class ProgramWorkload:
    """Builds the program once per content of its source folder, finds or makes its input files, fills in its command.

    Built programs and made files lie in the cache and are used again; a build that failed leaves nothing there.
    """

    def __init__(self, settings: ProgramSettings) -> None:
        self._settings = settings
        self.reader = settings.reader
        self._places: dict[str, Value] = {}
        self._versions: dict[str, str] = {}

    def prepare_campaign(self, board: Board, cache: Path) -> None:
        """Build the program, find its data, and put both on the board.

        Raises :class:`UsageError` if the source or an input file is missing, :class:`DataError` if a command fails.
        """
        settings = self._settings
        if not settings.source.is_dir():
            raise UsageError(f"workload.source: {settings.source} is not a folder")
        content = _content_hash(settings.source)
        self._versions = {}
        build = settings.source
        if not settings.build:
            # Nothing says which of the folder's files are the program: those that the command names are.
            named = [part.replace("{source}", str(build)) for part in settings.command]
            if files := [Path(part) for part in named if Path(part).is_file()]:
                self._versions["program_sha256"] = _hash_of_files(files)
        else:
            self._versions["source_sha256"] = content
            build = self._made(cache.absolute() / "build", "build", settings.build, content)
            self._versions["compiler"] = _first_line([os.environ.get("CC", "cc"), "--version"])
        places = {"source": settings.source, "build": build}
        if settings.data_env is not None or settings.prepare:
            places["data"] = self._data_folder(cache.absolute(), content)
        self._places = {name: self._on_board(board, path, name) for name, path in places.items()}

    def prepare(self, board: Board, values: Mapping[str, Any], request: PassRequest) -> Prepared:
        """The command with the trial's values filled in; the request is left to the program."""
        known = {**values, **self._places}
        return Prepared(argv=tuple(fill(part, known) for part in self._settings.command))

    def estimate_s(self, values: Mapping[str, Any], request: PassRequest) -> float:
        """A second, or the length that is asked for."""
        return max(_ESTIMATE_S, request.min_duration_s or 0.0)

    def inputs(self, points: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """Nothing: what such a program prints stands for itself."""
        return {}

    def versions(self) -> dict[str, str]:
        """Checksum of the source, the compiler, and which input files were used."""
        return dict(self._versions)

    # ------------------------------------------------------------------------------------------------- input files

    def _data_folder(self, cache: Path, content: str) -> Path:
        variable = self._settings.data_env
        named = os.environ.get(variable, "") if variable else ""
        if named:
            folder = Path(named).expanduser().absolute()
            if not folder.is_dir():
                raise UsageError(f"{variable}={named}: no such folder", advice=self._data_advice())
            self._versions["data"] = f"{variable}={folder}"
        elif self._settings.prepare:
            folder = self._made(cache / "data", "prepare", self._settings.prepare, content)
            self._versions["data"] = f"made by {_made_by(self._settings.prepare)}"
        else:
            raise UsageError(
                f"the program reads input files, and the environment variable {variable} does not name their folder",
                advice=self._data_advice(),
            )
        self._versions["data_sha256"] = _hash_of_files(self._needed_files(folder))
        return folder

    def _needed_files(self, folder: Path) -> list[Path]:
        found, missing = [], []
        for names in self._settings.data_needs:
            candidates = [folder / (name + suffix) for name in names.split("|") for suffix in ("", ".gz")]
            there = [path for path in candidates if path.is_file()]
            found.extend(there[:1])
            missing.extend([] if there else [names.partition("|")[0]])
        if missing:
            raise UsageError(f"{folder}: no {', '.join(missing)} there (gzipped or not)", advice=self._data_advice())
        return found

    def _data_advice(self) -> str:
        first_names = [names.partition("|")[0] for names in self._settings.data_needs]
        needs = ", ".join(first_names) or "the program's input files"
        advice = f"export {self._settings.data_env}=/path/to/a/folder with {needs}"
        return advice + ("; or unset it, and the experiment makes its own" if self._settings.prepare else "")

    # -------------------------------------------------------------------------------------------- building, making

    def _made(self, shelf: Path, what: Literal["build", "prepare"], command: Sequence[str], content: str) -> Path:
        """The folder that a command filled, from the cache or made now. ``{build}`` or ``{data}`` is that folder."""
        source = str(self._settings.source)
        own = "build" if what == "build" else "data"
        # With its own folder left open, the command is part of the key; so are scripts it names outside the source.
        asked = [fill(part, {"source": source, own: ""}) for part in command]
        scripts = _hash_of_files([Path(part) for part in asked[1:] if Path(part).is_file()])
        key = hashlib.sha256("\0".join([content, scripts, _toolchain(), *command]).encode()).hexdigest()[:16]
        folder = shelf / f"{self._settings.source.name}-{key}"
        if folder.is_dir():
            return folder
        shelf.mkdir(parents=True, exist_ok=True)
        # Made beside its place and moved there when whole: who finds the folder finds all of it.
        with tempfile.TemporaryDirectory(prefix=".making-", dir=shelf) as making:
            unfinished = Path(making).absolute() / "folder"
            unfinished.mkdir()
            _run(what, [fill(part, {"source": source, own: str(unfinished)}) for part in command], Path(source))
            try:
                unfinished.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another campaign was quicker, with the same content
                    raise
        return folder

    def _on_board(self, board: Board, path: Path, name: str) -> str:
        return str(path) if getattr(board, "shares_files", False) else board.put(path, name)


def _run(what: str, command: Sequence[str], folder: Path) -> None:
    """Run a build or prepare command here. ``python3`` is the interpreter that runs the lab."""
    argv = [sys.executable if part == "python3" else part for part in command[:1]] + list(command[1:])
    if shutil.which(argv[0]) is None:
        raise UsageError(f"workload.{what}: {argv[0]} is not installed here", advice=f"install {argv[0]}")
    try:
        done = subprocess.run(
            argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise DataError(f"workload.{what}: {argv[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-_SHOWN_LINES:])
        raise DataError(f"workload.{what}: {' '.join(argv)} ended with exit status {done.returncode}", advice=said)


def _files_of(folder: Path) -> Iterator[Path]:
    """All files of a source folder in a fixed order, without what builds and tools leave there."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part in ("build", "__pycache__") for part in parts):
            yield path


def _content_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _files_of(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _hash_of_files(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()


def _toolchain() -> str:
    """What, beside the source, decides what a build gives: compiler and flags."""
    variables = [f"{name}={os.environ.get(name, '')}" for name in ("CC", "CFLAGS", "LDFLAGS")]
    return "\0".join([_first_line([os.environ.get("CC", "cc"), "--version"]), *variables])


def _first_line(command: Sequence[str]) -> str:
    """The first line that a command prints; says so if it is not there."""
    if shutil.which(command[0]) is None:
        return f"{command[0]}: not installed"
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return next(iter(done.stdout.splitlines()), "")


def _made_by(command: Sequence[str]) -> str:
    """The name of what a command runs: the script of ours that an interpreter is given, or the program itself."""
    return Path(next((part for part in command if "{source}" in part), command[0])).name
