"""The real command, as a person or a script starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "experiments" / "imx8_npu.yaml"
COMMANDS = (
    *("run", "check", "plan", "record", "measure", "replay", "resume", "process", "report", "figures", "show"),
    *("offload", "view", "export", "list", "board", "doctor", "schema", "import", "recover", "caches", "models"),
)


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as JSON without NaN or infinity."""

        def refused(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(self.out, parse_constant=refused)

    def complaint(self) -> list[str]:
        """The few clear lines of a command that failed; nothing of them may be a stack trace or on stdout."""
        lines = self.err.splitlines()
        assert "Traceback" not in self.err
        assert "defect" not in self.err
        assert 1 <= len(lines) <= 12, self.err
        return lines


Here = Callable[..., Done]
"""What the fixture ``here`` gives: the command, run in the test's own process."""


def lab(
    *arguments: str | Path, env: Mapping[str, str | None] | None = None, cwd: Path = ROOT, timeout_s: float = 120
) -> Done:
    """Run ``python -m lab``; in ``env``, ``None`` takes a variable away."""
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(
        [sys.executable, "-m", "lab", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={name: value for name, value in environment.items() if value is not None},
        timeout=timeout_s,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def lab_here(capsys: pytest.CaptureFixture[str]) -> Here:
    """The command in this very process."""

    def run(*arguments: str | Path) -> Done:
        capsys.readouterr()
        try:
            code = main([str(part) for part in arguments])
        except SystemExit as ended:  # argparse, for --help and for usage errors
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


def settings(overrides: Sequence[str]) -> list[str]:
    """Overrides as a command line has them."""
    return [part for override in overrides for part in ("--set", override)]


def only_record(records: Path) -> Path:
    """The one record in a folder of records."""
    (manifest,) = records.glob("*/*/manifest.json")
    return manifest.parent
