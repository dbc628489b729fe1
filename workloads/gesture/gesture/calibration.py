# SPDX-License-Identifier: Apache-2.0
"""What the sensor shows while it lies level and still, to be taken off everything that it shows later.

Level and still it ought to show (0, 0, 1) g and no rate. Errors of gain remain: one position cannot show them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gesture.errors import GestureError
from gesture.motion import Floats

FEWEST = 100
_MOVED_G = 0.02
_MOVED_DPS = 1.0
"""Standard deviations beyond which the sensor was not still: several times its noise."""
_LARGEST_G = 0.25
_LARGEST_DPS = 60.0
"""No sensor within its data sheet is further off than that: it did not lie level, or turned steadily."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """``offset`` (6,) in g and degrees per second, ``samples`` that it was taken from."""

    offset: Floats
    samples: int

    @classmethod
    def of(cls, still: Floats) -> Calibration:
        """From values (n, 6) in g and °/s. Raises :class:`GestureError` if the sensor was not level and still."""
        if len(still) < FEWEST:
            raise GestureError(f"{len(still)} readings are too few to calibrate on, at least {FEWEST} are needed")
        spread = still.std(axis=0)
        if spread[:3].max() > _MOVED_G or spread[3:].max() > _MOVED_DPS:
            raise GestureError("the sensor moved while it was calibrated; lay it level and leave it alone")
        offset = still.mean(axis=0) - np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
        if np.abs(offset[:3]).max() > _LARGEST_G or np.abs(offset[3:]).max() > _LARGEST_DPS:
            raise GestureError("the sensor did not lie level while it was calibrated, or it is broken")
        return cls(offset, len(still))

    def applied(self, values: Floats) -> Floats:
        """Values (n, 6) without the offsets."""
        return np.asarray(values - self.offset)
