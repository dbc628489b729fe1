"""A board that is there and that the lab cannot reach: instruments watch it, and nothing is run on it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from instruments.protocol import Probe
from lab.boards.protocol import Command, CommandResult
from lab.errors import HardwareError
from lab.record.quantity import Origin


class UnreachedBoard:
    """A :class:`~lab.boards.protocol.Board` on which nothing can be done but wait."""

    origin = Origin.MEASURED

    def __init__(self, name: str) -> None:
        self.name = name

    def probe(self) -> Probe:
        """Nobody can ask it anything."""
        return Probe(True, "not reached by the lab: only watched")

    def open(self) -> None:
        """Nothing to connect to."""

    def close(self) -> None:
        """Nothing to let go of."""

    def fingerprint(self) -> dict[str, Any]:
        """Nothing is known of it."""
        return {"kind": "none"}

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """Nothing to do."""

    def put(self, local: Path, remote: str) -> str:
        """Raises :class:`HardwareError`."""
        raise self._refusal()

    def fetch(self, remote: str, local: Path) -> None:
        """Raises :class:`HardwareError`."""
        raise self._refusal()

    def make_workdir(self, name: str) -> str:
        """Raises :class:`HardwareError`."""
        raise self._refusal()

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Raises :class:`HardwareError`."""
        raise self._refusal()

    def idle(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))

    def _refusal(self) -> HardwareError:
        return HardwareError(
            f"board {self.name!r}: the bench says that nothing can be run on it",
            advice="write another kind of board into the bench file",
        )
