"""The board that is QEMU's user mode emulator: the target's programs run emulated, this machine's as they are."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from instruments.tcg.emulator import Emulator, smallest_program
from lab.boards.protocol import Command, RunsBinaries
from lab.boards.qemu_user import QemuUserBoard
from lab.errors import HardwareError
from lab.record.quantity import Origin

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-aarch64") is None, reason="no qemu-aarch64 on this machine (make emulators)"
)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[QemuUserBoard]:
    board = QemuUserBoard("a53", Emulator("aarch64", "cortex-a53"), caches={"l1d": 32768}, root=tmp_path)
    board.open()
    yield board
    board.close()


def run(board: QemuUserBoard, tmp_path: Path, *argv: str, **how: object) -> tuple[int, str, str]:
    out, err = tmp_path / "out", tmp_path / "err"
    result = board.run(Command(argv, **how), out, err)  # type: ignore[arg-type]
    assert result.usage == {}, "what the host accounts to the process is the emulator's"
    return result.exit_status, out.read_text(), err.read_text()


def test_it_is_emulated_and_says_what_it_runs(board: QemuUserBoard) -> None:
    assert board.origin is Origin.EMULATED
    assert isinstance(board, RunsBinaries)
    assert board.architecture == "aarch64"
    assert board.caches == {"l1d": 32768}, "never those of this machine"
    fingerprint = board.fingerprint()
    assert fingerprint["cpu"] == "cortex-a53"
    assert fingerprint["emulator"].startswith("qemu-aarch64 ")
    assert fingerprint["host"]["architecture"] == platform.machine()


def test_programs_of_the_architecture_run_emulated_and_others_as_they_are(board: QemuUserBoard, tmp_path: Path) -> None:
    program = tmp_path / "smallest"
    program.write_bytes(smallest_program("aarch64"))
    program.chmod(0o755)
    assert run(board, tmp_path, board.put(program, "smallest")) == (0, "", "")
    assert run(board, tmp_path, "qemu-aarch64", str(program)) == (0, "", "")
    status, said, _ = run(board, tmp_path, "sh", "-c", "echo $WORD; uname -m; exit 3", env={"WORD": "hello"})
    assert (status, said.split()) == (3, ["hello", platform.machine()])
    assert run(board, tmp_path, "no-such-program")[0] == 127


def test_files_and_deadline_are_the_local_boards(board: QemuUserBoard, tmp_path: Path) -> None:
    folder = board.make_workdir("t1")
    run(board, tmp_path, "sh", "-c", "echo 1 >file", workdir=folder)
    board.fetch(f"{folder}/file", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_text() == "1\n"
    result = board.run(Command(["sleep", "20"], deadline_s=0.2), tmp_path / "o", tmp_path / "e")
    assert result.timed_out
    board.close()
    assert not Path(folder).exists()


def test_an_emulator_or_cpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    board = QemuUserBoard("odd", Emulator("aarch64", "cortex-z9"), root=tmp_path)
    probe = board.probe()
    assert not probe.present
    assert "cortex-z9" in probe.detail
    with pytest.raises(HardwareError, match="board 'odd'"):
        board.open()
