"""Built programs and drawn digits, once for all tests of workloads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hdrnn_files import Hdrnn
from hdrnn_programs import Programs, build_once

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "workloads" / "hdrnn" / "c"
DRAW = REPOSITORY / "workloads" / "digits" / "draw_digits.py"


def build(folder: Path, *options: str) -> Path:
    done = subprocess.run(
        ["make", "-s", "-j2", "-C", SOURCE, f"BUILD={folder}", *options, "all", "selftest"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "the compiler warns"
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with hdrnn and hdrnn_selftest."""
    return build(tmp_path_factory.mktemp("hdrnn"))


@pytest.fixture(scope="session")
def checked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with address and undefined-behaviour checks, where the compiler has them; else without."""
    folder = tmp_path_factory.mktemp("sanitized")
    (folder / "try.c").write_text("int main(void) { return 0; }\n")
    flags = ["-fsanitize=address,undefined", "-o", folder / "try", folder / "try.c"]
    compiled = subprocess.run(["cc", *flags], capture_output=True, check=False).returncode == 0
    if compiled and subprocess.run([folder / "try"], capture_output=True, check=False).returncode == 0:
        return build(folder, "SANITIZE=1", "CFLAGS=-O1")
    return built


def caller(folder: Path) -> Hdrnn:
    def call(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        argv = [str(folder / "hdrnn"), *(str(argument) for argument in arguments)]
        return subprocess.run(argv, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)

    return call


@pytest.fixture(scope="session")
def hdrnn(built: Path) -> Hdrnn:
    """Runs hdrnn with some arguments."""
    return caller(built)


@pytest.fixture(scope="session")
def checked_hdrnn(checked: Path) -> Hdrnn:
    """Runs the hdrnn that watches its own memory."""
    return caller(checked)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn set of 3,000 training and 1,000 test images."""
    folder = tmp_path_factory.mktemp("digits")
    subprocess.run(
        [sys.executable, DRAW, "--out", folder, "--train", "3000", "--test", "1000"], check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """hdrnn in all languages, called through its launcher."""
    base = tmp_path_factory.getbasetemp()
    return Programs(build_once(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base))
