"""Files to and from a board over its link, with nothing there but a shell: ``cat``, ``tar``, and what can check them.

A file or folder appears at its place whole or not at all. What arrived is compared by SHA-256, where the board has
``sha256sum``, else by its size. On the way back the size is compared; what SSH carries it protects itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from lab.boards.ssh.link import Answer, SshLink
from lab.boards.ssh.quoting import quoted
from lab.errors import HardwareError, LinkLostError

_BLOCK = 1 << 18
_SPOOLED = 1 << 24
_STUCK_S = 600.0
"""The link watches itself; this is for a board whose storage never answers (or that sums up a file for so long)."""

_SUMS = """
sum() {
  if command -v sha256sum >/dev/null 2>&1; then set -- $(sha256sum <"$1"); echo "sha256 $1"
  else set -- $(wc -c <"$1"); echo "size $1"
  fi
}
"""
"""Defines ``sum FILE``: the best check that the board has of a file, in one line."""

_PUT_FILE = (
    _SUMS
    + """
part=$1.part-$$
trap 'rm -f "$part"' EXIT
mkdir -p "$(dirname "$1")" && cat >"$part" && chmod "$2" "$part" || exit 1
found=$(sum "$part")
echo "$found"
case "$found" in
  "$3" | "$4") ;;
  *) exit 67 ;;
esac
[ ! -d "$1" ] || rm -rf "$1"
mv -f "$part" "$1"
"""
)

_PUT_FOLDER = """
mkdir -p "$1" && tar -xf - -C "$1" || exit 1
cat >/dev/null
"""

_REPLACE = """
[ ! -e "$2" ] || mv "$2" "$1.old" || exit 1
mv "$1" "$2" || exit 1
rm -rf "$1.old"
"""

_FETCH = """
for file; do
  if [ -f "$file" ]; then wc -c <"$file"; else echo absent; fi || exit 1
done
for file; do
  [ ! -f "$file" ] || cat "$file" || exit 1
