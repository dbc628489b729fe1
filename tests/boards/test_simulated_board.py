"""The simulated board runs the real command lines in virtual time, the same each time, and knows their truth."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.readers.benchmark_model import BenchmarkModelOutput, read, read_output
from instruments.simulated.rail import Rail
from lab.boards.protocol import Board, Command, CommandResult
from lab.boards.simulated.board import TRUTH_FILE, SimulatedBoard, SimulatedBoardSettings, Throttling
from lab.boards.simulated.constants import IMX8MP
from lab.errors import UsageError
from lab.record.quantity import Origin

SMALL = "--graph=MobileNet_PQ_32.tflite"


class Session:
    """A board with its rail, and where its programs' output goes."""

    def __init__(self, folder: Path, settings: SimulatedBoardSettings | None = None) -> None:
        self.rail = Rail(12.0, 0.05)
        self.board = SimulatedBoard("board", settings or SimulatedBoardSettings(), self.rail)
        self.folder = folder
        self.board.open()

    def run(self, *argv: str, deadline_s: float | None = None, workdir: str | None = None) -> CommandResult:
        command = Command(argv, deadline_s=deadline_s, workdir=workdir)
        return self.board.run(command, self.folder / "stdout.txt", self.folder / "stderr.txt")

    def benchmark(
        self, *flags: str, seed: int = 1, pass_id: str = "t0001.energy", idle_s: float = 0.0
    ) -> CommandResult:
        self.board.begin_pass(pass_id, seed)
        self.board.idle(idle_s)
        result = self.run("benchmark_model", *flags)
        self.board.idle(idle_s)
        return result

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout.txt").read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr.txt").read_text(encoding="utf-8")

    @property
    def output(self) -> BenchmarkModelOutput:
        return read(self.stdout)

    @property
    def truth(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((self.folder / TRUTH_FILE).read_text(encoding="utf-8"))
        return data

    def energy_j(self, line: str) -> float:
        """The energy on the rail while a line is high, from the segments alone."""
        times_s, voltage_v, current_a = self.rail.segments()
        (begin_s, up), (end_s, down) = self.rail.edges(line)
        assert (up, down) == (1, 0)
        inside_s = np.clip(times_s[1:], begin_s, end_s) - np.clip(times_s[:-1], begin_s, end_s)
        return float(np.dot(voltage_v * current_a, inside_s))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


# ------------------------------------------------------------------------------------------------- as any board


def test_it_is_a_board_whose_every_face_says_simulated(session: Session) -> None:
    board: Board = session.board
    assert board.origin is Origin.SIMULATED
    assert board.probe().present
    assert board.probe().facts["simulated"] is True
    assert board.fingerprint()["simulated"] is True
    json.dumps(board.fingerprint())
    assert session.board.caches == {"l1d": 32 * 1024, "l2": 512 * 1024}


def test_open_and_close_may_be_repeated(session: Session) -> None:
    session.board.open()
    session.board.close()
    session.board.close()
    session.board.open()
    assert session.run("true").exit_status == 0


def test_files_are_put_and_fetched(session: Session, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "a.txt").write_bytes(b"a")
    (source / "inner" / "b.txt").write_bytes(b"b")
    place = session.board.put(source, "data")
    session.board.fetch(f"{place}/inner/b.txt", tmp_path / "back.txt")
    assert (tmp_path / "back.txt").read_bytes() == b"b"
    session.board.fetch(session.board.put(source / "a.txt", "one.txt"), tmp_path / "one.txt")
    assert (tmp_path / "one.txt").read_bytes() == b"a"
    with pytest.raises(FileNotFoundError):
        session.board.fetch("nothing", tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        session.board.put(tmp_path / "absent", "absent")


def test_a_workdir_is_fresh(session: Session, tmp_path: Path) -> None:
    folder = session.board.make_workdir("t0001.counters0")
    session.run("perf", "stat", "-j", "-o", f"{folder}/perf.json", "-e", "task-clock", "--", "true")
    session.board.fetch(f"{folder}/perf.json", tmp_path / "perf.json")
    assert session.board.make_workdir("t0001.counters0") == folder
    with pytest.raises(FileNotFoundError):
        session.board.fetch(f"{folder}/perf.json", tmp_path / "perf.json")


def test_an_unknown_command_ends_like_a_shells(session: Session) -> None:
    result = session.run("frobnicate", "--all")
    assert result.exit_status == 127
    assert session.stderr == "sh: frobnicate: command not found\n"
    assert not (session.folder / TRUTH_FILE).exists()


def test_what_probes_ask_is_answered(session: Session) -> None:
    assert session.run("uname", "-a").exit_status == 0
    assert "simulated" in session.stdout
    assert session.run("cat", "/proc/sys/kernel/perf_event_paranoid").exit_status == 0
    assert session.stdout == "-1\n"
    assert session.run("cat", "/no/such/file").exit_status == 1
    assert "No such file" in session.stderr
    assert session.run("env", "LC_ALL=C").exit_status == 0


def test_idle_takes_virtual_time_only(session: Session) -> None:
    began = time.monotonic()
    session.board.begin_pass("t0001.energy", 1)
    session.board.idle(600.0)
    session.board.idle(0.0)
    assert session.rail.now_s == pytest.approx(600.0)
    assert time.monotonic() - began < 1.0


# ---------------------------------------------------------------------------------------------- benchmark_model


def test_it_prints_what_the_real_program_prints(session: Session) -> None:
    session.benchmark(SMALL, "--num_threads=4", "--report_peak_memory_footprint=true")
    lines = session.stdout.splitlines()
    assert lines[0] == "STARTING!"
    assert "Loaded model MobileNet_PQ_32.tflite" in lines
    assert "Num threads: [4]" in lines
    assert any(line.startswith("Running benchmark for at least 50 iterations and at least 1 seconds") for line in lines)
    assert any(line.startswith("Overall peak memory footprint (MB) via periodic monitoring: ") for line in lines)
    assert session.stderr == ""


def test_newer_builds_are_imitated_too(tmp_path: Path) -> None:
    session = Session(tmp_path, SimulatedBoardSettings(output_style="info"))
    session.benchmark(SMALL)
    assert session.stdout == ""
    assert all(line.startswith("INFO: ") for line in session.stderr.splitlines())
    result = read(session.stderr)
    assert result.p5_s is not None
    assert result.median_s is not None
    assert result.p5_s < result.median_s
    assert read_output(tmp_path).inferences == result.count


def test_defaults_are_the_programs(session: Session) -> None:
    session.benchmark(SMALL)
    output, truth = session.output, session.truth
    assert output.count == truth["inferences"]
    # At least 50 runs and at least one second; the warm-up one run and half a second.
    assert output.count == pytest.approx(1.0 / output.avg_s, abs=1.01)
    assert 0.5 < output.warmup_count * output.warmup_avg_s < 0.52


@pytest.mark.parametrize(
    ("flags", "count"),
    [
        (("--num_runs=7", "--min_secs=0"), 7),
        (("--num_runs=1", "--min_secs=0"), 1),
        (("--num_runs=0", "--min_secs=0"), 0),
        (("--num_runs=100000", "--min_secs=0", "--max_secs=0.0001"), 1),
    ],
)
def test_runs_and_limits_are_honoured(session: Session, flags: tuple[str, ...], count: int) -> None:
    session.benchmark(SMALL, *flags)
    assert session.output.count == count
    assert bool(session.rail.edges("window")) == bool(count)


def test_durations_are_honoured(session: Session) -> None:
    session.benchmark(SMALL, "--num_runs=3", "--min_secs=10", "--max_secs=86400")
    lasted_s = session.output.count * session.output.avg_s
    assert 10.0 <= lasted_s < 10.0 + 2 * session.output.max_s
    session.benchmark("--graph=VGG16_128.tflite", "--use_nnapi=true", "--num_runs=50", "--max_secs=30")
    assert 1 < session.output.count < 5


def test_no_warmup_runs_still_warms_up_for_its_least_time(session: Session) -> None:
    session.benchmark(SMALL, "--warmup_runs=0")
    assert session.output.warmup_count
    assert len(session.rail.edges("warmup")) == 2
    session.benchmark(SMALL, "--warmup_runs=0", "--warmup_min_secs=0", "--num_runs=5", "--min_secs=0")
    assert session.output.warmup_count is None
    assert session.rail.edges("warmup") == []
    # Then the first measured inference packs the weights.
    assert session.output.first_s > 1.5 * session.output.min_s


def test_the_npu_takes_its_weights_in_the_warmup(session: Session) -> None:
    flags = ("--graph=VGG16_PQ_128.tflite", "--warmup_runs=1", "--warmup_min_secs=0", "--min_secs=2")
    session.benchmark(*flags, "--use_nnapi=true")
    npu = session.output
    session.benchmark(*flags, "--external_delegate_path=/usr/lib/libvx_delegate.so")
    assert session.output.avg_s == pytest.approx(npu.avg_s, rel=1e-6)
    assert npu.first_inference_s > 20 * npu.avg_s
    session.benchmark(*flags, "--num_threads=4")
    assert session.output.avg_s > 10 * npu.avg_s


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "Please specify the name"),
        (("--graph=LeNet.tflite",), "Could not open 'LeNet.tflite'"),
        ((SMALL, "--num_runs=many"), "--num_runs=many"),
        ((SMALL, "--use_nnapi=perhaps"), "--use_nnapi=perhaps"),
    ],
)
def test_what_the_program_refuses(session: Session, flags: tuple[str, ...], message: str) -> None:
    assert session.benchmark(*flags).exit_status == 1
    assert message in session.stderr
    assert session.rail.edges("window") == []


