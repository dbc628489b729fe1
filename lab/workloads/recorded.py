"""Workloads that were measured before: the "program" of a trial is a folder with a recorded session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.boards.protocol import Board
from lab.errors import DataError
from lab.workloads.protocol import PassRequest, Prepared

READ_S = 0.05
"""Rough time to read, copy and check one session (half a megabyte)."""


class RecordedSession:
    """A workload of kind ``recorded_session``.

    ``folder`` is where the sessions lie, ``session`` the template of a session's own folder below it, such as
    ``{session}``.
    """

    reader = "none"
    """Nothing is run and nothing printed: :mod:`analysis.replay` reads the session's own files."""

    def __init__(self, folder: Path, session: str) -> None:
        self._folder = folder
        self._session = session

    def prepare_campaign(self, board: Board, cache: Path) -> None:
        """Nothing to build."""

    def prepare(self, board: Board, values: Mapping[str, Any], request: PassRequest) -> Prepared:
        """The folder of the trial's session. Raises :class:`DataError` if it is not there."""
        folder = self._folder / self._session.format_map(values)
        if not folder.is_dir():
            raise DataError(f"{folder}: no such recorded session", advice="was it moved since the plan was made?")
        return Prepared(argv=(), session=folder)

    def estimate_s(self, values: Mapping[str, Any], request: PassRequest) -> float:
        """A replay takes as long as reading the files."""
        return READ_S

    def inputs(self, points: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """Nothing beside the sessions themselves, which the instrument copies."""
        return {}

    def versions(self) -> dict[str, str]:
        """Nothing is run; the recordings name their own versions."""
        return {}
