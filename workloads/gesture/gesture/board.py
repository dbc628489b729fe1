# SPDX-License-Identifier: Apache-2.0
"""The simulated set-up: a hand, the sensor in it, and the microcontroller that prints on a serial line."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from gesture.calibration import Calibration
from gesture.hands import lie_still, perform
from gesture.sensor import RATE_HZ, Sensor, in_units
from gesture.sketch import SAMPLES, START_DPS, START_G, Sketch

CALIBRATION_S = 10.0
"""500 readings."""


class SimulatedBoard:
    """One sensor, its board and the person who holds it. The same seed gives the same bytes on the line.

    ``sensor_seed`` draws the part (its offsets and gains); ``seed`` the performances and the noise.
    """

    def __init__(
        self,
        seed: int,
        sensor_seed: int = 0,
        *,
        variation: float = 1.0,
        start_g: float = START_G,
        start_dps: float = START_DPS,
        samples: int = SAMPLES,
    ) -> None:
        self.sensor = Sensor.drawn(np.random.default_rng([sensor_seed, 6050]))
        self._hand, self._noise = (np.random.default_rng([seed, part]) for part in (1, 2))
        still = in_units(self.sensor.readings(lie_still(CALIBRATION_S), self._noise))
        self.calibration = Calibration.of(still)
        self._variation = variation
        self._sketch = Sketch(self.calibration, start_g=start_g, start_dps=start_dps, samples=samples)

    def header(self) -> str:
        """What it prints when it starts."""
        return self._sketch.header()

    def perform(self, gesture: str) -> str:
        """What it prints while the gesture is performed once: 30 lines and an empty one, or nothing if too gentle."""
        motion = perform(gesture, self._hand, self._variation)
        return "".join(self._sketch.lines(in_units(self.sensor.readings(motion, self._noise))))


def paced(texts: Iterator[str], rate_hz: float = RATE_HZ) -> Iterator[str]:
    """The lines of these texts as a board that samples at this rate prints them, in real time."""
    begin, lines = time.monotonic(), 0
    for text in texts:
        for line in text.splitlines(keepends=True):
            if line.strip():
                lines += 1
                time.sleep(max(0.0, begin + lines / rate_hz - time.monotonic()))
            yield line