def test_flags_it_does_not_know_are_named_and_ignored(session: Session) -> None:
    assert session.benchmark(SMALL, "--enable_magic=true").exit_status == 0
    assert "Unconsumed cmdline flags: --enable_magic=true" in session.stdout


def test_the_operating_systems_account_is_plausible(session: Session) -> None:
    result = session.benchmark(SMALL, "--num_threads=4", "--min_secs=5")
    usage = result.usage
    assert usage["elapsed_s"] == pytest.approx(result.elapsed_s)
    assert usage["elapsed_s"] < usage["user_s"] + usage["system_s"] < 4 * usage["elapsed_s"]
    assert usage["peak_rss_bytes"] > 3.5e6
    assert usage["minor_faults"] > 1000


# --------------------------------------------------------------------------------------------------- deadlines


def test_a_deadline_ends_the_program_at_its_instant(session: Session) -> None:
    session.board.begin_pass("t0001.latency", 1)
    session.board.idle(2.0)
    result = session.run("benchmark_model", SMALL, "--min_secs=100", deadline_s=5.0)
    assert (result.timed_out, result.exit_status) == (True, -9)
    assert result.elapsed_s == pytest.approx(5.0)
    assert session.rail.now_s == pytest.approx(7.0)
    assert session.rail.edges("window")[-1] == (pytest.approx(7.0), 0)
    assert "Inference timings" not in session.stdout
    assert "count=" in session.stdout
    assert not (session.folder / TRUTH_FILE).exists()
    session.board.idle(2.0)
    assert session.rail.now_s == pytest.approx(9.0)


