"""``run_network.py``: the study's networks in PyTorch, timed by the loop that times LiteRT's."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from litert_program import PROGRAM as LITERT_PROGRAM
from litert_program import Ran

from analysis.readers import litert as reader
from lab.networks.tables import INPUT_SIZES, load_network

PROGRAM = LITERT_PROGRAM.parents[1] / "torch" / "run_network.py"
PYTHON = os.environ.get("LAB_TORCH_PYTHON", sys.executable)
QUICK = ("--num_runs=2", "--min_secs=0", "--warmup_runs=1", "--warmup_min_secs=0", "--json")
NEEDS = "needs PyTorch: pip install '.[torch]', or name an interpreter that has it in LAB_TORCH_PYTHON"


@cache
def has_torch() -> bool:
    """Is it there; a run of the interpreter in question tells."""
    return run("--version").code == 0


def run(*flags: str) -> Ran:
    done = subprocess.run([PYTHON, PROGRAM, *flags], capture_output=True, text=True, timeout=300, check=False)
    return Ran(done.returncode, done.stdout, done.stderr, Path())


@pytest.fixture
def torch_there() -> None:
    if not has_torch():
        pytest.skip(NEEDS)


def test_a_network_must_be_named() -> None:
    ran = run("--network=VGG16")
    assert ran.code == 2
    assert ran.complaint == "run_network: the following arguments are required: --network, --input"


def test_without_pytorch_one_line_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-S", PROGRAM, "--network=VGG16", "--input=32"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"run_network: PyTorch is not installed for {sys.executable}; pip install torch\n"


@pytest.mark.usefixtures("torch_there")
def test_the_reader_takes_its_output(tmp_path: Path) -> None:
    ran = run("--network=MobileNet", "--input=32", "--num_threads=1", *QUICK)
    assert ran.code == 0, ran.err
    (tmp_path / "stdout.txt").write_text(ran.out)
    found = reader.read_output(tmp_path)
    assert (found.inferences, found.warmup_inferences, found.reasons) == (2, 1, ())
    assert ran.json["runtime"]["package"] == "torch"
    assert ran.json["device"] == "cpu"


@pytest.mark.usefixtures("torch_there")
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--network=VGG16", "--input=31"), "there is no network VGG16 31"),
        (("--network=VGG16", "--input=32", "--device=nowhere"), "--device=nowhere"),
        (("--network=VGG16", "--input=32", "--device=cuda:99"), "--device=cuda:99"),
    ],
)
def test_what_is_not_there_is_one_line(flags: tuple[str, ...], said: str) -> None:
    ran = run(*flags)
    assert ran.code == 2
    assert said in ran.complaint


@pytest.mark.slow
@pytest.mark.usefixtures("torch_there")
@pytest.mark.parametrize(("network", "size"), [(name, size) for name in INPUT_SIZES for size in INPUT_SIZES[name]])
def test_the_networks_are_those_of_keras_to_the_last_parameter(network: str, size: int) -> None:
    ran = run(f"--network={network}", f"--input={size}", *QUICK)
    assert ran.code == 0, ran.err
    assert ran.json["model_bytes"] == 4 * load_network(network, size).parameters
