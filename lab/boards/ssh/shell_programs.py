"""Programs on a board without the lab's agent, with nothing there but a POSIX shell: the same words, less precision.

:class:`ShellSession` answers as :class:`lab.boards.agent.session.AgentSession` does. What a shell cannot tell is
missing from the answer, and each program's end carries a ``precision_lost`` that says what that was.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import subprocess
import time
from collections.abc import Mapping

from instruments.protocol import EventCount
from lab.boards.agent.session import AgentEnded, AgentRun
from lab.boards.ssh.link import SHORT_S, SshLink, ended
from lab.boards.ssh.processes import ABILITIES, MARK, NO_FOLDER, RAW_CLOCKS, UPTIME_CLOCK
from lab.errors import HardwareError
from lab.record.host_clock import host_ns

_TICK_NS = 10_000_000
"""Step of /proc/uptime."""
_SLEWED = 500e-6
"""NTP makes the kernel's clocks slower or faster by this at most (``MAXFREQ``, adjtimex(2)); the raw one it leaves."""
_GRACE_S = 30.0
"""A board that has not stopped its program so long after the deadline does not answer any more."""
_STOP_S = 15.0
_NO_LIMIT = 1 << 62
_BLOCK = 1 << 16
_NOT_COUNTED = "no agent"
_SHELL_TIME = re.compile(r"(\d+)m(\d+(?:[.,]\d+)?)s")


class ShellPrograms:
    """As :class:`lab.boards.ssh.agent_start.Agent`, where there is none: ``why`` says why."""

    def __init__(self, link: SshLink, script: str, token: str, why: str, needs: Mapping[str, str]) -> None:
        self.why = why
        self.session = ShellSession(link, script, token, why, needs)
        self.hello = self.session.hello()

    def close(self) -> None:
        """End it. Idempotent."""
        self.session.close()


