"""A conversation with the agent on a board, over any two byte streams (an SSH session, a serial line)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from instruments.protocol import EventCount, EventRequest
from lab.boards.agent.stream import AgentStream
from lab.boards.agent.wire import Message
from lab.errors import HardwareError, LabError, LinkLostError
from lab.record.host_clock import host_ns

PROTOCOL = "1"
"""The version that this side speaks."""

MOST_EVENTS = 64
"""The agent counts no more in one run."""

_START_S = 40.0
"""For the first answer: a connection is made, and an agent of before is ended."""
_ANSWER_S = 10.0
_STOP_S = 12.0
"""From asking to the end of a program that does not want to: the agent waits 2 s, kills, gives up after 5 s more."""
_ALIVE_S = 30.0
"""While a program runs the agent is asked whether it is still there, this seldom: it disturbs what is measured."""
_GOODBYE_S = 1.0

_AGENT_FAULTS = {
    "output_too_long": "output_too_long",
    "left_running": "left_running",
    # What is left stands unchecked by them; that nothing is left the analysis sees by itself.
    "pin": "alignment_unchecked",
    "marks": "alignment_unchecked",
}
"""The agent's word for a fault, and the reason code of the record's."""

_USAGE = {
    "user_us": ("user_s", 1e-6),
    "system_us": ("system_s", 1e-6),
    "peak_rss_kib": ("peak_rss_bytes", 1024.0),
    "minor_faults": ("minor_faults", 1.0),
    "major_faults": ("major_faults", 1.0),
    "voluntary_switches": ("voluntary_switches", 1.0),
    "involuntary_switches": ("involuntary_switches", 1.0),
}
"""The agent's account of a program: key in the message, key here, factor."""


@dataclass(frozen=True, slots=True)
class AgentRun:
    """A program for the agent to run. All paths are the board's.

    ``stdout`` and ``stderr`` are files that the agent makes; it stops a program that writes more than ``output_limit``
    bytes to either. ``pin`` is (device such as ``/dev/gpiochip0``, line). With ``opens_window`` the program is given
    :data:`lab.record.window_gate.LAB_WINDOW`; pin, marks and (with ``window_only``) counters then follow the program's
    word, otherwise they span the whole program. ``marks`` is the file to which the agent appends its own marks; it does
    so only if the program wrote none there, for the program's are nearer to what it times.
    """

    argv: Sequence[str]
    workdir: str
    stdout: str
    stderr: str
    env: Mapping[str, str] = field(default_factory=dict)
    deadline_s: float | None = None
    cpus: Sequence[int] | None = None
    nice: int | None = None
    events: Sequence[EventRequest] = ()
    opens_window: bool = False
    window_only: bool = False
    pin: tuple[str, int] | None = None
    marks: str | None = None
    output_limit: int | None = None


@dataclass(frozen=True, slots=True)
class AgentEnded:
    """How a program ended, as the agent says it. ``usage`` has the keys of
    :meth:`instruments.protocol.WatchesProcess.finished`; ``windows`` counts how often the program opened its window
    (without ``opens_window``: 1, the whole program); ``faults`` are (reason code, detail) pairs."""

    exit_status: int
    elapsed_s: float
    usage: dict[str, float]
    timed_out: bool = False
    counts: tuple[EventCount, ...] = ()
    windows: int = 0
    faults: tuple[tuple[str, str], ...] = ()


