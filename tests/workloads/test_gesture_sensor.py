"""The simulated sensor feels what a body in motion feels, and is off by what its data sheet allows, no more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesture.board import CALIBRATION_S, SimulatedBoard
from gesture.calibration import Calibration
from gesture.errors import GestureError
from gesture.hands import GESTURES, lie_still, perform
from gesture.motion import STANDARD_GRAVITY, STEP_S, Motion, rotation_vectors, stroke, turned
from gesture.sensor import COUNTS_PER_DPS, COUNTS_PER_G, Sensor, in_units

ANGLE = st.floats(-1.4, 1.4)
PERFORMANCES = [(name, variation) for name in sorted(GESTURES) for variation in (1.0, 2.0)]


def generator(*seed: int) -> np.random.Generator:
    return np.random.default_rng(list(seed))


def turned_at(time_s: np.ndarray, rates: tuple[float, float, float]) -> np.ndarray:
    roll, pitch, yaw = (rate * time_s for rate in rates)
    return turned(roll, pitch, yaw)


def test_level_and_at_rest_it_shows_one_g_upwards_and_no_rate() -> None:
    motion = lie_still(0.1)
    np.testing.assert_allclose(motion.specific_force_g(), np.tile([0.0, 0.0, 1.0], (100, 1)), atol=1e-12)
    np.testing.assert_allclose(motion.angular_rate_dps(), 0.0, atol=1e-9)


def test_in_free_fall_it_shows_nothing() -> None:
    time_s = np.arange(0, 0.5, STEP_S)
    falling = np.zeros((len(time_s), 3))
    falling[:, 2] = -0.5 * STANDARD_GRAVITY * time_s**2
    motion = Motion(falling, np.broadcast_to(np.eye(3), (len(time_s), 3, 3)).copy())
    np.testing.assert_allclose(motion.specific_force_g()[2:-2], 0.0, atol=1e-9)


@given(ANGLE, ANGLE, ANGLE)
@settings(max_examples=40, deadline=None)
def test_gravity_is_one_g_however_the_sensor_is_held(roll: float, pitch: float, yaw: float) -> None:
    held = turned(*(np.full(20, angle) for angle in (roll, pitch, yaw)))
    np.testing.assert_allclose(held @ held.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (20, 3, 3)), atol=1e-12)
    assert np.linalg.det(held[0]) == pytest.approx(1.0)
    force = Motion(np.zeros((20, 3)), held).specific_force_g()
    np.testing.assert_allclose(np.linalg.norm(force, axis=1), 1.0, atol=1e-9)
    # The x axis points upwards by the pitch, so it feels that part of gravity.
    np.testing.assert_allclose(force[:, 0], np.sin(pitch), atol=1e-9)


def test_a_circle_at_constant_speed_feels_its_centripetal_force_and_its_rate() -> None:
    time_s, radius_m, rate = np.arange(0, 1, STEP_S), 0.2, 8.0
    yaw = rate * time_s
    place = radius_m * np.stack([np.cos(yaw), np.sin(yaw), 0 * yaw], axis=1)
    motion = Motion(place, turned(0 * yaw, 0 * yaw, yaw))
    inside = slice(3, -3)
    force = motion.specific_force_g()[inside]
    np.testing.assert_allclose(force[:, 0], -(rate**2) * radius_m / STANDARD_GRAVITY, rtol=1e-4)
    np.testing.assert_allclose(force[:, 1:], np.tile([0.0, 1.0], (len(force), 1)), atol=1e-4)
    np.testing.assert_allclose(motion.angular_rate_dps(), np.tile([0, 0, np.degrees(rate)], (1000, 1)), atol=1e-6)


@pytest.mark.parametrize(("name", "variation"), PERFORMANCES)
def test_the_rates_of_a_gesture_lead_from_its_first_to_its_last_orientation(name: str, variation: float) -> None:
    motion = perform(name, generator(1), variation)
    orientation = motion.orientation[0]
    for rate in np.radians(motion.angular_rate_dps()[:-1]) * STEP_S:
        angle = np.linalg.norm(rate)
        x, y, z = rate / max(angle, 1e-12)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        orientation = orientation @ (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
    np.testing.assert_allclose(orientation, motion.orientation[-1], atol=1e-6)


@pytest.mark.parametrize(("name", "variation"), PERFORMANCES)
def test_a_gesture_begins_and_ends_at_rest_and_stays_within_an_arm_s_reach(name: str, variation: float) -> None:
    for seed in range(6):
        motion = perform(name, generator(seed), variation)
        force = np.einsum("nij,nj->ni", motion.orientation, motion.specific_force_g()) * STANDARD_GRAVITY
        gained = (force - [0, 0, STANDARD_GRAVITY]).sum(axis=0) * STEP_S
        # What accelerates must be slowed down again; the tremor of the ends remains, some mm/s.
        assert np.abs(gained).max() < 0.03
        assert np.abs(motion.position_m - motion.position_m[0]).max() < 0.8
        still = motion.specific_force_g()[10:200]
        np.testing.assert_allclose(np.linalg.norm(still, axis=1), 1.0, atol=0.15)
        assert np.linalg.norm(motion.angular_rate_dps(), axis=1).max() < 2000
        assert np.linalg.norm(motion.angular_rate_dps()[:200], axis=1).max() < 60


def test_no_two_performances_are_alike_but_the_same_seed_gives_the_same() -> None:
    first, again, other = (perform("punch", generator(seed)).position_m for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)


def test_an_unknown_gesture_is_refused_by_name() -> None:
    with pytest.raises(GestureError, match=r"no gesture is called 'salute'; there are: .*punch"):
        perform("salute", generator(1))


def test_a_stroke_goes_from_rest_to_rest() -> None:
    way = stroke(np.linspace(0, 1, 2001), 0.25, 0.5)
    assert (way[:500] == 0).all()
    assert (way[1501:] == 1).all()
    assert (np.diff(way) >= 0).all()
    speed = np.diff(way) * 2000
    # 15/8 over the duration (T. Flash, N. Hogan, 1985).
    assert speed.max() == pytest.approx(15 / 8 / 0.5, rel=1e-3)


@given(st.tuples(ANGLE, ANGLE, ANGLE).filter(lambda vector: np.linalg.norm(vector) < 3.0))
@settings(max_examples=60, deadline=None)
def test_rotation_vectors_are_found_again(vector: tuple[float, float, float]) -> None:
    angle = float(np.linalg.norm(vector))
    x, y, z = np.array(vector) / max(angle, 1e-300)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    np.testing.assert_allclose(rotation_vectors(matrix[None])[0], vector, atol=1e-7)


def test_a_perfect_part_gives_the_motion_in_counts_within_its_noise() -> None:
    values = in_units(Sensor.ideal().readings(lie_still(8.0), generator(3)))
    assert len(values) == 400
    assert (np.abs(values.mean(axis=0) - [0, 0, 1, 0, 0, 0]) < [1e-3] * 3 + [0.02] * 3).all()
    # 400 µg/√Hz and 0.005 °/s/√Hz in 43 Hz with one pole.
    np.testing.assert_allclose(values[:, :3].std(axis=0), 400e-6 * np.sqrt(43 * np.pi / 2), rtol=0.15)
    np.testing.assert_allclose(values[:, 3:].std(axis=0), 0.005 * np.sqrt(43 * np.pi / 2), rtol=0.2)


def test_beyond_its_range_a_part_says_its_largest_count() -> None:
    time_s = np.arange(0, 0.4, STEP_S)
    place = np.zeros((len(time_s), 3))
    place[:, 0] = 0.02 * np.cos(2 * np.pi * 15 * time_s)  # 18 g at most
    counts = Sensor.ideal().readings(
        Motion(place, np.broadcast_to(np.eye(3), (len(time_s), 3, 3)).copy()), generator(1)
    )
    assert counts[:, 0].max() == 32767
    assert counts[:, 0].min() == -32768
    spinning = Motion(np.zeros_like(place), turned_at(time_s, (0.0, 0.0, np.radians(3000.0))))
    assert (Sensor.ideal().readings(spinning, generator(1))[:, 5] == 32767).all()


def test_parts_differ_as_the_data_sheet_allows() -> None:
    offsets = np.array([Sensor.drawn(generator(seed)).offset for seed in range(300)])
    units = offsets / np.repeat([COUNTS_PER_G, COUNTS_PER_DPS], 3)
    # Its limits are taken as two standard deviations.
    np.testing.assert_allclose(units.std(axis=0), [0.025, 0.025, 0.04, 10, 10, 10], rtol=0.15)
    gains = np.array([Sensor.drawn(generator(seed)).gain for seed in range(300)])
    np.testing.assert_allclose(gains.mean(axis=0), np.broadcast_to(np.eye(3), (2, 3, 3)), atol=0.005)
    assert gains[:, 0, 0, 0].std() == pytest.approx(0.015, rel=0.15)


@pytest.mark.parametrize("part", range(5))
def test_calibration_removes_the_part_s_offsets(part: int) -> None:
    board = SimulatedBoard(seed=part, sensor_seed=part)
    true = board.sensor.offset / np.repeat([COUNTS_PER_G, COUNTS_PER_DPS], 3)
    # At one g the gain's error looks like an offset of z, its coupling like one of x and y: one position cannot tell.
    true = true + np.concatenate([board.sensor.gain[0] @ [0, 0, 1] - [0, 0, 1], np.zeros(3)])
    assert np.abs(true).max() > 1
    assert (np.abs(board.calibration.offset - true) < [2e-3] * 3 + [0.05] * 3).all()
    assert board.calibration.samples == round(CALIBRATION_S * 50)


def test_a_sensor_that_moves_tilts_or_says_too_little_is_not_calibrated() -> None:
    still = in_units(Sensor.ideal().readings(lie_still(4.0), generator(1)))
    with pytest.raises(GestureError, match="too few"):
        Calibration.of(still[:50])
    shaken = still + 0.1 * np.sin(np.arange(len(still)))[:, None] * np.array([1, 0, 0, 0, 0, 0])
    with pytest.raises(GestureError, match="moved while"):
        Calibration.of(shaken)
    turning = still + np.array([0, 0, 0, 0, 0, 90.0])
    with pytest.raises(GestureError, match="did not lie level"):
        Calibration.of(turning)
    with pytest.raises(GestureError, match="did not lie level"):
        Calibration.of(still + np.array([0.5, 0, -0.13, 0, 0, 0]))
