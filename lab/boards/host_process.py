"""Starting a program on this machine so that the operating system's account of it is its own.

A process's peak resident size, as ``wait4`` gives it, is at least the size of the process that it was forked from:
at ``execve`` the kernel takes over the old image's high-water mark (``setmax_mm_hiwater_rss`` in fs/exec.c), after
``vfork`` and ``posix_spawn`` too. Started from a Python process that has read half a gigabyte, ``true`` appears to
need half a gigabyte. So the program is started by a shell of one megabyte, which then goes away; the program is
handed to us (we are a "child subreaper" for that moment, prctl(2)) and ``wait4`` accounts to it what it used itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import secrets
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.errors import HardwareError

SHELL = "/bin/sh"
_MARK = "LAB_PROCESS_GROUP"
"""Environment variable that all descendants of a program inherit, by which those that left its group are found."""
_GRACE_S = 2.0
"""From the polite signal to the final one."""
_KILL_ROUNDS, _KILL_PAUSE_S = 50, 0.01
_LONGEST_POLL_MS = 2**31 - 1
_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37

# The subshell ends the shell that made it (so that it is handed to us), tells its process number, waits for the word
# to go on, and becomes the program. Without waiting it might end first and be reaped by that shell, which is dying but
# not dead. It is a subshell in the foreground, because one in the background would ignore SIGINT and pass that on.
# Standard input is the socket on which we talk.
_SCRIPT = '( read -r pid rest </proc/self/stat && kill -9 $$ && echo $pid >&0 && read -r word && exec "$@" </dev/null )'


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit status (negative for a signal), the account of it, and whether it was stopped."""

    exit_status: int
    elapsed_s: float
    usage: dict[str, float]
    timed_out: bool


class HostProcess:
    """One program, running in a session and process group of its own, with all its descendants.

    Raises :class:`lab.errors.HardwareError` if it cannot be started at all; a program that is not there ends with exit
    status 127 and a line on its standard error, as in a shell.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        workdir: Path,
        stdout: IO[bytes],
        stderr: IO[bytes],
        affinity: frozenset[int] | None = None,
    ) -> None:
        self._token = secrets.token_hex(16)
        ours, theirs = socket.socketpair()
        with ours:
            try:
                with theirs, _adopting_orphans(), _on_cores(affinity):
                    shell = subprocess.Popen(
                        [SHELL, "-c", _SCRIPT, "sh", *argv],
                        stdin=theirs.fileno(),
                        stdout=stdout,
                        stderr=stderr,
                        cwd=workdir,
                        env={**env, _MARK: self._token},
                        start_new_session=True,
                    )
                    shell.wait()
            except OSError as error:
                raise HardwareError(f"{argv[0]}: cannot be started: {error.strerror}") from error
            self._group = shell.pid
            report = ours.recv(32)
            if not report.strip().isdigit():
                raise HardwareError(f"{argv[0]}: cannot be started by {SHELL} (exit status {shell.returncode})")
            self.pid = int(report)
            self._begin_s = time.monotonic()
            ours.sendall(b"go\n")

    def wait(self, deadline_s: float | None) -> Ended:
        """Wait for the end, at most ``deadline_s``; then the program is stopped. Whatever it left running is ended.

        If interrupted, everything is ended too, and the exception goes on.
        """
        timed_out = False
        try:
            timed_out = not self._ended_within(deadline_s)
        finally:
            ended = self._finish(timed_out)
        return ended

    def _ended_within(self, seconds: float | None) -> bool:
        descriptor = os.pidfd_open(self.pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            timeout_ms = None if seconds is None else min(max(0.0, seconds) * 1000, _LONGEST_POLL_MS)
            return bool(poll.poll(timeout_ms))
        finally:
            os.close(descriptor)

    def _finish(self, timed_out: bool) -> Ended:
        if not self._ended_within(0.0):
            self._signal_all(signal.SIGTERM)
            # A stopped process sees the polite signal only when it goes on.
            self._signal_all(signal.SIGCONT)
            if not self._ended_within(_GRACE_S):
                self._signal_all(signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        elapsed_s = time.monotonic() - self._begin_s
        self._end_what_is_left()
        return Ended(os.waitstatus_to_exitcode(status), elapsed_s, _account(usage, elapsed_s), timed_out)

    def _signal_all(self, number: signal.Signals) -> bool:
        """Send a signal to the program's group and to descendants that left it; false if there is no one left."""
        met = False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._group, number)
            # A group may hold nothing but ended processes that nobody has reaped yet (perf leaves its child so): they
            # take signals and never go away by them.
            met = _any_alive(self._group)
        for pid in _processes_marked(f"{_MARK}={self._token}".encode()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
                met = True
        return met

    def _end_what_is_left(self) -> None:
        """Kill until nothing answers: a descendant may have made another one meanwhile."""
        for _ in range(_KILL_ROUNDS):
            if not self._signal_all(signal.SIGKILL):
                return
            time.sleep(_KILL_PAUSE_S)


def _account(usage: resource.struct_rusage, elapsed_s: float) -> dict[str, float]:
    return {
        "elapsed_s": elapsed_s,
        "user_s": usage.ru_utime,
        "system_s": usage.ru_stime,
        "peak_rss_bytes": usage.ru_maxrss * 1024.0,
        "minor_faults": float(usage.ru_minflt),
        "major_faults": float(usage.ru_majflt),
        "voluntary_switches": float(usage.ru_nvcsw),
        "involuntary_switches": float(usage.ru_nivcsw),
    }


def _any_alive(group: int) -> bool:
    """True if a process of this group is more than a zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # Behind the command's name, which may hold anything: state, parent, group.
            state, _, its_group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):  # it ended meanwhile
            continue
        if int(its_group) == group and state not in "ZX":
            return True
    return False


def _processes_marked(entry: bytes) -> Iterator[int]:
    """Processes with this entry in the environment they were started with."""
    own = os.getpid()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != own:
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:  # it ended, or it is somebody else's
                continue
            if entry in environment.split(b"\0"):
                yield int(folder.name)


@contextlib.contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Within it, a process whose parent ends becomes our child instead of the init process's."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int(0)

    def prctl(option: int, argument: object) -> None:
        if libc.prctl(option, argument, 0, 0, 0) != 0:
            code = ctypes.get_errno()
            raise OSError(code, errno.errorcode.get(code, "prctl failed"))

    prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
    prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(before.value))


@contextlib.contextmanager
def _on_cores(cores: frozenset[int] | None) -> Iterator[None]:
    """Within it, this thread and what it starts run on these cores only."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
