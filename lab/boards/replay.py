"""The board of a replay: nothing is here to run a program on, only recordings of boards that once were."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from instruments.protocol import Probe
from lab.boards.protocol import Command, CommandResult
from lab.errors import UsageError
from lab.record.quantity import Origin


class ReplayBoard:
    """A board of kind ``replay``: always there, never runs anything."""

    origin = Origin.REPLAYED

    def __init__(self, name: str) -> None:
        self.name = name

    def probe(self) -> Probe:
        """Always present."""
        return Probe(True, "no board: recorded sessions are replayed")

    def open(self) -> None:
        """Nothing to connect to."""

    def close(self) -> None:
        """Nothing to let go of."""

    def fingerprint(self) -> dict[str, Any]:
        """Says that nothing is known: each recording was made on a board of its own."""
        return {"kind": "replay", "model": "the boards of the recorded sessions"}

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """Nothing to do."""

    def put(self, local: Path, remote: str) -> str:
        """Raises :class:`UsageError`: there is nowhere to put a file."""
        self._refuse()

    def fetch(self, remote: str, local: Path) -> None:
        """Raises ``FileNotFoundError``: nothing was left."""
        raise FileNotFoundError(remote)

    def make_workdir(self, name: str) -> str:
        """Raises :class:`UsageError`: there is nowhere to make a folder."""
        self._refuse()

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Raises :class:`UsageError`: a recording runs nothing."""
        self._refuse()

    def idle(self, seconds: float) -> None:
        """Returns at once: idle is in the recording, or it is not."""

    def _refuse(self) -> NoReturn:
        raise UsageError(
            f"board {self.name!r} replays recordings and cannot run a program",
            advice="name another bench with --bench, or use the workload kind recorded_session",
        )