def test_a_deadline_in_the_loading_leaves_no_window(session: Session) -> None:
    result = session.run("benchmark_model", SMALL, deadline_s=0.001)
    assert result.timed_out
    assert session.rail.edges("window") == session.rail.edges("warmup") == []


def test_a_deadline_that_is_kept_changes_nothing(session: Session) -> None:
    session.benchmark(SMALL)
    free = session.stdout
    session.board.begin_pass("t0001.energy", 1)
    assert not session.run("benchmark_model", SMALL, deadline_s=60.0).timed_out
    assert session.stdout == free


# ----------------------------------------------------------------------------------------- the same, each time


def test_the_same_seed_gives_the_same_pass_whatever_was_before(tmp_path: Path) -> None:
    flags = (SMALL, "--use_nnapi=true", "--min_secs=2")
    first = Session(tmp_path)
    first.benchmark(*flags, seed=7, idle_s=2.0)
    text, truth, segments = first.stdout, first.truth, first.rail.segments()
    second = Session(tmp_path)
    second.benchmark("--graph=VGG16_32.tflite", seed=1)
    second.run("benchmark_model", SMALL)
    second.benchmark(*flags, seed=7, idle_s=2.0)
    assert (second.stdout, second.truth) == (text, truth)
    for ours, theirs in zip(segments, second.rail.segments(), strict=True):
        assert np.array_equal(ours, theirs)


