"""Which C and C++ compilers make programs for a board's architecture.

For each architecture the environment may name others than Debian's: ``LAB_CC_AARCH64``, ``LAB_CXX_AARCH64`` (a
command, with options if need be: ``zig cc -target aarch64-linux-musl``), ``LAB_CFLAGS_AARCH64`` and
``LAB_LDFLAGS_AARCH64``; likewise ``…_ARMV7L``, ``…_X86_64``. For the host's own architecture ``CC`` and ``CXX`` are
heeded too, as everywhere.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
from dataclasses import dataclass, replace

from lab.errors import UsageError

_SAME_AS = {
    "arm64": "aarch64",
    "amd64": "x86_64",
    "armhf": "armv7l",
    "armv7": "armv7l",
    # A 32-bit system on a 64-bit core.
    "armv8l": "armv7l",
}
"""Other names of an architecture."""

_CROSS_PREFIX = {
    "aarch64": "aarch64-linux-gnu",
    "armv7l": "arm-linux-gnueabihf",
    "x86_64": "x86_64-linux-gnu",
}
_DEBIAN_SUFFIX = {"x86_64": "x86-64-linux-gnu"}
"""The name of Debian's package where it is not the compiler's prefix."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Compilers for one architecture and the flags that its programs need; ``static`` where the board's libraries are
    not those of the compiler.

    ``cc`` and ``cxx`` may be commands with options, as ``make CC=…`` takes them. Only ``cc`` is known to be installed.
    """

    architecture: str
    cc: str
    cxx: str
    cflags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()

    @property
    def static(self) -> bool:
        """True if programs bring their libraries with them."""
        return "-static" in self.ldflags

    def statically(self) -> Toolchain:
        """The same, for programs that bring their libraries with them: what a board with other ones needs."""
        return self if self.static else replace(self, ldflags=("-static", *self.ldflags))


def architecture_name(machine: str) -> str:
    """The name by which an architecture is known here, for any of those that it goes by (``arm64``, ``amd64`` …)."""
    name = machine.strip().lower()
    return _SAME_AS.get(name, name)


def toolchain(architecture: str) -> Toolchain:
    """The toolchain for an architecture as ``uname -m`` says it: the host's own compiler where it is the host's, a
    cross compiler otherwise.

    Raises :class:`lab.errors.UsageError` if it is not installed (with what to install) or none is known.
    """
    name = architecture_name(architecture)
    at_home = name == architecture_name(platform.machine()) and platform.system() == "Linux"
    prefix = _CROSS_PREFIX.get(name)
    cc, cxx, package = "cc", "c++", "gcc g++"
    if at_home:
        cc, cxx = os.environ.get("CC") or cc, os.environ.get("CXX") or cxx
    elif prefix is not None:
        cc, cxx, debian = f"{prefix}-gcc", f"{prefix}-g++", _DEBIAN_SUFFIX.get(name, prefix)
        package = f"gcc-{debian} g++-{debian}"
    variable = f"LAB_CC_{name.upper()}"
    named = os.environ.get(variable)
    if named is None and not at_home and prefix is None:
        raise UsageError(
            f"no compiler for the architecture {architecture!r} is known (known: {', '.join(sorted(_CROSS_PREFIX))})",
            advice=f"name one: export {variable}='…-gcc'" if name.isidentifier() else None,
        )
    found = Toolchain(
        architecture=name,
        cc=named or cc,
        cxx=os.environ.get(f"LAB_CXX_{name.upper()}") or cxx,
        cflags=tuple(shlex.split(os.environ.get(f"LAB_CFLAGS_{name.upper()}", ""))),
        ldflags=tuple(shlex.split(os.environ.get(f"LAB_LDFLAGS_{name.upper()}", ""))),
    )
    if not _installed(found.cc):
        source = f" ({variable})" if named else ""
        raise UsageError(
            f"no compiler for {name} is installed here: {shlex.split(found.cc)[0]!r}{source} is not found",
            advice=f"on Debian: apt install {package}; or name another with {variable}",
        )
    return found if at_home else found.statically()


def _installed(command: str) -> bool:
    words = shlex.split(command)
    return bool(words) and shutil.which(words[0]) is not None
