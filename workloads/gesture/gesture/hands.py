# SPDX-License-Identifier: Apache-2.0
"""The gestures: how a hand performs each of them, never twice alike.

The study does not name its gestures. ``punch`` and ``flex`` are those of the tutorial that it cites (Arduino's
TensorFlow Lite tutorials); the others are for networks of more outputs. x points along the forearm to the fingers, y
to the left, z upwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gesture.errors import GestureError
from gesture.motion import STEP_S, Floats, Motion, stroke, turned

REST_S = (0.35, 0.6)
"""Stillness before a gesture, at least and at most."""
AFTER_S = 0.9
"""Stillness after it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Path:
    """Of one performance: displacement of the sensor (n, 3) in m, and the angles of the forearm (n,) in radians."""

    displacement_m: Floats
    roll: Floats
    pitch: Floats
    yaw: Floats


class _Hand:
    """Draws how a performance differs from the typical one: by how much, ``variation`` says."""

    def __init__(self, rng: np.random.Generator, variation: float) -> None:
        self.rng = rng
        self._variation = variation

    def about(self, typical: float, spread: float) -> float:
        """A positive size, log-normal about the typical one, never beyond two and a half spreads."""
        return float(typical * np.exp(self._variation * spread * np.clip(self.rng.standard_normal(), -2.5, 2.5)))

    def near(self, typical: float, spread: float) -> float:
        """A size of either sign, normal about the typical one, never beyond two and a half spreads."""
        return float(typical + self._variation * spread * np.clip(self.rng.standard_normal(), -2.5, 2.5))


_Draw = Callable[[_Hand, Floats, float], tuple[_Path, float]]


def perform(name: str, rng: np.random.Generator, variation: float = 1.0) -> Motion:
    """One performance, with rest before and after. Raises :class:`GestureError` for a gesture that there is not.

    ``variation`` 1 is one practised person; 2 is people who were told the gesture's name and no more.
    """
    if name not in GESTURES:
        raise GestureError(f"no gesture is called {name!r}; there are: {', '.join(GESTURES)}")
    hand = _Hand(rng, variation)
    begin_s = rng.uniform(*REST_S)
    time_s = np.arange(0.0, begin_s + _LONGEST_S + AFTER_S, STEP_S)
    path, end_s = GESTURES[name](hand, time_s, begin_s)
    keep = time_s < end_s + AFTER_S
    roll, pitch = path.roll + np.radians(hand.near(0.0, 7.0)), path.pitch + np.radians(hand.near(0.0, 9.0))
    shaken = _tremor(rng, time_s, 6)
    place = path.displacement_m + 6e-5 * shaken[:, :3]
    angles = np.radians(0.08) * shaken[:, 3:]
    orientation = turned(roll + angles[:, 0], pitch + angles[:, 1], path.yaw + angles[:, 2])
    return Motion(place[keep], orientation[keep])


def lie_still(duration_s: float) -> Motion:
    """The sensor on a table, level: what it is calibrated on."""
    steps = round(duration_s / STEP_S)
    return Motion(np.zeros((steps, 3)), np.broadcast_to(np.eye(3), (steps, 3, 3)).copy())


def _tremor(rng: np.random.Generator, time_s: Floats, channels: int) -> Floats:
    """The tremble of a held hand, 8 to 12 Hz (physiological tremor), about 1 in size; (n, channels)."""
    rates = rng.uniform(8.0, 12.0, (3, channels))
    phases = rng.uniform(0.0, 2 * np.pi, (3, channels))
    sizes = rng.uniform(0.3, 0.8, (3, channels))
    waves = sizes * np.sin(2 * np.pi * rates * time_s[:, None, None] + phases)
    return np.asarray(waves.sum(axis=1))


def _punch(hand: _Hand, time_s: Floats, begin_s: float) -> tuple[_Path, float]:
    """Straight forward and back: the fist goes along the forearm, which rises and turns in a little."""
    reach_m, out_s = hand.about(0.3, 0.18), hand.about(0.27, 0.15)
    hold_s, back_s = hand.rng.uniform(0.0, 0.06), hand.about(0.4, 0.2)
    end_s = begin_s + out_s + hold_s + back_s
    along = stroke(time_s, begin_s, out_s) - stroke(time_s, begin_s + out_s + hold_s, back_s)
    aside, up = hand.near(0.0, 0.04), hand.near(0.03, 0.05)
    displacement = along[:, None] * np.array([reach_m, aside, up])
    lift, turn, twist = np.radians((hand.near(8.0, 9.0), hand.near(0.0, 6.0), hand.near(-25.0, 18.0)))
    return _Path(displacement, twist * along, lift * along, turn * along), end_s


