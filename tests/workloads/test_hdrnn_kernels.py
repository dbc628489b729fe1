"""hdrnn's kernels: whatever instruction set computes, the numbers are the same, bit for bit, and they are right."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import Hdrnn, Layers, idx_bytes, network_bytes, network_of, random_network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

PRECISIONS = {"float32": np.float32, "float64": np.float64}
LANES = {"float32": 16, "float64": 8}


def said_of_kernels(built: Path, what: str) -> dict[tuple[str, str], str]:
    """Kernel and precision → what the self-test says of it."""
    done = subprocess.run([built / "hdrnn_selftest", what], capture_output=True, text=True, check=True)
    lines = [[*line.split(), ""] for line in done.stdout.splitlines()]
    return {(line[0], line[1]): line[2] for line in lines}


@pytest.fixture(scope="module")
def names(built: Path) -> list[str]:
    """The kernels that run here."""
    return sorted({name for name, _ in said_of_kernels(built, "kernels")})


def test_there_is_one_without_vectors_for_both_precisions(built: Path) -> None:
    assert {("scalar", "float32"), ("scalar", "float64")} <= set(said_of_kernels(built, "kernels"))


def test_gradients_are_the_slopes_of_the_loss(built: Path) -> None:
    """Against central differences of a forward pass in double: float32 rounds at 6e-8, differences at 1e-9."""
    errors = said_of_kernels(built, "gradient")
    assert set(errors) == set(said_of_kernels(built, "kernels"))
    for (_, precision), error in errors.items():
        assert float(error) < {"float32": 2e-6, "float64": 1e-8}[precision]


def test_sigmoid_is_right_to_a_few_units_of_the_last_place(built: Path) -> None:
    assert {float(error) < 3.0 for error in said_of_kernels(built, "sigmoid").values()} == {True}


def weights_after(hdrnn: Hdrnn, folder: Path, data: Path, *arguments: object) -> bytes:
    done = hdrnn("train", "-q", "--data", data, *arguments, "-n", folder / "last.nn")
    assert (done.returncode, done.stderr) == (0, "")
    return (folder / "last.nn").read_bytes()


widths = st.integers(1, 40) | st.sampled_from([64, 100])


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.lists(widths, min_size=1, max_size=3),
    batch=st.integers(1, 12) | st.sampled_from([63, 64, 65, 150]),
    images=st.integers(1, 150),
    precision=st.sampled_from(sorted(PRECISIONS)),
    seed=st.integers(0, 2**32),
)
def test_all_kernels_leave_the_same_weights(
    hdrnn: Hdrnn, names: list[str], digits: Path, tmp_path: Path,
    shape: list[int], batch: int, images: int, precision: str, seed: int,
) -> None:  # fmt: skip
    """Any shape, any batch, rows and batches that do not fill a vector or a block."""
    arguments = (
        "-s", ",".join(map(str, shape)), "-e", 2, "-bs", batch, "--train-limit", images, "--test-limit", 1,
        "--seed", seed, "--precision", precision,
    )  # fmt: skip
    left = {weights_after(hdrnn, tmp_path, digits, *arguments, "--kernel", name) for name in names}
    assert len(left) == 1


def test_all_kernels_that_watch_their_memory_leave_the_same_weights(
    checked_hdrnn: Hdrnn, names: list[str], digits: Path, tmp_path: Path
) -> None:
    """With address and undefined-behaviour checks: rows that do not fill a vector, batches of one and of many goes."""
    for precision in PRECISIONS:
        for shape, batch in (("7", 10), ("3,17,5", 70), ("33", 1)):
            arguments = ("-s", shape, "-e", 1, "-bs", batch, "--train-limit", 75, "--precision", precision)
            left = {weights_after(checked_hdrnn, tmp_path, digits, *arguments, "--kernel", name) for name in names}
            assert len(left) == 1


def test_saturated_networks_too(hdrnn: Hdrnn, names: list[str], digits: Path, tmp_path: Path) -> None:
    """Weights of every size, down to subnormal ones: outputs at both limits, deltas far below them."""
    rng = np.random.default_rng(3)
    layers = random_network(rng, 784, 20, 20, 10)
    for weights, _ in layers:
        weights *= 10.0 ** rng.uniform(-44, 2, weights.shape)
    (tmp_path / "first.nn").write_bytes(network_bytes(layers))
    for precision in PRECISIONS:
        arguments = ("--init", tmp_path / "first.nn", "-e", 1, "--train-limit", 300, "--precision", precision)
        left = {weights_after(hdrnn, tmp_path, digits, *arguments, "--kernel", name) for name in names}
        assert len(left) == 1


def in_lanes(weights: NDArray[np.floating], inputs: NDArray[np.floating], lanes: int) -> NDArray[np.floating]:
    """Dot products (neurons,) of rows of ``weights`` with ``inputs``, added up as kernel.h says."""
    products = weights * inputs
    products = np.pad(products, ((0, 0), (0, -products.shape[1] % lanes)))
    sums = np.zeros((len(weights), lanes), weights.dtype)
    for first in range(0, products.shape[1], lanes):
        sums = sums + products[:, first : first + lanes]
    while sums.shape[1] > 1:
        half = sums.shape[1] // 2
        sums = sums[:, :half] + sums[:, half:]
    return sums[:, 0]


def sigmoid(sums: NDArray[np.floating], precision: str) -> NDArray[np.floating]:
    """1 / (1 + exp(-sum)) with the exponential of kernel_template.h, operation by operation."""
    real = PRECISIONS[precision]
    if precision == "float32":
        limit, magic, log2_e = 87.0, 1.5 * 2**23, float.fromhex("0x1.715476p0")
        high, low = float.fromhex("0x1.63p-1"), float.fromhex("-0x1.bd0106p-13")
        degree = 7
    else:
        limit, magic, log2_e = 700.0, 1.5 * 2**52, float.fromhex("0x1.71547652b82fep0")
        high, low = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
        degree = 13
    held = np.clip(sums, real(-limit), real(limit))
    n = held * real(-log2_e) + real(magic) - real(magic)
    r = -held - n * real(high)
    r = r - n * real(low)
    polynomial = np.full_like(r, real(1) / real(math.factorial(degree)))
    for term in range(degree - 1, 1, -1):
        polynomial = polynomial * r + real(1) / real(math.factorial(term))
    power = np.ldexp(polynomial * (r * r) + r + real(1), n.astype(np.int32))
    return real(1) / (real(1) + power)


def written_down(layers: Layers, image: NDArray[np.uint8], label: int, precision: str) -> Layers:
    """One step at rate 3 with a batch of one image, after the description in kernel.h."""
    real = PRECISIONS[precision]
    parameters = [(w.astype(real), b.astype(real)) for w, b in layers]
    outputs = [image.ravel().astype(real) / real(255)]
    for weights, biases in parameters:
        outputs.append(sigmoid(biases + in_lanes(weights, outputs[-1], LANES[precision]), precision))
    difference = outputs[-1] - np.eye(10, dtype=real)[label]
    delta = difference * outputs[-1] * (1 - outputs[-1])
    for layer in reversed(range(len(parameters))):
        weights, biases = parameters[layer]
        below = np.zeros(weights.shape[1], real)
        for row, factor in zip(weights, delta, strict=True):
            below = below + row * factor
        scale = real(-3.0)
        parameters[layer] = (weights + scale * np.outer(delta, outputs[layer]), biases + scale * delta)
        delta = below * (outputs[layer] * (1 - outputs[layer]))
    return parameters  # type: ignore[return-value]


@pytest.mark.parametrize("precision", sorted(PRECISIONS))
def test_arithmetic_is_the_one_written_down(hdrnn: Hdrnn, tmp_path: Path, precision: str) -> None:
    """One image through two hidden layers and back, written a second time from kernel.h: every bit of it."""
    layers = random_network(np.random.default_rng(5), 784, 21, 9, 10)
    for weights, _ in layers[:1]:
        weights *= np.float32(0.1)  # few saturated neurons: every parameter moves
    (tmp_path / "first.nn").write_bytes(network_bytes(layers))
    image = np.random.default_rng(1).integers(1, 256, (1, 28, 28)).astype(np.uint8)
    for name in ("train", "t10k"):
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(image))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([3], np.uint8)))
    arguments = ("--init", tmp_path / "first.nn", "-e", 1, "--precision", precision)
    trained = network_of(weights_after(hdrnn, tmp_path, tmp_path, *arguments))
    expected = written_down(layers, image[0], 3, precision)
    for (weights, biases), (w, b), (before, _) in zip(trained, expected, layers, strict=True):
        assert weights.dtype == w.dtype == PRECISIONS[precision]
        np.testing.assert_array_equal(weights, w)
        np.testing.assert_array_equal(biases, b)
        assert np.mean(weights != before) > 0.5


def test_best_kernel_is_taken_and_named(hdrnn: Hdrnn, built: Path, digits: Path) -> None:
    first = next(iter(said_of_kernels(built, "kernels")))[0]
    arguments = ("train", "--json", "-q", "--data", digits, "-e", 0, "-s", 2)
    assert json.loads(hdrnn(*arguments).stdout)["kernel"] == first
    said = json.loads(hdrnn(*arguments, "--kernel", "scalar", "--precision", "float64").stdout)
    assert (said["kernel"], said["precision"]) == ("scalar", "float64")


def test_kernel_that_is_not_there(hdrnn: Hdrnn, digits: Path) -> None:
    done = hdrnn("train", "--data", digits, "-e", 0, "--kernel", "abacus")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--kernel abacus: expected" in done.stderr
    assert "scalar" in done.stderr


def test_builds_without_vector_instructions(tmp_path: Path, built: Path, digits: Path) -> None:
    """And with another level of optimisation: the compiler has no say in the numbers."""
    source = Path(__file__).parents[2] / "workloads" / "hdrnn" / "c"
    subprocess.run(
        ["make", "-s", "-j2", "-C", source, f"BUILD={tmp_path}", "KERNELS=", "CFLAGS=-O1", "FAST="],
        check=True,
    )
    arguments = ["train", "--json", "-q", "--data", digits, "-e", "1", "-s", "5", "--train-limit", "50", "-n"]
    for program, name in ((tmp_path, "plain.nn"), (built, "best.nn")):
        done = subprocess.run([program / "hdrnn", *arguments, tmp_path / name], check=True, capture_output=True)
        kernel = json.loads(done.stdout)["kernel"]
        assert (kernel == "scalar") or program is built
    assert (tmp_path / "plain.nn").read_bytes() == (tmp_path / "best.nn").read_bytes()
