"""``tn.py train``, ``prune`` and ``convert`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tinynet_data import tn, write_blobs

from tinynet.data import load_data
from tinynet.inference import accuracy
from tinynet.network_file import load
from tinynet.pruning import zero_weights

LAYERS = "maxpool2 flatten dense8 relu dense4 softmax"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blobs(tmp_path_factory.mktemp("blobs"))


def test_a_network_is_trained_and_pruned(data: Path, tmp_path: Path) -> None:
    usual = ["--data", data, "--batch", 16, "--rate", 0.005]
    done = tn(
        "train", *usual, "--layers", LAYERS, "--scale", "unit", "--epochs", 4, "--out", tmp_path / "a.npz", "--json"
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["epoch"] * 4 + ["done"]
    network = load(tmp_path / "a.npz")
    assert network.facts["test_accuracy"] == events[-1]["test_accuracy"] == accuracy(network, load_data(data).test)
    assert events[-1]["file_bytes"] == (tmp_path / "a.npz").stat().st_size
    assert events[-1]["parameters"] == 16 * 8 + 8 + 8 * 4 + 4

    again = tn("train", *usual, "--layers", LAYERS, "--scale", "unit", "--epochs", 4, "--out", tmp_path / "b.npz")
    assert (tmp_path / "b.npz").read_bytes() == (tmp_path / "a.npz").read_bytes()
    assert again.stdout.count("train epoch") == 4

    done = tn("prune", tmp_path / "a.npz", *usual, "--final", 0.75, "--out", tmp_path / "p.npz", "--json", "--quiet")
    (last,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert last["zero_weights"] == zero_weights(load(tmp_path / "p.npz")) == 0.75 * 160
    assert last["base_test_accuracy"] == events[-1]["test_accuracy"]
    assert last["avr_sparse_bytes"] < last["base_avr_sparse_bytes"]

    options = [*usual, "--layers", LAYERS, "--scale", "unit", "--base-epochs", 4, "--final", 0.75, "--out"]
    tn("prune", *options, tmp_path / "q.npz")
    assert (tmp_path / "q.npz").read_bytes() == (tmp_path / "p.npz").read_bytes()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["train", "--layers", "flatten denseX softmax"], "layer 'denseX'"),
        (["train", "--layers", LAYERS, "--split", "900/5"], "too few"),
        (["train", "--layers", LAYERS, "--seed", "-1"], "--seed"),
        (["train", "--layers", LAYERS, "--scale", "big"], "scale 'big'"),
        (["prune"], "either a network's file or --layers"),
        (["prune", "none.npz"], "no file none.npz"),
        (["prune", "--layers", LAYERS, "--initial", "1.5"], "initial sparsity"),
        (["prune", "--layers", LAYERS, "--epochs", "0"], "at least one"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(data: Path, words: list[str], match: str) -> None:
    done = tn(*words, "--data", data, "--quiet", expect=2)
    assert match in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_training_that_diverges_writes_nothing_and_ends_with_1(data: Path, tmp_path: Path) -> None:
    options = ["--scale", "0/1", "--rate", 1e38, "--out", tmp_path / "a.npz"]
    done = tn("train", "--data", data, "--layers", LAYERS, *options, expect=1)
    assert "diverged in epoch 1" in done.stderr
    assert not list(tmp_path.iterdir())


def test_files_of_no_known_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"x")
    assert "expected a name" in tn("convert", tmp_path / "a.onnx", "--out", tmp_path / "a.npz", expect=2).stderr
    assert "no file" in tn("convert", tmp_path / "a.h5", "--out", tmp_path / "a.npz", expect=2).stderr
