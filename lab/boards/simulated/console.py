"""What simulated programs print, and how they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab.boards.simulated.counters import Counts

COMMAND_NOT_FOUND = 127
"""Exit status of a shell that does not find the program."""


class Console:
    """Standard output and error of a running program, kept as written even if it is stopped in the middle."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._error: list[str] = []

    def out(self, line: str = "") -> None:
        """One line on standard output."""
        self._out.append(line)

    def error(self, line: str = "") -> None:
        """One line on standard error."""
        self._error.append(line)

    @property
    def stdout(self) -> str:
        """All of standard output."""
        return _joined(self._out)

    @property
    def stderr(self) -> str:
        """All of standard error."""
        return _joined(self._error)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it did on the way.

    ``truth`` is what the model knows of the measured inferences; ``None`` for programs that measure none.
    """

    exit_status: int
    counts: Counts = field(default_factory=Counts)
    resident_bytes: int = 0
    truth: dict[str, Any] | None = None
    faults: tuple[tuple[str, str], ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
