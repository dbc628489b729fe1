# SPDX-License-Identifier: Apache-2.0
"""How a hand moves, and what a sensor in it feels: rigid-body kinematics.

A motion is where the sensor is and how it is turned, in steps of a millisecond. An accelerometer feels the specific
force, in its own axes: acceleration minus gravity, turned by the inverse of the orientation. At rest it shows one g
upwards. A gyroscope feels the angular rate in its own axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP_S = 1e-3
STANDARD_GRAVITY = 9.80665

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """``position_m`` (n, 3) in the room, z upwards; ``orientation`` (n, 3, 3) turns the sensor's axes into the room's.

    Samples are :data:`STEP_S` apart.
    """

    position_m: Floats
    orientation: Floats

    def specific_force_g(self) -> Floats:
        """What an ideal accelerometer shows, in g, (n, 3): (0, 0, 1) where it lies level and at rest."""
        velocity = np.gradient(self.position_m, STEP_S, axis=0)
        acceleration = np.gradient(velocity, STEP_S, axis=0)
        acceleration[:, 2] += STANDARD_GRAVITY
        return np.asarray(np.einsum("nji,nj->ni", self.orientation, acceleration) / STANDARD_GRAVITY)

    def angular_rate_dps(self) -> Floats:
        """What an ideal gyroscope shows, in degrees per second, (n, 3)."""
        between = np.einsum("nji,njk->nik", self.orientation[:-1], self.orientation[1:])
        rate = np.degrees(rotation_vectors(between)) / STEP_S
        return np.concatenate([rate, rate[-1:]])


def rotation_vectors(matrices: Floats) -> Floats:
    """The rotation vectors (n, 3), in radians, of rotations by less than half a turn."""
    skew = 0.5 * np.stack(
        [
            matrices[:, 2, 1] - matrices[:, 1, 2],
            matrices[:, 0, 2] - matrices[:, 2, 0],
            matrices[:, 1, 0] - matrices[:, 0, 1],
        ],
        axis=1,
    )
    sine = np.linalg.norm(skew, axis=1)
    cosine = 0.5 * (np.trace(matrices, axis1=1, axis2=2) - 1.0)
    angle = np.arctan2(sine, cosine)
    factor = np.where(sine > 1e-12, angle / np.where(sine > 1e-12, sine, 1.0), 1.0)
    return np.asarray(skew * factor[:, None])


def turned(roll: Floats, pitch: Floats, yaw: Floats) -> Floats:
    """Rotations (n, 3, 3) by yaw about z, then pitch about the new y, then roll about the new x; radians.

    A positive pitch lifts the x axis (the usual sign of a forearm that bends upwards).
    """
    cr, sr, cp, sp, cy, sy = np.cos(roll), np.sin(roll), np.cos(-pitch), np.sin(-pitch), np.cos(yaw), np.sin(yaw)
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def stroke(time_s: Floats, begin_s: float, duration_s: float) -> Floats:
    """From 0 to 1 as a hand goes from rest to rest: least jerk (T. Flash, N. Hogan, J. Neurosci. 5, 1985, eq. 7)."""
    part = np.clip((time_s - begin_s) / duration_s, 0.0, 1.0)
    return np.asarray(part**3 * (10.0 - 15.0 * part + 6.0 * part**2))
