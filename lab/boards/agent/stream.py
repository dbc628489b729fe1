"""Lines to and from an agent over two file descriptors, with patience that ends, past whatever else is said there."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Iterable
from typing import IO

from lab.boards.agent.wire import Message, compose, parse
from lab.errors import HardwareError, LinkLostError
from lab.record.host_clock import host_ns
from lab.record.printable import printable_line

OURS = frozenset({"hello", "ping", "run", "stop", "bye"})
"""Words that only this side says: where they come back, a console echoes them."""

_SEND_S = 10.0
_CHUNK = 4096
"""Bytes that a pipe takes at once when it is ready for any."""
_READ = 1 << 16
_LONGEST_LINE = 1 << 16
"""The agent's own lines are shorter; more without an end is garbage."""
_MOST_GARBAGE = 1 << 20
_REMEMBERED_LINES = 5


class AgentStream:
    """Sends lines and receives messages. ``received_ns`` is the host's clock right after the last bytes were read."""

    def __init__(self, read: IO[bytes], write: IO[bytes], *, name: str) -> None:
        self._read, self._write = read, write
        self._name = name
        self._buffer = b""
        self._garbage = 0
        self._strange: deque[bytes] = deque(maxlen=_REMEMBERED_LINES)
        # A console may hold half a line that somebody typed: ours begins on a new one.
        self._within_line = True
        self.was_torn = False
        """A line of ours was broken off in the middle; the agent will say that it did not understand it."""
        self.received_ns = 0

    def line(self, verb: str, sequence: int, fields: Iterable[tuple[str, str]] = ()) -> bytes:
        """A line to send. Raises ``ValueError`` as :func:`lab.boards.agent.wire.compose` does."""
        return compose(verb, sequence, fields)

    def send(self, line: bytes) -> None:
        """Write a line. Raises :class:`LinkLostError` if nobody takes it."""
        if self._within_line:
            line = b"\n" + line
            self.was_torn = True
        self._within_line = True
        limit = time.monotonic() + _SEND_S
        rest = memoryview(line)
        try:
            descriptor = self._write.fileno()
            while rest:
                if not _ready(descriptor, select.POLLOUT, limit):
                    raise self.lost(f"the agent does not read within {_SEND_S:g} s")
                try:
                    rest = rest[os.write(descriptor, rest[:_CHUNK]) :]
                except BlockingIOError:
                    continue
        except (OSError, ValueError) as error:
            raise self.lost("the link to the agent is closed") from error
        self._within_line = False

    def receive(self, limit: float | None) -> Message | None:
        """The next message, or ``None`` if there is none until ``limit`` (of ``time.monotonic()``; ``None``: for ever).

        Raises :class:`LinkLostError` at the end of the stream and :class:`HardwareError` if there is nothing but
        garbage.
        """
        while True:
            while (end := self._buffer.find(b"\n")) >= 0:
                line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
                message = parse(line)
                if message is None:
                    self._keep(line)
                elif message.verb not in OURS:
                    self._garbage = 0
                    return message
            if len(self._buffer) > _LONGEST_LINE:
                self._keep(self._buffer)
                self._buffer = b""
            try:
                descriptor = self._read.fileno()
                if not _ready(descriptor, select.POLLIN, limit):
                    return None
                got = os.read(descriptor, _READ)
            except BlockingIOError:
                continue
            except (OSError, ValueError) as error:
                raise self.lost("the link to the agent is closed") from error
            self.received_ns = host_ns()
            if not got:
                self._keep(self._buffer)
                self._buffer = b""
                raise self.lost("the agent went away")
            self._buffer += got

    def lost(self, what: str) -> LinkLostError:
        """The error for a broken link, with what was said last that was not the agent's."""
        said = "; ".join(printable_line(line.decode("utf-8", "replace"), 200) for line in self._strange)
        return LinkLostError(f"{self._name}: {what}", advice=f"on the line stood: {said}" if said else None)

    def _keep(self, line: bytes) -> None:
        if line.strip():
            self._strange.append(line[-400:].strip())
        self._garbage += len(line) + 1
        if self._garbage > _MOST_GARBAGE:
            raise HardwareError(f"{self._name}: the line holds nothing that an agent says", advice=self.lost("").advice)


def _ready(descriptor: int, what: int, limit: float | None) -> bool:
    """Wait for a descriptor; false if it is not ready until then. An end or an error counts as ready."""
    poll = select.poll()
    poll.register(descriptor, what)
    while True:
        rest_ms = None if limit is None else max(0.0, (limit - time.monotonic()) * 1e3)
        # Rounded up, so that the last wait is not a row of none at all.
        if poll.poll(None if rest_ms is None else int(rest_ms) + (rest_ms % 1.0 > 0.0)):
            return True
        if limit is not None and time.monotonic() >= limit:
            return False
