"""The local board: what it starts ends with it, and the account it gives is the program's own."""

from __future__ import annotations

import _thread
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lab.boards.local import LocalBoard
from lab.boards.protocol import Command, CommandResult
from lab.errors import HardwareError
from lab.record.quantity import Origin

MIB = 2**20


@pytest.fixture
def board(tmp_path: Path) -> Iterator[LocalBoard]:
    board = LocalBoard("host", root=tmp_path)
    board.open()
    yield board
    board.close()


class Shell:
    """Runs shell lines on a board, their output in two files."""

    def __init__(self, board: LocalBoard, folder: Path) -> None:
        self.board = board
        self.out, self.err = folder / "stdout.txt", folder / "stderr.txt"

    def __call__(self, line: str, deadline_s: float | None = 20.0, **env: str) -> CommandResult:
        return self.board.run(Command(["sh", "-c", line], env=env, deadline_s=deadline_s), self.out, self.err)


@pytest.fixture
def shell(board: LocalBoard, tmp_path: Path) -> Shell:
    return Shell(board, tmp_path)


def alive(pid: int) -> bool:
    """True for a process that runs: not gone, and no zombie that only waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(path: Path) -> None:
    end = time.monotonic() + 10
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.005)
    assert path.exists()


class TestOutcome:
    def test_streams_and_status(self, shell: Shell) -> None:
        result = shell("echo out; echo err >&2; exit 3")
        assert (shell.out.read_text(), shell.err.read_text()) == ("out\n", "err\n")
        assert (result.exit_status, result.timed_out) == (3, False)

    def test_signal_is_a_negative_status(self, shell: Shell) -> None:
        assert shell("kill -SEGV $$").exit_status == -signal.SIGSEGV

    def test_program_that_is_not_there(self, board: LocalBoard, shell: Shell) -> None:
        result = board.run(Command(["no-such-program-here", "x"]), shell.out, shell.err)
        assert result.exit_status == 127
        assert "no-such-program-here" in shell.err.read_text()

    def test_arguments_arrive_as_they_are(self, board: LocalBoard, shell: Shell) -> None:
        words = ["a b", "", "$HOME", "*", "'\"", "ü\n", "-n", "--"]
        program = [sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", *words]
        board.run(Command(program), shell.out, shell.err)
        assert shell.out.read_text().strip() == ascii(words)

    def test_environment_locale_folder_and_input(self, board: LocalBoard, shell: Shell) -> None:
        folder = board.make_workdir("t0001.latency")
        command = Command(["sh", "-c", "echo $A $LC_ALL; pwd; cat"], env={"A": "b"}, workdir=folder)
        board.run(command, shell.out, shell.err)
        assert shell.out.read_text().split() == ["b", "C", folder]

    def test_interrupt_and_quit_are_not_ignored_by_the_program(self, shell: Shell) -> None:
        shell("grep SigIgn /proc/self/status")
        ignored = int(shell.out.read_text().split()[1], 16)
        assert not ignored & (1 << (signal.SIGINT - 1) | 1 << (signal.SIGQUIT - 1) | 1 << (signal.SIGPIPE - 1))

    def test_output_comes_as_it_is_written(self, shell: Shell, tmp_path: Path) -> None:
        go_on = tmp_path / "go on"
        line = f"echo first; while [ ! -e '{go_on}' ]; do sleep 0.01; done; echo second"
        thread = threading.Thread(target=shell, args=(line,))
        thread.start()
        try:
            wait_for(shell.out)
            end = time.monotonic() + 10
            while not (seen := shell.out.read_text()) and time.monotonic() < end:
                time.sleep(0.01)
            assert seen == "first\n"
        finally:
            go_on.touch()
            thread.join()
        assert shell.out.read_text() == "first\nsecond\n"

    def test_missing_working_folder(self, board: LocalBoard, shell: Shell) -> None:
        with pytest.raises(HardwareError, match="not there"):
            board.run(Command(["true"], workdir="/no/such/folder"), shell.out, shell.err)


class TestAccount:
    def test_peak_memory_is_not_the_parents(self, board: LocalBoard, shell: Shell) -> None:
        ballast = np.ones(32 * MIB)  # 256 MiB, all of it touched
        result = board.run(Command(["true"]), shell.out, shell.err)
        assert ballast.sum() == ballast.size
        assert 0.1 * MIB < result.usage["peak_rss_bytes"] < 8 * MIB

    def test_peak_memory_is_the_programs(self, board: LocalBoard, shell: Shell) -> None:
        program = [sys.executable, "-S", "-c", "b = bytearray(b'x') * (100 * 2**20)"]
        result = board.run(Command(program), shell.out, shell.err)
        assert 100 * MIB < result.usage["peak_rss_bytes"] < 140 * MIB

    def test_time_waited_and_worked(self, board: LocalBoard, shell: Shell) -> None:
        waited = shell("sleep 0.2")
        assert 0.2 <= waited.elapsed_s < 1.0
        assert waited.usage["user_s"] + waited.usage["system_s"] < 0.1
        assert waited.usage["elapsed_s"] == waited.elapsed_s
        loop = "import time\nwhile time.process_time() < 0.2: pass"
        worked = board.run(Command([sys.executable, "-S", "-c", loop]), shell.out, shell.err)
        assert 0.2 <= worked.usage["user_s"] + worked.usage["system_s"] < 0.5

    def test_children_are_counted_in(self, shell: Shell) -> None:
        loop = "import time\nwhile time.process_time() < 0.15: pass"
        result = shell(f"{sys.executable} -S -c '{loop}'; exit 0")
        assert result.usage["user_s"] + result.usage["system_s"] >= 0.15

    def test_affinity_holds_the_program_only(self, shell: Shell, tmp_path: Path) -> None:
        before = os.sched_getaffinity(0)
        cpu = max(before)
        board = LocalBoard("host", affinity=[cpu], root=tmp_path)
        board.open()
        board.run(Command(["grep", "Cpus_allowed_list", "/proc/self/status"]), shell.out, shell.err)
        board.close()
        assert shell.out.read_text().split()[1] == str(cpu)
        assert os.sched_getaffinity(0) == before


class TestEnd:
    """At the deadline, at an interrupt and at the program's own end, nothing of it is left."""

    LEAVES = (
        # a child in the group, one that left for a session of its own, and one of which the parent is gone
        "sleep 60 & echo $! >pids; setsid sleep 60 & echo $! >>pids; "
        "( setsid sh -c 'echo $$ >>pids; exec sleep 60' & ); "
        "while [ $(wc -l <pids) -lt 3 ]; do sleep 0.01; done; touch ready; "
    )

    def pids(self, shell: Shell, board: LocalBoard) -> list[int]:
        board.fetch("pids", shell.out.with_name("pids"))
        return [int(word) for word in shell.out.with_name("pids").read_text().split()]

    def assert_gone(self, pids: list[int]) -> None:
        assert len(pids) == 3
        assert not [pid for pid in pids if alive(pid)]

    def test_deadline(self, shell: Shell, board: LocalBoard) -> None:
        result = shell(self.LEAVES + "sleep 60", deadline_s=0.5)
        assert result.timed_out
        assert result.exit_status == -signal.SIGTERM
        assert 0.5 <= result.elapsed_s < 2.0
        self.assert_gone(self.pids(shell, board))

    def test_deadline_of_a_program_that_does_not_listen(self, shell: Shell) -> None:
        result = shell("trap '' TERM; while :; do sleep 0.05; done", deadline_s=0.1)
        assert (result.timed_out, result.exit_status) == (True, -signal.SIGKILL)

    def test_deadline_of_a_stopped_program(self, shell: Shell) -> None:
        result = shell("kill -STOP $$", deadline_s=0.2)
        assert (result.timed_out, result.exit_status) == (True, -signal.SIGTERM)

    def test_normal_end(self, shell: Shell, board: LocalBoard) -> None:
        result = shell(self.LEAVES + "exit 0")
        assert (result.exit_status, result.timed_out) == (0, False)
        self.assert_gone(self.pids(shell, board))

    def test_interrupt(self, shell: Shell, board: LocalBoard) -> None:
        def interrupt() -> None:
            wait_for(Path(board.make_workdir("x")).parent / "ready")
            _thread.interrupt_main()
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            shell(self.LEAVES + "sleep 60")
        thread.join()
        self.assert_gone(self.pids(shell, board))

    def test_orphans_of_others_are_not_adopted(self, shell: Shell, tmp_path: Path) -> None:
        shell("true")
        done = tmp_path / "parent"
        os.system(f"( sleep 0.2; awk '/PPid/ {{print $2}}' /proc/self/status >{done}; mv {done} {done}2 ) &")
        wait_for(tmp_path / "parent2")
        assert int((tmp_path / "parent2").read_text()) != os.getpid()


