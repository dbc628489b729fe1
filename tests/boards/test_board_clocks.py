"""Boards whose clock can be asked for, and what the simulated one writes and plays on it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from analysis.board_marks import BoardMarks, read_board_marks
from analysis.clock_fit import fit_clock
from analysis.coded_load import codes_in
from instruments.simulated.rail import Rail
from lab.boards.local import LocalBoard
from lab.boards.protocol import Command, ComparesClock
from lab.boards.simulated.board import SimulatedBoard, SimulatedBoardSettings
from lab.boards.simulated.clock import BoardClock, ClockSettings, ClockStep
from lab.boards.simulated.coded_load import m_sequence
from lab.errors import UsageError
from lab.record.host_clock import host_ns

BENCHMARK = (
    "benchmark_model",
    "--graph=MobileNet_PQ_32.tflite",
    "--num_runs=20",
    "--min_secs=0",
    "--warmup_min_secs=0",
)


class Bench:
    """A simulated board in a pass."""

    def __init__(self, folder: Path, clock: ClockSettings | None = None, *steps: ClockStep, seed: int = 1) -> None:
        self.rail = Rail(12.0, 0.05)
        settings = SimulatedBoardSettings(clock=clock or ClockSettings(), clock_steps=steps, campaign_seed=5)
        self.board = SimulatedBoard("board", settings, self.rail)
        self.folder = folder
        self.clock = BoardClock(settings.clock, 5)
        self.board.begin_pass("t0001.energy", seed)

    def run(self, *argv: str, marks: bool = True) -> int:
        env = {"LAB_MARKS": "/home/root/marks.txt"} if marks else {}
        command = Command(argv, env=env, workdir="/home/root")
        return self.board.run(command, self.folder / "stdout.txt", self.folder / "stderr.txt").exit_status

    def marks(self) -> BoardMarks:
        self.board.fetch("/home/root/marks.txt", self.folder / "marks.txt")
        return read_board_marks(self.folder / "marks.txt")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# ------------------------------------------------------------------------------------------------------ the clock


def test_this_machine_can_be_asked_and_its_clock_is_ours() -> None:
    board = LocalBoard("board")
    assert isinstance(board, ComparesClock)
    before = host_ns()
    sent, at, received = board.ping()
    assert before <= sent <= at <= received <= host_ns()
    assert board.shares_clock
    batches = []
    for _ in range(2):
        batches.append([board.ping() for _ in range(50)])
        time.sleep(0.01)
    now = host_ns()
    assert abs(fit_clock(batches).host_ns(now) - now) * 1e-9 <= fit_clock(batches).bound_s(now)


def test_the_simulated_board_can_be_asked_in_virtual_time(bench: Bench) -> None:
    assert isinstance(bench.board, ComparesClock)
    bench.board.idle(1.0)
    sent, at, received = bench.board.ping()
    assert sent == round(1e9 * 1.0)
    assert received == round(1e9 * bench.rail.now_s)
    assert bench.clock.ns(sent * 1e-9) < at < bench.clock.ns(received * 1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_its_clock_lies_within_the_bound_of_a_fit_to_its_pings(tmp_path: Path, seed: int) -> None:
    bench = Bench(tmp_path, ClockSettings(drift_ppm=100.0), seed=seed)
    batches = []
    for _ in range(2):
        batches.append([bench.board.ping() for _ in range(50)])
        bench.board.idle(8.0)
    fit = fit_clock(batches)
    for at_s in (0.0, 4.0, 9.0, 15.0):
        error_s = abs(fit.host_ns(bench.clock.ns(at_s)) * 1e-9 - at_s)
        assert error_s <= fit.bound_s(bench.clock.ns(at_s)) < 1e-3


def test_pings_hardly_disturb_the_idle_board(bench: Bench) -> None:
    for _ in range(100):
        bench.board.ping()
    times_s, voltage_v, current_a = bench.rail.segments()
    pinging_j = float(np.dot(voltage_v * current_a, np.diff(times_s)))
    assert bench.rail.now_s < 0.2
    assert pinging_j / bench.rail.now_s == pytest.approx(3.04, rel=0.02)


def test_the_same_pass_has_the_same_clock_and_another_campaign_another(tmp_path: Path) -> None:
    one, again = Bench(tmp_path), Bench(tmp_path)
    assert [one.board.ping() for _ in range(5)] == [again.board.ping() for _ in range(5)]
    other = BoardClock(ClockSettings(), 6)
    assert (other.ns(0.0), other.drift) != (one.clock.ns(0.0), one.clock.drift)
    assert abs(other.drift) <= 50e-6


def test_a_clock_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="jitter"):
        ClockSettings(jitter_s=-1.0)


# ---------------------------------------------------------------------------------------------------------- marks


def test_the_program_marks_its_window_and_warm_up_on_the_boards_clock(bench: Bench) -> None:
    bench.board.idle(0.5)
    assert bench.run(*BENCHMARK) == 0
    edges = {
        f"{line}_{'begin' if level else 'end'}": bench.clock.ns(at_s)
        for line in ("warmup", "window")
        for at_s, level in bench.rail.edges(line)
    }
    marks = bench.marks().marks
    assert {mark.name: mark.ns for mark in marks} == edges
    assert [mark.name for mark in marks] == ["warmup_begin", "warmup_end", "window_begin", "window_end"]


def test_without_the_variable_it_writes_none(bench: Bench) -> None:
    assert bench.run(*BENCHMARK, marks=False) == 0
    with pytest.raises(FileNotFoundError):
        bench.marks()


def test_a_clock_step_shifts_the_programs_marks_and_not_the_pings(tmp_path: Path) -> None:
    plain, stepped = Bench(tmp_path), Bench(tmp_path, None, ClockStep(passes=("*.energy",), step_s=0.02))
    late_ns = []
    for bench in (plain, stepped):
        sent, at, received = bench.board.ping()
        assert bench.clock.ns(sent * 1e-9) < at < bench.clock.ns(received * 1e-9)
        bench.run(*BENCHMARK)
        late_ns.append(bench.marks().marks[0].ns - bench.clock.ns(bench.rail.edges("warmup")[0][0]))
    assert late_ns == [0, 20_000_000]


def test_a_clock_step_hits_the_passes_that_match(tmp_path: Path) -> None:
    bench = Bench(tmp_path, None, ClockStep(passes=("t0009.*",)))
    bench.run(*BENCHMARK)
    assert bench.marks().marks[0].ns == bench.clock.ns(bench.rail.edges("warmup")[0][0])


# ------------------------------------------------------------------------------------------------------ coded load


def test_the_simulated_board_plays_the_coded_load(bench: Bench) -> None:
    assert bench.run("/usr/bin/coded_load", "--order", "5", "--chip-ms", "10") == 0
    (code,) = codes_in(bench.marks())
    assert code.busy == m_sequence(5)
    assert code.chip_s == pytest.approx(0.01, rel=1e-2)
    times_s, voltage_v, current_a = bench.rail.segments()
    power_w = voltage_v * current_a
    middles_ns = np.array([bench.clock.ns(float(at)) for at in (times_s[1:] + times_s[:-1]) / 2])
    levels = np.array([False, *code.busy, False])
    busy = levels[np.searchsorted([*code.chips_ns, code.end_ns], middles_ns, side="right")]
    assert power_w[busy].min() > power_w[~busy].max() + 0.3
    assert (bench.folder / "stdout.txt").read_text().startswith("31 chips of 10 ms, 16 of them busy")


def test_it_is_appended_to_the_same_marks(bench: Bench) -> None:
    for argv in (("coded_load",), BENCHMARK, ("coded_load",)):
        assert bench.run(*argv) == 0
    marks = bench.marks()
    assert len(codes_in(marks)) == 2
    assert len(marks.named("window_begin", "window_end")) == 2


@pytest.mark.parametrize("argv", [("--order", "3"), ("--order",), ("--chip-ms", "x"), ("--loud", "1")])
def test_what_is_not_understood_ends_it(bench: Bench, argv: tuple[str, ...]) -> None:
    assert bench.run("coded_load", *argv) == 2
    assert "usage" in (bench.folder / "stderr.txt").read_text()
