"""Which QEMU emulates a machine: the one that is installed, or, where that is too old, a newer one.

The newer one comes from Debian's backports and is unpacked into the cache with all its libraries, beside the installed
one and without touching it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.boards.qemu import elf
from lab.boards.qemu.locks import held
from lab.boards.qemu.machines import Machine
from lab.boards.qemu.packages import RELEASE, NotToBeHadError, Package, PackageStore, Wanted, missing_tools
from lab.boards.qemu.progress import Progress, Silent
from lab.boards.qemu.unpack import resolved, unpack

_PACKAGE = "qemu-system-arm"
_DIRECTORIES = ("lib/", "lib64/", "usr/lib/", "usr/share/qemu/", "usr/bin/qemu-system-")
_COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Emulator:
    """A QEMU that can be started: ``argv`` begins its command line."""

    argv: tuple[str, ...]
    version: str
    source: str


def installed(machine: Machine) -> Emulator | None:
    """The installed QEMU, if it has the machine."""
    path = shutil.which(machine.emulator)
    if path is None:
        return None
    version = _version((path,))
    if version is None or _numbers(version) < machine.oldest_qemu:
        return None
    return Emulator((path,), version, "installed")


def unpacked(machine: Machine, cache: Path) -> Emulator | None:
    """The QEMU that was unpacked into the cache, if it was."""
    store = _store(cache, Silent())
    packages = None if store is None else store.fetched()
    if not packages:
        return None
    root = _root(cache, packages)
    return _inside(root, machine) if (root / _COMPLETE).exists() else None


def find_emulator(machine: Machine, cache: Path, progress: Progress, *, refresh: bool = False) -> Emulator:
    """A QEMU that has the machine; fetched into the cache if need be.

    Raises :class:`NotToBeHadError`, with what to do, if there is none and none can be had.
    """
    if (here := installed(machine)) is not None:
        return here
    if not refresh and (there := unpacked(machine, cache)) is not None:
        return there
    wish = f"{machine.name} needs QEMU {_said(machine.oldest_qemu)} or newer ({_what_is_installed(machine)})"
    store = _store(cache, progress)
    if store is None:
        raise NotToBeHadError(
            f"{wish}, and none can be fetched here: {', '.join(missing_tools())} missing",
            advice=f"install {machine.emulator} {_said(machine.oldest_qemu)}",
        )
    try:
        packages = store.fetch(refresh=refresh)
    except NotToBeHadError as error:
        reason = f"{RELEASE}-backports did not give one: {error.message}"
        raise NotToBeHadError(f"{wish}, and {reason}", advice=error.advice) from None
    root = _root(cache, packages)
    with held(root.with_suffix(".lock"), progress, "unpacking QEMU"):
        if not (root / _COMPLETE).exists():
            if store.discard_damaged(packages):
                return find_emulator(machine, cache, progress)
            progress.step("unpacking QEMU")
            shutil.rmtree(root, ignore_errors=True)
            for package in packages:
                unpack(package.path, root, lambda name: name.startswith(_DIRECTORIES))
            (root / _COMPLETE).touch()
    found = _inside(root, machine)
    if found is None or _numbers(found.version) < machine.oldest_qemu:
        version = "none that starts" if found is None else found.version
        raise NotToBeHadError(f"{wish}; {RELEASE}-backports gave {version}")
    return found


def _store(cache: Path, progress: Progress) -> PackageStore | None:
    if missing_tools():
        return None
    said = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False)
    wanted = Wanted(said.stdout.strip(), (_PACKAGE,), backports=True)
    return PackageStore(cache / "packages", wanted, progress)


def _root(cache: Path, packages: list[Package]) -> Path:
    text = "\n".join(package.sha256 for package in packages)
    return cache / "tools" / f"qemu-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _inside(root: Path, machine: Machine) -> Emulator | None:
    """The unpacked QEMU, started by the loader and with the libraries that came with it: the host's may be others."""
    program = resolved(root, f"usr/bin/{machine.emulator}")
    if program is None:
        return None
    interpreter = elf.needs(program.read_bytes()).interpreter
    loader = None if interpreter is None else resolved(root, interpreter)
    if loader is None:
        return None
    libraries = sorted({str(path.parent) for folder in ("lib", "usr/lib") for path in (root / folder).rglob("*.so.*")})
    argv = (str(loader), "--library-path", ":".join(libraries), str(program), "-L", str(root / "usr/share/qemu"))
    version = _version(argv)
    return None if version is None else Emulator(argv, version, f"{RELEASE}-backports, unpacked")


def _version(argv: tuple[str, ...]) -> str | None:
    try:
        said = subprocess.run([*argv, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version (\d+\.\d+\S*(?: \(.*?\))?)", said.stdout)
    return None if found is None else found[1]


def _numbers(version: str) -> tuple[int, int]:
    major, minor = re.match(r"(\d+)\.(\d+)", version).groups()  # type: ignore[union-attr]  # _version found it
    return int(major), int(minor)


def _said(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _what_is_installed(machine: Machine) -> str:
    path = shutil.which(machine.emulator)
    if path is None:
        return f"no {machine.emulator} is installed"
    return f"installed is {_version((path,)) or 'one that does not start'}"
