"""Kill the process at any instant: `lab resume` finishes the campaign, and its results are those of an undisturbed
one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from campaigns import ROOT, SHORT, SMALL, STUDY, as_arguments

from lab.record.manifest import read_manifest
from lab.record.reader import Record

OVERRIDES = (*SHORT, *SMALL, "repeats=6", "seed=11")


def lab(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "lab", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def only_record(records: Path) -> Path:
    (manifest,) = records.glob("*/*/manifest.json")
    return manifest.parent


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    records = tmp_path_factory.mktemp("undisturbed")
    lab("run", str(STUDY), "--records", str(records), "--no-report", *as_arguments(OVERRIDES))
    return (only_record(records) / "results.csv").read_bytes()


def start_and_stop(records: Path, when: Callable[[Path], bool], how: signal.Signals) -> int:
    """Start a campaign, send it a signal when its record says so; its exit status."""
    arguments = ["run", str(STUDY), "--records", str(records), "--no-report", *as_arguments(OVERRIDES)]
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if any(when(log) for log in records.glob("*/*/events.jsonl")):
            process.send_signal(how)
            break
    return process.wait(timeout=60)


@pytest.mark.parametrize("documents", [1, pytest.param(40, marks=pytest.mark.slow), 333])
def test_a_killed_campaign_is_finished_with_the_same_results(
    tmp_path: Path, documents: int, undisturbed: bytes
) -> None:
    def reached(log: Path) -> bool:
        return log.read_bytes().count(b"\n") >= documents

    status = start_and_stop(tmp_path, reached, signal.SIGKILL)
    root = only_record(tmp_path)
    assert status == -signal.SIGKILL, "the campaign ended before it was killed"
    assert read_manifest(root)["state"] == "running"
    missing = Record.open(root).missing_passes()
    assert missing

    lab("resume", str(root), "--no-report")
    record = Record.open(root)
    assert record.manifest["state"] == "complete"
    assert record.missing_passes() == []
    assert record.verify() == []
    assert (root / "results.csv").read_bytes() == undisturbed


def test_a_torn_last_line_does_no_harm(tmp_path: Path, undisturbed: bytes) -> None:
    def in_an_energy_pass(log: Path) -> bool:
        return log.read_bytes().count(b'"window_end"') >= 2

    start_and_stop(tmp_path, in_an_energy_pass, signal.SIGKILL)
    root = only_record(tmp_path)
    with (root / "events.jsonl").open("ab") as log:
        log.write(b'{"doc":"pass_end","pass_id":"t0001.en')
    lab("resume", str(root), "--no-report")
    assert (root / "results.csv").read_bytes() == undisturbed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_campaign_says_how_to_go_on_and_is_sealed(
    tmp_path: Path, how: signal.Signals, undisturbed: bytes
) -> None:
    status = start_and_stop(tmp_path, lambda log: log.read_bytes().count(b"\n") >= 100, how)
    assert status == 130
    root = only_record(tmp_path)
    record = Record.open(root)
    assert record.manifest["state"] == "interrupted"
    assert record.verify() == []
    assert pd.read_csv(root / "results.csv")["reasons"].str.contains("pass_missing").any()

    lab("resume", str(root), "--no-report")
    assert (root / "results.csv").read_bytes() == undisturbed


def test_resuming_a_complete_campaign_is_an_error_that_says_so(tmp_path: Path) -> None:
    lab("run", str(STUDY), "--records", str(tmp_path), "--no-report", *as_arguments((*SHORT, *SMALL, "repeats=1")))
    done = lab("resume", str(only_record(tmp_path)), check=False)
    assert done.returncode == 2
    assert "nothing is missing" in done.stderr


def test_a_running_campaign_is_not_resumed_beside_itself(tmp_path: Path) -> None:
    arguments = ["run", str(STUDY), "--records", str(tmp_path), "--no-report", *as_arguments(OVERRIDES)]
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/*/manifest.json")) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGSTOP)
        done = lab("resume", str(only_record(tmp_path)), check=False)
        assert done.returncode == 2
        assert "still running" in done.stderr
    finally:
        process.kill()
        process.wait()
