"""A serial board whose firmware the campaign puts on it, with the bench file's command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from serial_line import FaultyLine, running

from lab.boards.protocol import Command, FlashesFirmware
from lab.boards.serial.board import SerialBoard, SerialSettings
from lab.errors import HardwareError

COPY = (sys.executable, "-c", "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])", "{image}")


def image(folder: Path, content: str = "firmware") -> Path:
    path = folder / "image.hex"
    path.write_text(content)
    return path


def test_a_firmware_is_put_on_the_board_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "import sys; open(sys.argv[2], 'a').write(open(sys.argv[1]).read() + '\\n')"
    with running() as (port, _):
        command = (sys.executable, "-c", script, "{image}", str(log))
        board = SerialBoard("board", SerialSettings(port, flash=command))
        assert isinstance(board, FlashesFirmware)
        board.open()
        for content in ("one", "one", "two"):
            board.flash(image(tmp_path, content))
        result = board.run(Command(["infer"], deadline_s=20), tmp_path / "out", tmp_path / "err")
        board.close()
    assert result.exit_status == 0
    assert log.read_text().split() == ["one", "two"]


def test_a_board_that_is_still_empty_opens_and_says_so(tmp_path: Path) -> None:
    with FaultyLine(to_host=lambda _: b"") as line:
        settings = SerialSettings(line.port, flash=COPY, timeout_s=0.2, reconnect_s=0.2)
        board = SerialBoard("board", settings)
        assert "no firmware answers yet" in board.probe().detail
        board.open()
        assert board.fingerprint()["flash"] == list(COPY)
        with pytest.raises(HardwareError, match="no firmware answers"):
            board.run(Command(["infer"]), tmp_path / "out", tmp_path / "err")
        board.close()


def test_a_board_without_a_way_to_flash_it_says_what_is_missing(tmp_path: Path) -> None:
    with running() as (port, _):
        board = SerialBoard("board", SerialSettings(port))
        board.open()
        with pytest.raises(HardwareError, match="does not say how to put a firmware on it"):
            board.flash(image(tmp_path))
        board.close()


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (("no-such-programmer", "{image}"), "no-such-programmer is not installed here"),
        ((sys.executable, "-c", "import sys; sys.exit('no target found')", "{image}"), "exit status 1"),
        ((sys.executable, "-c", "import time; time.sleep(60)", "{image}"), "was not done after 0.5 s"),
    ],
)
def test_a_programmer_that_fails_is_told(tmp_path: Path, command: tuple[str, ...], complaint: str) -> None:
    with running() as (port, _):
        board = SerialBoard("board", SerialSettings(port, flash=command, flash_timeout_s=0.5))
        board.open()
        with pytest.raises(HardwareError, match=complaint):
            board.flash(image(tmp_path))
        board.close()
