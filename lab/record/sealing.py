"""What happens to a record's raw files when it is sealed: a checksum of each, and a look at whether traces are whole.

A trace in JLS carries checksums of its own, chunk by chunk. They tell what a checksum of the whole file, taken now,
cannot: whether the bytes on the disk are those that were measured. Both are taken in one read of the file. Later reads
of the trace rely on it and check no sample again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.errors import DataError
from lab.record.documents import Fault, PassEnd
from lab.record.events import read_events
from lab.record.manifest import sha256_of

JLS = ".jls"


def sealed_files(root: Path, paths: Iterable[Path]) -> tuple[dict[str, str], dict[str, str]]:
    """Checksums of files by their path relative to the record's folder, sorted; and what is wrong with traces."""
    sums: dict[str, str] = {}
    problems: dict[str, str] = {}
    for path in sorted(paths):
        relative = path.relative_to(root).as_posix()
        if path.suffix == JLS:
            sums[relative], problem = verified_sha256(path)
            if problem:
                problems[relative] = problem.replace(str(path), relative)
        else:
            sums[relative] = sha256_of(path)
    return sums, problems


def verified_sha256(path: Path) -> tuple[str, str]:
    """The SHA-256 of a JLS file, in hexadecimal, and what is wrong with the file; empty if every checksum is right."""
    from lab.record.traces.jls_layout import JlsBytes
    from lab.record.traces.jls_verify import verify

    found = hashlib.sha256()
    try:
        with JlsBytes(path) as file:
            verify(file, found.update)
    except DataError as error:
        return sha256_of(path), error.message
    return found.hexdigest(), ""


def trace_faults(log: Path, problems: Mapping[str, str]) -> list[Fault]:
    """Faults for the passes whose traces have ``problems``, where the log does not name them already.

    A broken trace that no ended pass points to (its recorder was killed, say) harms nobody.
    """
    if not problems:
        return []
    faults: dict[str, Fault] = {}
    told: set[tuple[str | None, int, str]] = set()
    for document in read_events(log, salvage=True):
        if isinstance(document, Fault):
            told.add((document.pass_id, document.attempt, document.detail))
        elif isinstance(document, PassEnd):
            for trace in document.traces:
                if trace.format == "jls" and trace.path in problems:
                    faults[trace.path] = Fault(
                        pass_id=document.pass_id,
                        attempt=document.attempt,
                        source=trace.instrument,
                        code="trace_unreadable",
                        detail=problems[trace.path],
                    )
    return [fault for fault in faults.values() if (fault.pass_id, fault.attempt, fault.detail) not in told]
