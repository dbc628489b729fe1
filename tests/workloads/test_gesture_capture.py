"""From a board's bytes to performances: whole or not at all, however the bytes come; files hold what was captured."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesture import files
from gesture.board import SimulatedBoard
from gesture.capture import Capture
from gesture.errors import GestureError
from gesture.hands import perform
from gesture.scaling import as_bytes, scaled, shuffled
from gesture.sensor import in_units
from gesture.serial_line import Cable, SerialPort, carried
from gesture.sketch import HEADER, SAMPLES, Sketch, line_of


@pytest.fixture(scope="module")
def printed() -> str:
    """What a board prints of six gestures."""
    board = SimulatedBoard(7)
    return board.header() + "".join(board.perform(name) for name in ("punch", "flex") * 3)


@pytest.fixture(scope="module")
def whole(printed: str) -> np.ndarray:
    return np.stack(Capture().feed(printed.encode()))


def test_every_gesture_is_thirty_lines_of_six_numbers_and_an_empty_one(printed: str) -> None:
    lines = printed.split("\r\n")
    assert lines[0] == HEADER == "aX,aY,aZ,gX,gY,gZ"
    blocks = [block.split("\r\n") for block in "\r\n".join(lines[1:]).strip().split("\r\n\r\n")]
    assert [len(block) for block in blocks] == [SAMPLES] * 6
    assert {len(line.split(",")) for block in blocks for line in block} == {6}


def test_the_capture_begins_where_the_movement_does(whole: np.ndarray) -> None:
    force = np.linalg.norm(whole[:, 0, :3], axis=1)
    rate = np.linalg.norm(whole[:, 0, 3:], axis=1)
    assert ((np.abs(force - 1) >= 0.29) | (rate >= 99)).all()
    assert (np.linalg.norm(whole[:, :, 3:], axis=2).max(axis=1) > 100).any()


def test_stillness_starts_nothing_and_one_movement_starts_one_capture() -> None:
    board = SimulatedBoard(1)
    sketch = Sketch(board.calibration)
    still = board.calibration.offset + np.array([0, 0, 1.0, 0, 0, 0])
    assert list(sketch.lines(np.tile(still, (500, 1)))) == []
    motion = perform("punch", np.random.default_rng(4))
    values = in_units(board.sensor.readings(motion, np.random.default_rng(5)))
    assert len(list(sketch.lines(values))) == SAMPLES
    assert sketch.started == 1


def test_a_board_that_never_was_still_is_not_armed() -> None:
    board = SimulatedBoard(1)
    moving = board.calibration.offset + np.array([0, 0, 2.0, 300.0, 0, 0])
    assert list(Sketch(board.calibration).lines(np.tile(moving, (200, 1)))) == []


def test_a_higher_threshold_starts_later_or_never() -> None:
    gentle = SimulatedBoard(3, start_g=3.9, start_dps=1900.0)
    assert gentle.perform("twist") == ""
    assert SimulatedBoard(3).perform("twist") != ""


@given(st.lists(st.integers(1, 900), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_however_the_bytes_are_cut_up_the_performances_are_the_same(sizes: list[int]) -> None:
    data, at, found, capture = PRINTED, 0, [], Capture()
    for size in [*sizes, len(data)]:
        found += capture.feed(data[at : at + size])
        at += size
    np.testing.assert_array_equal(np.stack(found), WHOLE)
    assert not capture.dropped


@given(st.integers(0, 3), st.binary(min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_garbage_on_the_line_costs_no_more_than_the_performance_it_falls_into(block: int, garbage: bytes) -> None:
    at = END_OF_BLOCKS[block] + 200
    found = Capture().feed(PRINTED[:at] + garbage + PRINTED[at:])
    known = {values.tobytes() for values in WHOLE}
    taken = [values for values in found if values.tobytes() in known]
    assert len(taken) >= len(WHOLE) - 1
    # What else was taken can only be the one that was hit, one of its numbers changed into another sound one.
    assert len(found) - len(taken) <= 1


@given(st.binary(max_size=3000))
@settings(max_examples=100, deadline=None)
def test_noise_is_never_a_performance(noise: bytes) -> None:
    assert Capture().feed(noise) == []


@pytest.mark.parametrize(
    ("hurt", "reason"),
    [
        (lambda lines: [*lines[:20], ""], "too few samples"),
        (lambda lines: [lines[0].replace(",", ";"), *lines[1:], ""], "not six numbers"),
        (lambda lines: ["nan" + lines[0][lines[0].index(",") :], *lines[1:], ""], "not six numbers"),
        (lambda lines: ["1e0" + lines[0][lines[0].index(",") :], *lines[1:], ""], "not six numbers"),
        (lambda lines: ["99.9" + lines[0][lines[0].index(",") :], *lines[1:], ""], "beyond the sensor's range"),
        (lambda lines: [*lines, *lines, ""], "too many samples"),
        (lambda lines: [*lines[:20], HEADER], "cut off"),
        (lambda lines: [*lines[:5], "7" * 300, *lines[5:], ""], "not six numbers"),
    ],
    ids=["cut short", "separator", "nan", "exponent", "range", "lost empty line", "restart", "long line"],
)
def test_a_damaged_performance_is_left_out_and_counted(
    printed: str, hurt: Callable[[list[str]], list[str]], reason: str
) -> None:
    first, rest = printed.split("\r\n", 1)[1].split("\r\n\r\n", 1)
    capture = Capture()
    assert capture.feed("".join(line + "\r\n" for line in hurt(first.split("\r\n"))).encode()) == []
    assert capture.dropped == {reason: 1}
    assert len(capture.feed(rest.encode())) == 5
    assert capture.dropped == {reason: 1}


def test_a_line_that_does_not_end_is_not_kept_for_ever(printed: str) -> None:
    capture = Capture()
    for _ in range(100):
        assert capture.feed(b"7" * 60) == []
    assert capture.feed(b"\r\n\r\n") == []
    assert capture.dropped == {"a line without end": 1}
    assert len(capture.feed(printed.encode())) == 6


def test_a_file_holds_what_was_captured(tmp_path: Path, whole: np.ndarray) -> None:
    path = files.csv_path(tmp_path, "punch")
    files.write(path, list(whole))
    np.testing.assert_array_equal(files.read(path), whole)
    # As a hand would leave it: without empty lines, with the line ends of another system.
    path.write_text(path.read_text().replace("\n\n", "\n"), newline="\n")
    np.testing.assert_array_equal(files.read(path), whole)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the first line is not"),
        (b"a,b\n1,2\n", "the first line is not"),
        (f"{HEADER}\n1,2,3,4,5,6\n".encode(), "1 samples, expected 30 per performance"),
        (f"{HEADER}\n".encode() + b"1,2,3,4,5,x\n" * 30, "performance 1 is damaged: not six numbers"),
        (f"{HEADER}\n".encode() + b"\xff\x00" * 30, "samples, expected 30"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "flex.csv"
    path.write_bytes(content)
    with pytest.raises(GestureError, match=said):
        files.read(path)


@given(st.binary(max_size=400))
@settings(max_examples=80, deadline=None)
def test_no_file_makes_the_reader_fall_over(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(f"{HEADER}\n".encode() + content)
    with pytest.raises(GestureError):
        files.read(path)


def test_a_folder_gives_its_gestures_in_order(tmp_path: Path, whole: np.ndarray) -> None:
    for name, count in (("punch", 2), ("flex", 3)):
        files.write(files.csv_path(tmp_path, name), list(whole[:count]))
    found = files.read_folder(tmp_path)
    assert found.names == ("flex", "punch")
    assert found.labels.tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(GestureError, match="at least two files"):
        files.read_folder(tmp_path, ["punch"])
    with pytest.raises(GestureError, match="No such file"):
        files.read_folder(tmp_path, ["punch", "wave"])
    with pytest.raises(GestureError, match="cannot be a gesture's name"):
        files.csv_path(tmp_path, "../punch")


def test_scaling_is_the_study_s() -> None:
    ends = np.array([[[-4.0, 4.0, 0.0, -2000.0, 2000.0, 0.0], [-9.0, 9.0, 1.0, 0.0, 500.0, -500.0]]])
    inputs = scaled(ends)
    np.testing.assert_allclose(inputs, [[0, 1, 0.5, 0, 1, 0.5, 0, 1, 0.625, 0.5, 0.625, 0.375]])
    assert as_bytes(inputs).tolist() == [[0, 255, 128, 0, 255, 128, 0, 255, 159, 128, 159, 96]]


@given(st.integers(5, 200), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_a_fifth_is_held_back_and_nothing_is_lost(count: int, seed: int) -> None:
    train, held = shuffled(count, 0.2, seed)
    assert sorted([*train, *held]) == list(range(count))
    assert len(held) == round(0.2 * count)


def test_bytes_cross_a_serial_line_unchanged(printed: str) -> None:
    with Cable() as cable, SerialPort(cable.port) as port:
        everything = bytes(range(128)).decode("ascii") * 40
        assert carried(cable, port, everything + printed) == (everything + printed).encode()


def test_a_port_that_is_no_port_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(GestureError, match=r"No such file.*is the board plugged in"):
        SerialPort(str(tmp_path / "ttyUSB9"))
    (tmp_path / "plain").touch()
    with pytest.raises(GestureError, match="not a serial port"):
        SerialPort(str(tmp_path / "plain"))
    with Cable() as cable, pytest.raises(GestureError, match="cannot be set to 123 baud"):
        SerialPort(cable.port, 123)


def test_a_board_that_is_unplugged_is_said_clearly() -> None:
    cable = Cable()
    with SerialPort(cable.port) as port:
        threading.Timer(0.1, cable.close).start()
        with pytest.raises(GestureError, match="the line went away"):
            list(port.chunks(5.0))


def test_silence_ends_the_reading() -> None:
    with Cable() as cable, SerialPort(cable.port) as port:
        cable.write("1,2")
        assert b"".join(port.chunks(0.1)) == b"1,2"
        assert Path(cable.port).exists()


def _printed() -> bytes:
    board = SimulatedBoard(7)
    return (board.header() + "".join(board.perform(name) for name in ("punch", "flex") * 2)).encode()


PRINTED = _printed()
WHOLE = np.stack(Capture().feed(PRINTED))
END_OF_BLOCKS = [len(HEADER) + 2, *(at + 4 for at in range(len(PRINTED)) if PRINTED.startswith(b"\r\n\r\n", at))][:4]
assert line_of(WHOLE[0, 0]).encode() in PRINTED
