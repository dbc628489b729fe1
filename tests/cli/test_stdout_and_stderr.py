"""Results on stdout, progress and errors on stderr; a bar with the time left where somebody is looking."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

from campaigns import SHORT, SMALL
from failing_programs import write_shell_experiment
from lab_command import ROOT, STUDY, settings


def on_a_terminal(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the command with a pseudo-terminal as its stderr; exit code, stdout, and what the terminal showed."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def watch() -> None:
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                return
            if not piece:
                return
            shown.extend(piece)

    watcher = threading.Thread(target=watch)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=theirs,
            cwd=ROOT,
            text=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
        )
        os.close(theirs)
        watcher.start()
        out, _ = process.communicate(timeout=120)
        watcher.join(timeout=10)
    finally:
        os.close(ours)
    return process.returncode, out, shown.decode(errors="replace")


def plain(shown: str) -> str:
    """Without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_a_terminal_sees_a_bar_with_the_time_left(tmp_path: Path) -> None:
    small = settings((*SHORT, *SMALL, "repeats=3"))
    code, out, shown = on_a_terminal("run", STUDY, "--records", tmp_path, "--no-report", "--json", *small)
    assert code == 0
    assert json.loads(out)["state"] == "complete", "the bar does not disturb what a script reads"
    text = plain(shown)
    assert "imx8_npu on imx8mp_simulated (simulated board)" in text
    assert re.search(r"36 passes to do\b(?!, about)", text), "virtual time says nothing of how long it takes"
    assert re.search(r"\w+\.\w+ +MobileNet PQ 32", text), "whichever pass was on when the bar was drawn"
    assert re.search(r"━.* \d+/36 .*left +\d+:\d\d:\d\d", text)
    assert "36/36" in text


def test_a_terminal_is_told_of_failures(tmp_path: Path) -> None:
    experiment = write_shell_experiment(tmp_path)
    code, _, shown = on_a_terminal("run", experiment, "--records", tmp_path / "r", "--no-report")
    assert code == 5
    assert "t0003.latency failed: exit_nonzero" in plain(shown)


def test_a_terminal_can_be_left_alone(tmp_path: Path) -> None:
    experiment = write_shell_experiment(tmp_path)
    code, out, shown = on_a_terminal("run", experiment, "--records", tmp_path / "r", "--no-report", "--quiet")
    assert (code, shown) == (5, "")
    assert out.startswith("record ")


def test_errors_look_the_same_on_a_terminal(tmp_path: Path) -> None:
    code, out, shown = on_a_terminal("check", tmp_path / "none.yaml")
    assert (code, out) == (2, "")
    assert shown == f"{tmp_path / 'none.yaml'}: no such file\r\n"


def test_faults_alone_are_said_where_nobody_looks(tmp_path: Path) -> None:
    faulty = (*SHORT, *SMALL, "repeats=1", "bench:instruments.meter.faults=[{kind: drops}]")
    arguments = ["run", str(STUDY), "--records", str(tmp_path), "--no-report", *settings(faulty)]
    done = subprocess.run(
        [sys.executable, "-m", "lab", *arguments], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stderr == "3 passes carry faults (see the verdicts)\n"
