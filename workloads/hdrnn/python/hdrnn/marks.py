# SPDX-License-Identifier: Apache-2.0
"""For whoever measures the program from outside: see c/marks.h, which does the same.

``LAB_MARKS`` names a file for instants of CLOCK_MONOTONIC_RAW, ``LAB_WINDOW`` two pipes for a word before and after
what is to be measured. Without these in the environment nothing is written anywhere.
"""

from __future__ import annotations

import errno
import os
import select
import time

from hdrnn.errors import FailureError

_PATIENCE_S = 10


class Window:
    """The window around the epochs, and its marks."""

    def __init__(self) -> None:
        self._marks: list[tuple[str, int]] = []
        self._pipes: tuple[int, int] | None = None

    def open(self) -> None:
        """Say that it opens, wait for the answer, mark the instant. Raises :class:`FailureError`."""
        self._pipes = _pipes()
        self._say("enable")
        self._mark("window_begin")

    def close(self) -> None:
        """Mark the instant, say that it closes, wait for the answer. Raises :class:`FailureError`."""
        self._mark("window_end")
        self._say("disable")

    def save_marks(self) -> None:
        """Append lines ``NAME NANOSECONDS`` to the file that LAB_MARKS names. Raises :class:`FailureError`."""
        path = os.environ.get("LAB_MARKS", "")
        if not path:
            return
        try:
            with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123
                file.writelines(f"{name} {nanoseconds}\n" for name, nanoseconds in self._marks)
        except OSError as error:
            raise FailureError(f"{path}: {error.strerror}") from None

    def _mark(self, name: str) -> None:
        self._marks.append((name, time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)))

    def _say(self, word: str) -> None:
        if self._pipes is None:
            return
        control, acknowledge = self._pipes
        try:
            os.write(control, f"{word}\n".encode())
        except OSError:
            raise FailureError("LAB_WINDOW: nobody takes the word that the window begins or ends") from None
        if _answer(acknowledge) != b"ack":
            raise FailureError("LAB_WINDOW: the answer was not understood")


def _pipes() -> tuple[int, int] | None:
    """Both pipes, opened, if there are any. Nobody at their other ends is told at once, not waited for."""
    paths = os.environ.get("LAB_WINDOW", "")
    if not paths:
        return None
    control_path, comma, acknowledge_path = paths.partition(",")
    if not comma:
        raise FailureError(f"LAB_WINDOW={paths:.200}: expected the paths of two pipes with a comma between them")
    path = acknowledge_path
    try:
        acknowledge = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        path = control_path
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC), acknowledge
    except OSError as error:
        raise FailureError(f"{path}: {'nobody listens' if error.errno == errno.ENXIO else error.strerror}") from None


def _answer(pipe: int) -> bytes:
    """A line, byte by byte: what follows it belongs to the next answer. perf ends its answers with a zero byte."""
    line = b""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            byte = os.read(pipe, 1)
        except BlockingIOError:
            byte = None
        except OSError as error:
            raise FailureError(f"LAB_WINDOW: {error.strerror}") from None
        if byte == b"\n":
            return line
        if byte:
            line += b"" if byte == b"\0" else byte
            continue
        # Before anybody has opened the pipe for writing it seems to be at its end, and polling may return at once.
        if byte == b"":
            time.sleep(0.001)
        rest = until - time.monotonic()
        if rest <= 0 or not select.select([pipe], [], [], rest)[0]:
            raise FailureError(f"LAB_WINDOW: no answer within {_PATIENCE_S} s")
