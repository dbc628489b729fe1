"""Which kind of recording a path leads to, told by its content."""

from __future__ import annotations

from pathlib import Path

from instruments.replay.settings import ReplaySettings
from lab.errors import DataError
from lab.record.traces.csv_table import CsvRecording
from lab.record.traces.energyrunner_recording import EnergyRunnerRecording
from lab.record.traces.energyrunner_texts import TRACE_FILE
from lab.record.traces.jls_recording import JlsChoice, JlsRecording
from lab.record.traces.jls_walk import MAGIC, MAGIC_V1
from lab.record.traces.recordings import Recording

_JLS_SUFFIX = ".jls"


def is_jls(path: Path) -> bool:
    """Is it a JLS file, of whichever format, or at least called so?"""
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError as error:
        raise DataError(f"{path}: cannot read the recording ({error.strerror})") from error
    return head in (MAGIC, MAGIC_V1) or path.suffix.lower() == _JLS_SUFFIX


def open_recording(path: Path, settings: ReplaySettings) -> Recording:
    """Open a JLS file, a table, or a folder with a session of EnergyRunner.

    Raises :class:`DataError` if it is none of them, or cannot be read as what it is.
    """
    if path.is_dir():
        if not (path / TRACE_FILE).exists():
            raise DataError(f"{path}: no {TRACE_FILE} in it: not a session of EnergyRunner")
        return EnergyRunnerRecording(path)
    if is_jls(path):
        wanted = settings.window_line
        lines = tuple(dict.fromkeys((*((wanted,) if wanted else ()), *settings.lines)))
        return JlsRecording(path, JlsChoice(settings.signals, settings.source, lines))
    if settings.layout is None:
        raise DataError(
            f"{path}: neither a JLS file nor an EnergyRunner session",
            advice="a table of values needs its layout: which column is what, in which unit (docs/traces.md)",
        )
    return CsvRecording(path, settings.layout)
