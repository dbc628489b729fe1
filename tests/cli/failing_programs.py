"""An experiment on this machine whose program does what the test wants, without building anything."""

from __future__ import annotations

from pathlib import Path

EXPERIMENT = """\
experiment: shell
title: What a shell script costs
bench: here.yaml
workload:
  kind: program
  source: .
  command: ["sh", "-c", "{script}"]
  reader: none
  per: process
factors:
  script: ["exit 0", "echo 'out of luck' >&2; exit 3"]
repeats: 2
order: as_written
passes:
  latency: {runs: 1}
deadline: 20 s
"""

BENCH = """\
bench: here
board: {kind: local}
instruments:
  resources: {kind: process_resources}
"""


def write_shell_experiment(folder: Path, experiment: str = EXPERIMENT, bench: str = BENCH) -> Path:
    """The experiment's file, its bench beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "here.yaml").write_text(bench)
    path = folder / "shell.yaml"
    path.write_text(experiment)
    return path
