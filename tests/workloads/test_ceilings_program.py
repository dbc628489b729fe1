"""The program that measures a machine's ceilings: what it prints is part of a bench file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lab.bench.board_base import BoardModel

SOURCE = Path(__file__).parents[2] / "workloads" / "ceilings"

pytestmark = pytest.mark.skipif(shutil.which("cc") is None or shutil.which("make") is None, reason="no C compiler here")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ceilings")
    done = subprocess.run(
        ["make", "-s", "-C", SOURCE, f"BUILD={folder}"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "the compiler warns"
    return folder / "ceilings"


def test_what_it_prints_is_part_of_a_bench_file(program: Path) -> None:
    done = subprocess.run([program, "1"], capture_output=True, text=True, check=True, timeout=120)
    board = BoardModel.model_validate(YAML(typ="safe").load(done.stdout))
    assert [(item.threads, item.element, item.source) for item in board.ceilings] == [
        (1, "float32", "measured"),
        (1, "int8", "measured"),
    ]
    # A computer of this century, and not beyond the next.
    assert all(1e7 < item.mac_per_s < 1e13 and 1e7 < item.bytes_per_s < 1e13 for item in board.ceilings)


@pytest.mark.parametrize("wrong", ["0", "x", "300", "-1"])
def test_a_number_of_threads_that_cannot_be(program: Path, wrong: str) -> None:
    done = subprocess.run([program, wrong], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "usage: ceilings" in done.stderr
