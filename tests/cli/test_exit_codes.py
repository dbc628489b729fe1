"""What goes wrong ends with the code that scripts act on, and with a few clear lines for the person who reads them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from failing_programs import write_shell_experiment
from lab_command import COMMANDS, ROOT, STUDY, Here, lab, only_record, settings

from lab.cli.main import COMMANDS as ALL_COMMANDS

BENCHES = ROOT / "experiments" / "benches"

FIVE_MISTAKES = """\
experiment: five
bench: bench.yaml
workload:
  kind: tflite_benchmark
  network: "{netwrk}"
  input: 32
factors:
  network: [MobileNet, VGG16]
exclude:
  - {network: VGG19}
repeats: three
passes:
  latncy: {runs: 50}
  energy: {duration: 10 sec, idle: 2 s}
"""


def test_no_command_is_forgotten_here() -> None:
    assert set(COMMANDS) == set(ALL_COMMANDS)


# ------------------------------------------------------------------------------------------ 2: usage, configuration


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["rum"],
        *([name, "--no-such-option"] for name in COMMANDS),
        *([name] for name in COMMANDS if name not in ("list", "doctor", "measure", "caches")),
        ["schema", "bank"],
        ["import", "joulescope"],
        ["show", "x", "--budget", "--faults"],
    ],
    ids=" ".join,
)
def test_usage(here: Here, arguments: list[str]) -> None:
    done = here(*arguments)
    assert (done.code, done.out) == (2, "")
    assert any(line.startswith("usage: lab") for line in done.complaint())


@pytest.mark.parametrize("command", ["run", "check", "plan"])
@pytest.mark.parametrize("what", ["missing", "a folder", "empty", "not text", "not YAML", "a list"])
def test_a_file_that_is_no_experiment(here: Here, tmp_path: Path, command: str, what: str) -> None:
    path = tmp_path / "x.yaml"
    contents = {"empty": b"", "not text": b"\xff\xfe\x00\x01", "not YAML": b"a: [1\nb: }", "a list": b"- 1\n- 2\n"}
    if what == "a folder":
        path.mkdir()
    elif what in contents:
        path.write_bytes(contents[what])
    done = here(command, path)
    assert (done.code, done.out) == (2, "")
    assert done.complaint()[0].startswith(f"{path}:")


@pytest.mark.parametrize("command", ["run", "check", "plan"])
def test_five_mistakes_at_once(here: Here, tmp_path: Path, command: str) -> None:
    (tmp_path / "five.yaml").write_text(FIVE_MISTAKES)
    (tmp_path / "bench.yaml").write_text((BENCHES / "imx8mp_simulated.yaml").read_text())
    done = here(command, tmp_path / "five.yaml")
    assert (done.code, done.out) == (2, "")
    places = [line.removeprefix(f"{tmp_path}/five.yaml:").split(":")[0] for line in done.complaint()]
    assert places == ["5", "10", "11", "13", "14"]
    assert "did you mean 'latency'?" in done.err


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("repeats", "write --set key=value"),
        ("repeats=zwei", "expected a whole number"),
        ("repeat=2", "did you mean 'repeats'?"),
        ("factors.netwrok=[VGG16]", "did you mean 'network'?"),
        ("factors.network=[VGG17]", "did you mean 'VGG16'?"),
        ("bench:instruments.perff=null", "did you mean 'perf'?"),
        ("passes.energy.duration=10 sec", "did you mean"),
    ],
)
def test_a_wrong_override(here: Here, override: str, hint: str) -> None:
    done = here("plan", STUDY, "--set", override)
    assert (done.code, done.out) == (2, "")
    assert hint in done.err
    assert len(done.complaint()) <= 2


def test_a_bench_that_is_missing(here: Here, tmp_path: Path) -> None:
    for bench in (tmp_path / "none.yaml", tmp_path):
        done = here("run", STUDY, "--bench", bench)
        assert (done.code, done.out) == (2, "")
        assert done.complaint()[0].startswith(f"{bench}:")
    assert here("doctor", "--bench", tmp_path / "none.yaml").code == 2


def test_records_that_cannot_be_written(tmp_path: Path) -> None:
    experiment = write_shell_experiment(tmp_path)
    done = lab("run", experiment, "--records", experiment)
    assert (done.code, done.out) == (2, "")
    assert "name another with --records" in done.complaint()[1]


@pytest.mark.parametrize("command", ["process", "report", "show", "resume"])
def test_no_such_record(here: Here, tmp_path: Path, command: str) -> None:
    done = here(command, "nothing", "--records", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.complaint()[1].strip() == "`lab list` shows the records there are"


def test_resuming_what_is_complete(sealed: Path) -> None:
    done = lab("resume", sealed)
    assert (done.code, done.out) == (2, "")
    assert "nothing is missing" in done.complaint()[0]


# ------------------------------------------------------------------------------------------------- 3: hardware, board


def test_a_board_this_version_cannot_drive(here: Here, tmp_path: Path) -> None:
    bench = BENCHES / "imx8mp_js220.yaml"
    done = here("run", STUDY, "--records", tmp_path / "r", "--bench", bench)
    assert (done.code, done.out) == (3, "")
    assert done.complaint()[0].startswith("lab: ")
    assert not (tmp_path / "r").exists(), "what cannot begin leaves no record"
    done = here("doctor", "--bench", bench)
    assert (done.code, done.err) == (3, "")
    assert "✗  bench" in done.out


def test_a_tool_that_is_missing(tmp_path: Path) -> None:
    bench = "bench: here\nboard: {kind: local}\ninstruments:\n  counts: {kind: counters, core: generic}\n"
    experiment = write_shell_experiment(tmp_path, bench=bench)
    nothing = tmp_path / "bin"
    nothing.mkdir()
    done = lab("run", experiment, "--records", tmp_path / "r", env={"PATH": str(nothing)})
    assert (done.code, done.out) == (3, "")
    first, second = done.complaint()
    assert first.startswith("lab: counts: no events can be counted")
    assert "install perf" in second
    assert "--set bench:instruments.counts=null" in second
    assert not (tmp_path / "r").exists()


def test_doing_without_an_instrument(here: Here) -> None:
    done = here("plan", STUDY, "--set", "bench:instruments.perf=null")
    assert done.code == 0
    assert "not to be had on this bench: instructions (no_counter_source)" in done.out


# ----------------------------------------------------------------------------------------------------------- 5: partial


def test_a_program_that_fails(tmp_path: Path) -> None:
    experiment = write_shell_experiment(tmp_path)
    done = lab("run", experiment, "--records", tmp_path / "r", "--no-report")
    assert done.code == 5
    assert done.complaint() == ["t0003.latency failed: exit_nonzero", "t0004.latency failed: exit_nonzero"]
    root = only_record(tmp_path / "r")
    assert "partial" in done.out
    assert f"2 passes: `lab resume {root}`" in done.out
    assert (root / "output" / "t0003.latency" / "stderr.txt").read_text() == "out of luck\n"
    results = pd.read_csv(root / "results.csv").set_index("trial_id")
    assert set(results.loc[["t0001", "t0002"], "verdict"]) == {"valid"}
    assert set(results.loc[["t0003", "t0004"], "reasons"]) == {"exit_nonzero"}
    points = pd.read_csv(root / "summary.csv").set_index("label")
    assert points.loc["exit 0", "value"].notna().all()
    assert points.loc["echo 'out of luck' >&2; exit 3", "value"].isna().all(), "what failed is no result"
    assert lab("process", root, "--no-report").code == 5
    assert lab("show", root).code == 0
    assert "exit status 3" in lab("show", root, "--faults").out


def test_a_failing_program_can_be_mended_and_resumed(tmp_path: Path) -> None:
    experiment = write_shell_experiment(tmp_path)
    flag = tmp_path / "flag"
    script = settings([f"factors.script=['test -e {flag}']", "repeats=1"])
    done = lab("run", experiment, "--records", tmp_path / "r", "--no-report", *script)
    assert done.code == 5
    assert "1 pass:" in done.out
    flag.touch()
    again = lab("resume", only_record(tmp_path / "r"), "--no-report")
    assert (again.code, again.err) == (0, "")
    assert "complete" in again.out


def test_many_failures_are_not_told_one_by_one(tmp_path: Path) -> None:
    experiment = write_shell_experiment(tmp_path)
    many = settings(["factors.script=['false']", "repeats=40"])
    done = lab("run", experiment, "--records", tmp_path / "r", "--no-report", *many)
    assert done.code == 5
    assert done.complaint()[-1] == "… and 35 more passes failed"


def test_a_program_past_its_deadline(tmp_path: Path) -> None:
    experiment = write_shell_experiment(tmp_path)
    slow = settings(["factors.script=['sleep 60']", "repeats=1", "deadline=500 ms"])
    done = lab("run", experiment, "--records", tmp_path / "r", "--no-report", *slow)
    assert done.code == 5
    assert done.complaint() == ["t0001.latency failed: deadline"]
    assert set(pd.read_csv(only_record(tmp_path / "r") / "results.csv")["reasons"]) == {"deadline"}


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    experiment = write_shell_experiment(tmp_path)
    command = settings(["workload.command=[no-such-program, '{script}']", "repeats=1"])
    done = lab("run", experiment, "--records", tmp_path / "r", "--no-report", *command)
    assert done.code == 5
    assert len(done.complaint()) == 2


def test_a_quiet_run_is_quiet(tmp_path: Path) -> None:
    done = lab("run", write_shell_experiment(tmp_path), "--records", tmp_path / "r", "--no-report", "--quiet")
    assert (done.code, done.err) == (5, "")


# ----------------------------------------------------------------------------------------------------- 130: interrupted


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path: Path, how: signal.Signals) -> None:
    experiment = write_shell_experiment(tmp_path)
    script = settings([f"factors.script=['touch {tmp_path}/begun; exec sleep 60']", "repeats=1"])
    arguments = ["run", str(experiment), "--records", str(tmp_path / "r"), "--no-report", *script]
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    limit = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(process.pid, how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == f"interrupted; `lab resume {only_record(tmp_path / 'r')}` goes on\n"
