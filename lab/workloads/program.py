"""Programs that are built from source and run with a command line: workloads of kind ``program``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.boards.protocol import Board, FetchesFolders
from lab.config.templates import Value, fill, names_in
from lab.errors import UsageError
from lab.networks.dense import ELEMENT_BYTES, dense_network
from lab.networks.document import PointNetwork, networks_file
from lab.workloads.building import Compiler, compiler_for, content_hash, hash_of_files, made
from lab.workloads.input_files import InputFiles
from lab.workloads.placing import place
from lab.workloads.protocol import OUT_FOLDER, PassRequest, Prepared

_ESTIMATE_S = 1.0
"""A program says nothing of how long it takes before it has run; this stands for 'short'."""


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """What the experiment says of its program; templates are not filled in yet.

    ``source`` is the folder with the source, in full. ``data_env`` names the environment variable with the folder of
    input files; ``None`` if the program reads none that a user could name. ``data_needs`` are the files that must be in
    it, each as it is or with ``.gz``; ``a|b`` is either. ``prepare`` makes them in ``{data}`` where the variable is not
    set. ``network`` is the shape of the dense network that it runs, if it runs one, of elements of this type.
    """

    source: Path
    command: tuple[str, ...]
    reader: str
    build: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    data_env: str | None = None
    data_needs: tuple[str, ...] = ()
    opens_window: bool = False
    network: str | None = None
    element: str = "float32"


class ProgramWorkload:
    """Builds the program once per content of its source folder and compiler, finds or makes its input files, fills in
    its command.

    Built programs and made files lie in the cache and are used again; a build that failed leaves nothing there. Each
    board that the campaign runs the program on has a program built for it.
    """

    def __init__(self, settings: ProgramSettings) -> None:
        self._settings = settings
        self.reader = settings.reader
        self._ready: dict[int, _OnBoard] = {}

    def prepare_campaign(self, board: Board, cache: Path) -> None:
        """Build the program for a board, find its data, and put both there; once for each board.

        Raises :class:`UsageError` if the source, an input file or a compiler is missing, :class:`DataError` if a
        command fails.
        """
        settings, versions = self._settings, {}
        if not settings.source.is_dir():
            raise UsageError(f"workload.source: {settings.source} is not a folder")
        used = self._folders_used(board)
        content = content_hash(settings.source)
        build = settings.source
        if not settings.build:
            # Nothing says which of the folder's files are the program: those that the command names are.
            named = [part.replace("{source}", str(build)) for part in settings.command]
            if files := [Path(part) for part in named if Path(part).is_file()]:
                versions["program_sha256"] = hash_of_files(files)
        else:
            versions["source_sha256"] = content
            compiler = compiler_for(board)
            build = made(cache.absolute() / "build", "build", settings.build, settings.source, content, compiler)
            versions |= _of_compiler(compiler)
        places: dict[str, Value] = {}
        if "source" in used:
            places["source"] = place(board, settings.source, "source")
        if "build" in used:
            places["build"] = place(board, build, "build")
        if settings.data_env is not None or settings.prepare:
            wanted = InputFiles(settings.data_env, settings.data_needs, settings.prepare)
            found = wanted.found(settings.source, content, cache.absolute())
            versions |= found.versions
            if "data" in used:
                places["data"] = place(board, found.folder, "data", only=found.needed or None)
        self._ready[id(board)] = _OnBoard(board, places, versions)

    def _folders_used(self, board: Board) -> set[str]:
        """The names in the command. Raises :class:`UsageError` for output files that the board cannot hand over."""
        used = {name for part in self._settings.command for name in names_in(part)}
        if "out" in used and not isinstance(board, FetchesFolders):
            raise UsageError(
                f"workload.command: {{out}} is a folder of output files, and board {board.name!r} hands none over",
                advice="take a bench whose board is of kind local, ssh, qemu or qemu_user",
            )
        return used

    def prepare(self, board: Board, values: Mapping[str, Any], request: PassRequest) -> Prepared:
        """The command with the trial's values filled in; the request is left to the program."""
        known = {**values, **self._ready[id(board)].places, "out": OUT_FOLDER}
        argv = tuple(fill(part, known) for part in self._settings.command)
        if argv[0] == "python3" and getattr(board, "shares_files", False):
            argv = (sys.executable, *argv[1:])
        return Prepared(argv=argv, opens_window=self._settings.opens_window)

    def estimate_s(self, values: Mapping[str, Any], request: PassRequest) -> float:
        """A second, or the length that is asked for."""
        return max(_ESTIMATE_S, request.min_duration_s or 0.0)

    def inputs(self, points: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """``networks.json``, where the experiment says what network the program runs."""
        if self._settings.network is None:
            return {}
        return networks_file(map(self._point, points))

    def _point(self, values: Mapping[str, Any]) -> PointNetwork:
        network = dense_network(fill(self._settings.network or "", values))
        return PointNetwork(values, network, network.name, network.name, ELEMENT_BYTES[self._settings.element])

    def versions(self) -> dict[str, str]:
        """Checksum of the source, compiler and flags, and which input files were used.

        Of a further board what differs from the first one's, its name behind: ``compiler_tcg``.
        """
        boards = list(self._ready.values())
        first = boards[0].versions if boards else {}
        found = dict(first)
        for ready in boards[1:]:
            differs = ready.versions.items() - first.items()
            found |= {f"{name}_{ready.board.name}": version for name, version in sorted(differs)}
        return found


@dataclass(frozen=True, slots=True)
class _OnBoard:
    """Where the program's folders lie on a board, and versions and checksums of what lies there."""

    board: Board
    places: Mapping[str, Value]
    versions: Mapping[str, str]


def _of_compiler(compiler: Compiler) -> dict[str, str]:
    stated = {"architecture": compiler.architecture, "compiler": compiler.version}
    return stated | ({"flags": compiler.flags} if compiler.flags else {})
