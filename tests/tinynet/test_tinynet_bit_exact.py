"""The exported C computes what NumPy computes, byte for byte, and no sum passes the width that was proved for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from host_programs import HostProgram
from random_networks import Draw, dense, edge_networks, random_inputs, random_network

from tinynet import reference
from tinynet.bounds import prove_layer
from tinynet.quantized import QuantizedNetwork, Scheme
from tinynet.quantized_layer import QuantizedLayer


def compare(folder: Path, networks: Sequence[QuantizedNetwork], **how: tuple[str, ...]) -> None:
    program = HostProgram(folder, networks, **how)
    for which, network in enumerate(networks):
        inputs = random_inputs(network, 64, which)
        np.testing.assert_array_equal(program.infer(which, inputs), network.infer(inputs), f"network {which}")


def drawn(seeds: range) -> list[QuantizedNetwork]:
    return [random_network(seed) for seed in seeds]


def test_random_networks_are_bit_exact_in_c_under_sanitizers(tmp_path: Path) -> None:
    compare(tmp_path, [*drawn(range(40)), *edge_networks()])


def test_random_networks_together_have_every_kind_of_layer_width_and_scheme() -> None:
    networks = [random_network(seed) for seed in range(40)]
    layers = [layer for network in networks for layer in network.layers]
    assert {layer.kind for layer in layers} == {"dense", "conv2d", "maxpool", "avgpool", "relu", "table"}
    assert {network.scheme for network in networks} == {"pow2", "per-channel"}
    for kind in ("dense", "conv2d"):
        assert {layer.accumulator_bits for layer in layers if layer.kind == kind} == {16, 24, 32}
        assert {layer.shift is None for layer in layers if layer.kind == kind} == {True, False}
    assert {layer.padding for layer in layers if layer.kind == "conv2d"} == {"valid", "same"}
    assert {layer.shift is None for layer in layers if layer.kind == "avgpool"} == {True, False}


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 1400, 100))
def test_many_random_networks_are_bit_exact(tmp_path: Path, start: int) -> None:
    compare(tmp_path, drawn(range(start, start + 100)))


@pytest.mark.slow
@pytest.mark.parametrize("flags", [("-O2",), ("-O3",), ("-Os",)])
def test_optimised_c_is_bit_exact(tmp_path: Path, flags: tuple[str, ...]) -> None:
    compare(tmp_path, [*drawn(range(40)), *edge_networks()], flags=flags)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("compiler", "emulator"),
    [
        (("aarch64-linux-gnu-gcc", "-static"), ("qemu-aarch64",)),
        (("arm-linux-gnueabihf-gcc", "-static"), ("qemu-arm",)),
    ],
)
def test_c_of_other_machines_is_bit_exact(tmp_path: Path, compiler: tuple[str, ...], emulator: tuple[str, ...]) -> None:
    compare(tmp_path, [*drawn(range(20)), *edge_networks()], flags=("-O2",), compiler=compiler, emulator=emulator)


def test_a_width_below_the_proof_is_caught_by_the_checked_runtime(tmp_path: Path) -> None:
    """The check that the other tests rely on does find what it looks for."""
    network = next(
        n for n in map(random_network, range(100)) if n.layers[0].kind == "dense" and n.proof[0].high > 40000
    )
    narrow = replace(network.layers[0], accumulator_bits=16, bias=np.zeros_like(network.layers[0].bias))
    object.__setattr__(network, "layers", (narrow, *network.layers[1:]))
    program = HostProgram(tmp_path, [network])
    with pytest.raises(AssertionError, match="passed its width"):
        program.infer(0, random_inputs(network, 64, 1))


# ------------------------------------------------------------------------------------ the reference against plain loops


def plain_output(layer: QuantizedLayer, total: int, channel: int) -> int:
    """ARITHMETIC.md in Python's integers."""
    if layer.shift is not None:
        value = (total + (1 << (layer.shift - 1))) >> layer.shift if layer.shift else total
    else:
        assert layer.multipliers is not None
        assert layer.shifts is not None
        shift = int(layer.shifts[channel])
        value = (total * int(layer.multipliers[channel]) + (1 << (shift - 1))) >> shift
    return min(max(value, 0 if layer.relu else -128), 127)


