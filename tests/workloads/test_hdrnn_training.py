"""hdrnn learns, learns the right thing, and learns the same thing each time."""

from __future__ import annotations

import gzip
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hdrnn_files import Hdrnn, Layers, network_bytes, order_bytes, random_network, read_idx, read_network
from numpy.typing import NDArray

from lab.boards.local import LocalBoard
from lab.boards.protocol import Command

REPOSITORY = Path(__file__).parents[2]


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def train(hdrnn: Hdrnn, data: Path, *arguments: object) -> list[dict[str, Any]]:
    done = hdrnn("train", "--json", "--data", data, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return events(done.stdout)


def reference_training(
    layers: Layers, images: NDArray[np.uint8], labels: NDArray[np.uint8], orders: NDArray[np.int64], batch: int
) -> tuple[Layers, list[float]]:
    """Mini-batch gradient descent at rate 3 in float64, from the formulas: the network and each epoch's loss."""
    weights = [w.astype(np.float64) for w, _ in layers]
    biases = [b.astype(np.float64) for _, b in layers]
    inputs = images.reshape(len(images), -1) / 255.0
    wanted = np.eye(10)[labels]
    losses = []
    for order in orders:
        total = 0.0
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            outputs = [inputs[chosen]]
            for w, b in zip(weights, biases, strict=True):
                outputs.append(1 / (1 + np.exp(-(outputs[-1] @ w.T + b))))
            total += 0.5 * float(np.sum((outputs[-1] - wanted[chosen]) ** 2))
            delta = (outputs[-1] - wanted[chosen]) * outputs[-1] * (1 - outputs[-1])
            for layer in reversed(range(len(weights))):
                steps = delta.T @ outputs[layer], delta.sum(axis=0)
                delta = delta @ weights[layer] * outputs[layer] * (1 - outputs[layer])
                weights[layer] -= 3.0 / len(chosen) * steps[0]
                biases[layer] -= 3.0 / len(chosen) * steps[1]
        losses.append(total / len(order))
    return list(zip(weights, biases, strict=True)), losses  # type: ignore[arg-type]


@pytest.mark.parametrize(("shape", "batch"), [((32,), 10), ((16, 8), 7), ((9, 8, 7), 10)])
def test_same_weights_as_the_formulas_give(
    hdrnn: Hdrnn, digits: Path, tmp_path: Path, shape: tuple[int, ...], batch: int
) -> None:
    """300 images, 3 epochs, in an order and from weights that both are given: 7 leaves a smaller last batch."""
    rng = np.random.default_rng(7)
    layers = random_network(rng, 784, *shape, 10)
    orders = np.stack([rng.permutation(300) for _ in range(3)])
    (tmp_path / "first.nn").write_bytes(network_bytes(layers))
    (tmp_path / "order").write_bytes(order_bytes(orders))
    said = train(
        hdrnn, digits, "--init", tmp_path / "first.nn", "--order", tmp_path / "order", "-e", 3, "-bs", batch,
        "--train-limit", 300, "-n", tmp_path / "last.nn",
    )  # fmt: skip
    images = read_idx(digits / "train-images-idx3-ubyte")[:300]
    labels = read_idx(digits / "train-labels-idx1-ubyte")[:300]
    expected, losses = reference_training(layers, images, labels, orders, batch)
    assert [event["loss"] for event in said[:3]] == pytest.approx(losses, rel=1e-5)
    for (weights, biases), (w, b) in zip(read_network(tmp_path / "last.nn"), expected, strict=True):
        np.testing.assert_allclose(weights, w, atol=2e-5)
        np.testing.assert_allclose(biases, b, atol=2e-5)
    assert np.abs(expected[0][0] - layers[0][0]).max() > 0.02  # it moved, a thousand times the tolerance


def test_learns_drawn_digits(hdrnn: Hdrnn, digits: Path) -> None:
    """With some seeds an output saturates early and one digit takes long to be learnt; not with this one."""
    said = train(hdrnn, digits, "-s", 32, "-e", 15, "--seed", 2)
    losses = [event["loss"] for event in said[:-1]]
    assert losses[-1] < losses[4] / 2 < losses[0] / 4
    assert said[-1]["accuracy"] > 0.85
    untrained = train(hdrnn, digits, "-s", 32, "-e", 0)
    assert untrained[-1]["accuracy"] < 0.3
    assert untrained[-1]["loss"] is None


def test_more_neurons_learn_more(hdrnn: Hdrnn, digits: Path) -> None:
    two, thirty_two = (train(hdrnn, digits, "-s", width, "-e", 5, "-q")[-1]["accuracy"] for width in (2, 32))
    assert 0.15 < two < thirty_two - 0.2


def test_learns_a_split_of_mnists_test_images(hdrnn: Hdrnn) -> None:
    shared = Path(os.environ.get("LAB_SHARED", REPOSITORY.parent / "shared"))
    mnist = shared / "data" / "mnist"
    if not mnist.is_dir():
        pytest.skip(f"no MNIST in {mnist}: name the folder above data/ with LAB_SHARED")
    said = train(hdrnn, mnist, "--split", "8000/2000", "-e", 4)
    assert said[-1]["accuracy"] > 0.88
    assert (said[-1]["train_images"], said[-1]["test_images"]) == (8000, 2000)


def test_same_seed_same_network_another_seed_another(hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
    def network(seed: int) -> bytes:
        train(hdrnn, digits, "-e", 1, "-s", 5, "--train-limit", 200, "--seed", seed, "-n", tmp_path / "x.nn")
        return (tmp_path / "x.nn").read_bytes()

    assert network(3) == network(3)
    assert network(3) != network(4)


def test_seed_orders_each_epoch_anew_and_sequential_does_not(hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
    def network(*arguments: object) -> bytes:
        train(hdrnn, digits, "-s", 5, "--train-limit", 200, *arguments, "-n", tmp_path / "x.nn")
        return (tmp_path / "x.nn").read_bytes()

    (tmp_path / "order").write_bytes(order_bytes(np.tile(np.arange(200), (2, 1))))
    sequential = network("-e", 2, "--order", "sequential")
    assert sequential == network("-e", 2, "--order", tmp_path / "order")
    assert sequential != network("-e", 2, "--order", "seed")


def test_first_weights_are_normal(hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
    train(hdrnn, digits, "-e", 0, "-s", 100, "-n", tmp_path / "x.nn")
    weights = read_network(tmp_path / "x.nn")[0][0].astype(np.float64).ravel()
    n = len(weights)
    assert abs(weights.mean()) < 4 / math.sqrt(n)
    assert abs(weights.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((weights**4).mean() - 3) < 4 * math.sqrt(96 / n)
    assert abs(np.corrcoef(weights[:-1], weights[1:])[0, 1]) < 4 / math.sqrt(n)


def test_last_event_says_what_was_done(hdrnn: Hdrnn, digits: Path) -> None:
    *epochs, done = train(hdrnn, digits, "--shape=32,16", "-e", 2, "--train-limit", 500, "--test-limit", 100)
    assert [event["epoch"] for event in epochs] == [1, 2]
    assert done["event"] == "done"
    assert done["parameters"] == 784 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10
    assert (done["train_images"], done["test_images"], done["shape"]) == (500, 100, [784, 32, 16, 10])
    assert (done["loss"], done["accuracy"]) == (epochs[1]["loss"], epochs[1]["accuracy"])
    assert done["seconds"] == pytest.approx(sum(event["seconds"] for event in epochs), abs=3e-6)


def test_gzipped_and_dotted_names_give_the_same(hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(digits.glob("*-ubyte"))):
        name = path.name.replace("-idx", ".idx") if number % 2 else path.name
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    arguments = ("-e", 1, "-s", 4)
    first, second = (train(hdrnn, folder, *arguments)[-1] for folder in (digits, tmp_path))
    for key in ("loss", "accuracy", "train_images", "test_images"):
        assert first[key] == second[key]


def test_words_for_people_and_quiet(hdrnn: Hdrnn, digits: Path) -> None:
    arguments = ("train", "--data", digits, "-e", 2, "-s", 4, "--train-limit", 100)
    talking, quiet = hdrnn(*arguments).stdout.splitlines(), hdrnn(*arguments, "-q").stdout.splitlines()
    assert [line.split(":")[0] for line in talking] == ["epoch 1 of 2", "epoch 2 of 2", "done"]
    assert [line.split(":")[0] for line in quiet] == ["done"]


def test_memory_follows_the_shape_and_the_images_kept(built: Path, digits: Path, tmp_path: Path) -> None:
    def peak_kib(*arguments: object) -> int:
        argv = [str(built / "hdrnn"), "train", "-q", "-e", "1", "--data", str(digits), *map(str, arguments)]
        board = LocalBoard("host", root=tmp_path)
        board.open()
        try:
            result = board.run(Command(argv), tmp_path / "o", tmp_path / "e")
        finally:
            board.close()
        assert result.exit_status == 0
        return int(result.usage["peak_rss_bytes"] / 1024)

    small = peak_kib("-s", 2, "--train-limit", 10, "--test-limit", 10)
    assert small < 4096
    wide = peak_kib("-s", 800, "--train-limit", 10, "--test-limit", 10)
    parameters = 785 * 800 + 801 * 10
    assert wide - small == pytest.approx(4 * parameters / 1024, rel=0.2)  # weights: a batch of 10 needs no gradient
    large = peak_kib("-s", 800, "--train-limit", 100, "--test-limit", 10, "-bs", 100)
    assert large - small == pytest.approx(2 * 4 * parameters / 1024, rel=0.2)
    double = peak_kib("-s", 800, "--train-limit", 10, "--test-limit", 10, "--precision", "float64")
    assert double - small == pytest.approx(8 * parameters / 1024, rel=0.2)
    many = peak_kib("-s", 2, "--test-limit", 10)
    assert many - small == pytest.approx(3000 * 785 / 1024, rel=0.2)
