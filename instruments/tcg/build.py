"""The counting plugin, built from its source for the QEMU that is here, once, and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.errors import UsageError

SOURCES = Path(__file__).parent
_FLAGS = (
    *("-std=c11", "-D_GNU_SOURCE", "-O2", "-fvisibility=hidden", "-fPIC", "-shared", "-pthread"),
    *("-Wall", "-Wextra", "-Wshadow"),
)
_SHOWN_LINES = 5

INTERFACES: tuple[tuple[tuple[int, int], int], ...] = (((9, 2), 4), ((9, 1), 3), ((9, 0), 2), ((0, 0), 1))
"""From which version of QEMU on there is which version of its plugin interface, newest first."""


def interface_of(version: str) -> int:
    """The version of the plugin interface that a QEMU (``7.2.22``) has."""
    parts = version.split(".")
    major_minor = (int(parts[0]), int(parts[1]) if len(parts) > 1 else 0)
    return next(interface for since, interface in INTERFACES if major_minor >= since)


def plugin(cache: Path, *, interface: int = 1) -> Path:
    """The plugin's shared library for a version of QEMU's interface, below the folder ``cache``.

    Raises :class:`lab.errors.UsageError` if there is no C compiler here, or it does not take the source.
    """
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        raise UsageError(
            f"{compiler[0]}: no C compiler here to build the plugin with", advice="on Debian: apt install gcc libc6-dev"
        )
    flags = [*_FLAGS, f"-DPLUGIN_INTERFACE={interface}"]
    files = sorted((*SOURCES.glob("*.c"), *SOURCES.glob("*.h")))
    digest = hashlib.sha256("\0".join([*compiler, *flags]).encode())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    target = cache / "tcg" / f"plugin-{digest.hexdigest()[:16]}.so"
    if target.is_file():
        return target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there when whole: who finds the file finds all of it.
    with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as making:
        unfinished = Path(making) / target.name
        sources = [str(path) for path in files if path.suffix == ".c"]
        done = subprocess.run(
            [*compiler, *flags, "-o", str(unfinished), *sources],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            said = "\n".join(done.stderr.strip().splitlines()[:_SHOWN_LINES])
            raise UsageError("the plugin for QEMU does not compile here", advice=said)
        unfinished.replace(target)
    return target.absolute()
