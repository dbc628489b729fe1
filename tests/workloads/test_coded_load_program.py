"""The real ``coded_load`` on this machine: its pattern, its instants, and the work that it really does."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from analysis.board_marks import read_board_marks
from analysis.coded_load import codes_in
from lab.boards.simulated.coded_load import TAPS, m_sequence

SOURCE = Path(__file__).parents[2] / "workloads" / "coded_load"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coded_load")
    done = subprocess.run(["make", "-s", "-C", SOURCE, f"BUILD={folder}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "the compiler warns"
    return folder / "coded_load"


def run(program: Path, *arguments: str, marks: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "LAB_MARKS"}
    if marks is not None:
        env["LAB_MARKS"] = str(marks)
    return subprocess.run([program, *arguments], capture_output=True, text=True, env=env, timeout=60, check=False)


@pytest.mark.parametrize("order", sorted(TAPS))
def test_the_pattern_is_a_maximum_length_sequence(order: int) -> None:
    chips = 2.0 * np.array(m_sequence(order)) - 1.0
    circular = np.fft.ifft(np.abs(np.fft.fft(chips)) ** 2).real.round()
    assert circular[0] == len(chips) == 2**order - 1
    assert set(circular[1:].tolist()) == {-1.0}


@pytest.mark.parametrize("order", [4, 6])
def test_the_real_program_and_the_simulated_one_play_the_same_pattern(
    program: Path, tmp_path: Path, order: int
) -> None:
    done = run(program, "--order", str(order), "--chip-ms", "2", marks=tmp_path / "marks.txt")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{2**order - 1} chips of 2 ms, {2 ** (order - 1)} of them busy, 1 threads\n"
    text = (tmp_path / "marks.txt").read_text().splitlines()
    assert text[0].startswith("code_begin ")
    assert text[-1].startswith("code_end ")
    assert tuple(line.startswith("code_busy ") for line in text[1:-1]) == m_sequence(order)


def test_its_instants_are_those_of_this_machines_clock_and_a_chip_apart(program: Path, tmp_path: Path) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    assert run(program, "--chip-ms", "5", marks=tmp_path / "marks.txt").returncode == 0
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    marks = read_board_marks(tmp_path / "marks.txt")
    assert before < marks.marks[0].ns <= marks.marks[-1].ns < after
    instants = np.array([mark.ns for mark in marks.named("code_busy", "code_idle", "code_end")])
    # Other work on this machine may hold up one chip or another, never all.
    assert np.median(np.diff(instants)) == pytest.approx(5e6, rel=0.1)
    assert instants[-1] - instants[0] == pytest.approx(63 * 5e6, rel=0.2)


def test_it_is_busy_where_it_says_so_and_idle_where_it_says_so(program: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [program, "--chip-ms", "40"],
        env={**os.environ, "LAB_MARKS": str(tmp_path / "marks.txt")},
        stdout=subprocess.PIPE,
    ) as process:
        samples = []
        stat = Path(f"/proc/{process.pid}/schedstat")
        while process.poll() is None:
            try:
                spent_ns = int(stat.read_text().split()[0])
            except (OSError, IndexError):
                break
            samples.append((time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW), spent_ns))
            time.sleep(0.002)
    at_ns, spent_ns = np.array(samples, dtype=np.float64).T
    (code,) = codes_in(read_board_marks(tmp_path / "marks.txt"))
    borders = np.array([*code.chips_ns, code.end_ns], dtype=np.float64)
    used = np.diff(np.interp(borders, at_ns, spent_ns)) / np.diff(borders)
    busy = np.array(code.busy)
    # Where others are at work here, a busy chip does not get a whole processor.
    assert np.median(used[busy]) > 5 * np.median(used[~busy]) + 0.1
    assert np.corrcoef(used, busy)[0, 1] > 0.5


def test_without_the_variable_it_writes_nothing(program: Path, tmp_path: Path) -> None:
    done = run(program, "--order", "4", "--chip-ms", "1")
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_it_appends(program: Path, tmp_path: Path) -> None:
    marks = tmp_path / "marks.txt"
    for _ in range(2):
        assert run(program, "--order", "4", "--chip-ms", "5", "--threads", "3", marks=marks).returncode == 0
    names = [mark.name for mark in read_board_marks(marks).marks]
    assert names.count("code_begin") == names.count("code_end") == 2
    assert names[: len(names) // 2] == names[len(names) // 2 :]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--order", "3"),
        ("--order", "11"),
        ("--order",),
        ("--chip-ms", "0"),
        ("--chip-ms", "nan"),
        ("--threads", "0"),
        ("x",),
    ],
)
def test_what_is_not_understood_is_said(program: Path, arguments: tuple[str, ...]) -> None:
    done = run(program, *arguments)
    assert done.returncode == 2
    assert "not understood" in done.stderr
    assert "usage" in done.stderr


def test_a_file_that_cannot_be_written_is_said(program: Path, tmp_path: Path) -> None:
    done = run(program, "--order", "4", "--chip-ms", "1", marks=tmp_path / "absent" / "marks.txt")
    assert done.returncode == 1
    assert "No such file" in done.stderr


def test_help_says_how(program: Path) -> None:
    done = run(program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--chip-ms" in done.stdout