def test_another_seed_gives_another_pass(session: Session) -> None:
    session.benchmark(SMALL, seed=1)
    one = session.output.avg_s
    session.benchmark(SMALL, seed=2)
    assert session.output.avg_s != one


def test_the_variation_has_the_stated_size_and_no_bias(session: Session) -> None:
    def means(seed: int) -> list[float]:
        session.benchmark("--graph=VGG16_PQ_75.tflite", "--use_nnapi=true", "--min_secs=2", seed=seed)
        truth = session.truth
        names = ("latency_s", "energy_gross_j", "energy_net_j", "power_idle_w")
        return [truth["actual"][name] / truth[name] for name in names]

    ratios = np.array([means(seed) for seed in range(600)])
    spread = ratios.std(axis=0)
    assert spread[0] == pytest.approx(IMX8MP.variation.latency_relative, rel=0.12)
    bias = ratios.mean(axis=0) - 1
    assert np.all(np.abs(bias) < 4 * spread / np.sqrt(len(ratios))), bias
    assert np.all(np.abs(bias) < 2e-3)


def test_a_constant_board_gives_its_model_exactly(tmp_path: Path) -> None:
    still = replace(
        IMX8MP.variation,
        latency_relative=0.0,
        active_power_relative=0.0,
        jitter_relative=0.0,
        idle_pass_w=0.0,
        idle_wander_w=0.0,
        idle_noise_w=0.0,
    )
    session = Session(tmp_path, SimulatedBoardSettings(constants=replace(IMX8MP, variation=still)))
    for flags in (("--num_threads=1",), ("--num_threads=4",), ("--use_nnapi=true",)):
        session.benchmark("--graph=ResNet50_75.tflite", *flags, "--num_runs=3", "--min_secs=0")
        truth = session.truth
        for name in ("latency_s", "energy_gross_j", "energy_net_j", "power_idle_w"):
            assert truth["actual"][name] == pytest.approx(truth[name], rel=1e-9), name


# ----------------------------------------------------------------------------------------------------- the truth

CASES = [
    (SMALL, "--use_nnapi=true", "--min_secs=3"),
    (SMALL, "--num_threads=4", "--num_runs=20", "--min_secs=0"),
    ("--graph=InceptionV3_128.tflite", "--num_threads=1", "--num_runs=10", "--min_secs=0"),
    ("--graph=VGG16_128.tflite", "--use_nnapi=true", "--num_runs=3", "--min_secs=10"),
    (SMALL, "--warmup_runs=0", "--warmup_min_secs=0", "--num_runs=5", "--min_secs=0"),
]


