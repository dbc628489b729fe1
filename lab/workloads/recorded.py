"""Workloads that were measured before: the "program" of a trial is a recording of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.boards.protocol import Board
from lab.config.templates import Value, fill, fill_value
from lab.errors import DataError
from lab.workloads.protocol import PassRequest, Prepared

READ_S = 0.05
"""Rough time to read, copy and check one session (half a megabyte)."""


class RecordedSession:
    """A workload of kind ``recorded_session``.

    ``folder`` is where the recordings lie, ``session`` the template of one of them below it, such as ``{session}``;
    without a folder the bench's instruments name their own. ``inferences`` is how many a recording's windows hold, or
    the template of it. ``plays`` is true where instruments play the recordings as a live meter's samples.
    """

    def __init__(
        self, folder: Path | None, session: str, *, inferences: Value | None = None, plays: bool = False
    ) -> None:
        self._folder = folder
        self._session = session
        self._inferences = inferences
        # What the instrument notes beside a recording it plays is read as a program's output is; sessions that are
        # copied as they are need no reader: :mod:`analysis.replay` reads their own files.
        self.reader = "recorded_session" if plays else "none"

    def prepare_campaign(self, board: Board, cache: Path) -> None:
        """Nothing to build."""

    def prepare(self, board: Board, values: Mapping[str, Any], request: PassRequest) -> Prepared:
        """The recording of the trial. Raises :class:`DataError` if it is not there."""
        recording = None if self._folder is None else self._folder / fill(self._session, values)
        if recording is not None and not recording.exists():
            raise DataError(f"{recording}: no such recording", advice="was it moved since the plan was made?")
        return Prepared(argv=(), session=recording, session_inferences=self._count(values))

    def estimate_s(self, values: Mapping[str, Any], request: PassRequest) -> float:
        """A replay takes as long as reading the files."""
        return READ_S

    def inputs(self, points: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """Nothing beside the recordings themselves, which the instrument copies."""
        return {}

    def versions(self) -> dict[str, str]:
        """Nothing is run; the recordings name their own versions."""
        return {}

    def _count(self, values: Mapping[str, Any]) -> int | None:
        """How many inferences. Raises :class:`DataError` for what is no count."""
        if self._inferences is None:
            return None
        count = fill_value(self._inferences, values)
        try:
            number = int(str(count))
        except ValueError:
            number = 0
        if number < 1 or isinstance(count, bool):
            raise DataError(f"workload.inferences: found {count!r}, expected a whole number from 1 on")
        return number
