"""The firmware's side on an AVR: what it takes there, and that it runs (in simavr, behind a pseudo terminal)."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from serial_line import INPUT_BYTES, make, outputs, running

from analysis.readers.firmware import read_output
from lab.boards.protocol import Command
from lab.boards.serial.board import SerialBoard, SerialSettings

needs_avr_gcc = pytest.mark.skipif(
    shutil.which("avr-gcc") is None or not Path("/usr/lib/avr/include").is_dir(),
    reason="no avr-gcc here: `make emulators` installs it (apt install gcc-avr avr-libc)",
)
needs_simavr = pytest.mark.skipif(
    not Path("/usr/include/simavr/sim_avr.h").exists(),
    reason="no libsimavr here: `make emulators` installs it (apt install libsimavr-dev)",
)


@needs_avr_gcc
@pytest.mark.parametrize("option", ["-Os", "-O1", "-O2", "-O3"])
def test_the_core_fits_a_small_avr(option: str) -> None:
    core = make("serial_protocol.avr.o", f"AVR_OPT={option}")
    sizes = (
        subprocess.run(["avr-size", core], capture_output=True, text=True, check=True).stdout.splitlines()[1].split()
    )
    flash, data, zeroed = (int(size) for size in sizes[:3])
    assert flash < 8192
    assert data + zeroed < 1024


@needs_avr_gcc
@needs_simavr
def test_a_firmware_in_simavr_is_a_board(tmp_path: Path) -> None:
    demo, runner = make("demo.elf"), make("simavr_pty")
    inputs = random.Random(1).randbytes(2 * INPUT_BYTES)
    (tmp_path / "inputs.bin").write_bytes(inputs)
    with running(str(demo), program=runner) as (port, process):
        board = SerialBoard("board", SerialSettings(port, emulator="simavr"))
        board.open()
        assert board.fingerprint()["model"] == "ATmega1284P"
        command = Command(["infer", "--runs", "20", "--input", "inputs.bin"], workdir=str(tmp_path), deadline_s=20)
        result = board.run(command, tmp_path / "stdout.txt", tmp_path / "stderr.txt")
        stopped = board.run(
            Command(["infer", "--runs", "100000"], deadline_s=0.3), tmp_path / "stopped.txt", tmp_path / "stderr.txt"
        )
        board.close()
        process.kill()
        assert process.stdout is not None
        edges = [line.split() for line in process.stdout.read().splitlines()]
        while edges[0][1] == "0":
            edges.pop(0)  # the pin becomes an output
    assert (result.exit_status, stopped.timed_out) == (0, True)
    events = [json.loads(line) for line in (tmp_path / "stdout.txt").read_text().splitlines()]
    inferred = [event for event in events if event["event"] == "inferred"]
    assert [tuple(event["output"]) for event in inferred] == [
        outputs(inputs[:INPUT_BYTES]),
        outputs(inputs[INPUT_BYTES:]),
    ]
    # The pin was high for as many cycles as the firmware says its inferences took, and little more (8 cycles a tick).
    for event, up, down in zip(inferred, edges[::2], edges[1::2], strict=False):
        begin, end = int(up[2]), int(down[2])
        assert (up[1], down[1]) == ("1", "0")
        assert 8 * event["ticks"] <= end - begin <= 1.02 * 8 * event["ticks"]
    (memory,) = (event for event in events if event["event"] == "memory")
    assert memory["data"] < 1024
    assert 0 < memory["stack_peak"] < 512
    assert memory["data"] + memory["unused"] + memory["stack_peak"] == 16 * 1024
    output = read_output(tmp_path)
    assert 0.5e-3 < (output.value("latency_s") or 0) < 2e-3
    assert output.inferences == 40
