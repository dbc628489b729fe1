"""The folder of files that a program reads: one that the user names, or one that the experiment makes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError
from lab.workloads.building import hash_of_files, host_compiler, made
from lab.workloads.placing import needed_files


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The folder, those of its files that are needed (none: all), and what is known of them, for the manifest."""

    folder: Path
    needed: list[Path]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InputFiles:
    """What an experiment says of them; see :class:`lab.workloads.program.ProgramSettings`."""

    env: str | None
    needs: tuple[str, ...]
    prepare: tuple[str, ...]

    def found(self, source: Path, content: str, cache: Path) -> FoundFiles:
        """The files, made if the user names none. ``content`` is the checksum of the folder ``source``.

        Raises :class:`UsageError` if one is missing, :class:`lab.errors.DataError` if what makes them fails.
        """
        versions = {}
        named = os.environ.get(self.env, "") if self.env else ""
        if named:
            folder = Path(named).expanduser().absolute()
            if not folder.is_dir():
                raise UsageError(f"{self.env}={named}: no such folder", advice=self._advice())
            versions["data"] = f"{self.env}={folder}"
        elif self.prepare:
            # Made here and for all boards alike.
            folder = made(cache / "data", "prepare", self.prepare, source, content, host_compiler())
            versions["data"] = f"made by {_made_by(self.prepare)}"
        else:
            raise UsageError(
                f"the program reads input files, and the environment variable {self.env} does not name their folder",
                advice=self._advice(),
            )
        needed = self._needed(folder)
        versions["data_sha256"] = hash_of_files(needed or list(needed_files(folder)))
        return FoundFiles(folder, needed, versions)

    def _needed(self, folder: Path) -> list[Path]:
        found, missing = [], []
        for names in self.needs:
            candidates = [folder / (name + suffix) for name in names.split("|") for suffix in ("", ".gz")]
            there = [path for path in candidates if path.is_file()]
            found.extend(there[:1])
            missing.extend([] if there else [names.partition("|")[0]])
        if missing:
            raise UsageError(f"{folder}: no {', '.join(missing)} there (gzipped or not)", advice=self._advice())
        return found

    def _advice(self) -> str:
        first_names = [names.partition("|")[0] for names in self.needs]
        needs = ", ".join(first_names) or "the program's input files"
        advice = f"export {self.env}=/path/to/a/folder with {needs}"
        return advice + ("; or unset it, and the experiment makes its own" if self.prepare else "")


def _made_by(command: Sequence[str]) -> str:
    """The name of what a command runs: the script of ours that an interpreter is given, or the program itself."""
    return Path(next((part for part in command if "{source}" in part), command[0])).name