class AgentSession:
    """One conversation. ``read`` and ``write`` are the agent's standard output and input, unbuffered, with file
    descriptors.

    Everything raises :class:`lab.errors.LinkLostError` if the agent goes away or does not answer in time, and
    :class:`lab.errors.HardwareError` if it answers nonsense, or says that it cannot do what it is asked for.
    """

    def __init__(self, read: IO[bytes], write: IO[bytes], *, name: str) -> None:
        self._name = name
        self._stream = AgentStream(read, write, name=name)
        self._sequence = 0
        self._closed = False

    def hello(self) -> dict[str, str]:
        """Who it is: protocol version, process number, architecture, kernel, whether it may count, resolution of its
        clock (docs/agent.md)."""
        sequence = self._send("hello")
        answer = self._answer(sequence, "agent", _START_S)
        if answer.get("protocol") != PROTOCOL:
            raise HardwareError(
                f"{self._name}: the agent speaks protocol {answer.get('protocol')!r}, expected {PROTOCOL!r}",
                advice="let the lab copy its own agent to the board",
            )
        return dict(answer.fields)

    def ping(self) -> tuple[int, int, int]:
        """As :meth:`lab.boards.protocol.ComparesClock.ping`."""
        self._sequence += 1
        line = self._stream.line("ping", self._sequence)
        sent = host_ns()
        self._stream.send(line)
        answer = self._answer(self._sequence, "pong", _ANSWER_S)
        return sent, self._number(answer, "ns"), self._stream.received_ns

    def run(self, program: AgentRun) -> AgentEnded:
        """Run a program to its end. On an interrupt the agent stops it and all its children, then the exception goes
        on.

        A program that is not there ends with status 127 and a line on its standard error, as in a shell. Raises
        :class:`lab.errors.HardwareError` for a folder, a pin, a CPU, a priority that the board does not give, and
        ``ValueError`` for what no program can be given (a zero byte, more events than the agent counts).
        """
        sequence = self._send("run", run_fields(program))
        limit = None if program.deadline_s is None else time.monotonic() + max(0.0, program.deadline_s)
        limit = None if limit is None else limit + _STOP_S + _ANSWER_S
        try:
            return self._followed(sequence, program, limit)
        except (LinkLostError, HardwareError):
            raise
        except BaseException:
            self._stop(sequence)
            raise

    def close(self) -> None:
        """End it; the agent stops what it started. Idempotent."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(LabError):
            self._answer(self._send("bye"), "ok", _GOODBYE_S)

    # -------------------------------------------------------------------------------------------------- conversation

    def _send(self, verb: str, fields: Sequence[tuple[str, str]] = ()) -> int:
        self._sequence += 1
        self._stream.send(self._stream.line(verb, self._sequence, fields))
        return self._sequence

    def _answer(self, sequence: int, verb: str, seconds: float) -> Message:
        """The answer to a message; whatever belongs to others is left aside."""
        limit = time.monotonic() + seconds
        while True:
            message = self._next(limit)
            if message is None:
                raise self._stream.lost(f"the agent does not answer within {seconds:g} s")
            if message.sequence == sequence and message.verb == verb:
                return message
            if message.sequence == sequence and message.verb != "error":
                raise HardwareError(f"{self._name}: the agent answered {message.verb!r} where {verb!r} was expected")
            self._require_no_error(message, sequence)

    def _next(self, limit: float | None) -> Message | None:
        return self._stream.receive(limit)

    def _require_no_error(self, message: Message, sequence: int) -> None:
        """Errors of this message, and such as the agent cannot tell to which one they belong."""
        if message.verb != "error" or message.sequence not in (sequence, 0):
            return
        code, text = message.get("code"), message.get("text")
        if message.sequence == 0 and code == "malformed" and self._stream.was_torn:
            return
        raise HardwareError(f"{self._name}: {text or code}", advice=_ADVICE.get(code))

    def _number(self, message: Message, key: str) -> int:
        try:
            return message.number(key)
        except ValueError:
            raise HardwareError(f"{self._name}: the agent's answer {message.verb!r} has no number {key}=") from None

    # ------------------------------------------------------------------------------------------------------- programs

    def _followed(self, sequence: int, program: AgentRun, limit: float | None) -> AgentEnded:
        counts: dict[int, EventCount] = {}
        asked: int | None = None
        while True:
            patience = time.monotonic() + (_ALIVE_S if asked is None else _ANSWER_S)
            message = self._next(patience if limit is None else min(patience, limit))
            if message is None and limit is not None and time.monotonic() >= limit:
                raise self._stream.lost("the agent does not tell of the program's end, which must have come by now")
            if message is None:
                if asked is not None:
                    raise self._stream.lost(f"the agent does not answer within {_ANSWER_S:g} s")
                asked = self._send("ping")
                continue
            asked = None
            if message.sequence != sequence:
                self._require_no_error(message, sequence)
            elif message.verb == "count":
                index = self._number(message, "index")
                if not 0 <= index < len(program.events):
                    raise HardwareError(f"{self._name}: the agent counted an event {index} that it was not asked for")
                counts[index] = self._count(message, program.events[index])
            elif message.verb == "ended":
                return self._ended(message, program, counts)
            else:
                self._require_no_error(message, sequence)

    def _count(self, message: Message, request: EventRequest) -> EventCount:
        if error := message.get("error"):
            return EventCount(request.name, None, error=error)
        return EventCount(
            request.name,
            self._number(message, "value"),
            enabled_ns=self._number(message, "enabled_ns"),
            running_ns=self._number(message, "running_ns"),
            user_only=message.get("user_only") == "1",
        )

    def _ended(self, message: Message, program: AgentRun, counts: Mapping[int, EventCount]) -> AgentEnded:
        if len(counts) != len(program.events):
            raise HardwareError(f"{self._name}: the agent told {len(counts)} counts of {len(program.events)}")
        elapsed_s = self._number(message, "elapsed_ns") * 1e-9
        present = {key for key, _ in message.fields}
        usage = {name: self._number(message, key) * factor for key, (name, factor) in _USAGE.items() if key in present}
        faults = []
        for fault in message.all("fault"):
            code, _, detail = fault.partition(",")
            if code not in _AGENT_FAULTS:
                raise HardwareError(f"{self._name}: the agent tells of a fault {code!r} that is not known here")
            faults.append((_AGENT_FAULTS[code], detail))
        return AgentEnded(
            exit_status=self._number(message, "status"),
            elapsed_s=elapsed_s,
            usage={"elapsed_s": elapsed_s, **usage},
            timed_out=message.get("cause") == "deadline",
            counts=tuple(counts[index] for index in range(len(program.events))),
            windows=self._number(message, "windows"),
            faults=tuple(faults),
        )

    def _stop(self, sequence: int) -> None:
        """Have the program stopped, and wait until it is. What goes wrong meanwhile is not told: something else is on
        its way up already, and the agent stops what it started when it hears nobody any more."""
        with contextlib.suppress(LabError):
            self._send("stop")
            limit = time.monotonic() + _STOP_S
            while (message := self._next(limit)) is not None:
                if message.sequence == sequence and message.verb in ("ended", "error"):
                    return


_ADVICE = {
    "cpus": "set the board's affinity to CPUs that it has",
    "nice": "a priority above the usual one needs root, or CAP_SYS_NICE",
    "pin": "see gpioinfo on the board; set board.pin to a free line",
    "folder": "look at the board's working folder: is its file system full, or read-only?",
}
"""What to do about an error, by the agent's code."""


