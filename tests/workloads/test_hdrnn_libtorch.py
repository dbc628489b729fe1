"""The LibTorch program, built from what the Python package torch brings along, learns what the others learn."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import read_network
from hdrnn_programs import WORKLOAD, Programs, python


@pytest.mark.slow
def test_same_weights_as_in_c(programs: Programs, digits: Path, tmp_path: Path) -> None:
    """In either precision, with a smaller last batch; and no number is told as everywhere."""
    programs.need("torch")
    find = [python(), "-c", "import torch; print(torch.__path__[0])"]
    torch = subprocess.run(find, capture_output=True, text=True, check=True).stdout.strip()
    if not (Path(torch) / "include" / "torch").is_dir():
        pytest.skip(f"{torch} brings no headers along")
    options = [f"BUILD={tmp_path}/build", f"LIBTORCH={torch}", "CXXFLAGS=-O1", "CFLAGS=-O1", "FAST=-O1"]
    subprocess.run(["make", "-s", "-C", WORKLOAD, *options, "launcher", "libtorch"], check=True, capture_output=True)
    libtorch = Programs(tmp_path / "build")
    for precision, bound in (("float32", 2e-5), ("float64", 2e-13)):
        arguments = ["--data", digits, "--train-limit", 400, "-s", "16,12", "-bs", 7, "-e", 2, "--precision", precision]
        libtorch.train("libtorch", *arguments, "-n", tmp_path / "libtorch.nn")
        programs.train("c", *arguments, "-n", tmp_path / "c.nn")
        pairs = zip(read_network(tmp_path / "libtorch.nn"), read_network(tmp_path / "c.nn"), strict=True)
        assert max(float(np.abs(a - b).max()) for pair in pairs for a, b in zip(*pair, strict=True)) <= bound
    image = ["-i", digits / "t10k-images-idx3-ubyte", "--index", 3, "-n", tmp_path / "c.nn"]
    assert libtorch("libtorch", "infer", *image).stdout == programs("c", "infer", *image).stdout
    assert libtorch("libtorch", "train", "-lr", "x").stderr == "hdrnn: -lr x: expected a number above 0\n"
