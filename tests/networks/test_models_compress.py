"""What pruning and clustering promise of any kernel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from lab.networks.building.compress import (
    CLUSTERS,
    COMPRESSED_KINDS,
    PLAIN,
    SKIPPED,
    SPARSE,
    centroids_around_zero,
    cluster,
    linear_centroids,
    prune,
)
from lab.networks.tables import INPUT_SIZES, load_network

Kernel = NDArray[np.float32]

KERNELS = arrays(
    np.float32,
    array_shapes(min_dims=1, max_dims=4, max_side=7),
    # Few enough values that equal magnitudes are common.
    elements=st.one_of(st.floats(-10, 10, width=32), st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0])),
)
SPARSITIES = st.floats(0, 0.99)


@given(KERNELS, SPARSITIES)
def test_exactly_the_smallest_are_pruned(kernel: Kernel, sparsity: float) -> None:
    pruned = prune(kernel, sparsity)
    assert pruned.shape == kernel.shape
    assert pruned.dtype == np.float32
    kept = max(round(kernel.size * (1 - sparsity)), 1)
    # Weights that were zero cannot be told from pruned ones.
    assert np.count_nonzero(pruned) == min(kept, np.count_nonzero(kernel))
    survives = pruned != 0
    np.testing.assert_array_equal(pruned[survives], kernel[survives])
    lost = np.abs(kernel[~survives])
    assert not survives.any() or not lost.size or lost.max() <= np.abs(pruned[survives]).min()


@given(KERNELS)
def test_pruning_again_changes_nothing(kernel: Kernel) -> None:
    once = prune(kernel)
    np.testing.assert_array_equal(prune(once), once)


@given(KERNELS, st.integers(3, 40), st.sampled_from([PLAIN, SPARSE]))
def test_each_weight_becomes_its_nearest_centroid(kernel: Kernel, clusters: int, clustering: str) -> None:
    found = cluster(kernel, clusters, clustering=clustering)
    assert found.shape == kernel.shape
    assert found.dtype == np.float32
    assert np.unique(found).size <= clusters
    centroids = (
        linear_centroids(kernel, clusters) if clustering == PLAIN else centroids_around_zero(kernel, clusters)
    ).astype(np.float64)
    assert centroids.size <= clusters
    distance = np.abs(kernel.astype(np.float64)[..., None] - centroids).min(axis=-1)
    np.testing.assert_allclose(np.abs(found.astype(np.float64) - kernel), distance, rtol=0, atol=1e-12)


@given(KERNELS)
def test_sparse_clustering_keeps_every_zero(kernel: Kernel) -> None:
    pruned = prune(kernel)
    found = cluster(pruned, clustering=SPARSE)
    assert (found[pruned == 0] == 0).all()
    assert found.min() >= min(pruned.min(), 0)
    assert found.max() <= max(pruned.max(), 0)


@given(KERNELS, st.sampled_from([PLAIN, SPARSE]))
def test_order_is_kept(kernel: Kernel, clustering: str) -> None:
    order = np.argsort(kernel, axis=None, kind="stable")
    assert (np.diff(cluster(kernel, clustering=clustering).reshape(-1)[order]) >= 0).all()


def test_plain_clustering_after_pruning_destroys_the_zeros() -> None:
    kernel = np.random.default_rng(3).standard_normal((64, 64)).astype(np.float32)
    pruned = prune(kernel)
    assert np.count_nonzero(pruned == 0) == 2048
    plain, sparse = cluster(pruned), cluster(pruned, clustering=SPARSE)
    assert np.count_nonzero(plain == 0) == 0
    # All zeros went to one centroid, so that half of the weights are still alike.
    assert np.unique(plain[pruned == 0]).size == 1
    assert np.count_nonzero(sparse == 0) >= 2048
    assert np.unique(sparse).size == np.unique(plain).size == CLUSTERS


def test_linear_centroids_span_the_weights_evenly() -> None:
    kernel = np.array([-3, 0.1, 12], np.float32)
    np.testing.assert_allclose(np.diff(linear_centroids(kernel, 16)), 1, rtol=1e-6)
    assert linear_centroids(kernel, 16)[[0, -1]].tolist() == [-3, 12]


def test_centroids_are_shared_out_by_the_numbers_on_either_side_of_zero() -> None:
    kernel = np.array([-1] * 5 + [-0.5] * 5 + [0] * 7 + [0.25, 0.5, 0.75, 1, 2], np.float32)
    centroids = centroids_around_zero(kernel, 16)
    assert [np.count_nonzero(centroids < 0), np.count_nonzero(centroids == 0)] == [10, 1]
    assert centroids.tolist() == sorted(centroids.tolist())
    assert centroids_around_zero(np.zeros(9, np.float32), 16).tolist() == [0]
    assert np.count_nonzero(centroids_around_zero(np.array([1, 2], np.float32), 16) > 0) == 15


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(value: float) -> None:
    kernel = np.array([1, value], np.float32)
    for change in (prune, cluster):
        with pytest.raises(ValueError, match="not finite"):
            change(kernel)


def test_impossible_settings_are_refused() -> None:
    kernel = np.ones(4, np.float32)
    for sparsity in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="sparsity"):
            prune(kernel, sparsity)
    with pytest.raises(ValueError, match="at least 2"):
        cluster(kernel, 1)
    with pytest.raises(ValueError, match="at least 3"):
        cluster(kernel, 2, clustering=SPARSE)
    with pytest.raises(ValueError, match="clustering is one of"):
        cluster(kernel, clustering="fuzzy")


def test_every_layer_with_parameters_is_either_compressed_or_named_as_skipped() -> None:
    kinds = {layer.kind for name, sizes in INPUT_SIZES.items() for layer in load_network(name, sizes[0]).layers}
    with_parameters = {
        layer.kind
        for name, sizes in INPUT_SIZES.items()
        for layer in load_network(name, sizes[0]).layers
        if layer.parameters
    }
    assert with_parameters == {*COMPRESSED_KINDS, *SKIPPED}
    assert with_parameters < kinds
