"""hdrnn says when its epochs begin and end, to whoever listens, and waits until they are ready; never for ever."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from window_listener import Listener

from analysis.board_marks import read_board_marks
from lab.record.host_clock import host_ns
from lab.record.window_gate import LAB_WINDOW

Training = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def train(checked: Path, digits: Path, tmp_path: Path) -> Training:
    """Runs one short epoch with an environment."""

    def call(**env: str) -> subprocess.CompletedProcess[str]:
        argv = [checked / "hdrnn", "train", "-s", "4", "-e", "1", "--split", "200/50", "--data", digits]
        return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=60, cwd=tmp_path, check=False)

    return call


@pytest.mark.parametrize("answer", [b"ack\n", b"ack\n\0", b"\0ack\n"], ids=["agent", "perf", "either"])
def test_its_epochs_lie_between_the_answers(train: Training, tmp_path: Path, answer: bytes) -> None:
    listener = Listener(tmp_path, (answer, answer), late_s=0.05)
    done = train(**{LAB_WINDOW: "{},{}".format(*listener.paths), "LAB_MARKS": "marks"})
    ended_ns = host_ns()
    listener.close()
    assert (done.returncode, done.stderr) == (0, "")
    (first, enabled_ns), (last, disabled_ns) = listener.heard
    assert (first, last) == (b"enable\n", b"disable\n")
    begin, end = read_board_marks(tmp_path / "marks").marks
    assert enabled_ns < begin.ns < end.ns < disabled_ns - 0.05e9 + 1e6 < ended_ns


def test_without_the_variable_nothing_is_said(train: Training) -> None:
    for env in ({}, {LAB_WINDOW: ""}):
        assert train(**env).returncode == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("control", "expected the paths of two pipes"),
        ("none,none", "none: No such file"),
        ("control,acknowledge", "control: nobody listens"),
    ],
)
def test_nobody_there_is_told_before_the_training(train: Training, tmp_path: Path, value: str, said: str) -> None:
    os.mkfifo(tmp_path / "control")
    os.mkfifo(tmp_path / "acknowledge")
    done = train(**{LAB_WINDOW: value, "LAB_MARKS": "marks"})
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert not (tmp_path / "marks").exists()


@pytest.mark.parametrize("answers", [(b"nack\n",), (b"x" * 3000 + b"\n",), (b"ack\n", b"what?\n")])
def test_another_answer_is_an_error(train: Training, tmp_path: Path, answers: tuple[bytes, ...]) -> None:
    listener = Listener(tmp_path, answers)
    done = train(**{LAB_WINDOW: "{},{}".format(*listener.paths)})
    listener.close()
    assert done.returncode == 1
    assert "the answer was not understood" in done.stderr


def test_a_shell_script_can_listen(train: Training, tmp_path: Path) -> None:
    """One that opens the second pipe only to answer, as `echo` does."""
    for name in ("control", "acknowledge"):
        os.mkfifo(tmp_path / name)
    script = "exec 3<>control; for i in 1 2; do read -r word <&3; echo $word; sleep 0.1; echo ack >acknowledge; done"
    with subprocess.Popen(["sh", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as shell:
        time.sleep(0.1)
        done = train(**{LAB_WINDOW: "control,acknowledge"})
        assert done.returncode == 0, done.stderr
        assert shell.communicate(timeout=10)[0] == "enable\ndisable\n"


@pytest.mark.slow
def test_it_does_not_wait_for_ever(train: Training, tmp_path: Path) -> None:
    listener = Listener(tmp_path, ())
    begin = time.monotonic()
    done = train(**{LAB_WINDOW: "{},{}".format(*listener.paths)})
    assert 10.0 <= time.monotonic() - begin < 15.0
    listener.close()
    assert done.returncode == 1
    assert "no answer within 10 s" in done.stderr
