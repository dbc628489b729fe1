"""Telling one process from another that has the same number later, and ending exactly that one."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_TIME = 19
"""Place of ``starttime`` in /proc/PID/stat behind the program's name (proc(5): the 22nd field)."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine, told apart by when it started and since which boot its number means anything."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that now has this number, ``None`` if there is none or it has ended."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            place = Path(f"/proc/{pid}/ns/pid").readlink()
        except OSError:
            return None
        # The name is in parentheses and may itself contain anything.
        fields = stat.rpartition(")")[2].split()
        if fields[0] in ("Z", "X"):
            return None
        return cls(pid, f"{_boot_id()} {place} {fields[_START_TIME]}")

    @classmethod
    def this(cls) -> Process:
        """The process that asks."""
        found = cls.of(os.getpid())
        if found is None:
            raise RuntimeError("/proc does not know this process")
        return found

    def alive(self) -> bool:
        """True while it runs."""
        return Process.of(self.pid) == self

    def end(self, *, gently_s: float, hard_s: float = 5.0) -> bool:
        """Ask it to end, kill it after ``gently_s``; no other process is ever touched. False if it is still there."""
        with self._descriptor() as descriptor:
            if descriptor is None:
                return True
            for number, limit_s in ((signal.SIGTERM, gently_s), (signal.SIGKILL, hard_s)):
                try:
                    signal.pidfd_send_signal(descriptor, number)
                except ProcessLookupError:
                    return True
                if select.select([descriptor], [], [], limit_s)[0]:
                    return True
            return False

    def ended_within(self, seconds: float) -> bool:
        """Wait so long for its end."""
        with self._descriptor() as descriptor:
            return descriptor is None or bool(select.select([descriptor], [], [], seconds)[0])

    @contextmanager
    def _descriptor(self) -> Iterator[int | None]:
        """A file descriptor that stays with this very process, ``None`` if it has ended."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            yield None
            return
        try:
            # Only now is it certain whom the number means: the descriptor follows no other process.
            yield descriptor if self.alive() else None
        finally:
            os.close(descriptor)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
