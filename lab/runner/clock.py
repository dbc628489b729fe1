"""What the runner records so that the program's marks can be placed on the traces later: pings, codes, marks.

Nothing is worked out here: pings, anchors, chips and marks go into the record as they come, and
:mod:`analysis.alignment` makes windows of them, then and years later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.boards.protocol import Board, Command, CommandResult, ComparesClock
from lab.record.documents import ClockPings
from lab.record.host_clock import host_ns
from lab.record.marks_file import HOST_MARKS_FILE, LAB_MARKS, MARKS_FILE, mark_lines

_LOCAL_PINGS = 50
_CODE_MARGIN_S = 30.0
"""A coded load that is not done so long after its time is stopped."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """What is wanted: ``pings`` before and again after the program (0: none), ``code`` the coded load's command."""

    marks: bool = False
    pings: int = 0
    code: tuple[str, ...] = ()
    code_s: float = 0.0


def gathering(manifest: Mapping[str, Any], plan: Mapping[str, Any], board: Board) -> Gathering:
    """What a pass of a campaign wants, by the bench file's ``alignment``.

    Where that says nothing, a board whose clock is the lab's own is compared all the same: it costs microseconds.
    """
    if plan["kind"] != "energy":
        return Gathering()
    shares_clock = getattr(board, "shares_clock", False)
    resolved = (manifest.get("bench") or {}).get("resolved") or {}
    asked = resolved.get("alignment")
    if asked is None:
        return Gathering(marks=True, pings=_LOCAL_PINGS) if shares_clock else Gathering()
    code = asked["code"]
    plays = "coded_load" in asked["methods"]
    command = (code["program"], "--order", str(code["order"]), "--chip-ms", f"{1e3 * code['chip']:g}")
    return Gathering(
        marks=bool({"agent", "coded_load"} & set(asked["methods"])),
        pings=asked["pings"] if "agent" in asked["methods"] else 0,
        code=command if plays else (),
        code_s=code["chip"] * 2 ** code["order"],
    )


class ClockNotes:
    """Takes down one pass's clocks, around its program. ``faults`` are (reason code, detail) pairs."""

    def __init__(self, wanted: Gathering, board: Board, output: Path) -> None:
        self._wanted = wanted
        self._board = board
        self._output = output
        self._pings: list[tuple[str, tuple[tuple[int, int, int], ...]]] = []
        self.faults: list[tuple[str, str]] = []

    def env(self, workdir: str) -> dict[str, str]:
        """What the program's environment gets besides its own."""
        return {LAB_MARKS: f"{workdir}/{MARKS_FILE}"} if self._wanted.marks else {}

    def before(self, workdir: str) -> None:
        """Compare the clocks and play the code, before the program."""
        self._compare("before")
        self._play("before", workdir)

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Run the program; where the board's clock is the host's, note when."""
        begin_ns = host_ns()
        result = self._board.run(command, stdout, stderr)
        end_ns = host_ns()
        if self._wanted.marks and getattr(self._board, "shares_clock", False):
            lines = mark_lines([("program_begin", begin_ns), ("program_end", end_ns)])
            (self._output / HOST_MARKS_FILE).write_text(lines, encoding="ascii")
        return result

    def after(self, workdir: str) -> None:
        """The same after the program, the other way round."""
        self._play("after", workdir)
        self._compare("after")

    def collect(self, workdir: str) -> None:
        """Bring the program's marks."""
        if self._wanted.marks:
            # A program that writes no marks leaves no file; the analysis says what follows from that.
            with contextlib.suppress(FileNotFoundError):
                self._board.fetch(f"{workdir}/{MARKS_FILE}", self._output / MARKS_FILE)

    def documents(self, pass_id: str, attempt: int) -> list[ClockPings]:
        """The pings, as documents."""
        return [ClockPings(pass_id=pass_id, attempt=attempt, phase=phase, pings=pings) for phase, pings in self._pings]

    def _compare(self, phase: str) -> None:
        if self._wanted.pings and isinstance(self._board, ComparesClock):
            self._pings.append((phase, tuple(self._board.ping() for _ in range(self._wanted.pings))))

    def _play(self, phase: str, workdir: str) -> None:
        if not self._wanted.code:
            return
        command = Command(
            self._wanted.code,
            env=self.env(workdir),
            workdir=workdir,
            deadline_s=self._wanted.code_s + _CODE_MARGIN_S,
            collect_later=True,
        )
        stdout, stderr = (self._output / f"coded_load_{phase}.{kind}.txt" for kind in ("stdout", "stderr"))
        result = self._board.run(command, stdout, stderr)
        if result.timed_out or result.exit_status != 0:
            detail = f"{self._wanted.code[0]} {phase} the program: exit status {result.exit_status}; see {stderr.name}"
            self.faults.append(("alignment_unchecked", detail))
