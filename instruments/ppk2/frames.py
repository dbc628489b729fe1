"""From a PPK2's bytes to its frames: where each begins, and which of them are missing.

A frame is 32 bits, little endian: 14 bits of the converter, 3 bits of the range, one unused, 6 bits that count frames,
8 bits of logic levels. Nothing marks a frame's beginning, and bytes get lost on the way, not only whole frames. What
tells is the counter: read from the right place it goes up by one from frame to frame, read from a wrong one it does
not.

The frame on either side of a loss may be patched together from halves of two with a counter that looks right, and the
next one read from the wrong place may by chance count on: so a few on both sides are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FRAME_BYTES = 4
MODULUS = 64
"""The counter's."""

CONFIRM = 16
"""Frames in a row that must count up before their place is believed: by chance one in 64^16 does."""

LEFT_OUT = 4
"""Frames on either side of a loss that are not believed."""

_COMPARED = 64
"""How far the candidates for a frame's place are followed to find the best."""

_ENOUGH_BYTES = (_COMPARED + CONFIRM + LEFT_OUT) * FRAME_BYTES

Words = NDArray[np.uint32]


def counters(words: Words) -> NDArray[np.uint32]:
    """The frame counters of frames."""
    return words >> np.uint32(18) & np.uint32(63)


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive frames.

    ``missing`` frames are missing before them, or more by a multiple of 64, which the counter cannot tell.
    """

    words: Words
    missing: int = 0


class FrameDecoder:
    """Takes bytes as they come; gives frames. It keeps back a few, until the next ones confirm them."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._locked = False
        self._expected: int | None = None
        """The counter after the last frame that was given, or ``None`` before any."""
        self._broken = False
        self.losses = 0
        """How often the stream broke."""
        self.discarded_bytes = 0
        """What was thrown away because it belongs to no whole frame, or to one that may be patched."""

    def feed(self, data: bytes) -> list[Run]:
        """The frames that are certain now."""
        self._bytes += data
        return self._decode(final=False)

    def flush(self) -> list[Run]:
        """What can still be told of the rest: no more bytes will come."""
        return self._decode(final=True)

    def _decode(self, *, final: bool) -> list[Run]:
        runs: list[Run] = []
        while True:
            if not self._locked and not self._lock(final=final):
                return runs
            words = np.frombuffer(bytes(self._bytes[: len(self._bytes) // FRAME_BYTES * FRAME_BYTES]), "<u4")
            if words.size == 0:
                return runs
            steps = np.diff(counters(words)) & 63
            broken = np.flatnonzero(steps != 1)
            # What comes right before a loss is not believed, and a loss may come next.
            end = int(broken[0]) + 1 if broken.size else int(words.size)
            self._give(runs, words[: max(0, end - LEFT_OUT)])
            del self._bytes[: max(0, end - LEFT_OUT) * FRAME_BYTES]
            if not broken.size:
                if final:
                    self._discard(len(self._bytes))
                return runs
            self._discard(min(end, LEFT_OUT) * FRAME_BYTES)
            self._locked = False
            self._broken = True
            self.losses += 1

    def _give(self, runs: list[Run], words: Words) -> None:
        if not words.size:
            return
        first = int(counters(words[:1])[0])
        missing = 0
        if self._broken and self._expected is not None:
            # So many are left out on both sides of every loss: fewer cannot be missing.
            missing = (first - self._expected - 2 * LEFT_OUT) % MODULUS + 2 * LEFT_OUT
        runs.append(Run(words, missing))
        self._broken = False
        self._expected = (first + int(words.size)) % MODULUS

    def _discard(self, count: int) -> None:
        del self._bytes[:count]
        self.discarded_bytes += count

    def _lock(self, *, final: bool) -> bool:
        """Find where frames begin; true if the bytes begin there now."""
        if not final and len(self._bytes) < _ENOUGH_BYTES:
            return False
        place = _place(bytes(self._bytes))
        if place is None:
            self._discard(max(0, len(self._bytes) - (0 if final else _ENOUGH_BYTES - 1)))
            return False
        self._discard(place + LEFT_OUT * FRAME_BYTES)
        self._locked = True
        return True


def _place(data: bytes) -> int | None:
    """The first byte from which at least :data:`CONFIRM` frames count up; of neighbours, that with the longest row."""
    found: list[tuple[int, int]] = []
    for phase in range(FRAME_BYTES):
        usable = (len(data) - phase) // FRAME_BYTES * FRAME_BYTES
        if usable < (CONFIRM + 1) * FRAME_BYTES:
            continue
        steps = np.diff(counters(np.frombuffer(data, "<u4", usable // FRAME_BYTES, phase))) & 63
        first = _first_row(steps == 1)
        if first is not None:
            begin, length = first
            found.append((phase + begin * FRAME_BYTES, length))
    if not found:
        return None
    earliest = min(place for place, _ in found)
    near = [(min(length, _COMPARED), -place) for place, length in found if place < earliest + CONFIRM * FRAME_BYTES]
    return -max(near)[1]


def _first_row(good: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Beginning and length of the first row of at least :data:`CONFIRM` true values."""
    edges = np.flatnonzero(np.diff(good, prepend=False, append=False))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - begin >= CONFIRM:
            return begin, end - begin
    return None
