"""``workloads/litert/run_model.py``, run as a program of its own: on a stand-in for LiteRT, or on the real one."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

PROGRAM = Path(__file__).parents[2] / "workloads" / "litert" / "run_model.py"
FAKE = Path(__file__).parent / "fake_litert"
NEEDS_LITERT = "needs LiteRT: pip install '.[tflite]'"

MODEL = b"\x1c\x00\x00\x00TFL3" + bytes(64)
"""What the program takes for a .tflite file before LiteRT looks at it."""


def has_litert() -> bool:
    """Is the real package here?"""
    return importlib.util.find_spec("ai_edge_litert") is not None


def module(name: str = "measuring") -> ModuleType:
    """One of the program's modules."""
    sys.path.insert(0, str(PROGRAM.parent))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(PROGRAM.parent))


@dataclass(frozen=True)
class Ran:
    """One run of the program."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def json(self) -> dict[str, Any]:
        """The last line's object."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found

    @property
    def diary(self) -> list[dict[str, Any]]:
        """What the stand-in was asked."""
        path = self.folder / "diary"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def complaint(self) -> str:
        """The one line on standard error."""
        (line,) = self.err.splitlines()
        return line


def fake_environment(folder: Path, **settings: Any) -> dict[str, str]:
    """What makes a Python program find the stand-in, with these settings."""
    return {
        "PYTHONPATH": str(FAKE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FAKE_LITERT": json.dumps({"diary": str(folder / "diary"), **settings}),
    }


def run_fake(folder: Path, *flags: str, env: dict[str, str] | None = None, **settings: Any) -> Ran:
    """Run it with the stand-in on a model in the folder, which is made where there is none."""
    model = folder / "model.tflite"
    if not model.exists():
        model.write_bytes(MODEL)
    named = () if any(flag.startswith("--graph") for flag in flags) else (f"--graph={model}",)
    return run((*named, *flags), folder, {**fake_environment(folder, **settings), **(env or {})})


def run(flags: tuple[str, ...], folder: Path, env: dict[str, str]) -> Ran:
    """Run it with an environment."""
    done = subprocess.run(
        [sys.executable, PROGRAM, *flags],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        cwd=folder,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr, folder)
