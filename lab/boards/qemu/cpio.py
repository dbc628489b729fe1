"""Writing an initial RAM file system: a cpio archive in the ``newc`` format, as Linux unpacks it at boot.

Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst. Every entry belongs to root and bears the
time 0, so that the same files give the same bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
_ALIGNMENT = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, a folder or a symbolic link: ``mode`` with its type, ``data`` the content or the link's target."""

    mode: int
    data: bytes = b""


def folder(mode: int = 0o755) -> Entry:
    """A folder."""
    return Entry(stat.S_IFDIR | mode)


def file(data: bytes, mode: int = 0o644) -> Entry:
    """A file."""
    return Entry(stat.S_IFREG | mode, data)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def write(entries: Mapping[str, Entry], out: BinaryIO) -> None:
    """Write an archive of ``entries`` (path without a leading ``/`` → entry), folders above them included.

    Raises ``ValueError`` for a path that leads outside, and for a file that is larger than the format can say.
    """
    for number, (path, entry) in enumerate(_with_folders(entries), start=1):
        _write_entry(out, number, path, entry)
    _write_entry(out, 0, _TRAILER, Entry(0))


def _with_folders(entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """Entries so that each folder comes before what is in it: the kernel makes none by itself."""
    complete = dict(entries)
    for path in entries:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts or str(pure) != path:
            raise ValueError(f"{path!r} is no path of an archive")
        for parent in pure.parents:
            if parent.parts:
                complete.setdefault(str(parent), folder())
    yield from sorted(complete.items(), key=lambda item: PurePosixPath(item[0]).parts)


def _write_entry(out: BinaryIO, number: int, path: str, entry: Entry) -> None:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    if len(entry.data) >= 1 << 32:
        raise ValueError(f"{path!r} is too large for the format")
    # inode, mode, uid, gid, links, mtime, size, device (2), special device (2), length of the name, checksum
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
    header = _MAGIC + b"".join(b"%08X" % field for field in fields)
    out.write(header + name + _padding(len(header) + len(name)))
    out.write(entry.data)
    out.write(_padding(len(entry.data)))


def _padding(length: int) -> bytes:
    return b"\0" * (-length % _ALIGNMENT)