class TestFiles:
    def test_put_and_fetch(self, board: LocalBoard, tmp_path: Path) -> None:
        source = tmp_path / "program"
        source.write_text("#!/bin/sh\necho hello\n")
        source.chmod(0o755)
        target = Path(board.put(source, "bin/program"))
        assert target != source
        assert os.access(target, os.X_OK)
        board.fetch("bin/program", tmp_path / "back")
        assert (tmp_path / "back").read_text() == source.read_text()
        board.fetch(str(target), tmp_path / "back again")
        with pytest.raises(FileNotFoundError):
            board.fetch("bin/other", tmp_path / "back")

    def test_put_a_folder(self, board: LocalBoard, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "a").write_bytes(b"1")
        assert (Path(board.put(tmp_path / "data", "data")) / "a").read_bytes() == b"1"

    def test_workdir_is_empty_each_time(self, board: LocalBoard) -> None:
        folder = Path(board.make_workdir("t0001.energy"))
        (folder / "left").touch()
        assert board.make_workdir("t0001.energy") == str(folder)
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../..", "."])
    def test_nothing_outside_the_working_folder(self, board: LocalBoard, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match="not below"):
            board.make_workdir(name)
        with pytest.raises(ValueError, match="not below"):
            board.fetch(name, tmp_path / "x")

    def test_close_leaves_nothing_and_may_be_called_twice(self, tmp_path: Path) -> None:
        board = LocalBoard("host", root=tmp_path)
        board.open()
        board.open()
        board.make_workdir("x")
        board.close()
        board.close()
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(HardwareError, match="not open"):
            board.make_workdir("x")


class TestFacts:
    def test_probe_and_origin(self, board: LocalBoard) -> None:
        assert board.probe().present
        assert board.origin is Origin.MEASURED

    def test_absent_cpu_is_said(self) -> None:
        board = LocalBoard("host", affinity=[0, 4095])
        assert "4095" in board.probe().detail
        with pytest.raises(HardwareError, match="4095"):
            board.open()

    def test_fingerprint_holds_what_the_kernel_says(self, board: LocalBoard) -> None:
        facts = board.fingerprint()
        assert facts["kernel"].endswith(os.uname().release)
        assert facts["cpus"] == os.cpu_count()
        assert facts["memory_bytes"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        assert (facts["tools"]["cc"] is None) == (shutil.which("cc") is None)

    def test_caches_of_the_bench_file_go_before_the_machines(self) -> None:
        own = LocalBoard("host").caches
        assert own["ram"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        assert LocalBoard("host", caches={"l1d": 1234}).caches == {**own, "l1d": 1234}
