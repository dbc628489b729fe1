"""A microcontroller in simavr as a board: flashed, timed by its own cycles, lost and found again."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serial_line import INPUT_BYTES, outputs
from simavr_here import demo, needs_simavr

from analysis.readers.firmware import read_output
from lab.boards.protocol import Command, FlashesFirmware, Reconnects
from lab.boards.serial.board import SerialSettings
from lab.boards.simavr.board import SimavrBoard, SimavrSettings
from lab.boards.simavr.runner import Core
from lab.errors import HardwareError, LinkLostError
from lab.record.marks_file import LAB_MARKS
from lab.record.quantity import Origin

SERIAL = SerialSettings("", emulator="simavr", timeout_s=5.0)

pytestmark = needs_simavr


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def board(tmp_path: Path, cache: Path) -> Iterator[SimavrBoard]:
    made = SimavrBoard("board", SimavrSettings(Core(), SERIAL), lambda: cache, root=tmp_path)
    made.open()
    yield made
    made.close()


def infer(board: SimavrBoard, folder: Path, *options: str) -> list[dict[str, object]]:
    command = Command(["infer", *options], workdir=str(folder), deadline_s=60)
    result = board.run(command, folder / "stdout.txt", folder / "stderr.txt")
    assert result.exit_status == 0, (folder / "stderr.txt").read_text()
    return [json.loads(line) for line in (folder / "stdout.txt").read_text().splitlines()]


def test_the_firmware_computes_right_and_its_pin_tells_each_inference(board: SimavrBoard, tmp_path: Path) -> None:
    assert isinstance(board, FlashesFirmware)
    assert isinstance(board, Reconnects)
    assert (board.origin, board.cycle_true) == (Origin.EMULATED, True)
    board.flash(demo())
    data = random.Random(3).randbytes(3 * INPUT_BYTES)
    (tmp_path / "inputs.bin").write_bytes(data)
    events = infer(board, tmp_path, "--input", "inputs.bin")
    inferred = [event for event in events if event["event"] == "inferred"]
    wanted = [outputs(data[at : at + INPUT_BYTES]) for at in range(0, len(data), INPUT_BYTES)]
    assert [tuple(event["output"]) for event in inferred] == wanted  # type: ignore[arg-type]
    pin = events[-1]
    assert (pin["event"], pin["clock_hz"], len(pin["windows"])) == ("pin", 20_000_000, 3)  # type: ignore[arg-type]
    output = read_output(tmp_path)
    seen, counted = output.value("latency_pin_s") or 0.0, output.value("latency_s") or 0.0
    assert counted <= seen <= 1.05 * counted
    assert (output.exact_clock, output.reasons) == (True, ())


def test_times_are_the_cores_own_cycles_and_so_the_same_again(board: SimavrBoard, tmp_path: Path) -> None:
    board.flash(demo())
    spans = []
    for _ in range(2):
        windows = infer(board, tmp_path, "--runs", "4")[-1]["windows"]
        (begin, end) = windows[0]  # type: ignore[index]
        spans.append(end - begin)
    # Ticks of 8 cycles and the timer's overflow interrupt are all that can differ.
    assert abs(spans[0] - spans[1]) < 200


def test_marks_are_written_where_the_runner_asks_for_them(board: SimavrBoard, tmp_path: Path) -> None:
    board.flash(demo())
    marks = tmp_path / "marks.txt"
    command = Command(["infer"], env={LAB_MARKS: str(marks)}, workdir=str(tmp_path), deadline_s=30)
    board.run(command, tmp_path / "out", tmp_path / "err")
    (begin, begin_ns), (end, end_ns) = (line.split() for line in marks.read_text().splitlines())
    assert (begin, end) == ("window_begin", "window_end")
    assert 0.5e6 < int(end_ns) - int(begin_ns) < 2e6


def test_a_board_stands_still_between_programs(board: SimavrBoard) -> None:
    board.flash(demo())
    running = board._running
    assert running is not None
    end = time.monotonic() + 10
    while _state(running._process.pid) != "T":
        assert time.monotonic() < end
        time.sleep(0.01)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_an_emulator_that_dies_is_a_lost_link_and_comes_back(board: SimavrBoard, tmp_path: Path) -> None:
    board.flash(demo())
    running = board._running
    assert running is not None
    os.kill(running._process.pid, signal.SIGKILL)
    with pytest.raises(LinkLostError):
        board.run(Command(["infer"], deadline_s=20), tmp_path / "out", tmp_path / "err")
    board.reconnect()
    infer(board, tmp_path)


def test_the_same_image_is_not_started_again(board: SimavrBoard, tmp_path: Path) -> None:
    board.flash(demo())
    before = board._running
    copy = tmp_path / "copy.elf"
    copy.write_bytes(demo().read_bytes())
    board.flash(copy)
    assert board._running is before


def test_what_is_no_firmware_is_said(board: SimavrBoard, tmp_path: Path) -> None:
    image = tmp_path / "image.elf"
    image.write_text("no firmware")
    with pytest.raises(HardwareError, match="does not start"):
        board.flash(image)
    with pytest.raises(HardwareError, match="no firmware is on it"):
        board.run(Command(["infer"]), tmp_path / "out", tmp_path / "err")


def test_a_core_that_simavr_does_not_know_is_said(tmp_path: Path, cache: Path) -> None:
    settings = SimavrSettings(Core(mcu="atmega4809"), SERIAL, demo())
    board = SimavrBoard("board", settings, lambda: cache, root=tmp_path)
    probe = board.probe()
    assert (probe.present, "knows no atmega4809" in probe.detail) == (False, True)


def test_a_firmware_of_the_bench_file_is_there_from_the_start(tmp_path: Path, cache: Path) -> None:
    board = SimavrBoard("board", SimavrSettings(Core(), SERIAL, demo()), lambda: cache, root=tmp_path)
    assert "demo 1.0" in board.probe().detail
    assert not list(tmp_path.iterdir()), "a probe leaves nothing"
    absent = SimavrBoard("board", SimavrSettings(Core(), SERIAL, tmp_path / "no.elf"), lambda: cache)
    assert not absent.probe().present
