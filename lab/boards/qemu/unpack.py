"""Taking files out of Debian packages into a folder, without installing anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from lab.errors import HardwareError

_MOST_LINKS = 40


def unpack(package: Path, into: Path, wanted: Callable[[str], bool]) -> None:
    """Write the files of ``package`` whose path (without a leading ``./``) is ``wanted`` below ``into``.

    Owners and special files are left out. Raises :class:`HardwareError` if the package is damaged.
    """
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    path = PurePosixPath(member.name)
                    name = str(path)
                    if path.is_absolute() or ".." in path.parts or not wanted(name):
                        continue
                    _write(archive, member, into, into / name)
        except (tarfile.TarError, EOFError) as error:
            raise _damaged(package, str(error)) from None
    if process.returncode:
        raise _damaged(package, "dpkg-deb cannot read it")


def _damaged(package: Path, why: str) -> HardwareError:
    return HardwareError(
        f"{package}: this package is damaged: {why}", advice="delete it; it is fetched again the next time"
    )


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, target: Path) -> None:
    if not (member.isreg() or member.issym() or member.islnk()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        source = root / str(PurePosixPath(member.linkname))
        if source.exists():
            os.link(source, target)
    elif (data := archive.extractfile(member)) is not None:
        with target.open("wb") as out:
            shutil.copyfileobj(data, out)
        target.chmod(member.mode & 0o755)


def resolved(root: Path, path: PurePosixPath | str) -> Path | None:
    """The file that ``path`` leads to in a tree of which ``root`` is the root folder; links stay inside it.

    ``None`` if there is none.
    """
    todo = [part for part in PurePosixPath(path).parts if part != "/"]
    there: list[str] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            del there[-1:]
            continue
        here = root.joinpath(*there, part)
        if here.is_symlink():
            links += 1
            if links > _MOST_LINKS:
                return None
            target = PurePosixPath(here.readlink())
            if target.is_absolute():
                there.clear()
            todo[:0] = [step for step in target.parts if step != "/"]
        else:
            there.append(part)
    found = root.joinpath(*there)
    return found if found.is_file() else None
