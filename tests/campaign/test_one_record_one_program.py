"""A record holds the passes of one program: what changed since the campaign began is not mixed into it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from campaigns import ROOT

from lab.errors import UsageError
from lab.experiment.load import load_experiment
from lab.record.manifest import read_manifest, write_manifest
from lab.runner.progress import Silent
from lab.runner.session import resume, start

EXPERIMENT = """\
experiment: answer
bench: bench.yaml
workload:
  kind: program
  source: program
  build: [cp, "{source}/answer.sh", "{build}/answer.sh"]
  command: [sh, "{build}/answer.sh"]
  reader: none
  per: process
passes: {latency: {}}
repeats: 2
"""
BENCH = """\
bench: here
board: {kind: local}
instruments:
  resources: {kind: process_resources}
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "answer.sh").write_text("exit 1\n")
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    (tmp_path / "bench.yaml").write_text(BENCH)
    return tmp_path / "experiment.yaml"


def test_a_program_that_changed_is_refused_on_resume(experiment: Path, tmp_path: Path) -> None:
    finished = start(load_experiment(experiment), tmp_path / "records", tmp_path / "cache", Silent())
    assert finished.outcome.state == "partial"
    (tmp_path / "program" / "answer.sh").write_text("exit 0\n")
    with pytest.raises(UsageError, match="the program changed since the campaign began"):
        resume(finished.root, tmp_path / "cache", Silent())


def test_inputs_that_a_killed_campaign_had_not_kept_yet_are_kept_on_resume(tmp_path: Path) -> None:
    small = ("factors.network=[MobileNet]", "factors.input=[32]", "factors.platform=[NPU]", "repeats=1")
    study = load_experiment(ROOT / "experiments" / "imx8_npu.yaml", small)
    finished = start(study, tmp_path / "records", tmp_path / "cache", Silent())
    # As a process leaves it that is killed right after its manifest was written.
    manifest = read_manifest(finished.root)
    write_manifest(finished.root, {**manifest, "state": "running", "files": {}})
    for name in ("inputs", "output", "traces"):
        shutil.rmtree(finished.root / name)
    (finished.root / "events.jsonl").write_bytes(b"")

    resumed = resume(finished.root, tmp_path / "cache", Silent())
    assert resumed.outcome.state == "complete"
    assert (resumed.root / "inputs" / "networks.json").is_file()
