# SPDX-License-Identifier: Apache-2.0
"""A serial port by its name, with nothing but the standard library; and a pair of ends in place of a cable."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import pty
import select
import termios
import time
import tty
from collections.abc import Iterator

from gesture.errors import GestureError

BAUD = 115200
_PIECE = 1024
"""Bytes that a pseudo terminal holds without anybody reading."""
_STALLED_S = 5.0
_TWICE = 2


class SerialPort:
    """Reads a serial port: eight data bits, no parity, one stop bit, bytes as they are."""

    def __init__(self, name: str, baud: int = BAUD) -> None:
        """Raises :class:`GestureError` if it cannot be opened, or there is no such speed."""
        self.name = name
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise GestureError(f"{name}: a serial port cannot be set to {baud} baud here")
        try:
            self._file = os.open(name, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise GestureError(f"{name}: {error.strerror}; is the board plugged in, and is it its port?") from None
        try:
            # Not flushing: what the board said before is as good as what it says now.
            tty.setraw(self._file, termios.TCSANOW)
            settings = termios.tcgetattr(self._file)
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._file, termios.TCSANOW, settings)
        except termios.error:
            os.close(self._file)
            raise GestureError(f"{name} is not a serial port") from None

    def chunks(self, silence_s: float) -> Iterator[bytes]:
        """Bytes as they come, until none came for ``silence_s``. Raises :class:`GestureError` if it is unplugged."""
        until = time.monotonic() + silence_s
        while (left_s := until - time.monotonic()) > 0:
            if not select.select([self._file], [], [], left_s)[0]:
                return
            try:
                data = os.read(self._file, 4096)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                raise GestureError(f"{self.name}: the line went away")
            yield data
            until = time.monotonic() + silence_s

    def close(self) -> None:
        """Let go of the port."""
        os.close(self._file)

    def __enter__(self) -> SerialPort:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Cable:
    """A pseudo terminal: what is written to this end comes out of the port called ``port``."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self.port = os.ttyname(theirs)
        # Held open, so that the line does not hang up before somebody reads it.
        self._theirs = theirs

    def write(self, text: str) -> None:
        """Put it on the line; waits where nobody reads fast enough."""
        data = text.encode("ascii")
        while data:
            data = data[os.write(self._ours, data) :]

    def drain(self, patience_s: float = 5.0) -> None:
        """Wait until the other side has read everything, or this long.

        What was written last is on its way for a while in which it is counted nowhere: so nothing may be left twice.
        """
        until, empty = time.monotonic() + patience_s, 0
        while empty < _TWICE and time.monotonic() < until:
            time.sleep(0.1)
            empty = 0 if _waiting(self._theirs) else empty + 1

    def close(self) -> None:
        """Unplug it."""
        for file in (self._ours, self._theirs):
            with contextlib.suppress(OSError):
                os.close(file)

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def carried(cable: Cable, port: SerialPort, text: str) -> bytes:
    """Text through the cable, in pieces that it holds, and out of the port. Raises :class:`GestureError` if it stalls.

    One side here writes and reads in turns, so that the same text is always cut up the same way.
    """
    arrived = b""
    for begin in range(0, len(text), _PIECE):
        piece = text[begin : begin + _PIECE]
        cable.write(piece)
        wanted = len(arrived) + len(piece)
        for data in port.chunks(_STALLED_S):
            arrived += data
            if len(arrived) >= wanted:
                break
        else:
            raise GestureError(f"{port.name}: the line stalled")
    return arrived


def _waiting(terminal: int) -> int:
    """Bytes that nobody has read yet."""
    count = array.array("i", [0])
    fcntl.ioctl(terminal, termios.FIONREAD, count)
    return count[0]
