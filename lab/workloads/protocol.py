"""What a workload adapter is: how a program under test is made ready, started, and read.

The programs themselves live in ``workloads/`` at the top of the repository and know nothing of the lab. What a program
printed is read by :mod:`analysis.readers`, at run time and again, from the raw files, by ``lab process``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lab.boards.protocol import Board
from lab.errors import DataError


@dataclass(frozen=True, slots=True)
class PassRequest:
    """What a pass wants of the program: how long and how often it shall run.

    ``min_duration_s`` is the least length of the measured window, ``runs`` the least number of inferences; ``None``
    leaves it to the program.
    """

    kind: str
    runs: int | None = None
    min_duration_s: float | None = None
    warmup_runs: int | None = None


OUT_FOLDER = "\0out\0"
"""Stands in :attr:`Prepared.argv` for the folder of the pass's output files, which the runner makes when the pass runs.
No argument of a program can hold a NUL, so it is never mistaken for anything."""


class UnmadeError(DataError):
    """What a pass needs could not be made: it fails, and the campaign goes on with the others."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A trial's program, ready on the board.

    Where :data:`OUT_FOLDER` stands in ``argv``, the pass gets a fresh folder on the board, and all that the program
    leaves in it is fetched into the record.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    session: Path | None = None
    """For recorded sessions: the file or folder to replay instead of running anything (``argv`` is then empty)."""
    session_inferences: int | None = None
    """How many inferences a recorded session's windows hold, where the experiment says so."""
    opens_window: bool = False
    """The program tells when its window opens and closes (:data:`lab.record.window_gate.LAB_WINDOW`)."""
    watch_s: float = 0.0
    """Without a program: how long the board is left alone and watched."""
    ends_early: bool = False
    """Ctrl-C ends the watching, and the pass is kept as it is then."""
    notes: Mapping[str, bytes] = field(default_factory=dict)
    """Files that say what is run, kept beside the pass's output: name → content."""


class Workload(Protocol):
    """An adapter between the runner and one kind of program."""

    reader: str
    """The name of the reader in :mod:`analysis.readers` that understands the program's output."""

    def prepare_campaign(self, board: Board, cache: Path) -> None:
        """Build or find the program and its data, and put them on the board; once per campaign, before any pass."""
        ...

    def prepare(self, board: Board, values: Mapping[str, Any], request: PassRequest) -> Prepared:
        """The command line of one pass; ``values`` are the trial's factors with their settings merged in."""
        ...

    def estimate_s(self, values: Mapping[str, Any], request: PassRequest) -> float:
        """A rough guess of how long the pass takes, in wall time of this machine, for ``lab plan``."""
        ...

    def inputs(self, points: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """Files that the analysis needs to understand the record (layer tables): name → content, kept in
        ``inputs/``. Asked for before any pass and before :meth:`versions`: a point whose files are missing is told
        here, by a :class:`lab.errors.LabError`."""
        ...

    def versions(self) -> dict[str, str]:
        """Versions and checksums of what is run, for the manifest."""
        ...
