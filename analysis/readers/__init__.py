"""Readers: what programs and tools printed, turned into numbers. One module per program, found by name.

A workload adapter names its reader; the name is the module's. Each has a function

    read_output(folder: Path) -> ProgramOutput

that reads ``stdout.txt`` (and what else it needs) of one pass. Nothing is imported until it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from lab.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.readers.program_output import ProgramOutput

RECORDED = "recorded_session"
"""The reader of notes beside a recording that was played: no program ran, so none owes a latency."""

PROGRAM_READERS: dict[str, str] = {
    "benchmark_model": "analysis.readers.benchmark_model",
    "firmware": "analysis.readers.firmware",
    "gesture": "analysis.readers.gesture",
    "hdrnn": "analysis.readers.hdrnn",
    "litert": "analysis.readers.litert",
    RECORDED: "analysis.readers.recorded_session",
    "tinynet": "analysis.readers.tinynet",
}
"""Reader name → module."""


class ProgramReader(Protocol):
    """What a reader's module offers."""

    def read_output(self, folder: Path) -> ProgramOutput:
        """What the program of one pass printed; never raises for output it does not understand."""
        ...


def program_reader(name: str) -> ProgramReader:
    """The reader of that name. Raises :class:`lab.errors.DataError` if there is none."""
    if name not in PROGRAM_READERS:
        known = ", ".join(sorted(PROGRAM_READERS))
        raise DataError(f"no reader is called {name!r}", advice=f"there are: {known}; a newer lab may have it")
    return cast("ProgramReader", import_module(PROGRAM_READERS[name]))
