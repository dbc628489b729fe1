"""All hdrnn programs, built once for all workers of a test run, and called through their launcher."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

WORKLOAD = Path(__file__).parents[2] / "workloads" / "hdrnn"
EIGEN = Path("/usr/include/eigen3/Eigen/Core")
PROGRAMS = ("c", "eigen", "numpy", "numpy-per-sample", "torch")

Done = subprocess.CompletedProcess[str]


def python() -> str:
    """The Python that runs the programs; ``HDRNN_PYTHON`` may name one that has PyTorch."""
    return os.environ.get("HDRNN_PYTHON") or sys.executable


@cache
def python_has(module: str) -> bool:
    done = subprocess.run([python(), "-c", f"import {module}"], capture_output=True, check=False)
    return done.returncode == 0


class Programs:
    """Calls programs by their names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def need(self, program: str) -> None:
        """Skip the test, with the reason, where the program cannot be had here."""
        if program == "eigen" and not EIGEN.is_file():
            pytest.skip("Eigen is not installed (Debian: apt install libeigen3-dev)")
        if program == "torch" and not python_has("torch"):
            pytest.skip("PyTorch is not installed (pip install '.[torch]', or HDRNN_PYTHON=/path/to/a/python with it)")

    def __call__(self, program: str, *arguments: object, env: dict[str, str] | None = None) -> Done:
        self.need(program)
        argv = [str(self.folder / "hdrnn"), program, *map(str, arguments)]
        environment = {**os.environ, "HDRNN_PYTHON": python(), **(env or {})}
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env=environment)

    def train(self, program: str, *arguments: object) -> str:
        """What a training that must succeed prints, as JSON."""
        done = self(program, "train", "--json", *arguments)
        assert (done.returncode, done.stderr) == (0, ""), (program, done.stderr)
        return done.stdout


def build_once(shared: Path) -> Path:
    """The folder with all programs, made by the first worker that comes here; the others wait for it."""
    folder = shared / "hdrnn_programs"
    with (shared / "hdrnn_programs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            # Optimised as little as lets the templates vanish, and without vectors in C: compiled, not raced, here.
            flags = ["CXXFLAGS=-O1", "CFLAGS=-O1", "FAST=-O1", "KERNELS="]
            options = [f"BUILD={folder}.part", f"PYTHON={sys.executable}", *flags]
            done = subprocess.run(
                ["make", "-s", "-j2", "-C", WORKLOAD, *options], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            assert not done.stderr, "the compiler warns"
            Path(f"{folder}.part").rename(folder)
    return folder
