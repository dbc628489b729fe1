"""A serial line of this machine, held by us alone."""

from __future__ import annotations

import contextlib
import errno
import os
import termios
from typing import Protocol

from lab.errors import HardwareError

_READ_S = 0.1


class PortLostError(Exception):
    """The line is gone."""


class Port(Protocol):
    """A serial line. All but :meth:`close` raise :class:`PortLostError`."""

    def read(self, at_most_s: float) -> bytes:
        """What came; waits for it, but not longer. Empty if nothing did."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def close(self) -> None:
        """Let go. Never raises."""
        ...


class SerialPort:
    """A :class:`Port` over pyserial: ``baud`` bits per second, 8 data bits, no parity, one stop bit, no flow control.

    ``dtr`` is the level of the line DTR while the port is open. Raises :class:`HardwareError`, with ``advice`` unless
    it is plain what is wrong, if it cannot be opened.
    """

    def __init__(self, name: str, baud: int, *, advice: str, dtr: bool = True) -> None:
        import serial

        self._failures = (serial.SerialException, OSError, termios.error, TypeError)
        """A line that goes away while it drains is a ``termios.error``, which is no ``OSError``; pyserial trips over
        its own closed file descriptor with a TypeError."""
        try:
            self._serial = serial.Serial(None, baud, timeout=_READ_S, write_timeout=1.0, exclusive=True)
            self._serial.dtr = dtr
            self._serial.port = name
            self._serial.open()
        except (serial.SerialException, OSError, termios.error, ValueError) as error:
            number = getattr(error, "errno", None)
            why = os.strerror(number) if number else str(error)
            raise HardwareError(f"{name} cannot be opened ({why})", advice=_advice(error) or advice) from error

    def read(self, at_most_s: float) -> bytes:
        try:
            if at_most_s != self._serial.timeout:
                self._serial.timeout = at_most_s  # which sets up the whole line again
            first: bytes = self._serial.read(1)
            return first + self._serial.read(self._serial.in_waiting) if first else b""
        except self._failures as error:
            raise PortLostError(str(error)) from error

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
            self._serial.flush()
        except self._failures as error:
            raise PortLostError(str(error)) from error

    def close(self) -> None:
        with contextlib.suppress(*self._failures):
            self._serial.close()


def _advice(error: Exception) -> str:
    """What to do about the failures that say themselves what they are; empty for others."""
    number = getattr(error, "errno", None)
    if number in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in str(error):
        return "another program has it open: close it (a serial monitor, ModemManager, a campaign that still runs)"
    if number == errno.EACCES:
        return "add yourself to the group that owns the device file (dialout) and log in again"
    return ""
