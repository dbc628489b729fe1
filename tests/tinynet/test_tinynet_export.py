"""From data to C on the command line, and what the exported files promise."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from host_programs import STRICT, HostProgram
from random_networks import random_network
from tinynet_data import tn, write_blobs

from tinynet.bounds import with_proved_widths
from tinynet.data import load_data
from tinynet.errors import TinynetError
from tinynet.export_c import buffer_sizes, export
from tinynet.network import InputScale
from tinynet.quantized import QuantizedNetwork
from tinynet.quantized_layer import QuantizedLayer

LAYERS = "conv3x3 relu maxpool2 flatten dense8 tanh dense4 softmax"

NEEDS_GCC = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to compile the exported C")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blobs(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "a.npz"
    usual = ["--data", data, "--batch", 16, "--rate", 0.005, "--scale", "signed", "--epochs", 6, "--quiet"]
    tn("train", *usual, "--layers", LAYERS, "--out", path)
    return path


@NEEDS_GCC
@pytest.mark.parametrize(("scheme", "calibrate"), [("pow2", "kl"), ("per-channel", "max")])
def test_from_data_to_c_the_same_bytes_come_out(
    data: Path, trained: Path, tmp_path: Path, scheme: str, calibrate: str
) -> None:
    path = tmp_path / "a.q.npz"
    how = ["--scheme", scheme, "--calibrate", calibrate, "--images", 200]
    done = tn("quantize", trained, "--data", data, *how, "--out", path, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert next(event["name"] for event in events if event["event"] == "layer") == "0-conv3x3"
    last = events[-1]
    assert last["event"] == "done"
    assert last["float_test_accuracy"] > 0.9
    assert last["test_accuracy"] > last["float_test_accuracy"] - 0.03
    assert [form["form"] for form in last["forms"]] == ["float32", "float16", "dynamic", "int8"]

    files = {name: tmp_path / name for name in ("inputs", "outputs", "labels")}
    options = [part for name, file in files.items() for part in (f"--{name}-out", file)]
    done = tn("infer", path, "--data", data, "--images", 150, *options, "--json")
    said = json.loads(done.stdout)
    assert said["hash"] == last["hash"]
    assert said["examples"] == 150
    network = QuantizedNetwork.load(path)
    inputs = np.frombuffer(files["inputs"].read_bytes(), np.int8).reshape(150, network.inputs)
    outputs = np.frombuffer(files["outputs"].read_bytes(), np.int8).reshape(150, network.outputs)
    labels = np.frombuffer(files["labels"].read_bytes(), np.uint8)
    np.testing.assert_array_equal(labels, load_data(data).test.labels[:150])
    assert said["right"] == int((outputs.argmax(axis=1) == labels).sum())

    done = tn("export", path, "--target", "c", "--out", tmp_path / "c", "--json")
    written = json.loads(done.stdout)
    assert all((tmp_path / "c" / name).is_file() for name in written["files"])
    assert written["hash"] == last["hash"]
    program = HostProgram(tmp_path, [network])
    np.testing.assert_array_equal(program.infer(0, inputs), outputs)
    assert (tmp_path / "network_0" / "network.c").read_text().count("TN_LAYER_DONE(") == len(network.layers) + 1


def test_what_a_reader_is_told(data: Path, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.q.npz"
    done = tn("quantize", trained, "--data", data, "--out", path)
    first, *lines = done.stdout.splitlines()
    assert re.split(r"  +", first) == [
        "layer", "sums proved", "sums seen", "bits", "spare", "saturated", "beyond 16 bits",
    ]  # fmt: skip
    network = QuantizedNetwork.load(path)
    assert [line.split()[0] for line in lines[: len(network.layers)]] == [layer.name for layer in network.layers]
    assert f"{network.proof[0].low}…{network.proof[0].high}" in lines[0]
    assert lines[-1].startswith(network.hash.hex())
    passing = [
        line for line in lines[: len(network.layers)] if not line.split("  ")[-1].strip().startswith(("0 ", "-"))
    ]
    assert done.stderr.count("pass 16 bits") == len(passing)
    assert "right" in tn("infer", path, "--data", data).stdout
    assert "network.c" in tn("export", path, "--out", tmp_path / "c").stdout


def test_a_network_in_floating_point_is_inferred_too(data: Path, trained: Path, tmp_path: Path) -> None:
    done = tn("infer", trained, "--data", data, "--labels-out", tmp_path / "labels", "--json")
    said = json.loads(done.stdout)
    assert (said["arithmetic"], said["hash"]) == ("float32", None)
    assert said["accuracy"] > 0.9
    assert (tmp_path / "labels").stat().st_size == said["examples"]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["quantize", "NET", "--data", "DATA", "--images", "0", "--out", "OUT"], "--images"),
        (["quantize", "DATA/none.npz", "--data", "DATA", "--out", "OUT"], "none.npz"),
        (["export", "NET", "--out", "OUT"], "is not a quantised network"),
        (["infer", "NET", "--data", "DATA", "--images", "0"], "--images"),
        (["infer", "NET", "--data", "DATA", "--inputs-out", "OUT"], "need a quantised network"),
        (["infer", "NET", "--data", "DATA", "--labels-out", "DATA"], "cannot be written"),
        (["infer", "DATA/none.q.npz", "--data", "DATA"], "no file"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    data: Path, trained: Path, tmp_path: Path, words: list[str], match: str
) -> None:
    places = {"NET": trained, "OUT": tmp_path / "out", "DATA": data}
    given = [re.sub("NET|OUT|DATA", lambda found: str(places[found[0]]), word) for word in words]
    done = tn(*given, expect=2)
    assert re.search(match, done.stderr)
    assert len(done.stderr.splitlines()) == 1


def test_the_same_network_is_the_same_c(tmp_path: Path) -> None:
    network = random_network(10)
    first, second = export(network, "c", tmp_path / "a", "net"), export(network, "c", tmp_path / "b", "net")
    assert [p.read_bytes() for p in first.files] == [p.read_bytes() for p in second.files]
    header = (tmp_path / "a" / "network.h").read_text()
    digest = re.search(r"TN_MODEL_HASH \{(.*)\}", header)
    assert digest is not None
    assert bytes(int(part, 16) for part in digest[1].split(",")) == network.hash
    weights = sum(part.nbytes for layer in network.layers for part in (layer.weights, layer.bias) if part is not None)
    assert first.flash_bytes >= weights
    assert first.memory_bytes == sum(buffer_sizes(network))


def test_names_cannot_break_out_of_comments_and_strings(tmp_path: Path) -> None:
    network = random_network(10)
    bad = '*/ int x; /* " \n \\'
    named = replace(network, layers=(replace(network.layers[0], name=bad), *network.layers[1:]))
    export(named, "c", tmp_path, bad)
    for name in ("network.c", "network.h"):
        assert "int x" not in (tmp_path / name).read_text()


def test_what_the_kernels_cannot_count_or_the_disk_cannot_hold_is_refused(tmp_path: Path) -> None:
    wide = QuantizedLayer("relu", "wide", (70_000,), (70_000,))
    network = QuantizedNetwork("pow2", (70_000,), 1.0, InputScale(0, 1), with_proved_widths([wide]))
    with pytest.raises(TinynetError, match="65535"):
        export(network, "c", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TinynetError, match="cannot be written"):
        export(random_network(1), "c", tmp_path / "file")


CHOICES = """
#include <stdio.h>
#include "network.h"
#include "tn_kernels.h"
int main(void)
{
    int8_t outputs[TN_OUTPUT_BYTES];
    uint8_t shares[TN_OUTPUT_BYTES];
    while (fread(outputs, 1, sizeof outputs, stdin) == sizeof outputs) {
        tn_shares(outputs, shares);
        fwrite(shares, 1, sizeof shares, stdout);
        putchar((int)tn_argmax(outputs, TN_OUTPUT_BYTES));
    }
    return 0;
}
"""


@NEEDS_GCC
def test_argmax_and_softmax_are_bit_exact(tmp_path: Path) -> None:
    network = next(n for n in map(random_network, range(100)) if n.outputs == 10)
    layer = replace(network.layers[-1], output_step=1 / 16)
    network = replace(network, layers=(*network.layers[:-1], layer))
    written = export(network, "c", tmp_path)
    (tmp_path / "main.c").write_text(CHOICES)
    sources = [str(path) for path in written.files if path.suffix == ".c"]
    flags = [*STRICT, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DTN_SHARES"]
    subprocess.run(["gcc", *flags, "-o", tmp_path / "main", tmp_path / "main.c", *sources], check=True)
    outputs = np.random.default_rng(1).integers(-128, 128, (500, 10), dtype=np.int8)
    outputs[:100] //= 32  # many that are equal
    outputs[0], outputs[1] = -128, 127
    done = subprocess.run([tmp_path / "main"], input=outputs.tobytes(), capture_output=True, check=True)
    got = np.frombuffer(done.stdout, np.uint8).reshape(500, 11)
    np.testing.assert_array_equal(got[:, :10], network.shares(outputs))
    np.testing.assert_array_equal(got[:, 10], outputs.argmax(axis=1))
    exact = np.exp((outputs - outputs.max(axis=1, keepdims=True).astype(float)) / 16)
    np.testing.assert_allclose(got[:, :10] / 255, exact / exact.sum(axis=1, keepdims=True), atol=0.003)
