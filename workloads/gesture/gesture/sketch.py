# SPDX-License-Identifier: Apache-2.0
"""What the microcontroller beside the sensor does: calibrate, wait for a movement, print the samples of it.

It prints what the study's board prints: a header once, then for each gesture 30 lines of six numbers with commas
between, and an empty line at the end. Nothing on the line tells a damaged digit from a sound one: it has no checksum.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gesture.calibration import Calibration
from gesture.motion import Floats

SAMPLES = 30
AXES = ("aX", "aY", "aZ", "gX", "gY", "gZ")
HEADER = ",".join(AXES)

START_G = 0.3
START_DPS = 100.0
"""A movement begins where the force differs from one g by so much, or the rate is so large."""
_STILL_SAMPLES = 10
"""It is over after so many samples below half of that."""


class Sketch:
    """Takes reading after reading, gives the lines that it prints."""

    def __init__(
        self,
        calibration: Calibration,
        *,
        start_g: float = START_G,
        start_dps: float = START_DPS,
        samples: int = SAMPLES,
    ) -> None:
        self._calibration = calibration
        self._start = (start_g, start_dps)
        self._samples = samples
        self._left = 0
        self._still = 0
        self._armed = False
        self.started = 0
        """Gestures that were begun so far."""

    def header(self) -> str:
        """The first line."""
        return HEADER + "\r\n"

    def lines(self, values: Floats) -> Iterator[str]:
        """What it prints at these readings (n, 6), in g and °/s, not yet calibrated."""
        for sample in self._calibration.applied(values):
            moved = self._moved(sample)
            if self._left == 0 and not self._armed:
                self._still = self._still + 1 if moved < 0.5 else 0
                self._armed = self._still >= _STILL_SAMPLES
            elif self._left == 0 and moved >= 1.0:
                self._left, self._armed, self._still = self._samples, False, 0
                self.started += 1
            if self._left > 0:
                self._left -= 1
                yield line_of(sample) + ("\r\n" if self._left == 0 else "")

    def _moved(self, sample: Floats) -> float:
        """How far the sample is from stillness: 1 is the threshold."""
        force, rate = np.linalg.norm(sample[:3]), np.linalg.norm(sample[3:])
        return float(max(abs(force - 1.0) / self._start[0], rate / self._start[1]))


def line_of(sample: Floats) -> str:
    """One sample as it is printed: thousandths of a g, hundredths of a degree per second."""
    return ",".join([*(f"{value:.3f}" for value in sample[:3]), *(f"{value:.2f}" for value in sample[3:])]) + "\r\n"
