"""No program at all: the board is left alone and watched, for its idle power or for whatever it does by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.boards.protocol import Board
from lab.workloads.protocol import PassRequest, Prepared


class Observation:
    """A workload of kind ``observe``: ``duration_s`` of watching, which Ctrl-C cuts short if it ``ends_early``."""

    reader = "none"
    """Nothing is run and nothing printed."""

    def __init__(self, duration_s: float, *, ends_early: bool) -> None:
        self._duration_s = duration_s
        self._ends_early = ends_early

    def prepare_campaign(self, board: Board, cache: Path) -> None:
        """Nothing to build."""

    def prepare(self, board: Board, values: Mapping[str, Any], request: PassRequest) -> Prepared:
        """How long to watch."""
        return Prepared(argv=(), watch_s=self._duration_s, ends_early=self._ends_early)

    def estimate_s(self, values: Mapping[str, Any], request: PassRequest) -> float:
        """As long as it says."""
        return self._duration_s

    def inputs(self, points: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """None."""
        return {}

    def versions(self) -> dict[str, str]:
        """Nothing is run."""
        return {}
