"""hdrnn by a TFLite model's training signature: the same weights as the others, and no model is told in one line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import read_network
from hdrnn_programs import Programs, python, python_has


@pytest.fixture
def litert() -> None:
    if not python_has("ai_edge_litert"):
        pytest.skip("LiteRT is not installed (pip install '.[tflite]')")


@pytest.mark.usefixtures("litert")
def test_what_it_cannot_do_is_told_in_one_line(programs: Programs, digits: Path, tmp_path: Path) -> None:
    arguments = ["train", "--data", digits, "--train-limit", 20, "-e", 1, "-s", 3]
    env = {"HDRNN_TFLITE": str(tmp_path)}
    done = programs("tflite", *arguments, "--precision", "float64", env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "hdrnn: --precision float64: TFLite's operations are there in float32 alone\n"
    (tmp_path / "784-3-10.batch10.tflite").write_bytes(b"TFL3 but nothing else")
    done = programs("tflite", *arguments, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"hdrnn: {tmp_path}/784-3-10.batch10.tflite: LiteRT does not take this model\n"
    if not python_has("tensorflow"):
        done = programs("tflite", *arguments, "-bs", 9, env=env)
        assert (done.returncode, done.stdout) == (2, "")
        assert "784-3-10.batch9.tflite: no such model, and TensorFlow, which makes it, is not installed" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("litert")
def test_same_weights_as_the_others(programs: Programs, digits: Path, tmp_path: Path) -> None:
    """Two epochs on 400 images in batches of 7: the last one is smaller than the model's."""
    maker = os.environ.get("TENSORFLOW_PYTHON") or python()
    if subprocess.run([maker, "-c", "import tensorflow"], capture_output=True, check=False).returncode != 0:
        pytest.skip(
            "TensorFlow is not installed (pip install '.[keras]', or TENSORFLOW_PYTHON=/path/to/a/python with it)"
        )
    script = Path(__file__).parents[2] / "workloads" / "hdrnn" / "python" / "hdrnn_tflite_model.py"
    made = [maker, "-B", script, "--out", tmp_path, "--batch_size", "7", "--shape", "16,12"]
    subprocess.run(made, capture_output=True, check=True)
    arguments = ["--data", digits, "--train-limit", 400, "-s", "16,12", "-bs", 7, "-e", 2, "-n"]
    env = {"HDRNN_TFLITE": str(tmp_path)}
    done = programs("tflite", "train", "--json", *arguments, tmp_path / "tflite.nn", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    programs.train("numpy", *arguments, tmp_path / "numpy.nn")
    for one, other in zip(read_network(tmp_path / "tflite.nn"), read_network(tmp_path / "numpy.nn"), strict=True):
        assert max(np.abs(a - b).max() for a, b in zip(one, other, strict=True)) <= 2e-5
    image = ["-i", digits / "t10k-images-idx3-ubyte", "--index", 5, "-n", tmp_path / "numpy.nn"]
    # For an image alone it wants the model of batches of one.
    subprocess.run([*made[:-3], "1", *made[-2:]], capture_output=True, check=True)
    assert programs("tflite", "infer", *image, env=env).stdout == programs("numpy", "infer", *image).stdout
