"""A shell script tells of benchmark_model's window by what the program prints."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from window_listener import Listener

from analysis.readers import benchmark_model
from lab.record.window_gate import LAB_WINDOW

SCRIPT = Path(__file__).parents[2] / "workloads" / "benchmark_model" / "tell_window.sh"
OUTPUTS = Path(__file__).parents[1] / "networks" / "benchmark_model_outputs"

PROGRAM = """\
#!/bin/sh
now() { date +%s%N; }
echo "{before}Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate ..."
sleep 0.1
echo "{before}count=1 curr=2000"
echo
now >begin
echo "{before}Running benchmark for at least 3 iterations and at least 1 seconds but terminate ..."
sleep 0.4
echo "{before}count=3 curr=133333(all same)" {where}
now >end
sleep 0.2
echo "{before}Inference timings in us: Init: 855, First inference: 2000, Warmup (avg): 2000, Inference (avg): 133333"
exit {status}
"""


def run(folder: Path, window: str | None, status: int = 0, **text: str) -> subprocess.CompletedProcess[str]:
    """The script around a program that prints what benchmark_model does."""
    program = folder / "benchmark_model"
    content = PROGRAM.replace("{status}", str(status)).replace("{before}", text.get("before", ""))
    program.write_text(content.replace("{where}", text.get("where", "")))
    program.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != LAB_WINDOW}
    if window is not None:
        environment[LAB_WINDOW] = window
    return subprocess.run(
        ["sh", SCRIPT, program, "--graph=a b.tflite"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(("before", "where"), [("", ""), ("INFO: ", ""), ("INFO: ", ">&2")])
def test_the_window_is_that_of_the_measured_inferences(tmp_path: Path, before: str, where: str) -> None:
    listener = Listener(tmp_path, (b"ack\n", b"ack\n"))
    done = run(tmp_path, "{},{}".format(*listener.paths), before=before, where=where)
    listener.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert [word for word, _ in listener.heard] == [b"enable\n", b"disable\n"]
    window_s = (listener.heard[1][1] - listener.heard[0][1]) * 1e-9
    truth_s = (int((tmp_path / "end").read_text()) - int((tmp_path / "begin").read_text())) * 1e-9
    assert window_s == pytest.approx(truth_s, abs=0.1), "neither the warm-up nor what follows"
    assert benchmark_model.read(done.stdout).count == 3


@pytest.mark.parametrize("status", [0, 1, 77, 139])
def test_its_status_is_the_programs(tmp_path: Path, status: int) -> None:
    done = run(tmp_path, None, status=status)
    assert done.returncode == status
    assert "tell_window" not in done.stdout


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(["sh", SCRIPT, tmp_path / "none"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 127


@pytest.mark.parametrize("name", [path.stem for path in sorted(OUTPUTS.glob("*.txt"))])
def test_output_goes_through_unchanged(name: str) -> None:
    done = subprocess.run(["sh", SCRIPT, "cat", OUTPUTS / f"{name}.txt"], capture_output=True, timeout=30, check=False)
    assert done.stdout == (OUTPUTS / f"{name}.txt").read_bytes()
