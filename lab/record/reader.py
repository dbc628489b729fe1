"""Reading a record: what each pass left, and whether every file is still what it was when the record was sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lab.errors import DataError
from lab.record.documents import ClockPings, Document, Fault, Mark, PassBegin, PassEnd, Reading, TraceClock
from lab.record.events import read_events
from lab.record.manifest import Manifest, read_manifest, sha256_of
from lab.record.writer import EVENTS

_SHOWN_PROBLEMS = 8


@dataclass(frozen=True, slots=True)
class PassData:
    """A pass that ended (``end.state`` says how): its plan and the documents of its last attempt that did.

    ``trial`` and ``plan`` are the entries of the manifest's plan.
    """

    pass_id: str
    trial: dict[str, Any]
    plan: dict[str, Any]
    end: PassEnd
    marks: tuple[Mark, ...]
    readings: tuple[Reading, ...]
    faults: tuple[Fault, ...]
    clocks: tuple[TraceClock, ...] = ()
    pings: tuple[ClockPings, ...] = ()


class Record:
    """A record on disk, read only.

    With ``salvage``, a damaged line of the event log spoils the pass it stands in, not the whole record.
    """

    def __init__(self, root: Path, manifest: Manifest, *, salvage: bool = False) -> None:
        self.root = root
        self.manifest = manifest
        self._salvage = salvage

    @classmethod
    def open(cls, root: Path, *, salvage: bool = False) -> Record:
        """Open a record's folder. Raises :class:`DataError` if it is not one."""
        return cls(root, read_manifest(root), salvage=salvage)

    def path(self, relative: str) -> Path:
        """A file of the record. Raises :class:`DataError` for a path that leads out of the record's folder."""
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise DataError(f"{self.root}: the record points outside itself ({relative!r})")
        return path

    @cached_property
    def documents(self) -> list[Document]:
        """All documents, in the order they were written."""
        return list(read_events(self.root / EVENTS, salvage=self._salvage))

    def attempts(self) -> dict[str, int]:
        """How often each pass was begun, completed or not."""
        counts: dict[str, int] = {}
        for document in self.documents:
            if isinstance(document, PassBegin):
                counts[document.pass_id] = max(counts.get(document.pass_id, 0), document.attempt)
        return counts

    def planned(self) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """``pass_id`` → (trial, pass) of the plan, in planned order."""
        return {item["pass_id"]: (trial, item) for trial in self.manifest["plan"]["trials"] for item in trial["passes"]}

    def passes(self) -> dict[str, PassData]:
        """The passes that ended, well or not, in planned order; each with its last attempt that ended."""
        return dict(self._passes)

    @cached_property
    def _passes(self) -> dict[str, PassData]:
        open_attempts: dict[tuple[str, int], list[Document]] = {}
        ended: dict[str, tuple[PassEnd, list[Document]]] = {}
        for document in self.documents:
            if isinstance(document, PassBegin):
                open_attempts[document.pass_id, document.attempt] = []
            elif isinstance(document, Fault) and _is_late(document, ended):
                ended[document.pass_id or ""][1].append(document)
            elif (
                isinstance(document, Mark | Reading | Fault | TraceClock | ClockPings) and document.pass_id is not None
            ):
                open_attempts.setdefault((document.pass_id, document.attempt), []).append(document)
            elif isinstance(document, PassEnd):
                facts = open_attempts.pop((document.pass_id, document.attempt), [])
                ended[document.pass_id] = (document, facts)
        return {
            pass_id: PassData(
                pass_id=pass_id,
                trial=trial,
                plan=plan,
                end=ended[pass_id][0],
                marks=tuple(item for item in ended[pass_id][1] if isinstance(item, Mark)),
                readings=tuple(item for item in ended[pass_id][1] if isinstance(item, Reading)),
                faults=tuple(item for item in ended[pass_id][1] if isinstance(item, Fault)),
                clocks=tuple(item for item in ended[pass_id][1] if isinstance(item, TraceClock)),
                pings=tuple(item for item in ended[pass_id][1] if isinstance(item, ClockPings)),
            )
            for pass_id, (trial, plan) in self.planned().items()
            if pass_id in ended
        }

    def missing_passes(self) -> list[str]:
        """Planned passes that never ended well, in planned order: what ``lab resume`` has still to do."""
        passes = self._passes
        return [item for item in self.planned() if item not in passes or passes[item].end.state != "done"]

    def verify(self) -> list[str]:
        """What is wrong with the raw files, one line each; empty if each has the checksum it was sealed with."""
        sealed: dict[str, str] = self.manifest.get("files") or {}
        if not sealed:
            return ["the record was never sealed (its campaign is running or was killed); `lab resume` finishes it"]
        problems = []
        for relative, expected in sealed.items():
            path = self.path(relative)
            if not path.is_file():
                problems.append(f"{relative}: missing")
            elif sha256_of(path) != expected:
                problems.append(f"{relative}: changed since the record was sealed")
        return problems

    def require_unchanged(self, *, advice: str) -> None:
        """Raise :class:`DataError` if :meth:`verify` finds something, with the first few things it finds."""
        problems = self.verify()
        if not problems:
            return
        lines = problems[:_SHOWN_PROBLEMS]
        if more := len(problems) - len(lines):
            lines.append(f"… and {more} more")
        raise DataError("\n  ".join([f"{self.root}: the raw files are not what was recorded:", *lines]), advice=advice)


def _is_late(fault: Fault, ended: Mapping[str, tuple[PassEnd, list[Document]]]) -> bool:
    """Was the fault found after its pass had ended, when the record was sealed?"""
    end, _ = ended.get(fault.pass_id or "", (None, None))
    return end is not None and end.attempt == fault.attempt
