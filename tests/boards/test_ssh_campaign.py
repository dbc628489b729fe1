"""A whole campaign on a board behind real SSH whose link is cut in the middle of a pass: what the command says, what
the record holds, and what is left on the board."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from loopback_sshd import HOST, NEEDS_NAMESPACES, LoopbackSshd

from lab.record.documents import Fault, PassBegin
from lab.record.reader import Record

SLEEPER = "sleep 4331"
"""What the program does in the attempt that is cut; nothing else here sleeps so long."""

EXPERIMENT = """\
experiment: cut
bench: bench.yaml
workload:
  kind: program
  source: program
  command: [sh, "{{source}}/answer.sh"]
  reader: none
  per: process
passes:
  latency: {{}}
  counters: {{events: [page-faults]}}
repeats: 2
order: as_written
on_link_loss: {policy}
"""
BENCH = """\
bench: far
board: {{kind: ssh, host: {host}, ssh_config: {config}, workdir: {workdir}, silence: 3 s, reconnect_for: 30 s}}
instruments:
  resources: {{kind: process_resources}}
  counts: {{kind: counters, core: generic, by: agent}}
"""


def sleepers() -> list[str]:
    return subprocess.run(["pgrep", "-f", f"^{SLEEPER}$"], capture_output=True, text=True, check=False).stdout.split()


@pytest.fixture
def campaign(
    tmp_path: Path, agent_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[LoopbackSshd, str, Callable[[], object]], tuple[int, dict[str, object], str]]]:
    """Runs the experiment; the first attempt at its first pass sleeps until its link is cut."""
    monkeypatch.setenv("LAB_CACHE", str(agent_cache))
    program = tmp_path / "program"
    program.mkdir()
    once = tmp_path / "once"
    (program / "answer.sh").write_text(f"if mkdir '{once}' 2>/dev/null; then {SLEEPER}; fi\necho 42\n")

    def run(server: LoopbackSshd, policy: str, cut: Callable[[], object]) -> tuple[int, dict[str, object], str]:
        (tmp_path / "experiment.yaml").write_text(EXPERIMENT.format(policy=policy))
        bench = BENCH.format(host=HOST, config=server.ssh_config, workdir=tmp_path / "on_board")
        (tmp_path / "bench.yaml").write_text(bench)
        arguments = ["run", tmp_path / "experiment.yaml", "--records", tmp_path / "records", "--json", "--no-report"]
        thread = threading.Thread(target=_when_it_sleeps, args=(cut,))
        thread.start()
        done = subprocess.run(
            [sys.executable, "-m", "lab", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        thread.join()
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    yield run
    assert not sleepers(), "what was left running is ended by whoever reconnects"
    assert not list(tmp_path.glob("on_board/*")), "nothing stays on the board"


def _when_it_sleeps(cut: Callable[[], object]) -> None:
    end_s = time.monotonic() + 60.0
    while not sleepers() and time.monotonic() < end_s:
        time.sleep(0.05)
    cut()


def attempts(record: Record) -> list[tuple[str, int]]:
    return [(item.pass_id, item.attempt) for item in record.documents if isinstance(item, PassBegin)]


def lost(record: Record) -> list[tuple[str | None, int]]:
    found = [item for item in record.documents if isinstance(item, Fault) and item.code == "link_lost"]
    return [(item.pass_id, item.attempt) for item in found]


def check_repeated(said: dict[str, object]) -> None:
    """The campaign is whole; the attempt that was cut is there, and counts for nothing."""
    assert said["state"] == "complete"
    record = Record.open(Path(str(said["record"])))
    assert attempts(record)[:2] == [("t0001.latency", 1), ("t0001.latency", 2)]
    assert lost(record) == [("t0001.latency", 1)]
    assert all(data.end.state == "done" for data in record.passes().values())
    results = pd.read_csv(record.root / "results.csv")
    for quantity in ("elapsed_s", "page-faults"):
        rows = results[results["quantity"] == quantity]
        assert len(rows) == 2
        assert set(rows["verdict"]) == {"valid"}, rows["reasons"].tolist()
    assert (results.loc[results["quantity"] == "elapsed_s", "value"] < 60.0).all(), "not the one that slept"


def test_the_connection_is_killed_in_the_middle_of_a_pass(
    campaign: Callable[..., tuple[int, dict[str, object], str]], sshd: LoopbackSshd
) -> None:
    code, said, errors = campaign(sshd, "repeat", sshd.cut)
    assert code == 0, errors
    check_repeated(said)


@NEEDS_NAMESPACES
def test_the_cable_is_pulled_in_the_middle_of_a_pass_and_put_back(
    campaign: Callable[..., tuple[int, dict[str, object], str]],
    far_sshd: tuple[LoopbackSshd, Callable[[str], None]],
) -> None:
    server, cable = far_sshd

    def pull() -> None:
        cable("down")
        time.sleep(6.0)
        cable("up")

    code, said, errors = campaign(server, "repeat", pull)
    assert code == 0, errors
    check_repeated(said)


@pytest.mark.parametrize(
    ("policy", "code", "state", "passes"), [("go_on", 5, "partial", 4), ("stop", 3, "interrupted", 1)]
)
def test_what_the_experiment_says_is_done(
    campaign: Callable[..., tuple[int, dict[str, object], str]],
    sshd: LoopbackSshd,
    tmp_path: Path,
    policy: str,
    code: int,
    state: str,
    passes: int,
) -> None:
    ended, _, errors = campaign(sshd, policy, sshd.cut)
    assert ended == code, errors
    root = next((tmp_path / "records" / "cut").iterdir())
    record = Record.open(root)
    assert record.manifest["state"] == state
    assert len(attempts(record)) == passes
    assert lost(record) == [("t0001.latency", 1)]
    assert "t0001.latency" in record.missing_passes()
    again = subprocess.run(
        [sys.executable, "-m", "lab", "resume", str(root), "--json", "--no-report"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ.copy(),
    )
    assert again.returncode == 0, again.stderr
    assert not Record.open(root).missing_passes()