@pytest.mark.parametrize("throttled", [False, True])
@pytest.mark.parametrize("flags", CASES)
def test_the_truth_is_what_was_drawn(tmp_path: Path, flags: tuple[str, ...], throttled: bool) -> None:
    faults = (Throttling(),) if throttled else ()
    session = Session(tmp_path, SimulatedBoardSettings(faults=faults))
    session.benchmark(*flags, idle_s=1.3)
    truth = session.truth
    (begin_s, _), (end_s, _) = session.rail.edges("window")
    count = truth["inferences"]
    actual = truth["actual"]
    assert session.energy_j("window") / count == pytest.approx(actual["energy_gross_j"], rel=1e-9)
    assert (end_s - begin_s) / count == pytest.approx(actual["latency_s"], rel=1e-9)
    assert session.output.count == count
    assert session.output.avg_s == pytest.approx(actual["latency_s"], rel=1e-5, abs=1e-6 / count)
    gross_less_idle = actual["energy_gross_j"] - actual["power_idle_w"] * actual["latency_s"]
    assert gross_less_idle == pytest.approx(actual["energy_net_j"], rel=1e-9)
    if session.rail.edges("warmup"):
        assert session.energy_j("warmup") == pytest.approx(actual["energy_warmup_j"], rel=1e-9)
        assert session.rail.edges("warmup")[-1][0] <= begin_s


def test_an_inference_has_structure(session: Session) -> None:
    session.benchmark("--graph=ResNet50_PQ_128.tflite", "--use_nnapi=true", "--num_runs=5", "--min_secs=0")
    times_s, voltage_v, current_a = session.rail.segments()
    begin_s, end_s = (instant for instant, _ in session.rail.edges("window"))
    powers_w = (voltage_v * current_a)[(times_s[:-1] >= begin_s) & (times_s[1:] <= end_s)]
    assert powers_w.max() - powers_w.min() > 0.5


# -------------------------------------------------------------------------------------------------------- faults


def test_throttling_makes_inferences_slower_and_is_reported(tmp_path: Path) -> None:
    cool = Session(tmp_path)
    cool.benchmark(SMALL, "--min_secs=5")
    base = cool.truth
    hot = Session(tmp_path, SimulatedBoardSettings(faults=(Throttling(slowdown=2.0),)))
    result = hot.benchmark(SMALL, "--min_secs=5")
    ((code, detail),) = result.faults
    assert code == "throttled"
    assert "900 MHz" in detail
    truth = hot.truth
    assert truth["latency_s"] == base["latency_s"]
    assert 1.2 < truth["actual"]["latency_s"] / base["actual"]["latency_s"] < 2.0
    assert truth["actual"]["energy_gross_j"] > 1.1 * base["actual"]["energy_gross_j"]
    assert hot.output.max_s > 1.9 * hot.output.min_s


def test_throttling_hits_the_passes_it_names_as_often_as_it_says(tmp_path: Path) -> None:
    faults = (Throttling(probability=0.3, passes=("*.latency", "*.counters?"), slowdown=1.5),)
    session = Session(tmp_path, SimulatedBoardSettings(faults=faults))

    def hits(pass_id: str) -> int:
        flags = (SMALL, "--num_runs=10", "--min_secs=0", "--warmup_min_secs=0")
        return sum(bool(session.benchmark(*flags, seed=seed, pass_id=pass_id).faults) for seed in range(200))

    assert hits("t0001.energy") == 0
    assert 40 <= hits("t0001.latency") <= 80
    assert 40 <= hits("t0001.counters0") <= 80


def test_a_fault_that_does_not_hit_changes_nothing(tmp_path: Path) -> None:
    plain = Session(tmp_path)
    plain.benchmark(SMALL)
    text = plain.stdout
    spared = Session(tmp_path, SimulatedBoardSettings(faults=(Throttling(probability=0.0),)))
    assert spared.benchmark(SMALL).faults == ()
    assert spared.stdout == text


@pytest.mark.parametrize("wrong", [{"probability": 1.5}, {"probability": -0.1}, {"slowdown": 1.0}, {"slowdown": 0.5}])
def test_impossible_faults_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Throttling(**wrong)


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(UsageError, match="output_style"):
        SimulatedBoardSettings(output_style="loud")


def test_a_pass_costs_milliseconds(session: Session) -> None:
    began = time.perf_counter()
    for seed in range(10):
        session.benchmark(SMALL, "--use_nnapi=true", "--min_secs=10", seed=seed, idle_s=2.0)
    assert (time.perf_counter() - began) / 10 < 0.2
