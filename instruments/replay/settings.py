"""What a replaying instrument is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from instruments.protocol import Accuracy
from lab.record.quantity import Origin
from lab.record.traces.csv_table import CsvLayout

DEFAULT_LINE = "gpi0"
"""The logic input that a Joulescope's window is wired to where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class WindowChoice:
    """Where the window of a recording is: ``line`` while a logic line is high, ``stamps`` of the recording itself,
    ``stretch`` from ``begin_s`` to ``end_s`` of the recording's own time, ``whole``; ``default`` is the stamps where
    there are any, else the line ``gpi0``."""

    kind: Literal["default", "line", "stamps", "stretch", "whole"]
    line: str = DEFAULT_LINE
    begin_s: float = 0.0
    end_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """``file`` is played where the pass names no recording. ``signals`` and ``source`` say what is what in a JLS file,
    ``lines`` what was wired to further logic lines. ``origin`` is ``replayed`` for recordings of real meters,
    ``simulated`` for those of a simulated one: playing it does not make it real."""

    file: Path | None = None
    layout: CsvLayout | None = None
    source: str = ""
    signals: Mapping[str, str] = field(default_factory=dict)
    window: WindowChoice = WindowChoice("default")
    lines: Mapping[str, str] = field(default_factory=dict)
    scope: str = "board"
    accuracy: Accuracy | None = None
    range_name: str | None = None
    origin: Origin = Origin.REPLAYED

    @property
    def window_line(self) -> str | None:
        """The logic line that tells the window of a recording without stamps; ``None`` where none does."""
        return self.window.line if self.window.kind in ("default", "line") else None
