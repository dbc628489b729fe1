"""The Eigen program elsewhere: left out where Eigen is absent, built for boards, watched by the sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import read_network
from hdrnn_programs import WORKLOAD, Programs

from instruments.tcg.emulator import Emulator
from lab.errors import UsageError
from lab.toolchains import toolchain

CORES = {"aarch64": Emulator("aarch64", "cortex-a53"), "armv7l": Emulator("armv7l", "cortex-a9")}


def test_where_eigen_or_a_compiler_is_absent_it_is_left_out_and_said(programs: Programs, tmp_path: Path) -> None:
    """The other programs are built all the same."""
    make = ["make", "-s", "-C", WORKLOAD, f"BUILD={programs.folder}", f"EIGEN={tmp_path}", "CFLAGS=-O1", "FAST=-O1"]
    done = subprocess.run([*make, "eigen"], capture_output=True, text=True, check=True)
    assert f"no {tmp_path}/Eigen/Core: the Eigen program is left out" in done.stdout
    (tmp_path / "Eigen").mkdir()
    (tmp_path / "Eigen" / "Core").touch()
    done = subprocess.run([*make, "eigen", "CXX=no-such-compiler"], capture_output=True, text=True, check=True)
    assert "no-such-compiler is not installed: the Eigen program is left out" in done.stdout


def largest_difference(one: Path, other: Path) -> float:
    layers = zip(read_network(one), read_network(other), strict=True)
    return max(float(np.abs(a - b).max()) for pair in layers for a, b in zip(*pair, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("machine", CORES)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_built_for_boards_it_learns_the_same(
    programs: Programs, digits: Path, tmp_path: Path, machine: str, precision: str
) -> None:
    """Up to rounding: the vectors of other processors are of other widths."""
    programs.need("eigen")
    try:
        tools = toolchain(machine)
        subprocess.run([CORES[machine].program, "--version"], capture_output=True, check=True)
    except (UsageError, FileNotFoundError) as error:
        pytest.skip(f"{error} (make emulators)")
    flags = [f"CC={tools.cc}", f"CXX={tools.cxx}", f"BUILD={tmp_path}/build", "CXXFLAGS=-O1", "CFLAGS=-O1"]
    flags += [f"LDFLAGS={' '.join(tools.ldflags)} -static"]
    subprocess.run(["make", "-s", "-C", WORKLOAD, *flags, "eigen"], check=True, capture_output=True)
    arguments = ["train", "-q", "--data", digits, "--train-limit", 300, "--test-limit", 50, "-s", "16,8", "-e", 2]
    arguments += ["--precision", precision]
    there = [*CORES[machine].command, tmp_path / "build" / "eigen" / "hdrnn", *map(str, arguments)]
    subprocess.run([*there, "-n", tmp_path / "there.nn"], check=True, capture_output=True)
    programs("eigen", *arguments, "-n", tmp_path / "here.nn")
    bound = {"float32": 2e-5, "float64": 2e-13}[precision]
    assert largest_difference(tmp_path / "here.nn", tmp_path / "there.nn") <= bound


@pytest.mark.slow
def test_nothing_is_touched_that_is_not_its_own(programs: Programs, digits: Path, tmp_path: Path) -> None:
    """With address and undefined-behaviour checks, in batches smaller and larger than go through at once."""
    programs.need("eigen")
    flags = [f"BUILD={tmp_path}/build", "SANITIZE=1", "CXXFLAGS=-O1", "CFLAGS=-O1", "FAST=-O1"]
    subprocess.run(["make", "-s", "-C", WORKLOAD, *flags, "eigen"], check=True, capture_output=True)
    for batch, precision in ((7, "float32"), (150, "float64")):
        argv = [tmp_path / "build" / "eigen" / "hdrnn", "train", "-q", "--data", digits, "--train-limit", "200"]
        argv += ["-bs", str(batch), "--precision", precision, "-s", "9,5", "-e", "1", "-n", tmp_path / "x.nn"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    image = ["-i", digits / "t10k-images-idx3-ubyte", "-n", tmp_path / "x.nn"]
    done = subprocess.run([argv[0], "infer", *image], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
