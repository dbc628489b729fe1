"""Where built models lie: the cache, a folder per key, and the folder that the user sees.

A model in the user's folder is a hard link to the cached one where the file system allows it, a copy elsewhere. Nothing
becomes visible half written, and nothing is taken for good without its SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.errors import DataError
from lab.networks.building.metadata import metadata_path, read_metadata
from lab.networks.building.recipe import Recipe

_STAGING = ".building-"


class ModelStore:
    """``cache`` holds what was ever built, ``out`` what the user asked for; both are made when needed."""

    def __init__(self, cache: Path, out: Path) -> None:
        self._cache = cache
        self.out = out

    def log_file(self, title: str) -> Path:
        """Where a network's build writes what TensorFlow says."""
        folder = self._cache / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{title.replace(' ', '_')}.log"

    def placed(self, recipe: Recipe) -> dict[str, Any] | None:
        """The metadata of the recipe's file in the user's folder; ``None`` if it is not there, or another one is."""
        return _found(self.out, recipe)

    def place(self, recipe: Recipe) -> dict[str, Any] | None:
        """Put the recipe's file from the cache into the user's folder; ``None`` if the cache does not have it."""
        folder = self._entry(recipe)
        if (metadata := _found(folder, recipe)) is None:
            return None
        self.out.mkdir(parents=True, exist_ok=True)
        model = self.out / recipe.variation.file_name
        # Never a new model with the metadata of an old one.
        metadata_path(model).unlink(missing_ok=True)
        _put(folder / model.name, model, link=True)
        # Small, and easily edited: not to be shared with the cache.
        _put(metadata_path(folder / model.name), metadata_path(model), link=False)
        return metadata

    def keep(self, recipe: Recipe, model: Path, metadata: Mapping[str, Any]) -> None:
        """Move a file just built, with its metadata, from a staging folder into the cache."""
        folder = Path(tempfile.mkdtemp(dir=model.parent))
        folder.chmod(0o755)
        model.replace(folder / recipe.variation.file_name)
        text = json.dumps(metadata, indent=1, ensure_ascii=False) + "\n"
        metadata_path(folder / recipe.variation.file_name).write_text(text, encoding="utf-8")
        entry = self._entry(recipe)
        # What is there is damaged, or it would have been used.
        shutil.rmtree(entry, ignore_errors=True)
        # Another process may just have put the same there; whether it is whole is seen when it is placed.
        with contextlib.suppress(OSError):
            folder.replace(entry)

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder beside the cache's entries for files that are being made; gone afterwards."""
        self._cache.mkdir(parents=True, exist_ok=True)
        for left in self._cache.glob(f"{_STAGING}*"):
            if not _is_running(left.name.removeprefix(_STAGING).split("-")[0]):
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix=f"{_STAGING}{os.getpid()}-") as folder:
            yield Path(folder)

    def _entry(self, recipe: Recipe) -> Path:
        return self._cache / recipe.key[:32]


def _found(folder: Path, recipe: Recipe) -> dict[str, Any] | None:
    model = folder / recipe.variation.file_name
    try:
        metadata = read_metadata(model)
        if metadata.get("key") != recipe.key:
            return None
        with model.open("rb") as file:
            intact = hashlib.file_digest(file, "sha256").hexdigest() == metadata.get("sha256")
    except (DataError, OSError):
        return None
    return metadata if intact else None


def _put(source: Path, target: Path, *, link: bool) -> None:
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    if not (link and _linked(source, beside)):
        shutil.copy2(source, beside)
    beside.replace(target)
    # Replacing a file by another link to itself leaves both in place.
    beside.unlink(missing_ok=True)


def _linked(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except OSError:
        return False
    return True


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
