# SPDX-License-Identifier: Apache-2.0
"""An MPU-6050 as its data sheet describes it: ranges, noise, the errors it is built with, sixteen bits.

Source: InvenSense, MPU-6000/MPU-6050 Product Specification, PS-MPU-6000A-00, revision 3.4, sections 6.1 and 6.2;
register map RM-MPU-6000A-00, revision 4.2, for the low-pass filter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gesture.motion import STEP_S, Floats, Motion

COUNTS_PER_G = 8192.0
"""At the ±4 g range."""
COUNTS_PER_DPS = 16.384
"""At the ±2000 °/s range (the data sheet rounds it to 16.4)."""
RATE_HZ = 50.0

_BANDWIDTH_HZ = 43.0
"""Of the digital low-pass filter at setting 3: 44 Hz of the accelerometer, 42 Hz of the gyroscope."""
_NOISE_G = 400e-6 * np.sqrt(_BANDWIDTH_HZ * np.pi / 2)
_NOISE_DPS = 0.005 * np.sqrt(_BANDWIDTH_HZ * np.pi / 2)
"""Root mean square: the data sheet's densities times the root of the noise bandwidth of a one-pole filter."""

_TAIL = 100
"""Milliseconds after which the filter has forgotten all but 2e-12 of a value."""

Counts = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Sensor:
    """One part off the shelf, in sensor counts: its offsets (6,), and gains with the coupling of axes (2, 3, 3)."""

    offset: Floats
    gain: Floats

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Sensor:
        """A part within the data sheet's limits, which are taken as two standard deviations.

        Zero-g level ±50 mg (x, y) and ±80 mg (z); zero rate ±20 °/s; sensitivity ±3 %; cross-axis ±2 %.
        """
        limits = np.array([0.05, 0.05, 0.08, 20.0, 20.0, 20.0]) * np.repeat([COUNTS_PER_G, COUNTS_PER_DPS], 3)
        coupling = rng.normal(0.0, 0.02 / 2, (2, 3, 3))
        coupling[:, range(3), range(3)] = 1.0 + rng.normal(0.0, 0.03 / 2, (2, 3))
        return cls(rng.normal(0.0, limits / 2), coupling)

    @classmethod
    def ideal(cls) -> Sensor:
        """One without errors (its noise and its steps remain)."""
        return cls(np.zeros(6), np.broadcast_to(np.eye(3), (2, 3, 3)).copy())

    def readings(self, motion: Motion, rng: np.random.Generator, rate_hz: float = RATE_HZ) -> Counts:
        """The counts that it gives during a motion, (n, 6): accelerometer x, y, z, then gyroscope x, y, z.

        Beyond its range it says its largest or least count.
        """
        force, rate = _smoothed(motion.specific_force_g()), _smoothed(motion.angular_rate_dps())
        every = round(1.0 / (rate_hz * STEP_S))
        force, rate = force[::every], rate[::every]
        force = force + rng.normal(0.0, _NOISE_G, force.shape)
        rate = rate + rng.normal(0.0, _NOISE_DPS, rate.shape)
        felt = np.concatenate([force @ self.gain[0].T * COUNTS_PER_G, rate @ self.gain[1].T * COUNTS_PER_DPS], axis=1)
        return np.clip(np.rint(felt + self.offset), -32768, 32767).astype(np.int16)


def _smoothed(values: Floats) -> Floats:
    """Through a one-pole low-pass filter that has settled on the first value, along the first axis."""
    keep = float(np.exp(-2 * np.pi * _BANDWIDTH_HZ * STEP_S))
    kernel = (1.0 - keep) * keep ** np.arange(_TAIL)
    settled = np.concatenate([np.repeat(values[:1], _TAIL - 1, axis=0), values])
    # What the kernel's cut-off tail would have held is the first value, too.
    return np.stack([np.convolve(column, kernel, "valid") for column in settled.T / kernel.sum()], axis=1)


def in_units(counts: Counts | Floats) -> Floats:
    """Counts (n, 6) as g and degrees per second."""
    return np.asarray(counts / np.repeat([COUNTS_PER_G, COUNTS_PER_DPS], 3), dtype=np.float64)
