"""Networks on the AVR give what the reference gives, byte for byte; and how long they take and how large they are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from avr_programs import CLOCK_HZ, FIRMWARE, feed, needs_avr_gcc, needs_simavr
from random_networks import random_inputs, random_network

from tinynet.bounds import with_proved_widths
from tinynet.firmware import Firmware, Option, build
from tinynet.network import InputScale
from tinynet.quantized import QuantizedNetwork, Scheme
from tinynet.quantized_layer import QuantizedLayer, output_shape

pytestmark = [needs_avr_gcc, needs_simavr]

OPTIONS: tuple[Option, ...] = ("O1", "O2", "O3", "Os")
BAUD = 500_000


def dense_network(*widths: int, scheme: Scheme = "pow2", seed: int = 0) -> QuantizedNetwork:
    """Dense layers whose weights and shifts are like trained ones'."""
    random = np.random.default_rng(seed)
    layers = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        last = index == len(widths) - 2
        layers.append(
            QuantizedLayer(
                "dense",
                f"dense_{index}",
                (inputs,),
                (outputs,),
                weights=random.integers(-40, 41, (outputs, inputs), dtype=np.int8),
                bias=random.integers(-2000, 2000, outputs, dtype=np.int32),
                relu=not last,
                shift=None if scheme == "per-channel" else 8 if last else 10,
                multipliers=random.integers(16384, 32768, outputs, np.int16) if scheme == "per-channel" else None,
                shifts=random.integers(23, 26, outputs, np.uint8) if scheme == "per-channel" else None,
            )
        )
    return QuantizedNetwork(scheme, (widths[0],), 1 / 8, InputScale(127.0, 8.0), with_proved_widths(layers))


def built(network: QuantizedNetwork, folder: Path, option: Option = "Os") -> Firmware:
    return build(network, "atmega1284p", option, "bare", folder, baud=BAUD)


def agrees(network: QuantizedNetwork, folder: Path, inputs: np.ndarray) -> None:
    answered = feed(folder / "firmware.elf", inputs.tobytes(), network.inputs, network.outputs)
    np.testing.assert_array_equal(answered.outputs(network), network.infer(inputs))


@pytest.mark.parametrize("seed", [1, 3, 6, 8, 10, 11])
def test_random_networks(seed: int, tmp_path: Path) -> None:
    network = random_network(seed)
    built(network, tmp_path)
    agrees(network, tmp_path, random_inputs(network, 12, seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 220))
def test_many_random_networks(seed: int, tmp_path: Path) -> None:
    network = random_network(seed)
    built(network, tmp_path, OPTIONS[seed % 4])
    agrees(network, tmp_path, random_inputs(network, 30, seed))


@pytest.mark.parametrize("scheme", ["pow2", "per-channel"])
def test_every_number_of_outputs_and_every_rest_of_inputs(scheme: Scheme, tmp_path: Path) -> None:
    """Blocks of 8, 4, 2 and the idle one; inputs that fill no round of the loops, or several chunks of the sum."""
    network = dense_network(275, 23, 37, 16, 15, 17, 9, 1, 7, scheme=scheme)
    built(network, tmp_path)
    agrees(network, tmp_path, random_inputs(network, 8, 5))


@pytest.mark.parametrize("shift", [0, 1, 8, 9, 16, 17])
def test_every_kind_of_shift(shift: int, tmp_path: Path) -> None:
    """Sums at and beside each rounding and each limit."""
    random = np.random.default_rng(shift)
    half = 1 << max(shift - 1, 0)
    around = [sign * half * k + d for sign in (1, -1) for k in (1, 2, 255, 256, 257) for d in (-1, 0, 1)]
    bias = np.clip(np.array(around), -8_000_000, 8_000_000).astype(np.int32)
    weights = random.integers(-2, 3, (len(bias), 2), dtype=np.int8)
    layer = QuantizedLayer("dense", "dense", (2,), (len(bias),), weights=weights, bias=bias, shift=shift)
    network = QuantizedNetwork("pow2", (2,), 1.0, InputScale(0.0, 1.0), with_proved_widths([layer]))
    built(network, tmp_path)
    agrees(network, tmp_path, random_inputs(network, 64, shift))


