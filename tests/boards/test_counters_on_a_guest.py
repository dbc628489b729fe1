"""Counters on a real Linux with its PMU driver and perf, on an emulated Cortex-A53: by perf and by the agent."""

from __future__ import annotations

import shutil
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from instruments.counters.instrument import Counters
from instruments.counters.perf import PerfStat
from instruments.protocol import PassContext
from lab.bench.assemble import run_on
from lab.bench.assemble_boards import make_board
from lab.bench.assemble_tools import make_tool
from lab.bench.qemu_board import QemuBoard
from lab.bench.tools import Counters as CountersEntry
from lab.boards.protocol import Board, Command
from lab.experiment.events import chunks
from lab.record.documents import Reading
from lab.record.formats.perf_stat import CountState

pytestmark = pytest.mark.slow

NINE = ("cycles", "instructions", "instructions:u", "instructions:k", "r04", "r10", "r16", "r17", "r19")
TWO_PHASES = (
    "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/dev/null bs=64 count=8000 2>/dev/null"
)
"""User space first, then mostly the kernel."""

WINDOW = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void touch(size_t mib)
{
    volatile char *data = mmap(0, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise((void *)data, mib << 20, 15 /* MADV_NOHUGEPAGE */);
    for (size_t i = 0; i < mib << 20; i += 4096)
        data[i] = 1;
}

static void say(int control, int acknowledge, const char *word)
{
    char answer[64];
    if (write(control, word, strlen(word)) < 0 || read(acknowledge, answer, sizeof answer) < 1)
        _exit(97);
}

int main(void)
{
    char *pipes = getenv("LAB_WINDOW"), *second = strchr(pipes, ',');
    *second++ = 0;
    int control = open(pipes, O_WRONLY), acknowledge = open(second, O_RDONLY);
    touch(8);
    say(control, acknowledge, "enable\n");
    touch(4);
    say(control, acknowledge, "disable\n");
    touch(8);
    return 0;
}
"""


@pytest.fixture(scope="module")
def board() -> Iterator[Board]:
    board = make_board(QemuBoard(kind="qemu", machine="qemu-a53"), Path("bench.yaml"))
    probe = board.probe()
    if not probe.present:
        pytest.skip(f"{probe.detail} ({probe.advice})")
    board.open()
    yield board
    board.close()


class Bench:
    """Runs a command under the instrument, as the runner does."""

    def __init__(self, board: Board, folder: Path, by: Literal["perf_stat", "agent"]) -> None:
        self.board, self.folder = board, folder
        instrument = make_tool("counts", CountersEntry(kind="counters", core="cortex-a53", by=by), run_on(board), board)
        assert isinstance(instrument, Counters)
        instrument.open()
        self.instrument = instrument

    def count(self, argv: list[str], events: tuple[str, ...], window_only: bool = False) -> dict[str, Reading]:
        context = PassContext(
            pass_id="t0001.counters0", attempt=1, seed=1, record_root=self.folder, output=self.folder,
            trace=self.folder / "trace", events=events, window_only=window_only,
        )  # fmt: skip
        self.instrument.arm(context)
        workdir = self.board.make_workdir("t0001.counters0")
        wrapped, requests = self.instrument.wrap(argv, workdir), self.instrument.requests()
        # perf opens and closes the window for itself; the board has no part in it.
        gated_there = window_only and bool(requests)
        command = Command(
            wrapped, workdir=workdir, deadline_s=60, events=requests,
            opens_window=gated_there, window_only=gated_there,
        )  # fmt: skip
        result = self.board.run(command, self.folder / "out", self.folder / "err")
        assert result.exit_status == 0, (self.folder / "err").read_text()
        for name in self.instrument.files():
            self.board.fetch(f"{workdir}/{name}", self.folder / name)
        self.instrument.counted(result.counts)
        return {reading.name: reading for reading in self.instrument.stop().readings}


@pytest.fixture(params=["perf_stat", "agent"])
def bench(request: pytest.FixtureRequest, board: Board, tmp_path: Path) -> Bench:
    return Bench(board, tmp_path, request.param)


def test_nine_events_in_planned_passes_and_all_at_once(board: Board, tmp_path: Path) -> None:
    run = run_on(board)
    perf, table = PerfStat(run), Bench(board, tmp_path, "perf_stat").instrument.table
    events = [table.event(name) for name in NINE]
    user: dict[str, list[float]] = {"planned": [], "at once": []}
    for _ in range(5):
        at_once = perf.count_here(["sh", "-c", TWO_PHASES], events)
        assert not isinstance(at_once, str)
        assert {count.state for count in at_once} == {CountState.MULTIPLEXED}
        user["at once"] += [count.value or 0.0 for count in at_once if count.event.name == "instructions:u"]
        for chosen in chunks(NINE, 6, {"cycles", "cpu-cycles"}):
            planned = perf.count_here(["sh", "-c", TWO_PHASES], [table.event(name) for name in chosen.events])
            assert not isinstance(planned, str)
            assert {count.running_pct for count in planned} == {100.0}
            user["planned"] += [count.value or 0.0 for count in planned if count.event.name == "instructions:u"]
    truth = statistics.fmean(user["planned"])
    assert max(user["planned"]) - min(user["planned"]) < 1e-4 * truth
    assert max(abs(value / truth - 1) for value in user["at once"]) > 0.02, "extrapolated over phases that differ"


def test_six_counters_and_the_one_for_cycles_are_free(bench: Bench) -> None:
    ((_, probe),) = bench.instrument.checks()
    assert probe.present
    assert probe.facts["free"] == 6


def test_perf_and_the_agent_count_the_same(board: Board, tmp_path: Path) -> None:
    argv = ["sh", "-c", "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); done"]
    counts: dict[str, Any] = {}
    for by in ("perf_stat", "agent"):
        found = Bench(board, tmp_path, by).count(argv, ("instructions:u", "r04", "page-faults", "branches"))
        assert found["instructions:u"].reasons == ()
        assert found["r04"].reasons == ("zero_count",)
        assert found["branches"].reasons == ("not_supported",)
        counts[by] = found["instructions:u"].value
    assert counts["agent"] == pytest.approx(counts["perf_stat"], rel=1e-3)


def test_only_the_window_is_counted(bench: Bench, board: Board, tmp_path: Path) -> None:
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    if compiler is None:
        pytest.skip("no compiler for the board (make emulators)")
    (tmp_path / "window.c").write_text(WINDOW, encoding="utf-8")
    subprocess.run([compiler, "-O1", "-static", "-o", tmp_path / "window", tmp_path / "window.c"], check=True)
    program = board.put(tmp_path / "window", "window")
    found = bench.count([program], ("page-faults", "instructions"), window_only=True)
    assert found["page-faults"].value == pytest.approx(1024, abs=8)
    assert found["page-faults"].scope == "process tree, in the window"


def test_a_window_that_is_never_opened(bench: Bench) -> None:
    found = bench.count(["true"], ("page-faults", "instructions"), window_only=True)
    assert {reading.reasons for reading in found.values()} == {("window_not_opened",)}