class ShellSession:
    """Programs started by the board's ``sh`` through the link. ``script`` is the path of
    :data:`lab.boards.ssh.processes.PROCESSES` there, ``token`` marks the campaign's processes, ``why`` says why there
    is no agent; ``needs`` are the tools without which the bench file's keys cannot be had (tool → key).

    Raises :class:`HardwareError` if the board lacks what this needs.
    """

    def __init__(self, link: SshLink, script: str, token: str, why: str, needs: Mapping[str, str]) -> None:
        self._link = link
        self._script = script
        self._mark = f"{MARK}={token}"
        self._why = why
        self._clock: subprocess.Popen[bytes] | None = None
        self._clock_margin_s = 0.0
        answer = link.script(ABILITIES, script.rpartition("/")[0])
        self._able = frozenset(answer.text.split())
        self._raw_clock = next((name for name in RAW_CLOCKS if name in self._able), None)
        missing = [what for name, what in _NEEDED.items() if name not in self._able]
        if missing:
            raise HardwareError(
                f"without the lab's agent this board lacks {', '.join(missing)}",
                advice="install busybox or coreutils there, or let the lab copy its agent (board.agent: auto)",
            )
        for tool, key in needs.items():
            if tool not in self._able:
                raise HardwareError(
                    f"without the lab's agent ({why}) {key} needs {tool}, which this board has not",
                    advice=f"leave {key} out, install {tool} there, or let the lab copy its agent (board.agent: auto)",
                )

    def hello(self) -> dict[str, str]:
        """Who it is, and what the shell's tools can do."""
        return {"session": "sh", "tools": " ".join(sorted(self._able))}

    def ping(self) -> tuple[int, int, int]:
        """As :meth:`lab.boards.protocol.ComparesClock.ping`, by an interpreter of the board's, or by /proc/uptime.

        The latter steps by 10 ms and follows NTP, which since the board's start may have taken it away from
        CLOCK_MONOTONIC_RAW by 500 ppm. The host's times are moved apart by as much: they enclose the instant at which
        the board's clock says what is given for it, as those of every ping do.
        """
        if self._clock is None:
            command = ("sh", "-c", UPTIME_CLOCK) if self._raw_clock is None else RAW_CLOCKS[self._raw_clock]
            self._clock = self._link.start(command, stderr=subprocess.DEVNULL)
            self._line(self._clock)  # the first answer waits for the interpreter
        before = host_ns()
        line = self._line(self._clock)
        after = host_ns()
        try:
            seconds, _, fraction = line.decode("ascii").strip().partition(".")
            board = int(seconds) * 1_000_000_000 + int(f"{fraction:0<9.9}")
        except ValueError:
            raise HardwareError(f"the board's clock cannot be read: it says {line[:40]!r}") from None
        if self._raw_clock is not None:
            return before, board, after
        margin = _TICK_NS // 2 + round(_SLEWED * board)
        self._clock_margin_s = margin / 1e9
        return before - margin, board + _TICK_NS // 2, after + margin

    def _line(self, client: subprocess.Popen[bytes]) -> bytes:
        """What it answers to a line."""
        assert client.stdin is not None
        assert client.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            client.stdin.write(b"\n")
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(client.stdout, selectors.EVENT_READ)
            end_s = time.monotonic() + SHORT_S
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, end_s - time.monotonic())):
                    raise self._link.lost("the clock was not answered")
                chunk = os.read(client.stdout.fileno(), _BLOCK)
                if not chunk:
                    self._end_clock()
                    raise self._link.lost("while its clock was asked")
                line += chunk
        return line

    def run(self, program: AgentRun) -> AgentEnded:
        """Run a program to its end. On an interrupt it is stopped with all its children, then the exception goes on."""
        limit = _NO_LIMIT if program.output_limit is None else program.output_limit + 1
        argv = ["sh", self._script, "run", self._mark, self._deadline(program.deadline_s), str(limit)]
        argv += [program.workdir, program.stdout, program.stderr, *self._wrapped(program)]
        client = self._link.start(argv)
        try:
            heard, complaints = self._await_end(client, program.deadline_s)
        except BaseException:
            self._stop(client)
            raise
        finally:
            ended(client)
        status = self._link.finished(client, complaints)
        if status == NO_FOLDER:
            raise HardwareError(f"the working folder {program.workdir} is not there (any more) on the board")
        return self._understood(program, heard.decode(errors="replace"), complaints)

    def close(self) -> None:
        """End it. Idempotent."""
        self._end_clock()

    def _end_clock(self) -> None:
        clock, self._clock = self._clock, None
        if clock is not None:
            ended(clock)

    def _deadline(self, seconds: float | None) -> str:
        if seconds is None:
            return ""
        return f"{max(0.01, seconds):.2f}" if "fractions" in self._able else str(max(1, -int(-seconds // 1)))

    def _wrapped(self, program: AgentRun) -> list[str]:
        command = ["env", self._mark]
        if "setsid" in self._able:
            command.append("setsid")
        if program.cpus is not None:
            command += ["taskset", f"{sum(1 << cpu for cpu in set(program.cpus)):x}"]
        if program.nice is not None:
            command += ["nice", "-n", str(program.nice)]
        command += ["env", *(f"{name}={value}" for name, value in program.env.items())]
        return [*command, "sh", "-c", 'exec "$@"', "sh", *program.argv]

    def _await_end(self, client: subprocess.Popen[bytes], deadline_s: float | None) -> tuple[bytes, bytes]:
        assert client.stdout is not None
        assert client.stderr is not None
        end_s = None if deadline_s is None else time.monotonic() + deadline_s + _GRACE_S
        heard: dict[object, bytearray] = {client.stdout: bytearray(), client.stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            for stream in (client.stdout, client.stderr):
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(None if end_s is None else max(0.0, end_s - time.monotonic()))
                if not ready:
                    raise self._link.lost("a program did not end at its deadline")
                for key, _ in ready:
                    chunk = os.read(key.fd, _BLOCK)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    heard[key.fileobj] += chunk[: max(0, _BLOCK - len(heard[key.fileobj]))]
        return bytes(heard[client.stdout]), bytes(heard[client.stderr])

    def _stop(self, client: subprocess.Popen[bytes]) -> None:
        """Let the board stop the program: what it reads from us ends."""
        assert client.stdin is not None
        with contextlib.suppress(OSError):
            client.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(_STOP_S)

    # ------------------------------------------------------------------------------------------------- what came out

    def _understood(self, program: AgentRun, text: str, complaints: bytes) -> AgentEnded:
        lines = text.splitlines()
        facts = {name: rest for name, _, rest in (line.partition(" ") for line in lines)}
        try:
            status = int(facts["status"])
            begin_s, end_s = (float(part) for part in facts["uptime"].split())
            longest = max(int(part) for part in facts["bytes"].split())
        except (KeyError, ValueError):
            said = (text + complaints.decode(errors="replace")).strip()[-200:]
            raise HardwareError(f"the board's shell did not say how the program ended: {said!r}") from None
        faults = [("precision_lost", self._lost_precision(program))]
        if program.output_limit is not None and longest > program.output_limit:
            faults.append(("output_too_long", f"more than {program.output_limit} bytes"))
        usage = {"elapsed_s": end_s - begin_s, **_children_times(lines)}
        return AgentEnded(
            # A shell says 128 + n for signal n.
            exit_status=128 - status if 128 < status < 193 else status,
            elapsed_s=end_s - begin_s,
            usage=usage,
            timed_out="deadline" in lines,
            counts=tuple(EventCount(request.name, None, error=_NOT_COUNTED) for request in program.events),
            faults=tuple(faults),
        )

    def _lost_precision(self, program: AgentRun) -> str:
        lost = [
            "times are known to 10 ms (/proc/uptime, times)",
            "peak memory, page faults and switches are not known",
            "an exit status above 128 is taken for a signal",
        ]
        if program.opens_window:
            lost.append("the program's window was not watched")
        if program.pin is not None:
            lost.append("the pin was not driven")
        if program.events:
            lost.append("events were not counted")
        if self._clock_margin_s:
            lost.append(f"the board's clock is known to {self._clock_margin_s:.2g} s (/proc/uptime, which follows NTP)")
        return f"no agent ({self._why}): " + "; ".join(lost)


_NEEDED = {
    "proc": "a readable /proc",
    "fifo": "mkfifo (or a folder that takes named pipes)",
    "head": "head -c",
}


def _children_times(lines: list[str]) -> dict[str, float]:
    """User and system time of the shell's children, from what ``times`` said before and after the program."""
    rows = [found for line in lines if len(found := _SHELL_TIME.findall(line)) == 2]
    if len(rows) != 4:
        return {}
    before, after = ([60.0 * int(minutes) + float(s.replace(",", ".")) for minutes, s in rows[row]] for row in (1, 3))
    return {"user_s": max(0.0, after[0] - before[0]), "system_s": max(0.0, after[1] - before[1])}