def _flex(hand: _Hand, time_s: Floats, begin_s: float) -> tuple[_Path, float]:
    """The forearm bends upwards about the elbow and comes down again."""
    angle, up_s = np.radians(hand.about(85.0, 0.18)), hand.about(0.42, 0.15)
    hold_s, down_s = hand.rng.uniform(0.0, 0.12), hand.about(0.5, 0.15)
    end_s = begin_s + up_s + hold_s + down_s
    bent = stroke(time_s, begin_s, up_s) - stroke(time_s, begin_s + up_s + hold_s, down_s)
    pitch = angle * bent
    twist, turn = np.radians((hand.near(0.0, 15.0), hand.near(0.0, 8.0)))
    # The upper arm moves along a little.
    shoulder = np.array([hand.near(0.04, 0.04), hand.near(0.0, 0.03), hand.near(0.02, 0.03)])
    displacement = _about_elbow(hand, pitch, turn * bent) + bent[:, None] * shoulder
    return _Path(displacement, twist * bent, pitch, turn * bent), end_s


def _circle(hand: _Hand, time_s: Floats, begin_s: float) -> tuple[_Path, float]:
    """A circle in the air in front of the body, either way round, from its lowest point."""
    radius_m, lasts_s = hand.about(0.12, 0.2), hand.about(0.95, 0.12)
    way = hand.rng.choice([-1.0, 1.0])
    angle = 2 * np.pi * stroke(time_s, begin_s, lasts_s)
    flat = hand.rng.uniform(0.75, 1.0)
    displacement = radius_m * np.stack(
        [hand.near(0.0, 0.15) * np.sin(angle), way * flat * np.sin(angle), 1.0 - np.cos(angle)], axis=1
    )
    # The forearm follows: it points to where the hand is.
    pitch, yaw = displacement[:, 2] / 0.6, displacement[:, 1] / 0.6
    return _Path(displacement, hand.near(0.0, 0.1) * np.sin(angle), pitch, yaw), begin_s + lasts_s


def _wave(hand: _Hand, time_s: Floats, begin_s: float) -> tuple[_Path, float]:
    """The forearm swings to one side and the other, about the elbow."""
    angle, lasts_s = np.radians(hand.about(28.0, 0.2)), hand.about(0.95, 0.12)
    swings = hand.rng.choice([-1.0, 1.0]) * np.sin(
        2 * np.pi * hand.rng.uniform(1.0, 1.4) * stroke(time_s, begin_s, lasts_s)
    )
    # Back to the middle at the end, wherever the last swing left it.
    swings *= 1.0 - stroke(time_s, begin_s + 0.7 * lasts_s, 0.3 * lasts_s)
    yaw, lean = angle * swings, hand.near(0.0, 0.15)
    displacement = _about_elbow(hand, np.zeros_like(yaw), yaw)
    return _Path(displacement, lean * yaw, np.zeros_like(yaw), yaw), begin_s + lasts_s


def _twist(hand: _Hand, time_s: Floats, begin_s: float) -> tuple[_Path, float]:
    """The hand turns about the forearm, as a key is turned, and back."""
    angle, there_s = np.radians(hand.about(100.0, 0.2)), hand.about(0.32, 0.2)
    hold_s, back_s = hand.rng.uniform(0.0, 0.15), hand.about(0.36, 0.2)
    turned_by = stroke(time_s, begin_s, there_s) - stroke(time_s, begin_s + there_s + hold_s, back_s)
    off_axis_m = np.array([hand.near(0.0, 0.012) for _ in range(3)])
    displacement = turned_by[:, None] * off_axis_m
    lift = hand.near(0.0, 0.08)
    return _Path(
        displacement, angle * turned_by, lift * turned_by, 0.0 * turned_by
    ), begin_s + there_s + hold_s + back_s


GESTURES: dict[str, _Draw] = {"punch": _punch, "flex": _flex, "circle": _circle, "wave": _wave, "twist": _twist}
"""Name → how it is performed."""

_LONGEST_S = 3.6


def _about_elbow(hand: _Hand, pitch: Floats, yaw: Floats) -> Floats:
    """Where the wrist goes when the forearm turns about the elbow, (n, 3) in m."""
    forearm_m = hand.rng.uniform(0.24, 0.32)
    along = turned(np.zeros_like(pitch), pitch, yaw)[:, :, 0]
    return np.asarray(forearm_m * (along - along[0]))
