"""Questions and answers over a serial line: each asked again until its answer comes or its time is up.

A request is asked again with the same sequence number; the firmware then sends the answer that it already has, so
nothing is done twice. What comes in between (garbage, old answers, answers to others) is counted and left.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from instruments.serial_port import Port, PortLostError
from lab.boards.serial import messages
from lab.boards.serial.frames import LONGEST, Frame, FrameReader, pack
from lab.boards.serial.messages import ANSWER, ERROR, ERROR_TEXTS, WORKING, ErrorCode, Hello, Kind, MessageError
from lab.errors import HardwareError, LinkLostError
from lab.record.host_clock import host_ns

_SLICE_S = 0.05
"""Time between two looks at the clock while nothing comes."""
_MOST_PATIENCE_S = 1.0
_AFTER_DAMAGE_S = 0.03
"""A damaged answer is not waited for any longer: so long its rest may take."""
_MOST_COPIES = 5
_FIRST_POLL_S, _LONGEST_POLL_S = 5.0, 60.0
"""A run that is not over when it should be is asked about: the answer may have been lost."""

Clock = Callable[[], float]


class RefusedError(Exception):
    """The firmware said no. ``code`` is a :class:`ErrorCode` where this version knows it."""

    def __init__(self, kind: Kind, code: int, text: str) -> None:
        known = ERROR_TEXTS.get(ErrorCode(code)) if code in ErrorCode._value2member_map_ else None
        said = f"{known or f'error {code}'}{f': {text}' if text else ''}"
        super().__init__(f"{kind.name.lower()}: {said}")
        self.code = code


class OverdueError(Exception):
    """The run was not over at its deadline, and has been told to stop."""


@dataclass(slots=True)
class LinkCounts:
    """What the line did so far."""

    requests: int = 0
    repeats: int = 0
    strays: int = 0
    """Sound frames that answered nothing that was asked."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run's end, seen from here: host's ns before it was asked for, at the word that it goes on (``None`` if that was
    lost), when its result came. ``asked_again``: the result may have waited there for a while."""

    result: messages.RunResult
    asked_ns: int
    working_ns: int | None
    ended_ns: int
    asked_again: bool


class SerialLink:
    """One session with a firmware over an open ``port``, called ``name`` in messages.

    A request without an answer after ``timeout_s`` is given up; a run that says nothing for ``longest_inference_s`` on
    top of that is lost. An answer is waited for ``patience_s`` at least before its request is repeated.
    """

    def __init__(
        self,
        port: Port,
        name: str,
        *,
        baud: int,
        timeout_s: float = 2.0,
        longest_inference_s: float = 10.0,
        patience_s: float = 0.15,
        clock: Clock = time.monotonic,
    ) -> None:
        self._port = port
        self._name = name
        self._byte_s = 10.0 / baud
        self._timeout_s = timeout_s
        self._longest_inference_s = longest_inference_s
        self._least_patience_s = patience_s
        self._clock = clock
        self._reader = FrameReader()
        self._came: deque[Frame] = deque()
        self._session = 0
        self._sequence = 0
        self.limit = LONGEST
        self.counts = LinkCounts()

    @property
    def damaged(self) -> int:
        """Pieces of what came that were no frame."""
        return self._reader.damaged

    def close(self) -> None:
        """Let the port go. Never raises."""
        self._port.close()

    # ------------------------------------------------------------------------------------------------- the requests

    def hello(self, within_s: float | None = None) -> Hello:
        """Begin a session; whatever the firmware was doing ends.

        Raises :class:`LinkLostError` if it does not answer, :class:`HardwareError` if it is of another version.
        """
        nonce = secrets.randbits(32)
        self._session, self._sequence, self.limit = nonce & 0xFF, (nonce >> 8) & 0xFF, LONGEST
        try:
            body = self.ask(Kind.HELLO, messages.hello_body(nonce, LONGEST), within_s=within_s)
            hello = messages.parse_hello(body, nonce, LONGEST)
        except RefusedError as refused:
            raise HardwareError(
                f"{self._name}: {refused}", advice="build the firmware with this lab's protocol"
            ) from None
        except MessageError as error:
            raise HardwareError(
                f"{self._name}: the firmware's hello is not understood: {error}",
                advice="build the firmware with workloads/serial_protocol of this version",
            ) from None
        self.limit = hello.limit
        return hello

    def ask(self, kind: Kind, body: bytes = b"", *, within_s: float | None = None) -> bytes:
        """The answer's body. Raises :class:`RefusedError`, :class:`LinkLostError`."""
        request = self._next(kind, body)
        return self._answered(request, self._timeout_s if within_s is None else within_s).body

    def ping(self) -> tuple[int, int, int]:
        """Host's ns before, the firmware's ticks, host's ns after. Asked anew rather than again: a kept answer would be
        old. Raises :class:`LinkLostError`."""
        end = self._clock() + self._timeout_s
        while True:
            request = self._next(Kind.PING, messages.PING_BODY)
            wire = pack(request)
            before = host_ns()
            self._send(wire)
            answer = self._wait(request, min(end, self._clock() + self._patience_s(len(wire))))
            after = host_ns()
            if answer is not None:
                return before, self._number(self._checked(request, answer).body), after
            if self._clock() >= end:
                raise self._silent(request)
            self.counts.repeats += 1

    def run(self, body: bytes, *, expected_s: float | None = None, deadline_s: float | None = None) -> Ended:
        """Have inferences run; ``expected_s`` is how long that should take. Meanwhile the line is left silent: a byte
        that comes costs the firmware time.

        Raises :class:`OverdueError` at the deadline, :class:`RefusedError`, :class:`LinkLostError`.
        """
        begin = self._clock()
        request = self._next(Kind.RUN, body)
        repeats, asked_ns, working_ns = self.counts.repeats, host_ns(), None
        answer = self._answered(request, self._timeout_s)
        wait_s = max(_FIRST_POLL_S if expected_s is None else 0.0, 1.2 * (expected_s or 0.0) + 1.0)
        while answer.kind == WORKING:
            working_ns = working_ns or host_ns()
            until = self._clock() + wait_s
            if deadline_s is not None:
                until = min(until, begin + deadline_s)
            ended = self._wait(request, until, ignored=WORKING)
            if ended is not None:
                answer = self._checked(request, ended)
            else:
                if deadline_s is not None and self._clock() >= begin + deadline_s:
                    self.stop()
                    raise OverdueError
                self.counts.repeats += 1
                answer = self._answered(request, self._timeout_s + self._longest_inference_s)
                wait_s = min(2 * wait_s, _LONGEST_POLL_S)
        ended_ns = host_ns()
        asked_again = self.counts.repeats > repeats
        try:
            result = messages.parse_result(self._confirmed(request, answer).body)
        except MessageError as error:
            raise HardwareError(
                f"{self._name}: {error}", advice="look at the firmware's tick counter and its bits"
            ) from None
        return Ended(result, asked_ns, working_ns, ended_ns, asked_again)

    def stop(self) -> None:
        """End a run after the inference that it is at. Raises :class:`LinkLostError` if the firmware does not."""
        self.ask(Kind.STOP, within_s=self._timeout_s + self._longest_inference_s)

    # --------------------------------------------------------------------------------------------------- the line

    def _next(self, kind: Kind, body: bytes) -> Frame:
        self.counts.requests += 1
        self.counts.strays += len(self._came)
        self._came.clear()
        if kind is not Kind.HELLO:
            self._sequence = (self._sequence + 1) & 0xFF
        return Frame(kind, self._session, self._sequence, body)

    def _answered(self, request: Frame, within_s: float) -> Frame:
        """Ask until an answer comes."""
        wire = pack(request)
        end = self._clock() + within_s
        patience_s = self._patience_s(len(wire))
        while True:
            self._send(wire)
            answer = self._wait(request, min(end, self._clock() + patience_s))
            if answer is not None:
                return self._checked(request, answer)
            if self._clock() >= end:
                raise self._silent(request)
            self.counts.repeats += 1
            patience_s = min(2 * patience_s, _MOST_PATIENCE_S)

    def _confirmed(self, request: Frame, answer: Frame) -> Frame:
        """An answer of which a second copy says the same: of damaged ones, one in 65,536 has a fitting checksum."""
        for _ in range(_MOST_COPIES):
            again = self._answered(request, self._timeout_s)
            if again == answer:
                return answer
            answer = again
        raise LinkLostError(
            f"{self._name}: the result of a run was different each time it was asked for",
            advice="check the line with `lab doctor --bench`",
        )

    def _wait(self, request: Frame, until: float, *, ignored: int | None = None) -> Frame | None:
        """The answer, or ``None`` if it does not come in time or is damaged."""
        damaged = self._reader.damaged
        while True:
            while self._came:
                frame = self._came.popleft()
                if self._answers(request, frame) and frame.kind != ignored:
                    return frame
                self.counts.strays += 1
            now = self._clock()
            if self._reader.damaged > damaged:
                damaged = self._reader.damaged
                until = min(until, now + _AFTER_DAMAGE_S)
            if now >= until:
                return None
            try:
                self._came += self._reader.feed(self._port.read(_SLICE_S))
            except PortLostError as error:
                raise self._lost(error) from None

    def _answers(self, request: Frame, frame: Frame) -> bool:
        if (frame.session, frame.sequence) != (request.session, request.sequence):
            return False
        if frame.kind == ERROR:
            return len(frame.body) >= 2 and frame.body[0] == request.kind
        return frame.kind == request.kind | ANSWER or (frame.kind == WORKING and request.kind == Kind.RUN)

    def _checked(self, request: Frame, answer: Frame) -> Frame:
        if answer.kind != ERROR:
            return answer
        code, text = answer.body[1], answer.body[2:].decode("ascii", errors="replace")
        if code == ErrorCode.NO_SESSION:
            raise LinkLostError(
                f"{self._name}: {ERROR_TEXTS[ErrorCode.NO_SESSION]}",
                advice="look for a supply that sags, a watchdog, or a second program on the line",
            )
        if code == ErrorCode.VERSION:
            raise HardwareError(
                f"{self._name}: the firmware speaks version {answer.version} of the protocol",
                advice="build it with workloads/serial_protocol of this lab",
            )
        raise RefusedError(Kind(request.kind), code, text)

    def _number(self, body: bytes) -> int:
        try:
            return messages.number(body)
        except MessageError as error:
            raise HardwareError(f"{self._name}: {error}") from None

    def _patience_s(self, length: int) -> float:
        """How long an answer may take: the line's time for both, twice, and some for the two programs."""
        return max(self._least_patience_s, 2 * self._byte_s * (length + self.limit))

    def _send(self, wire: bytes) -> None:
        try:
            self._port.write(wire)
        except PortLostError as error:
            raise self._lost(error) from None

    def _lost(self, error: PortLostError) -> LinkLostError:
        return LinkLostError(f"{self._name} is gone ({error})", advice="look at the cable and the board's power")

    def _silent(self, request: Frame) -> LinkLostError:
        what = Kind(request.kind).name.lower()
        if self._reader.bytes_read == 0:
            return LinkLostError(
                f"{self._name} does not answer ({what})",
                advice="is the board powered, is the lab's firmware on it, are RX and TX crossed?",
            )
        return LinkLostError(
            f"{self._name} does not answer ({what}); of what came, {self._reader.damaged} pieces were no frames",
            advice="check `baud`, and that the firmware speaks the lab's protocol (docs/serial.md)",
        )