def run_fields(program: AgentRun) -> list[tuple[str, str]]:
    """The values of a ``run`` message. Raises ``ValueError`` for what cannot be asked for."""
    if len(program.events) > MOST_EVENTS:
        raise ValueError(f"{len(program.events)} events at once, expected at most {MOST_EVENTS}")
    fields = [("workdir", program.workdir), ("stdout", program.stdout), ("stderr", program.stderr)]
    fields += [("arg", argument) for argument in program.argv]
    fields += [("env", f"{name}={value}") for name, value in program.env.items()]
    fields += [("event", _event(request)) for request in program.events]
    if program.deadline_s is not None:
        fields.append(("deadline_ns", str(max(0, round(program.deadline_s * 1e9)))))
    if program.cpus is not None:
        fields.append(("cpus", ",".join(str(cpu) for cpu in program.cpus)))
    if program.pin is not None:
        fields += [("pin_device", program.pin[0]), ("pin_line", str(program.pin[1]))]
    given = {"nice": program.nice, "output_limit": program.output_limit, "marks": program.marks}
    fields += [(key, str(value)) for key, value in given.items() if value is not None]
    fields += [(key, "1") for key in ("opens_window", "window_only") if getattr(program, key)]
    return fields


def _event(request: EventRequest) -> str:
    scope = "u" * request.user + "k" * request.kernel
    if not scope:
        raise ValueError(f"{request.name}: counts neither in user space nor in the kernel")
    return f"{request.group},{request.pmu},{request.config},{scope}"
