"""Debian packages for an image, fetched by ``apt-get`` with lists, state and cache of the lab's own.

Nothing of the host's package state is read or changed, and no privilege is needed. What was fetched stays: with the
list of files that a set of packages came to, the same image can be made again without a network.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.boards.qemu.locks import held
from lab.boards.qemu.progress import Progress
from lab.errors import HardwareError

RELEASE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_MIRROR = "http://deb.debian.org"
MIRROR_VARIABLE = "LAB_DEBIAN_MIRROR"

_DOWNLOAD_ADVICE = (
    f"packages come from {DEFAULT_MIRROR} (another mirror: {MIRROR_VARIABLE}=http://HOST, with debian and "
    "debian-security below it); once fetched they are kept"
)
_STATUS_LINE = re.compile(r"^dlstatus:[^:]*:([\d.]+):(.*)$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A set of packages: ``names`` with all that they depend on, and of each of ``kernels`` (metapackages) the one
    package with the kernel itself. ``backports``: newer versions of ``names`` from Debian's backports."""

    architecture: str
    names: tuple[str, ...]
    kernels: tuple[str, ...] = ()
    backports: bool = False

    @property
    def key(self) -> str:
        """Short and the same for the same set."""
        text = json.dumps([RELEASE, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Package:
    """A package's file as it was fetched."""

    name: str
    version: str
    path: Path
    sha256: str


def missing_tools() -> list[str]:
    """What is needed here to fetch and open Debian packages, and is not there."""
    missing = [f"the command {tool}" for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if not KEYRING.exists():
        missing.append("the package debian-archive-keyring")
    return missing


class NotToBeHadError(HardwareError):
    """What an emulated board needs is not here and cannot be fetched: no tool, no network, no such package."""


class PackageStore:
    """Packages of one architecture (and the backports apart from the rest) below a folder."""

    def __init__(self, root: Path, wanted: Wanted, progress: Progress) -> None:
        self._wanted = wanted
        self._progress = progress
        self._folder = root / (wanted.architecture + ("-backports" if wanted.backports else ""))
        self._archives = self._folder / "archives"
        self._list = self._folder / f"{wanted.key}.json"

    def fetched(self) -> list[Package] | None:
        """The packages, if all of them were fetched before."""
        found = [
            Package(row["name"], row["version"], self._archives / row["file"], row["sha256"])
            for row in _rows(self._list)
        ]
        return found if found and all(package.path.is_file() for package in found) else None

    def fetch(self, *, refresh: bool = False) -> list[Package]:
        """The packages; asks Debian's archive only if some are not here, or to ``refresh`` them.

        Raises :class:`NotToBeHadError` if a tool is missing, the archive cannot be reached or does not have them.
        """
        with held(self._folder / "lock", self._progress, "fetching packages"):
            found = None if refresh else self.fetched()
            return self._ask_archive() if found is None else found

    def discard_damaged(self, packages: Iterable[Package]) -> bool:
        """Delete files that are not what was fetched; true if there were any."""
        damaged = [package.path for package in packages if _sha256(package.path) != package.sha256]
        for path in damaged:
            path.unlink()
        return bool(damaged)

    def _ask_archive(self) -> list[Package]:
        if missing := missing_tools():
            raise NotToBeHadError(
                f"Debian packages cannot be fetched here: {', '.join(missing)} missing",
                advice="emulated boards need a machine with Debian's package tools: run `make emulators` there",
            )
        for folder in (self._archives / "partial", self._folder / "lists" / "partial", self._folder / "log"):
            folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="apt-") as scratch:
            apt = _Apt(self._folder, self._wanted, Path(scratch), self._progress)
            apt.update()
            files = apt.files_of(["install", *self._wanted.names])
            apt.run(["install", "--download-only", *self._wanted.names], "fetching packages")
            kernels = apt.kernels(self._wanted.kernels)
            if kernels:
                files += apt.files_of(["download", *kernels])
                apt.run(["download", *kernels], "fetching the kernel", cwd=self._archives)
        found = [self._described(name) for name in dict.fromkeys(files)]
        rows = [
            {"name": package.name, "version": package.version, "file": package.path.name, "sha256": package.sha256}
            for package in found
        ]
        beside = self._list.with_suffix(".new")
        beside.write_text(json.dumps(rows, indent=1) + "\n")
        beside.replace(self._list)
        self._remove_unlisted()
        return found

    def _remove_unlisted(self) -> None:
        """Files of older versions, which no set of packages names any more."""
        listed = {row["file"] for path in self._folder.glob("*.json") for row in _rows(path)}
        for path in self._archives.glob("*.deb"):
            if path.name not in listed:
                path.unlink()

    def _described(self, file_name: str) -> Package:
        path = self._archives / file_name
        if not path.is_file():
            raise NotToBeHadError(f"apt-get did not leave {file_name} in {self._archives}", advice=_DOWNLOAD_ADVICE)
        # Debian's names: NAME_VERSION_ARCHITECTURE.deb, the colon of an epoch written %3a.
        name, version, _ = file_name.split("_", 2)
        return Package(name, version.replace("%3a", ":"), path, _sha256(path))


def _rows(path: Path) -> list[dict[str, str]]:
    """A list of packages; nothing if there is none or it is damaged."""
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    keys = ("name", "version", "file", "sha256")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and all(key in row for key in keys) for row in rows):
        return []
    return rows


def _sha256(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


class _Apt:
    """``apt-get`` with everything below ``folder``; its configuration lies in ``scratch``."""

    def __init__(self, folder: Path, wanted: Wanted, scratch: Path, progress: Progress) -> None:
        self._progress = progress
        self._nothing = scratch / "nothing"
        (self._nothing / "partial").mkdir(parents=True)
        self._options = ["-t", f"{RELEASE}-backports"] if wanted.backports else []
        mirror = os.environ.get(MIRROR_VARIABLE, DEFAULT_MIRROR).rstrip("/")
        self._sources = scratch / "sources.list"
        self._suites = [f"{mirror}/debian {RELEASE}"]
        if wanted.backports:
            self._suites.append(f"{mirror}/debian {RELEASE}-backports")
        self._updates = [f"{mirror}/debian {RELEASE}-updates", f"{mirror}/debian-security {RELEASE}-security"]
        (scratch / "parts").mkdir()
        settings: dict[str, str] = {
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": str(scratch / "parts"),
            "Dir::Etc::sourcelist": str(self._sources),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": str(folder),
            "Dir::State::lists": str(folder / "lists"),
            "Dir::State::status": str(folder / "status"),
            "Dir::Cache": str(folder),
            "Dir::Cache::archives": str(folder / "archives"),
            "Dir::Log": str(folder / "log"),
            "APT::Architecture": wanted.architecture,
            "APT::Architectures": wanted.architecture,
            "APT::Install-Recommends": "false",
            "APT::Update::Error-Mode": "any",
            "APT::Get::Assume-Yes": "true",
            # Root would give up its rights for downloading, and then could not write into the cache.
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            # Lists stay as they come; what is worked out from them goes: they are used once, then lie there.
            "Acquire::GzipIndexes": "true",
            "Dir::Cache::pkgcache": str(scratch / "pkgcache.bin"),
            "Dir::Cache::srcpkgcache": str(scratch / "srcpkgcache.bin"),
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Acquire::https::Timeout": "20",
        }
        lines = [f'{key} "{value}";' for key, value in settings.items()]
        (scratch / "apt.conf").write_text("\n".join(_proxies_of_host() + lines) + "\n")
        self._env = {**os.environ, "APT_CONFIG": str(scratch / "apt.conf"), "LC_ALL": "C"}

    def update(self) -> None:
        """Read the lists of the release with its updates; without these where they cannot be read (a mirror may be in
        the middle of taking them over), since a board of an older date is better than none."""
        what = "reading Debian's package lists"
        try:
            self._read_lists(what, [*self._suites, *self._updates])
        except NotToBeHadError as error:
            self._progress.step(f"going on without updates ({error.message})")
            self._read_lists(what, self._suites)

    def _read_lists(self, what: str, suites: Sequence[str]) -> None:
        self._sources.write_text("".join(f"deb [signed-by={KEYRING}] {suite} main\n" for suite in suites))
        self.run(["update"], what)

    def files_of(self, arguments: Sequence[str]) -> list[str]:
        """The names of the files that a command of ``apt-get`` would fetch."""
        # In a folder where nothing lies: files that are here already are not named.
        nothing = ["-o", f"Dir::Cache::archives={self._nothing}"]
        done = subprocess.run(
            ["apt-get", *self._options, *nothing, "--print-uris", "-qq", *arguments],
            env=self._env,
            cwd=self._nothing,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotToBeHadError(f"apt-get {arguments[0]}: {_complaint(done.stderr)}", advice=_DOWNLOAD_ADVICE)
        return re.findall(r"^'[^']*' (\S+) \d+", done.stdout, re.MULTILINE)

    def kernels(self, metapackages: Iterable[str]) -> list[str]:
        """The package with the kernel that each metapackage stands for today."""
        names = []
        for metapackage in metapackages:
            said = subprocess.run(
                ["apt-cache", "depends", metapackage], env=self._env, capture_output=True, text=True, check=False
            )
            found = re.findall(r"^\s*Depends: (linux-image-\S+)$", said.stdout, re.MULTILINE)
            if not found:
                raise NotToBeHadError(f"Debian's archive has no {metapackage}", advice=_DOWNLOAD_ADVICE)
            names.append(found[0])
        return names

    def run(self, arguments: Sequence[str], what: str, cwd: Path | None = None) -> None:
        """Run a command of ``apt-get``, saying how far it has come."""
        self._progress.step(what)
        began = time.monotonic()
        # To stderr, which is told apart from the status below only by being read later: a file takes it meanwhile.
        with tempfile.TemporaryFile("w+") as complaints:
            process = subprocess.Popen(
                ["apt-get", *self._options, "-q", "-o", "APT::Status-Fd=1", *arguments],
                env=self._env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )
            with process:
                try:
                    for line in process.stdout or ():
                        if far := _STATUS_LINE.match(line):
                            elapsed_s = time.monotonic() - began
                            self._progress.waiting(f"{what}: {float(far[1]):.0f} % ({elapsed_s:.0f} s)")
                except BaseException:
                    process.terminate()
                    raise
            if process.returncode:
                complaints.seek(0)
                raise NotToBeHadError(f"{what}: {_complaint(complaints.read())}", advice=_DOWNLOAD_ADVICE)


def _proxies_of_host() -> list[str]:
    """How this machine reaches package archives (proxies and the like), as lines for a configuration of apt."""
    said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    return [line for line in said.stdout.splitlines() if re.match(r"Acquire::https?::", line)]


def _complaint(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.startswith(("E:", "Err:", "W:"))] or stderr.splitlines()
    return "; ".join(lines[:2]) or "apt-get failed without a word"


def versions(packages: Iterable[Package]) -> Mapping[str, Any]:
    """Package → version."""
    return {package.name: package.version for package in packages}