done
"""

_ABSENT = 66
_FETCH_FOLDER = """
[ -d "$1" ] && [ ! -L "$1" ] || exit 66
command -v tar >/dev/null 2>&1 || exit 127
exec tar -cf - -C "$1" .
"""


def same_file(link: SshLink, local: Path, remote: str) -> bool:
    """Is the file at ``remote`` the same, as far as the board can tell (only by its SHA-256)?"""
    answer = link.script(_SUMS + '[ ! -f "$1" ] || sum "$1"', remote, timeout_s=_STUCK_S)
    return answer.text.strip() == _checks(local)[0]


def put_file(link: SshLink, local: Path, remote: str) -> None:
    """Copy a file to the full path ``remote``, with its permissions; folders on the way are made.

    Raises :class:`HardwareError` if the board cannot keep it or keeps something else.
    """
    checks = _checks(local)
    mode = f"{stat.S_IMODE(local.stat().st_mode):o}"
    answer = link.script(_PUT_FILE, remote, mode, *checks, stdin=_blocks(local), timeout_s=_STUCK_S)
    if answer.status == 67:
        raise HardwareError(
            f"{local.name} arrived damaged on the board ({answer.text.strip()}, not {checks[0]})",
            advice="is the board's storage sound and its memory enough?",
        )
    _check(answer, local, remote)


def put_folder(link: SshLink, local: Path, remote: str) -> None:
    """Copy a folder with everything in it to ``remote``; what was there goes. Links are followed, as in a local copy.

    Raises as :func:`put_file`.
    """
    # The archive is made first: a file that cannot be read shall not leave half a folder there.
    with tempfile.SpooledTemporaryFile(_SPOOLED) as archive:
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT, dereference=True) as tar:
            tar.add(local, arcname=".", filter=_nobodys)
        archive.seek(0)
        part = f"{remote}.part-{secrets.token_hex(4)}"
        try:
            blocks = iter(lambda: archive.read(_BLOCK), b"")
            answer = link.script(_PUT_FOLDER, part, stdin=blocks, timeout_s=_STUCK_S)
            if answer.status == 127:
                raise HardwareError("the board has no tar, with which folders are put there", advice="install it")
            _check(answer, local, remote)
            _verify_folder(link, local, part)
            _check(link.script(_REPLACE, part, remote), local, remote)
        except LinkLostError:
            raise
        except BaseException:
            with contextlib.suppress(HardwareError):
                link.script('rm -rf "$1"', part)
            raise


def _verify_folder(link: SshLink, local: Path, remote: str) -> None:
    files = [path for path in sorted(local.rglob("*")) if path.is_file()]
    # The paths go through standard input: together they may be longer than a command line.
    lines = [f"sum ./{quoted(path.relative_to(local).as_posix())}" for path in files]
    script = _SUMS + 'cd "$1" && eval "$(cat)"'
    answer = link.script(script, remote, stdin=os.fsencode("\n".join(lines)), timeout_s=_STUCK_S)
    found = answer.text.splitlines()
    for path, line in zip(files, found, strict=False):
        if line not in _checks(path):
            raise HardwareError(
                f"{path.name} arrived damaged on the board ({line})",
                advice="is the board's storage sound and its memory enough?",
            )
    if len(found) != len(files):
        raise HardwareError(f"{len(files) - len(found)} of {len(files)} files of {local} did not arrive on the board")


def fetch(link: SshLink, wanted: Mapping[str, Path]) -> None:
    """Copy files, full path there → here, in one go. What is here is replaced only by all of a file.

    Raises ``FileNotFoundError`` if one is not there, :class:`HardwareError` if one cannot be read whole.
    """
    parts = {remote: local.with_name(f".{local.name}.part") for remote, local in wanted.items()}
    try:
        with contextlib.ExitStack() as stack:
            arriving = _Arriving([stack.enter_context(part.open("wb")) for part in parts.values()])
            answer = link.script(_FETCH, *wanted, stdout=arriving, timeout_s=_STUCK_S)
        missing = [remote for remote, size in zip(wanted, arriving.sizes, strict=False) if size is None]
        if missing:
            raise FileNotFoundError(missing[0])
        if answer.status != 0 or len(arriving.sizes) != len(wanted):
            raise HardwareError(f"{', '.join(wanted)} cannot be read on the board: {answer.complaint}")
        for (remote, part), size in zip(parts.items(), arriving.sizes, strict=True):
            if part.stat().st_size != size or arriving.surplus:
                raise HardwareError(
                    f"{remote} did not arrive as it was announced ({size} bytes)",
                    advice="something on the board is still writing it",
                )
        for remote, local in wanted.items():
            parts[remote].replace(local)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def fetch_folder(link: SshLink, remote: str, local: Path) -> None:
    """Copy the regular files of the folder ``remote``, and of those in it, into ``local``, which is made; links and the
    like stay behind.

    Raises ``FileNotFoundError`` if it is not there, :class:`HardwareError` if it cannot be read whole or names files
    outside itself.
    """
    with tempfile.SpooledTemporaryFile(_SPOOLED) as archive:
        answer = link.script(_FETCH_FOLDER, remote, stdout=archive, timeout_s=_STUCK_S)
        if answer.status == _ABSENT:
            raise FileNotFoundError(remote)
        if answer.status == 127:
            raise HardwareError("the board has no tar, with which folders are fetched from there", advice="install it")
        if answer.status != 0:
            raise HardwareError(f"{remote} cannot be read on the board: {answer.complaint}")
        archive.seek(0)
        try:
            _unpack(archive, local)
        except (tarfile.TarError, EOFError, KeyError) as error:
            raise HardwareError(
                f"{remote} did not arrive as the board's tar packs it: {error}",
                advice="something on the board prints into the connection, or is still writing there",
            ) from error


def _unpack(archive: IO[bytes], local: Path) -> None:
    """The regular files of an archive, into ``local``. Raises ``tarfile.TarError`` for what is none, ``KeyError`` for a
    hard link to nothing, :class:`HardwareError` for a file that would lie elsewhere."""
    local.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=archive, mode="r:") as tar:
        for member in tar:
            if not (member.isfile() or member.islnk()):
                continue
            parts = [part for part in member.name.split("/") if part not in ("", ".")]
            if member.name.startswith("/") or ".." in parts or not parts:
                raise HardwareError(f"the board sends a file called {member.name!r}, which is not in the folder")
            content = tar.extractfile(member)
            assert content is not None, "a file has a content"
            target = local.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as file:
                shutil.copyfileobj(content, file)


class _Arriving:
    """Takes what ``_FETCH`` prints: the files' sizes, a line each (``None`` for an absent one), then their contents."""

    def __init__(self, files: Sequence[IO[bytes]]) -> None:
        self.sizes: list[int | None] = []
        self.surplus = 0
        self._files = files
        self._head = b""
        self._left: list[int] = []

    def write(self, data: bytes, /) -> None:
        """The next bytes."""
        if len(self.sizes) < len(self._files):
            *lines, self._head = (self._head + data).split(b"\n", len(self._files) - len(self.sizes))
            self.sizes += [int(line) if line.strip().isdigit() else None for line in lines]
            self._left = [size or 0 for size in self.sizes]
            data, self._head = (self._head, b"") if len(self.sizes) == len(self._files) else (b"", self._head)
        for index, file in enumerate(self._files[: len(self._left)]):
            taken = data[: self._left[index]]
            file.write(taken)
            self._left[index] -= len(taken)
            data = data[len(taken) :]
        self.surplus += len(data)


def _check(answer: Answer, local: Path, remote: str) -> None:
    if answer.status != 0:
        reason = answer.complaint or f"exit status {answer.status}"
        raise HardwareError(
            f"{local.name} cannot be put on the board as {remote}: {reason}",
            advice="is there room, and may you write there? board.workdir names another place",
        )


def _checks(path: Path) -> tuple[str, str]:
    """What ``sum`` on the board may say of a file: its SHA-256 or its size."""
    digest, size = hashlib.sha256(), 0
    for block in _blocks(path):
        digest.update(block)
        size += len(block)
    return f"sha256 {digest.hexdigest()}", f"size {size}"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by whoever unpacks it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
