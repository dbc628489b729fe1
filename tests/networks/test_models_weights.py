"""Weights drawn from a seed have the shapes that Keras has, and trained ones are found by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lab.errors import UsageError
from lab.networks.building.weights import PRETRAINED_FILES, kernel_shape, seeded_weights, trained_weights
from lab.networks.tables import INPUT_SIZES, load_network

PAIRS = [(name, size) for name, sizes in INPUT_SIZES.items() for size in sizes]


@pytest.mark.parametrize(("name", "size"), PAIRS)
def test_kernels_and_biases_make_up_a_layers_parameters(name: str, size: int) -> None:
    for layer in load_network(name, size).layers:
        if layer.macs:
            kernel = int(np.prod(kernel_shape(layer)))
            assert layer.parameters - kernel in (0, layer.output_shape[-1]), layer.name


def test_weights_are_drawn_for_every_parameter_and_from_the_seed_alone() -> None:
    network = load_network("MobileNet", 32)
    first, again, other = (seeded_weights(network, seed) for seed in (1, 1, 2))
    assert list(first) == [layer.name for layer in network.layers if layer.parameters]
    assert sum(array.size for arrays in first.values() for array in arrays) == network.parameters
    for name, arrays in first.items():
        for array, same, different in zip(arrays, again[name], other[name], strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, same)
            assert not np.array_equal(array, different)


def test_kernels_keep_the_scale_of_activations() -> None:
    network = load_network("MobileNet", 32)
    drawn = seeded_weights(network, 1)
    for layer in network.layers:
        if layer.macs:
            kernel = drawn[layer.name][0]
            fan_in = 9 if layer.kind == "DepthwiseConv2D" else int(np.prod(kernel.shape[:-1]))
            assert kernel.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.15), layer.name


def test_normalisations_of_inception_have_no_scale() -> None:
    network = load_network("InceptionV3", 75)
    first = next(layer for layer in network.layers if layer.kind == "BatchNormalization")
    assert first.parameters == 3 * first.output_shape[-1]


def test_ones_own_weights_are_preferred_to_the_published_ones(tmp_path: Path) -> None:
    network = load_network("MobileNet", 32)
    with pytest.raises(UsageError, match="has no weights of MobileNet 32"):
        trained_weights(tmp_path, network)
    published = tmp_path / PRETRAINED_FILES["MobileNet"]
    published.touch()
    assert trained_weights(tmp_path, network) == (published, False)
    own = tmp_path / "MobileNet_32.weights.h5"
    own.touch()
    assert trained_weights(tmp_path, network) == (own, True)
    assert trained_weights(tmp_path, load_network("MobileNet", 75)) == (published, False)


def test_every_network_has_a_published_file() -> None:
    assert set(PRETRAINED_FILES) == set(INPUT_SIZES)
