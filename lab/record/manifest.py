"""``manifest.json``: what was measured, on what, with what, and the checksum of every raw file.

It is written whole and replaced atomically: once when the campaign begins, once when it ends or is interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from lab.errors import DataError
from lab.record.manifest_shape import RECORD, require

SCHEMA = "lab.record/1"
FILE = "manifest.json"

Manifest = dict[str, Any]
"""The manifest as JSON; docs/record.md describes its keys."""


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Replace the record's manifest, atomically."""
    temporary = root / (FILE + ".new")
    # Half a surrogate pair (bytes of a board that were no UTF-8) becomes JSON's own escape, and reads back the same.
    with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(manifest, file, indent=1, allow_nan=False, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(root / FILE)


def read_manifest(root: Path) -> Manifest:
    """The record's manifest. Raises :class:`DataError` if it is missing, damaged or of another schema."""
    path = root / FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{root}: not a record (it has no {FILE})", advice="`lab list` shows the records there are"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot read the manifest ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: damaged manifest ({error})") from error
    found = manifest.get("schema") if isinstance(manifest, dict) else None
    if found != SCHEMA:
        raise DataError(
            f"{path}: found schema {found!r}, expected {SCHEMA!r}",
            advice="read it with the version of lab that wrote it",
        )
    assert isinstance(manifest, dict)
    require(manifest, RECORD, str(path))
    return manifest


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