@pytest.mark.parametrize(
    ("scheme", "longest_s", "options"), [("pow2", 11.0e-3, OPTIONS), ("per-channel", 11.3e-3, ("O3",))]
)
def test_the_studys_network_takes_no_longer_at_any_option(
    scheme: Scheme, longest_s: float, options: tuple[Option, ...], tmp_path: Path
) -> None:
    """784-32-10 at 20 MHz; the study's best was 23.14 ms, and 8 cycles a product are 10.16 ms."""
    network = dense_network(784, 32, 10, scheme=scheme)
    inputs = random_inputs(network, 6, 1)
    for option in options:
        built(network, tmp_path, option)
        answered = feed(tmp_path / "firmware.elf", inputs.tobytes(), network.inputs, network.outputs)
        np.testing.assert_array_equal(answered.outputs(network), network.infer(inputs))
        took = [(end - begin) / CLOCK_HZ for begin, end in answered.windows]
        assert len(took) == len(inputs)
        assert max(took) <= longest_s
        assert max(took) - min(took) < 1e-5, "the time does not depend on the image"
        assert [len(layers) for layers in answered.layers] == [2] * len(inputs)


def test_the_studys_networks_are_small_enough_at_every_option(tmp_path: Path) -> None:
    """With the study's protocol, as the 41 to 44 kB it printed for width 32; its width 40 did not fit 48 kB at O3."""
    for option in OPTIONS:
        network = dense_network(784, 32, 10)
        assert build(network, "atmega1284p", option, "study", tmp_path).flash_bytes <= 30 * 1024
    assert build(dense_network(784, 40, 10), "atmega4809", "O3", "framed", tmp_path).flash_bytes <= 48 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("scheme", ["pow2", "per-channel"])
def test_width_40_fits_the_studys_board_at_every_option(scheme: Scheme, option: Option, tmp_path: Path) -> None:
    network = dense_network(784, 40, 10, scheme=scheme)
    for protocol in ("study", "framed"):
        assert build(network, "atmega4809", option, protocol, tmp_path).flash_bytes <= 48 * 1024


@pytest.mark.parametrize("scheme", ["pow2", "per-channel"])
def test_the_largest_weights_of_all_take_no_longer(scheme: Scheme, tmp_path: Path) -> None:
    """Their sums pass 24 bits: the inputs are summed in two parts, and the ends of 24 bits saturate every output."""
    network = dense_network(784, 32, 10, scheme=scheme)
    weights = network.layers[0].weights
    assert weights is not None
    weights[:8], weights[8:16] = 127, -127
    weights[16:24] = np.where(np.arange(784) % 3, 127, -127)
    wide = replace(network.layers[0], shift=None if scheme == "per-channel" else 16)
    network = replace(network, layers=with_proved_widths([wide, network.layers[1]]))
    assert network.proof[0].wrapping_bits == 32
    built(network, tmp_path)
    random = np.random.default_rng(4)
    inputs = random_inputs(network, 40, 4)
    near = np.repeat(np.arange(-128, 128, 16), 2)[:, None] + random.integers(0, 16, (32, 784))
    inputs[8:] = near  # sums from one end to the other, many beside the limits
    agrees(network, tmp_path, inputs)
    assert inference_s(network, tmp_path) <= 11.6e-3


def test_more_weights_than_one_array_holds(tmp_path: Path) -> None:
    network = dense_network(784, 56, 10)
    built(network, tmp_path)
    agrees(network, tmp_path, random_inputs(network, 6, 2))


