# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a serial line to performances: 30 samples of six numbers, whole or not at all."""

from __future__ import annotations

from collections import Counter

import numpy as np

from gesture.motion import Floats
from gesture.sketch import HEADER, SAMPLES

LIMITS = np.array([4.5, 4.5, 4.5, 2100.0, 2100.0, 2100.0])
"""No sound sample lies beyond: the sensor's ranges (±4 g, ±2000 °/s) and what calibration may shift them by."""
_LONGEST_LINE = 80


class Capture:
    """Takes bytes as they come and gives whole performances. What is damaged is left out up to its empty line.

    ``dropped`` counts the blocks that were left out, by reason. What follows the last line end is kept for later, so
    that it does not matter how the bytes are cut up.
    """

    def __init__(self, samples: int = SAMPLES) -> None:
        self._samples = samples
        self._rest = b""
        self._block: list[Floats] = []
        self._damage: str | None = None
        self.dropped: Counter[str] = Counter()

    def feed(self, data: bytes) -> list[Floats]:
        """The performances, each (samples, 6) in g and °/s, that these bytes complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = [performance for line in lines if (performance := self._line(line)) is not None]
        if len(self._rest) > _LONGEST_LINE:
            self._rest, self._damage = b"", "a line without end"
        return found

    def _line(self, line: bytes) -> Floats | None:
        text = line.rstrip(b"\r")
        if not text:
            return self._end()
        if text == HEADER.encode():
            # The board began anew.
            self._drop("cut off") if self._block or self._damage else None
            return None
        sample = _sample(text)
        if sample is None:
            self._damage = self._damage or "not six numbers"
        elif (np.abs(sample) > LIMITS).any():
            self._damage = self._damage or "beyond the sensor's range"
        else:
            self._block.append(sample)
        if len(self._block) > self._samples:
            # Kept no longer than needed; its empty line will tell it to go.
            self._damage, self._block = self._damage or "too many samples", []
        return None

    def _end(self) -> Floats | None:
        if self._damage is not None:
            self._drop(self._damage)
        elif len(self._block) == self._samples:
            whole, self._block = np.stack(self._block), []
            return whole
        elif self._block:
            self._drop("too few samples")
        return None

    def _drop(self, reason: str) -> None:
        self.dropped[reason] += 1
        self._block, self._damage = [], None


def _sample(text: bytes) -> Floats | None:
    """The six numbers of a line; ``None`` for anything else (also for ``nan``, ``1e3`` and ``1_0``)."""
    parts = text.split(b",")
    if len(parts) != 6 or set(text) - set(b"0123456789.,-"):
        return None
    try:
        return np.array([float(part) for part in parts])
    except ValueError:
        return None