def plain_layer(layer: QuantizedLayer, x: list[int]) -> list[int]:
    if layer.kind == "relu":
        return [max(value, 0) for value in x]
    if layer.kind == "table":
        assert layer.table is not None
        return [int(layer.table[value + 128]) for value in x]
    if layer.kind == "dense":
        assert layer.weights is not None
        assert layer.bias is not None
        sums = [
            int(bias) + sum(w * v for w, v in zip(row, x, strict=True))
            for row, bias in zip(layer.weights.tolist(), layer.bias, strict=True)
        ]
        return [plain_output(layer, total, channel) for channel, total in enumerate(sums)]
    height, width, channels = layer.input_shape
    rows, columns, filters = layer.output_shape
    before = [0, 0]
    if layer.padding == "same":
        for axis, (side, count) in enumerate(((height, rows), (width, columns))):
            before[axis] = max((count - 1) * layer.stride + layer.size - side, 0) // 2
    result = []
    for row in range(rows):
        for column in range(columns):
            for channel in range(filters):
                places = [
                    (row * layer.stride + i - before[0], column * layer.stride + j - before[1], i, j)
                    for i in range(layer.size)
                    for j in range(layer.size)
                ]
                inside = [p for p in places if 0 <= p[0] < height and 0 <= p[1] < width]
                if layer.kind == "conv2d":
                    assert layer.weights is not None
                    assert layer.bias is not None
                    total = int(layer.bias[channel]) + sum(
                        int(layer.weights[channel, i, j, c]) * x[(y * width + z) * channels + c]
                        for y, z, i, j in inside
                        for c in range(channels)
                    )
                    result.append(plain_output(layer, total, channel))
                    continue
                values = [x[(y * width + z) * channels + channel] for y, z, _, _ in inside]
                result.append(max(values) if layer.kind == "maxpool" else plain_output(layer, sum(values), 0))
    return result


@pytest.mark.parametrize("seed", range(30))
def test_the_reference_is_what_the_page_says_in_plain_loops(seed: int) -> None:
    agrees_with_plain_loops(random_network(seed))


def test_the_reference_is_what_the_page_says_beside_each_rounding() -> None:
    for network in edge_networks():
        agrees_with_plain_loops(network)


def agrees_with_plain_loops(network: QuantizedNetwork) -> None:
    inputs = random_inputs(network, 5, 1)
    for given, got in zip(inputs, network.infer(inputs), strict=True):
        values = [int(value) for value in given]
        for layer in network.layers:
            values = plain_layer(layer, values)
        assert values == got.tolist()


# -------------------------------------------------------------------------------------------------------- the proof


@pytest.mark.parametrize("seed", range(40))
def test_no_sum_passes_its_bound(seed: int) -> None:
    network = random_network(seed)
    flat = random_inputs(network, 64, seed)
    for layer, proof in zip(network.layers, network.proof, strict=True):
        assert flat.min() >= proof.input_range[0]
        assert flat.max() <= proof.input_range[1]
        if proof.sums:
            sums = reference.accumulate(layer, flat)
            assert proof.low <= sums.min()
            assert sums.max() <= proof.high
            half = 1 << (proof.accumulator_bits - 1)
            assert -half <= proof.partial_low <= proof.low
            assert proof.high <= proof.partial_high < half
        flat = reference.run_layer(layer, flat)
        assert flat.min() >= proof.output_range[0]
        assert flat.max() <= proof.output_range[1]


@pytest.mark.parametrize("scheme", ["pow2", "per-channel"])
@pytest.mark.parametrize("inputs", [1, 5, 40, 784])
def test_the_bound_of_a_first_layer_is_reached(inputs: int, scheme: Scheme) -> None:
    layer = dense(Draw(inputs), 0, (inputs,), scheme)
    low, high = (np.full(layer.input_shape, limit, np.int64) for limit in (-128, 127))
    proof = prove_layer(layer, low, high)[0]
    assert layer.weights is not None
    highest = np.where(layer.weights > 0, 127, -128).astype(np.int8)
    lowest = np.where(layer.weights > 0, -128, 127).astype(np.int8)
    assert reference.accumulate(layer, highest).diagonal().tolist() == list(proof.highs)
    assert reference.accumulate(layer, lowest).diagonal().tolist() == list(proof.lows)
