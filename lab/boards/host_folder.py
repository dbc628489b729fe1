"""A board's working folder that lies on this machine."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from lab.errors import HardwareError


class HostFolder:
    """A temporary folder below ``parent`` (the system's, if ``None``) for the board called ``name``."""

    def __init__(self, name: str, parent: Path | None = None) -> None:
        self._name = name
        self._parent = parent
        self._root: Path | None = None

    def make(self) -> None:
        """Make it. Idempotent."""
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="lab-", dir=self._parent))

    def remove(self) -> None:
        """Remove it and all that is in it. Idempotent."""
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    @property
    def path(self) -> Path:
        """Where it is. Raises :class:`HardwareError` if it was not made."""
        if self._root is None:
            raise HardwareError(f"board {self._name!r} is not open")
        return self._root

    def put(self, local: Path, remote: str) -> str:
        """Copy a file or folder to ``remote`` in it; returns its full path."""
        target = self.inside(remote)
        target.parent.mkdir(parents=True, exist_ok=True)
        if local.is_dir():
            shutil.copytree(local, target, dirs_exist_ok=True)
        else:
            shutil.copy2(local, target)
        return str(target)

    def fetch(self, remote: str, local: Path) -> None:
        """Copy a file of it (relative to it, or in full). Raises ``FileNotFoundError``."""
        source = self.inside(remote)
        if not source.is_file():
            raise FileNotFoundError(source)
        shutil.copyfile(source, local)

    def fetch_folder(self, remote: str, local: Path) -> None:
        """Copy the regular files of a folder in it. Raises ``FileNotFoundError`` if the folder is not there."""
        source = self.inside(remote)
        if source.is_symlink() or not source.is_dir():
            raise FileNotFoundError(source)
        local.mkdir(parents=True, exist_ok=True)
        for folder, _, names in os.walk(source):
            for path in (Path(folder, name) for name in names):
                if stat.S_ISREG(path.lstat().st_mode):
                    target = local / path.relative_to(source)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)

    def make_workdir(self, name: str) -> str:
        """A fresh, empty folder in it; one of that name from before is removed."""
        folder = self.inside(name)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        return str(folder)

    def inside(self, remote: str) -> Path:
        """The path of ``remote`` in it. Raises ``ValueError`` if it points outside."""
        root = self.path
        path = Path(os.path.normpath(root / remote))
        if not path.is_relative_to(root) or path == root:
            raise ValueError(f"{remote!r} is not below the board's working folder")
        return path
