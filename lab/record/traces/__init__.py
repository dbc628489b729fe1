"""Raw power traces: one reader protocol over the file formats a record may hold, and the writer of our own."""

from __future__ import annotations

from pathlib import Path

from lab.errors import DataError
from lab.record.documents import TraceRef
from lab.record.traces.protocol import TraceReader

__all__ = ["TraceReader", "open_trace"]


def open_trace(root: Path, ref: TraceRef) -> TraceReader:
    """Open the trace that a pass of the record in ``root`` left.

    Raises :class:`DataError` if it is missing, damaged or of a format this version does not know.
    """
    path = root / ref.path
    if ref.format == "jls":
        from lab.record.traces.jls_trace import JlsTrace

        return JlsTrace(path)
    if ref.format == "energyrunner":
        from lab.record.traces.energyrunner import open_folder

        return open_folder(path)
    raise DataError(f"{path}: unknown trace format {ref.format!r}", advice="a newer version of lab may know it")
