"""A framed firmware in simavr behind a pseudo terminal, asked as the lab asks a board."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from lab.boards.protocol import Command
from lab.boards.serial.board import SerialBoard, SerialSettings

SERIAL_PROTOCOL = Path(__file__).parents[2] / "workloads" / "serial_protocol"


@functools.cache
def runner() -> str:
    """The program that puts simavr behind a pseudo terminal, built once."""
    folder = tempfile.mkdtemp(prefix="tinynet-simavr-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(["make", "-s", "-C", SERIAL_PROTOCOL, f"BUILD={folder}", "simavr"], check=True)
    return f"{folder}/simavr_pty"


def run_framed(elf: Path, inputs: np.ndarray, folder: Path) -> tuple[list[list[int]], dict[str, int]]:
    """The outputs for each input, and what the firmware says of its memory afterwards."""
    (folder / "inputs.bin").write_bytes(inputs.tobytes())
    with subprocess.Popen(
        [runner(), str(elf)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        board = SerialBoard("board", SerialSettings(port, emulator="simavr"))
        try:
            board.open()
            command = Command(["infer", "--input", "inputs.bin"], workdir=str(folder), deadline_s=60)
            result = board.run(command, folder / "stdout.txt", folder / "stderr.txt")
            board.close()
        finally:
            process.kill()
    assert result.exit_status == 0, (folder / "stderr.txt").read_text()
    events = [json.loads(line) for line in (folder / "stdout.txt").read_text().splitlines()]
    (memory,) = (event for event in events if event["event"] == "memory")
    return [event["output"] for event in events if event["event"] == "inferred"], memory
