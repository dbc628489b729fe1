"""Where records lie: ``records/<experiment>/<UTC time>-<short id>/``, and how a person names one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.errors import DataError, UsageError
from lab.record.manifest import FILE, Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class RecordFolder:
    """A record found on disk. ``manifest`` is ``None`` where it cannot be read; ``problem`` then says why."""

    root: Path
    manifest: Manifest | None
    problem: str = ""


def new_record_folder(records: Path, experiment: str) -> Path:
    """Make a fresh folder for a campaign; never one that exists."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    while True:
        root = records / experiment / f"{stamp}-{secrets.token_hex(3)}"
        try:
            root.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(
                f"{root}: cannot make the record's folder ({error.strerror})",
                advice="name another with --records",
            ) from error
        return root


def find_records(records: Path) -> Iterator[RecordFolder]:
    """All records below a folder, oldest first within each experiment."""
    for path in sorted(records.glob(f"*/*/{FILE}")):
        root = path.parent
        try:
            yield RecordFolder(root, read_manifest(root))
        except Exception as error:  # noqa: BLE001 - a damaged record is listed with its problem, whatever it is
            yield RecordFolder(root, None, str(error))


def resolve_record(records: Path, name: str) -> Path:
    """The folder that a person means by ``name``: a path, a short id, an experiment's name (its newest), ``latest``.

    Raises :class:`UsageError` if there is none or more than one, :class:`DataError` for a folder that is no record.
    """
    path = Path(name)
    if (path / FILE).is_file():
        return path.resolve()
    roots = [entry.parent for entry in sorted(records.glob(f"*/*/{FILE}"), key=lambda entry: entry.parent.name)]
    if name == "latest":
        matches = roots[-1:]
    elif by_experiment := [root for root in roots if root.parent.name == name]:
        matches = by_experiment[-1:]
    else:
        matches = [root for root in roots if root.name == name or root.name.endswith("-" + name)]
    if not matches and path.is_dir():
        raise DataError(f"{path}: not a record (it has no {FILE})", advice="`lab list` shows the records there are")
    if not matches:
        raise UsageError(f"no record {name!r} here or below {records}", advice="`lab list` shows the records there are")
    if len(matches) > 1:
        names = ", ".join(str(root) for root in matches)
        raise UsageError(f"{name!r} may mean several records: {names}", advice="give the path of one")
    return matches[0].resolve()
