"""hdrnn in several languages is one program: same weights, same files, same words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hdrnn_files import network_bytes, order_bytes, random_network, read_idx, read_network
from hdrnn_programs import EIGEN, PROGRAMS, Programs, python, python_has
from numpy.typing import NDArray
from window_listener import Listener

from analysis.board_marks import read_board_marks

IMAGES = 400
APART = {"float32": 2e-5, "float64": 2e-13}
"""How far apart any parameter may be in two programs after two epochs on 400 images (workloads/hdrnn/README.md)."""


def here() -> list[str]:
    """The programs that can be had on this machine."""
    absent = {"eigen": not EIGEN.is_file(), "torch": not python_has("torch")}
    return [program for program in PROGRAMS if not absent.get(program)]


def parameters(path: Path) -> NDArray[np.float64]:
    """All parameters of a network file, in a row."""
    layers = read_network(path)
    return np.concatenate([part.ravel() for layer in layers for part in layer]).astype(np.float64)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def without_times(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("seconds", "test_seconds", "kernel", "loss")}


# -------------------------------------------------------------------------------------------------------- same weights


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_same_weights_after_every_epoch(programs: Programs, digits: Path, tmp_path: Path, precision: str) -> None:
    """From weights and in an order that are given; the last batch is smaller; every pair of programs is compared."""
    rng = np.random.default_rng(11)
    layers = random_network(rng, 784, 16, 12, 10)
    orders = np.stack([rng.permutation(IMAGES) for _ in range(2)])
    (tmp_path / "first.nn").write_bytes(network_bytes(layers))
    (tmp_path / "order").write_bytes(order_bytes(orders))
    said = {}
    for program in here():
        said[program] = events(
            programs.train(
                program, "--data", digits, "--train-limit", IMAGES, "--init", tmp_path / "first.nn",
                "--order", tmp_path / "order", "-e", 2, "-bs", 7, "--precision", precision,
                "--save-epochs", tmp_path / program,
            )
        )  # fmt: skip
    for one, other in combinations(said, 2):
        for epoch in range(3):
            pair = [parameters(tmp_path / program / f"epoch-{epoch:04d}.nn") for program in (one, other)]
            apart = np.abs(pair[0] - pair[1]).max()
            assert apart <= (APART[precision] if epoch else 0), (one, other, epoch)
        assert [without_times(event) for event in said[one]] == [without_times(event) for event in said[other]]
        losses = [[event["loss"] for event in said[program]] for program in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    # What was compared had moved.
    assert np.abs(parameters(tmp_path / "c" / "epoch-0000.nn") - parameters(tmp_path / "c" / "epoch-0002.nn")).max() > 1


def test_same_first_weights_and_order_from_a_seed(programs: Programs, digits: Path, tmp_path: Path) -> None:
    for program in (program for program in here() if program != "numpy-per-sample"):
        programs.train(
            program, "--data", digits, "-s", "9,8", "-e", 1, "--seed", 2**63 + 5, "--train-limit", IMAGES,
            "--save-epochs", tmp_path / program,
        )  # fmt: skip
        assert (tmp_path / program / "epoch-0000.nn").read_bytes() == (tmp_path / "c" / "epoch-0000.nn").read_bytes()
        trained = [parameters(tmp_path / name / "epoch-0001.nn") for name in ("c", program)]
        assert np.abs(trained[0] - trained[1]).max() <= APART["float32"], program


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_step_follows_the_gradient(programs: Programs, digits: Path, tmp_path: Path, program: str) -> None:
    """One step on three images, from which the gradient follows; against differences of the loss, from its formula."""
    programs.need(program)
    rng = np.random.default_rng(3)
    sizes, rate = (784, 5, 4, 10), 2.0
    layers = [(w.astype(np.float64) * 0.3, b.astype(np.float64)) for w, b in random_network(rng, *sizes)]
    (tmp_path / "first.nn").write_bytes(network_bytes(layers, version=2))  # type: ignore[arg-type]
    programs.train(
        program, "--data", digits, "--train-limit", 3, "--test-limit", 1, "--init", tmp_path / "first.nn",
        "--order", "sequential", "-e", 1, "-bs", 3, "-lr", rate, "--precision", "float64", "-n", tmp_path / "moved.nn",
    )  # fmt: skip
    first, moved = parameters(tmp_path / "first.nn"), parameters(tmp_path / "moved.nn")
    inputs = read_idx(digits / "train-images-idx3-ubyte")[:3].reshape(3, 784) / 255.0
    wanted = np.eye(10)[read_idx(digits / "train-labels-idx1-ubyte")[:3]]

    def loss(block: NDArray[np.float64]) -> float:
        outputs, at = inputs, 0
        for weights, biases in layers:
            w, at = block[at : at + weights.size].reshape(weights.shape), at + weights.size
            b, at = block[at : at + biases.size], at + biases.size
            outputs = 1 / (1 + np.exp(-(outputs @ w.T + b)))
        return 0.5 * float(np.sum((outputs - wanted) ** 2)) / 3

    seen = np.flatnonzero(np.abs(inputs).sum(axis=0))
    chosen = [*rng.choice(seen, 12), *range(784 * 5, len(first), 3)]
    for parameter in chosen:
        step = np.zeros_like(first)
        step[parameter] = 1e-5
        expected = (loss(first + step) - loss(first - step)) / 2e-5
        assert (first - moved)[parameter] / rate == pytest.approx(expected, rel=1e-5, abs=1e-9), parameter


@pytest.mark.parametrize("program", ["c", "eigen", "numpy"])
def test_a_batch_larger_than_is_taken_at_once(programs: Programs, digits: Path, tmp_path: Path, program: str) -> None:
    """Batches of 150 go through in several parts: the step is still that of the whole batch."""
    arguments = ["--data", digits, "--train-limit", IMAGES, "-bs", 150, "-e", 2, "-s", 12, "--precision", "float64"]
    for name in ("numpy-per-sample", program):
        programs.train(name, *arguments, "-n", tmp_path / f"{name}.nn")
    pair = [parameters(tmp_path / f"{name}.nn") for name in ("numpy-per-sample", program)]
    assert np.abs(pair[0] - pair[1]).max() <= APART["float64"]


# ----------------------------------------------------------------------------------------------------------- same words


@pytest.mark.parametrize("program", ["eigen", "numpy", "torch"])
def test_same_help(programs: Programs, program: str) -> None:
    """But for what the C program alone can: choosing its kernel."""
    for arguments in ([], ["--help"]):
        done, ours = programs(program, *arguments), programs("c", *arguments)
        lines = [line for line in ours.stdout.splitlines() if "--kernel" not in line]
        assert (done.returncode, done.stderr) == (0, "")
        assert [line for line in done.stdout.splitlines() if "--per-sample" not in line] == lines


def test_a_foreign_interpreter_without_numpy_is_told_in_one_line(programs: Programs, tmp_path: Path) -> None:
    bare = tmp_path / "python3"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    done = programs("numpy", "train", env={"HDRNN_PYTHON": str(bare)})
    assert done.returncode == 2
    assert "NumPy is not installed for" in done.stderr
    assert done.stderr.count("\n") == 1


# --------------------------------------------------------------------------------------------------- stopping, going on


@pytest.mark.parametrize(
    ("stopped", "resumed"), [("numpy", "numpy"), ("eigen", "eigen"), ("c", "numpy"), ("numpy", "eigen")]
)
def test_a_checkpoint_of_one_is_read_by_the_others(
    programs: Programs, digits: Path, tmp_path: Path, stopped: str, resumed: str
) -> None:
    """By itself to the same weights bit for bit, by another one to the same weights within the bound."""
    arguments = ["--data", digits, "--train-limit", IMAGES, "-s", 8]
    programs.train(resumed, *arguments, "-e", 3, "-n", tmp_path / "whole.nn")
    programs.train(stopped, *arguments, "-e", 2, "--checkpoint", tmp_path / "checkpoint")
    said = events(
        programs.train(resumed, *arguments, "-e", 3, "--resume", tmp_path / "checkpoint", "-n", tmp_path / "on.nn")
    )
    assert [event.get("epoch") for event in said] == [3, None]
    whole, on = tmp_path / "whole.nn", tmp_path / "on.nn"
    if stopped == resumed:
        assert whole.read_bytes() == on.read_bytes()
    assert np.abs(parameters(whole) - parameters(on)).max() <= APART["float32"]


@pytest.mark.parametrize("program", ["eigen", "numpy"])
def test_killed_in_mid_training_it_goes_on_from_its_last_epoch(
    programs: Programs, digits: Path, tmp_path: Path, program: str
) -> None:
    """Whenever it was killed, the checkpoint is whole; from there on come the weights of a training never stopped."""
    programs.need(program)
    arguments = ["--data", str(digits), "--train-limit", str(IMAGES), "-s", "8"]
    checkpoint = tmp_path / "checkpoint"
    argv = [programs.folder / "hdrnn", program, "train", *arguments, "-e", "1000000", "--checkpoint", checkpoint]
    environment = {**os.environ, "HDRNN_PYTHON": python()}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as training:
        assert training.stdout is not None
        for _ in range(3):
            training.stdout.readline()
        training.kill()
    epochs = int.from_bytes(checkpoint.read_bytes()[8:12], "little")
    assert epochs >= 2
    end = ["-e", epochs + 2, "-n"]
    programs.train(program, *arguments, *end, tmp_path / "whole.nn")
    programs.train(program, *arguments, "--resume", checkpoint, *end, tmp_path / "on.nn")
    assert (tmp_path / "whole.nn").read_bytes() == (tmp_path / "on.nn").read_bytes()


@pytest.mark.parametrize("kilobytes", [20_000, 100_000])
def test_too_little_memory_is_told_in_one_line(programs: Programs, digits: Path, kilobytes: int) -> None:
    """Too little for NumPy itself: that is no fault of the arguments."""
    command = f'ulimit -v {kilobytes}; exec "$0" numpy train --data "$1" -e 1'
    environment = {**os.environ, "HDRNN_PYTHON": python()}
    argv = ["sh", "-c", command, str(programs.folder / "hdrnn"), str(digits)]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip().count("\n") == 0, done.stderr


@pytest.mark.parametrize("program", PROGRAMS[1:])
def test_a_loss_that_is_no_number_ends_in_one_line(
    programs: Programs, digits: Path, tmp_path: Path, program: str
) -> None:
    """Weights of both signs and so large that their sums overflow: infinity minus infinity is no number."""
    layers = random_network(np.random.default_rng(1), 784, 4, 10)
    layers[0][0][:] = np.where(layers[0][0] > 0, 3e38, -3e38)
    (tmp_path / "x.nn").write_bytes(network_bytes(layers))
    done = programs(
        program, "train", "--data", digits, "-e", 3, "--train-limit", 100, "--init", tmp_path / "x.nn",
        "-n", tmp_path / "y.nn", "--checkpoint", tmp_path / "z",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr == "hdrnn: the loss is no longer a number in epoch 1: lower the learning rate\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.nn"]


def test_early_stopping_stops_all_alike(programs: Programs, digits: Path) -> None:
    arguments = ["--data", digits, "--train-limit", 200, "-s", 4, "-lr", 0.01, "-e", 50, "--early-stop", 2]
    ends = {name: events(programs.train(name, *arguments)) for name in ("c", "eigen", "numpy") if name in here()}
    for name, said in ends.items():
        assert len(said) < 51, name
        assert said[-1]["stopped_early"] is True
        accuracies = [event["accuracy"] for event in said[:-1]]
        assert max(accuracies[-2:]) <= max(accuracies[:-2])
        assert accuracies == [event["accuracy"] for event in ends["c"][:-1]]


# ---------------------------------------------------------------------------------------------------------- the window


def test_numpy_tells_its_window(programs: Programs, digits: Path, tmp_path: Path) -> None:
    listener = Listener(tmp_path, (b"ack\n\0", b"ack\n"), late_s=0.02)
    done = programs(
        "numpy", "train", "-s", 4, "-e", 1, "--split", "200/50", "--data", digits,
        env={"LAB_WINDOW": "{},{}".format(*listener.paths), "LAB_MARKS": str(tmp_path / "marks")},
    )  # fmt: skip
    listener.close()
    assert (done.returncode, done.stderr) == (0, "")
    (first, enabled_ns), (last, disabled_ns) = listener.heard
    assert (first, last) == (b"enable\n", b"disable\n")
    begin, end = read_board_marks(tmp_path / "marks").marks
    assert enabled_ns < begin.ns < end.ns < disabled_ns


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("control", "expected the paths of two pipes"),
        ("none,none", "none: No such file"),
        ("control,acknowledge", "control: nobody listens"),
    ],
)
def test_numpy_is_told_where_nobody_listens(
    programs: Programs, digits: Path, tmp_path: Path, value: str, said: str
) -> None:
    for name in ("control", "acknowledge"):
        os.mkfifo(tmp_path / name)
    paths = ",".join(str(tmp_path / name) for name in value.split(","))
    window = {"LAB_WINDOW": paths if "," in value else value}
    done = programs("numpy", "train", "-s", 2, "-e", 1, "--split", "100/50", "--data", digits, env=window)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


# --------------------------------------------------------------------------------------------------------- the launcher


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which implementation?"),
        (["rust", "train"], "unknown implementation rust"),
        (["libtorch", "train"], "libtorch is not built here"),
    ],
)
def test_the_launcher_names_what_is_wrong(programs: Programs, arguments: list[str], message: str) -> None:
    done = subprocess.run([programs.folder / "hdrnn", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
