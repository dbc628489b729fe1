"""The simulated ``perf stat`` counts what the simulated program does, in perf's own formats."""

from pathlib import Path

import pytest

from instruments.simulated.rail import Rail
from lab.boards.protocol import Command, CommandResult
from lab.boards.simulated.board import SimulatedBoard, SimulatedBoardSettings
from lab.boards.simulated.program import program_model
from lab.boards.simulated.roofline import Target
from lab.networks.tables import parse_variation
from lab.record.formats.perf_stat import CountState, PerfCount, parse

GRAPH = "ResNet50_PQ_32.tflite"
EVENTS = ("cycles", "instructions", "L1-dcache-loads", "L1-dcache-load-misses", "page-faults", "task-clock")


class Bench:
    """A board whose perf writes into the test's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.board = SimulatedBoard("board", SimulatedBoardSettings(), Rail(12.0, 0.05))

    def run(self, *argv: str, seed: int = 1) -> CommandResult:
        self.board.begin_pass("t0001.counters0", seed)
        command = Command(argv, workdir="/board")
        return self.board.run(command, self.folder / "stdout.txt", self.folder / "stderr.txt")

    def count(self, events: tuple[str, ...], runs: int, *flags: str, seed: int = 1) -> dict[str, PerfCount]:
        program = ("benchmark_model", f"--graph={GRAPH}", f"--num_runs={runs}", "--min_secs=0")
        wrap = ("env", "LC_ALL=C", "perf", "stat", "-j", "-o", "perf.json", "-e", ",".join(events), "--")
        result = self.run(*wrap, *program, "--warmup_runs=0", "--warmup_min_secs=0", *flags, seed=seed)
        assert result.exit_status == 0
        self.board.fetch("/board/perf.json", self.folder / "perf.json")
        file = parse((self.folder / "perf.json").read_text(encoding="utf-8"))
        assert file.problems == ()
        return {count.event: count for count in file.counts}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def value(count: PerfCount) -> float:
    assert count.state is CountState.COUNTED
    assert count.value is not None
    return count.value


@pytest.mark.parametrize(
    ("flag", "target", "tolerance"),
    [
        ("--num_threads=1", Target(1), 0.01),
        ("--num_threads=4", Target(4), 0.01),
        # Compiling for the NPU takes thousands of times the CPU's work of one inference, and its scatter with it.
        ("--use_nnapi=true", Target(npu=True), 0.4),
    ],
)
def test_the_difference_of_two_passes_leaves_loading_out(
    bench: Bench, flag: str, target: Target, tolerance: float
) -> None:
    model = program_model(parse_variation(GRAPH), target)
    expected = {
        "instructions": model.counts.instructions,
        "L1-dcache-loads": model.counts.l1d_loads,
        "L1-dcache-load-misses": model.counts.l1d_load_misses,
    }
    many, one = bench.count(EVENTS, 51, flag, seed=1), bench.count(EVENTS, 1, flag, seed=2)
    for event, truth in expected.items():
        per_inference = (value(many[event]) - value(one[event])) / 50
        assert per_inference == pytest.approx(truth, rel=tolerance), event
    loading = value(many["instructions"]) / 51 - model.counts.instructions
    assert loading > 0.005 * model.counts.instructions, "there must be something to take away"
    faults = (value(many["page-faults"]) - value(one["page-faults"])) / 50
    assert abs(faults) < 1
    assert value(one["page-faults"]) > 5000


def test_times_are_times(bench: Bench) -> None:
    counts = bench.count(EVENTS, 5, "--num_threads=4")
    clock = counts["task-clock"]
    assert clock.unit == "s"
    assert value(counts["cycles"]) / value(clock) == pytest.approx(1.8e9, rel=1e-3)
    assert value(counts["instructions"]) / value(counts["cycles"]) < 2


def test_more_events_than_counters_are_multiplexed_and_say_so(bench: Bench) -> None:
    hardware = ("instructions", "L1-dcache-loads", "L1-dcache-load-misses", "branches", "branch-misses", "cache-misses")
    six = bench.count(("cycles", *hardware, "page-faults"), 3)
    assert {count.state for count in six.values()} == {CountState.COUNTED}
    seven = bench.count(("cycles", *hardware, "armv8_cortex_a53/l2d_cache_refill/", "page-faults"), 3)
    assert seven["armv8_cortex_a53/l2d_cache_refill/"].state is CountState.MULTIPLEXED
    assert seven["instructions"].running_pct == pytest.approx(100 * 6 / 7)
    assert seven["cycles"].state is seven["page-faults"].state is CountState.COUNTED


def test_an_event_the_core_does_not_have_is_not_supported(bench: Bench) -> None:
    counts = bench.count(("instructions", "LLC-load-misses"), 1)
    assert counts["LLC-load-misses"].state is CountState.NOT_SUPPORTED
    assert counts["LLC-load-misses"].value is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("stat", "-e", "no-such-event", "--", "true"),
        ("stat", "--frobnicate", "--", "true"),
        ("stat", "-o"),
        ("stat",),
        ("record", "true"),
        (),
    ],
)
def test_a_wrong_command_line_is_refused(bench: Bench, arguments: tuple[str, ...]) -> None:
    assert bench.run("perf", *arguments).exit_status == 129
    assert (bench.folder / "stderr.txt").read_text(encoding="utf-8")


def test_the_exit_status_is_the_programs(bench: Bench) -> None:
    assert bench.run("perf", "stat", "-e", "cycles", "--", "benchmark_model", "--graph=nothing").exit_status == 1
    assert bench.run("perf", "stat", "--", "frobnicate").exit_status == 127


def test_separated_values_are_understood_too(bench: Bench) -> None:
    assert bench.run("perf", "stat", "-x,", "-e", "task-clock,instructions", "--", "true").exit_status == 0
    file = parse((bench.folder / "stderr.txt").read_text(encoding="utf-8"))
    assert file.problems == ()
    assert [count.event for count in file.counts] == ["task-clock", "instructions"]


def test_it_tells_its_version(bench: Bench) -> None:
    assert bench.run("perf", "--version").exit_status == 0
    assert "simulated" in (bench.folder / "stdout.txt").read_text(encoding="utf-8")


def test_counts_are_the_same_for_the_same_seed(bench: Bench) -> None:
    assert bench.count(EVENTS, 5, seed=3) == bench.count(EVENTS, 5, seed=3)
    assert bench.count(EVENTS, 5, seed=3) != bench.count(EVENTS, 5, seed=4)
