"""hdrnn's command line: what is wrong is said in one line, with exit code 2."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import Hdrnn, network_bytes, random_network


def test_bare_it_shows_its_usage_and_does_nothing(checked_hdrnn: Hdrnn) -> None:
    done = checked_hdrnn()
    assert done.stdout.startswith("usage: hdrnn train")
    assert done.stdout.endswith("nothing to do\n")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_names_every_option_of_the_study(checked_hdrnn: Hdrnn) -> None:
    text = checked_hdrnn("--help").stdout
    for option in ("--shape", "--epochs", "--quiet", "-bs", "--batch_size", "-lr", "--learning_rate", "--net", "-i"):
        assert option in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("learn", "unknown command learn"),
        ("train --fast", "unknown option --fast"),
        ("train -x", "unknown option -x"),
        (f"train --{'x' * 400}", "unknown option"),
        ("train 32", "unexpected argument 32"),
        ("train -e", "-e needs a value"),
        ("train --epochs=", "--epochs needs a value"),
        ("train -e ten", "-e ten: expected a whole number from 0"),
        ("train -e -1", "expected a whole number"),
        ("train -e 1.5", "expected a whole number"),
        ("train -e 99999999999999999999", "expected a whole number"),
        ("train --epochs 3x", "expected a whole number"),
        ("train -bs 0", "from 1"),
        ("train -lr 0", "above 0"),
        ("train -lr nan", "above 0"),
        ("train -lr inf", "above 0"),
        ("train -lr 3,5", "above 0"),
        ("train -s 0", "expected hidden layers"),
        ("train -s 32,", "expected hidden layers"),
        ("train -s ,32", "expected hidden layers"),
        ("train -s 32;16", "expected hidden layers"),
        ("train -s 65537", "expected hidden layers"),
        ("train -s 99999999999999999999", "expected hidden layers"),
        ("train -s " + ",".join(["2"] * 16), "at most 15 hidden layers"),
        ("train --seed -1", "expected a whole number"),
        ("train --split 8000", "such as 8000/2000"),
        ("train --split /2000", "such as 8000/2000"),
        ("train --split 8000/", "expected a whole number"),
        ("train --train-limit 0", "from 1"),
        ("train --quiet=yes", "takes no value"),
        ("train --data /no/such/folder", "/no/such/folder: no such folder"),
        ("train --init /no/such/file", "/no/such/file: No such file"),
        ("infer", "needs an image (-i) and a network (-n)"),
        ("infer -i x", "needs an image (-i) and a network (-n)"),
        ("infer -i x -n /no/such/file", "/no/such/file: No such file"),
        ("infer --json=1 -i x -n y", "takes no value"),
        ("infer --index -3 -i x -n y", "expected a whole number"),
    ],
)
def test_wrong_arguments(checked_hdrnn: Hdrnn, arguments: str, message: str) -> None:
    done = checked_hdrnn(*arguments.split(" "))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.startswith("hdrnn: ")
    assert done.stderr.count("\n") == 1


def test_output_that_cannot_be_written_is_an_error(built: Path, digits: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this machine has no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [built / "hdrnn", "train", "--data", digits, "-e", "1", "-s", "2"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "hdrnn: the output cannot be written\n")


def test_diverging_training_says_so(hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
    """Weights of both signs and so large that their sums overflow: infinity minus infinity is no number."""
    layers = random_network(np.random.default_rng(1), 784, 4, 10)
    layers[0][0][:] = np.where(layers[0][0] > 0, 3e38, -3e38)
    (tmp_path / "x.nn").write_bytes(network_bytes(layers))
    done = hdrnn("train", "--data", digits, "-e", 3, "--init", tmp_path / "x.nn")
    assert (done.returncode, "no longer a number" in done.stderr) == (1, True), done.stderr


def test_make_clean_leaves_nothing(tmp_path: Path, built: Path) -> None:
    source = Path(__file__).parents[2] / "workloads" / "hdrnn" / "c"
    copy = tmp_path / "build"
    copy.mkdir()
    for path in built.iterdir():
        os.link(path, copy / path.name)
    subprocess.run(["make", "-s", "-C", source, f"BUILD={copy}", "clean"], check=True)
    assert list(copy.iterdir()) == []