@pytest.mark.parametrize("scheme", ["pow2", "per-channel"])
def test_a_pruned_network_is_kept_and_computed_without_its_zeros(scheme: Scheme, tmp_path: Path) -> None:
    dense = dense_network(784, 32, 10, scheme=scheme)
    pruned = without(dense, 0.8)
    whole, small = built(dense, tmp_path / "dense"), built(pruned, tmp_path / "pruned")
    agrees(pruned, tmp_path / "pruned", random_inputs(pruned, 6, 3))
    assert small.weights_bytes < 0.45 * whole.weights_bytes
    assert inference_s(pruned, tmp_path / "pruned") < 0.45 * inference_s(dense, tmp_path / "dense")


def test_a_sparse_layer_with_distances_and_rows_of_all_kinds(tmp_path: Path) -> None:
    """Empty rows, full rows, inputs more than 255 places apart, outputs that fill no group of eight."""
    network = without(dense_network(900, 11, 5), 0.97)
    weights = network.layers[0].weights
    assert weights is not None
    weights[0], weights[1], weights[2, :700], weights[3, 300:] = 0, 7, 0, 0
    layers = with_proved_widths(network.layers)
    network = QuantizedNetwork("pow2", (900,), 1 / 8, InputScale(127.0, 8.0), layers)
    built(network, tmp_path)
    assert "tn_avr_sparse" in (tmp_path / "firmware-source" / "network.c").read_text()
    agrees(network, tmp_path, random_inputs(network, 12, 4))


def without(network: QuantizedNetwork, sparsity: float) -> QuantizedNetwork:
    """The network with a share of its weights set to 0."""
    random = np.random.default_rng(9)
    layers = []
    for layer in network.layers:
        assert layer.weights is not None
        kept = np.where(random.random(layer.weights.shape) < sparsity, 0, layer.weights).astype(np.int8)
        layers.append(replace(layer, weights=kept))
    return QuantizedNetwork(
        network.scheme, network.input_shape, 1 / 8, network.input_scale, with_proved_widths(layers), {}
    )


def inference_s(network: QuantizedNetwork, folder: Path) -> float:
    inputs = random_inputs(network, 5, 0)
    ((begin, end), *_) = feed(folder / "firmware.elf", inputs.tobytes(), network.inputs, network.outputs).windows
    return (end - begin) / CLOCK_HZ


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolutions(padding: Literal["valid", "same"], tmp_path: Path) -> None:
    """Strides, several channels, more filters than a block, windows over the image's edges."""
    random = np.random.default_rng(2)
    layers: list[QuantizedLayer] = []
    shape: tuple[int, ...] = (12, 9, 3)
    for index, (filters, size, stride) in enumerate(((13, 3, 1), (6, 2, 2), (4, 3, 1))):
        layer = QuantizedLayer(
            "conv2d",
            f"conv_{index}",
            shape,
            (),
            weights=random.integers(-100, 101, (filters, size, size, shape[2]), dtype=np.int8),
            bias=random.integers(-500, 500, filters, dtype=np.int32),
            shift=9,
            relu=index == 1,
            size=size,
            stride=stride,
            padding=padding,
        )
        layers.append(replace(layer, output_shape=output_shape(layer)))
        shape = layers[-1].output_shape
    network = QuantizedNetwork("pow2", (12, 9, 3), 1.0, InputScale(0.0, 1.0), with_proved_widths(layers))
    built(network, tmp_path)
    assert (tmp_path / "firmware-source" / "network.c").read_text().count("tn_avr_conv(") == 3
    agrees(network, tmp_path, random_inputs(network, 6, 6))


@pytest.mark.skipif(
    find_spec("yasimavr") is None, reason="no yasimavr here: apt install libelf-dev, pip install yasimavr"
)
def test_an_atmega4809_gives_the_same(tmp_path: Path) -> None:
    network = dense_network(275, 23, 10)
    inputs = random_inputs(network, 6, 1)
    build(network, "atmega4809", "Os", "bare", tmp_path, baud=115200)
    done = subprocess.run(
        [sys.executable, FIRMWARE / "yasimavr_feed.py", tmp_path / "firmware.elf", str(CLOCK_HZ), "275", "10", "10"],
        input=inputs.tobytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.int8).reshape(-1, 10), network.infer(inputs))
