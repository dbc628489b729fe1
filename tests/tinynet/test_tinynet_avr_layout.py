"""Weights packed for the AVR's kernels: worked out by hand in modular arithmetic, without an AVR."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import random_network

from tinynet.bounds import with_proved_widths
from tinynet.layout_avr import (
    LARGEST_ARRAY,
    block_sizes,
    emit,
    pack,
    pack_part,
    pack_scales,
    pack_sparse,
    parts,
    serves,
    split_at,
)
from tinynet.network import InputScale
from tinynet.quantized import QuantizedNetwork
from tinynet.quantized_layer import QuantizedLayer


def unpack_and_sum(image: bytes, outputs: int, inputs: np.ndarray) -> list[int]:
    """What the blocks give for offset inputs: the kernels' arithmetic, modulo 2^24, written out."""
    shifted = inputs.astype(np.int64) + 128
    sums: list[int] = []
    at = 0
    for size, wanted in block_sizes(outputs):
        terms = [int.from_bytes(image[at + 3 * k : at + 3 * k + 3], "little") for k in range(size)]
        at += 3 * size
        weights = np.frombuffer(image, np.uint8, size * len(inputs), at).reshape(len(inputs), size).astype(np.int64)
        at += weights.size
        totals = [(terms[k] + int(shifted @ weights[:, k]) - 128 * int(shifted.sum())) % (1 << 24) for k in range(size)]
        sums += [total - (1 << 24) if total >= 1 << 23 else total for total in totals[:wanted]]
    assert at == len(image)
    return sums


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 300), st.integers(0, 20))
def test_offsets_cancel_out(seed: int, outputs: int, inputs: int, shift: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.integers(-127, 128, (outputs, inputs), dtype=np.int8)
    bias = random.integers(-100000, 100000, outputs, dtype=np.int32)
    x = random.integers(-128, 128, inputs, dtype=np.int8)
    expected = weights.astype(np.int64) @ x + bias + (1 << (shift - 1) if shift else 0)
    assert unpack_and_sum(pack(weights, bias, shift), outputs, x) == expected.tolist()


def test_blocks_hold_every_output_and_at_most_one_idle_one() -> None:
    for outputs in range(1, 256):
        sizes = block_sizes(outputs)
        assert sum(wanted for _, wanted in sizes) == outputs
        assert sum(size for size, _ in sizes) == outputs + outputs % 2


@pytest.mark.parametrize(("shift", "whole", "bits"), [(14, 1, 5), (17, 2, 0), (24, 2, 7), (25, 3, 0), (31, 3, 6)])
def test_a_shift_is_whole_bytes_and_bits_and_one(shift: int, whole: int, bits: int) -> None:
    image = pack_scales(np.array([0x4321], np.int16), np.array([shift], np.uint8))
    assert image == bytes([0x21, 0x43, whole, bits])
    assert 8 * whole + bits + 1 == shift


def test_no_array_is_larger_than_the_compiler_takes() -> None:
    for network in map(random_network, range(40)):
        for layer, proof in zip(network.layers, network.proof, strict=True):
            if not serves(layer, proof):
                assert emit(0, layer, proof, "x", "y") is None
                continue
            assert layer.weights is not None
            ranges = parts(layer)
            assert ranges[0][0] == 0
            assert ranges[-1][1] == layer.weights.shape[0]
            assert all(before[1] == after[0] for before, after in pairwise(ranges))
            assert all(len(pack_part(layer, slice(*places), slice(None))) <= LARGEST_ARRAY for places in ranges)


def test_a_sum_that_no_two_parts_hold_is_left_to_the_portable_kernels() -> None:
    wide = [
        (layer, proof)
        for network in map(random_network, range(60))
        for layer, proof in zip(network.layers, network.proof, strict=True)
        if layer.kind == "dense" and proof.wrapping_bits == 32
    ]
    assert wide
    assert not any(serves(layer, proof) for layer, proof in wide)


def wide_layer(shift: int) -> QuantizedLayer:
    random = np.random.default_rng(shift)
    weights = (random.integers(100, 128, (3, 784)) * np.array([[1], [-1], [1]])).astype(np.int8)
    bias = random.integers(-1000, 1000, 3, dtype=np.int32)
    layer = QuantizedLayer("dense", "wide", (784,), (3,), weights=weights, bias=bias, shift=shift)
    return with_proved_widths([layer])[0]


@pytest.mark.parametrize("shift", [8, 13, 16])
def test_a_sum_beyond_24_bits_is_made_of_two_and_saturates_where_the_output_does(shift: int) -> None:
    network = QuantizedNetwork("pow2", (784,), 1.0, InputScale(0.0, 1.0), (wide_layer(shift),))
    (layer,), (proof,) = network.layers, network.proof
    split = split_at(layer, proof)
    assert proof.wrapping_bits == 32
    assert split > 0
    for level in range(-128, 128, 5):
        x = np.full(784, level, np.int8)
        first, second = (
            unpack_and_sum(pack_part(layer, slice(None), part), 3, x[part])
            for part in (slice(0, split), slice(split, 784))
        )
        sums = np.clip(np.add(first, second), -(1 << 23), (1 << 23) - 1)
        assert np.clip(sums >> shift, -128, 127).tolist() == network.infer(x[None])[0].tolist()


def test_sums_are_not_stopped_where_outputs_beyond_would_differ() -> None:
    """Behind a shift of 17 the largest sum of 24 bits gives 63: the ends of 24 bits are not the outputs' ends."""
    network = QuantizedNetwork("pow2", (784,), 1.0, InputScale(0.0, 1.0), (wide_layer(17),))
    assert split_at(network.layers[0], network.proof[0]) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 900), st.floats(0, 1), st.integers(0, 20))
def test_sparse_rows_hold_the_weights_at_their_places(
    seed: int, outputs: int, inputs: int, sparsity: float, shift: int
) -> None:
    random = np.random.default_rng(seed)
    weights = random.integers(-127, 128, (outputs, inputs), dtype=np.int8)
    weights[random.random(weights.shape) < sparsity] = 0
    bias = random.integers(-100000, 100000, outputs, dtype=np.int32)
    image = pack_sparse(weights, bias, shift)
    assert image is not None
    at = 0
    for row, start in zip(weights, bias.tolist(), strict=True):
        term = int.from_bytes(image[at : at + 3], "little", signed=True)
        assert term == start + (1 << (shift - 1) if shift else 0)
        count = 4 * image[at + 3]
        entries = np.frombuffer(image, np.uint8, 2 * count, at + 4).reshape(count, 2)
        places = np.cumsum(entries[:, 0].astype(np.int64))
        unpacked = np.zeros(inputs, np.int64)
        np.add.at(unpacked, places, entries[:, 1].view(np.int8) if count else [])
        np.testing.assert_array_equal(unpacked, row)
        at += 4 + 2 * count
    assert at == len(image)


def test_a_row_of_too_many_weights_is_not_kept_sparse() -> None:
    assert pack_sparse(np.ones((1, 1020), np.int8), np.zeros(1, np.int32), None) is not None
    assert pack_sparse(np.ones((1, 1021), np.int8), np.zeros(1, np.int32), None) is None
