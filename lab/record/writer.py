"""Writing a record: documents as they happen, raw files beside them, checksums at the end."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError
from lab.record.documents import Document, Fault
from lab.record.events import EventLog
from lab.record.manifest import Manifest, sha256_of, write_manifest
from lab.record.sealing import sealed_files, trace_faults

EVENTS = "events.jsonl"
TRACES = "traces"
OUTPUT = "output"
INPUTS = "inputs"

RAW_FOLDERS = (TRACES, OUTPUT, INPUTS)
"""What is sealed with checksums besides the event log; results, figures and report can be rebuilt from it."""


@dataclass(frozen=True, slots=True)
class PassPaths:
    """Where one attempt at a pass puts its files. ``output`` exists; ``trace`` is a free path without suffix."""

    output: Path
    trace: Path


class RecordWriter:
    """The one process that writes a record.

    Nothing that was written is ever rewritten: a pass attempted again gets paths of its own.
    """

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root = root
        self.manifest = manifest
        self._lock = _exclusive_lock(root)
        for name in (TRACES, OUTPUT):
            (root / name).mkdir(exist_ok=True)
        # The log first: what has a manifest is a record, and a record has a log.
        self._log = EventLog(root / EVENTS)
        write_manifest(root, manifest)

    def append(self, *documents: Document) -> None:
        """Append documents to the log."""
        self._log.append(*documents)

    def sync(self) -> None:
        """Force the log to the disk; done after each pass."""
        self._log.sync()

    def add_input(self, name: str, content: bytes) -> None:
        """Keep a file that the analysis needs. Raises :class:`UsageError` if another of that name is there."""
        path = self.root / INPUTS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() != content:
            raise UsageError(f"{path}: the input changed since the campaign began", advice="begin a new campaign")
        path.write_bytes(content)

    def paths(self, pass_id: str, attempt: int) -> PassPaths:
        """Fresh paths for an attempt at a pass."""
        name = pass_id if attempt == 1 else f"{pass_id}.attempt{attempt}"
        output = self.root / OUTPUT / name
        output.mkdir()
        return PassPaths(output=output, trace=self.root / TRACES / name)

    def seal(self, state: str) -> list[Fault]:
        """Write the manifest with the campaign's state and the checksum of every raw file, and close the log.

        Traces that are not what was recorded are faults of their passes: they are in the log, and returned.
        """
        paths = [path for name in RAW_FOLDERS for path in (self.root / name).rglob("*") if path.is_file()]
        sums, problems = sealed_files(self.root, paths)
        faults = trace_faults(self.root / EVENTS, problems)
        self._log.append(*faults)
        self._log.close()
        sums[EVENTS] = sha256_of(self.root / EVENTS)
        self.manifest["state"] = state
        self.manifest["files"] = dict(sorted(sums.items()))
        write_manifest(self.root, self.manifest)
        os.close(self._lock)
        return faults


def _exclusive_lock(root: Path) -> int:
    """Lock the record's folder for this process; the kernel lets go of it however the process ends.

    Raises :class:`UsageError` if another process holds it.
    """
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise UsageError(f"{root}: its campaign is still running", advice="stop that one first (Ctrl-C)") from error
    return descriptor
