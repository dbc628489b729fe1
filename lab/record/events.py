"""``events.jsonl``: the append-only log of a record's documents."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lab.errors import DataError
from lab.record.closing import ClosedOnExit
from lab.record.documents import Document, Fault, PassBegin, PassEnd, from_json, to_json


def utc_now() -> str:
    """The time as documents carry it: ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class EventLog(ClosedOnExit):
    """Appends documents to a log. A document is handed to the operating system before :meth:`append` returns, so that a
    killed process loses nothing; :meth:`sync` also survives a power cut."""

    def __init__(self, path: Path) -> None:
        _cut_torn_line(path)
        self._file = path.open("ab", buffering=0)

    def append(self, *documents: Document) -> None:
        """Write documents, stamped with the time if they are not yet, in one go."""
        lines = []
        for document in documents:
            stamped = document if document.t_utc else replace(document, t_utc=utc_now())
            lines.append(json.dumps(to_json(stamped), allow_nan=False, separators=(",", ":")))
        data = "".join(line + "\n" for line in lines).encode()
        while data:
            data = data[self._file.write(data) :]

    def sync(self) -> None:
        """Force what was written to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Force everything to the disk and let go."""
        if not self._file.closed:
            self.sync()
            self._file.close()


def read_events(path: Path, *, salvage: bool = False) -> Iterator[Document]:
    """The documents of a log, in order.

    A last line without its end was being written when the process died: it is left out. Anything else that cannot be
    read raises :class:`DataError` with file and line. With ``salvage``, a damaged line is a fault of the pass whose
    beginning stands before it and whose end does not: nobody knows what it said of that pass.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read the event log ({error.strerror})") from error
    lines = data.split(b"\n")
    begun: PassBegin | None = None
    for number, line in enumerate(lines[:-1], start=1):
        try:
            document = from_json(json.loads(line))
        except ValueError as error:
            problem = f"damaged document ({error})"
            if not salvage:
                raise DataError(f"{path}:{number}: {problem}") from error
            document = Fault(
                pass_id=None if begun is None else begun.pass_id,
                attempt=1 if begun is None else begun.attempt,
                source="record",
                code="log_damaged",
                detail=f"{path.name}:{number}: {problem}",
            )
        if isinstance(document, PassBegin):
            begun = document
        elif isinstance(document, PassEnd):
            begun = None
        yield document


def _cut_torn_line(path: Path) -> None:
    """Remove a half-written last line, so that the next document starts on a line of its own."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        data = file.read()
        if data and not data.endswith(b"\n"):
            file.truncate(data.rfind(b"\n") + 1)
