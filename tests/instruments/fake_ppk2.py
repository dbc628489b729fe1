"""A stand-in for a Nordic PPK2: its bytes exactly, on a pseudo terminal.

What it is exact about was read from the source of the vendor's application (NordicSemiconductor/pc-nrfconnect-ppk): the
commands and their lengths, the text of the metadata, the bits of a frame, the formula of the current.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 100_000
LENGTHS = {0x06: 1, 0x07: 1, 0x0C: 2, 0x0D: 3, 0x11: 2, 0x19: 1, 0x20: 1}
ENDS_A = np.array([50e-6, 500e-6, 5e-3, 60e-3, 1.0])
VOLT_PER_COUNT = 1.8 / 163840

METADATA = """Calibrated: 0
R0: 1003.3506
R1: 101.5865
R2: 10.3027
R3: 0.9636
R4: 0.0564
GS0: 0.0000
GS1: 112.7890
GS2: 18.0115
GS3: 2.4217
GS4: 0.0729
GI0: 1.0000
GI1: 0.9695
GI2: 0.9609
GI3: 0.9519
GI4: 0.9582
O0: 112.9420
O1: 75.5460
O2: 64.8340
O3: 62.5620
O4: 72.6230
VDD: 3000
HW: 9173
mode: 2
S0: 0.000000048
S1: 0.000000596
S2: 0.000005281
S3: 0.000062577
S4: 0.002940743
I0: -0.000000104
I1: -0.000001443
I2: 0.000036439
I3: -0.000374119
I4: -0.009388455
UG0: 1.00
UG1: 1.00
UG2: 1.00
UG3: 1.00
UG4: 1.00
IA: 56
END
"""

Times = NDArray[np.float64]


def values(text: str = METADATA) -> dict[str, float]:
    """The metadata's numbers by their names."""
    pairs = (line.split(": ") for line in text.splitlines() if ": " in line)
    return {name: float(value) for name, value in pairs}


def frames(
    current_a: Times, first: int, levels: NDArray[Any] | int = 0, volts: float = 3.0, text: str = METADATA
) -> bytes:
    """The frames of samples ``first`` and on: each in the smallest range that holds it."""
    given = values(text)
    of = {name: np.array([given[f"{name}{k}"] for k in range(5)]) for name in ("R", "GS", "GI", "O", "S", "I", "UG")}
    ranges = np.minimum(np.searchsorted(ENDS_A, np.abs(current_a)), 4)
    wanted = current_a / of["UG"][ranges] - of["S"][ranges] * volts - of["I"][ranges]
    gain, curve = of["GI"][ranges], of["GS"][ranges]
    with np.errstate(invalid="ignore", divide="ignore"):
        bent = (np.sqrt(gain**2 + 4 * curve * wanted) - gain) / (2 * curve)
    x = np.where(curve > 0, bent, wanted / gain)
    counts = np.clip(np.round((x * of["R"][ranges] / VOLT_PER_COUNT + of["O"][ranges]) / 4), 0, (1 << 14) - 1)
    number = (first + np.arange(current_a.size)) % 64
    words = counts.astype(np.uint32) | ranges.astype(np.uint32) << 14 | number.astype(np.uint32) << 18
    words |= np.asarray(levels, np.uint32) << 24
    return bytes(words.astype("<u4").tobytes())


def damaged(data: bytes, first: int, lost: list[tuple[int, int]]) -> bytes:
    """Frames from number ``first`` on without the bytes [from, to) of the stream, counted from its frame 0."""
    kept = np.ones(len(data), bool)
    for begin, end in lost:
        kept[max(0, begin - first * 4) : max(0, end - first * 4)] = False
    return bytes(np.frombuffer(data, np.uint8)[kept])


@dataclass
class Line:
    """What the kit sees, as functions of the time in s since it was told to start."""

    current: Callable[[Times], Times] = lambda t: np.full(t.shape, 2e-3)
    levels: dict[int, Callable[[Times], NDArray[Any]]] = field(default_factory=dict)


class PtyKit:
    """A kit behind a pseudo terminal; ``port`` is what to open. A context manager."""

    def __init__(self, line: Line | None = None, metadata: bytes = METADATA.encode()) -> None:
        self.line = line or Line()
        self.metadata = metadata
        self.lost: list[tuple[int, int]] = []
        """Bytes [from, to) of each stream that never arrive."""
        self.silent_after_s: float | None = None
        self.unplug_after_s: float | None = None
        self.streams_on = b""
        """What a kit that was never told to stop is still sending when it is opened."""
        self.told: list[bytes] = []
        self.fed = False
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._started_s: float | None = None
        self._sent = 0
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> PtyKit:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._thread.join()
        self.unplug()
        with contextlib.suppress(OSError):
            os.close(self._slave)

    def unplug(self) -> None:
        """The cable is pulled."""
        if self._master >= 0:
            master, self._master = self._master, -1
            os.close(master)

    def _serve(self) -> None:
        pending = b""
        while not self._leave.is_set():
            if select.select([self._master], [], [], 0.002)[0]:
                with contextlib.suppress(OSError):
                    pending += os.read(self._master, 4096)
            while pending and len(pending) >= LENGTHS.get(pending[0], 1):
                length = LENGTHS.get(pending[0], 1)
                self._obey(pending[:length])
                pending = pending[length:]
            if self._started_s is not None and not self._stream(time.monotonic() - self._started_s):
                self.unplug()
                return

    def _obey(self, command: bytes) -> None:
        self.told.append(command)
        if command[0] == 0x06:
            self._started_s, self._sent = time.monotonic(), 0
        elif command[0] == 0x07:
            self._started_s = None
        elif command[0] == 0x0C:
            self.fed = bool(command[1])
        elif command[0] == 0x19:
            self._send(self.metadata)

    def _stream(self, at_s: float) -> bool:
        """Send what is due; false once the kit is unplugged."""
        if self.unplug_after_s is not None and at_s > self.unplug_after_s:
            return False
        if self.silent_after_s is not None:
            at_s = min(at_s, self.silent_after_s)
        due = int(at_s * RATE_HZ)
        if due > self._sent:
            t = np.arange(self._sent, due) / RATE_HZ
            levels = np.zeros(t.size, np.uint32)
            for number, level in self.line.levels.items():
                levels |= np.asarray(level(t), np.uint32) << number
            data = frames(self.line.current(t), self._sent, levels)
            self._send(damaged(data, self._sent, self.lost))
            self._sent = due
        return True

    def _send(self, data: bytes) -> None:
        while data and not self._leave.is_set():
            if select.select([], [self._master], [], 0.1)[1]:
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(self._master, data) :]
