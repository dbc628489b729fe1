"""What of a program's folders goes onto a board that does not share this machine's files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.boards.protocol import Board

_LEFTOVERS = frozenset({".o", ".d", ".a", ".obj", ".gch", ".pch", ".lo", ".la", ".gcno"})
"""What compilers leave in a build folder that no program needs to run."""


def place(board: Board, folder: Path, name: str, *, only: Sequence[Path] | None = None) -> str:
    """The path of a folder on the board; it is put there if the board does not share our files.

    ``only`` names the files of the folder that matter. Without it all do, but for hidden ones and what compilers leave
    behind.
    """
    if getattr(board, "shares_files", False):
        return str(folder)
    with tempfile.TemporaryDirectory(prefix="lab-") as staging:
        chosen = Path(staging) / name
        chosen.mkdir()
        for path in needed_files(folder) if only is None else only:
            copy = chosen / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            _link(path, copy)
        return board.put(chosen, name)


def needed_files(folder: Path) -> Iterator[Path]:
    """The files of a folder that a program could need to run."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix not in _LEFTOVERS:
            yield path


def _link(path: Path, copy: Path) -> None:
    """The same file under another name where the file system can, else a copy."""
    try:
        os.link(path.resolve(), copy)
    except OSError:
        shutil.copy2(path, copy)
