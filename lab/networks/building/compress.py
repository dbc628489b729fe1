"""Pruning and weight clustering of one kernel, in NumPy, as TensorFlow's model optimisation toolkit does both without
fine-tuning.

The toolkit wraps layers of a Keras 2 model and trains it; taken without training, what is left is arithmetic on arrays,
which is here. Two ways to cluster after pruning exist, and "PWQ" does not say which: ``plain`` spaces all centroids
evenly between the smallest and the largest weight, so that zeros move to the nearest centroid and the sparsity is gone;
``sparse`` keeps one centroid at zero.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]

SPARSITY: Final = 0.5
CLUSTERS: Final = 16

PLAIN, SPARSE = "plain", "sparse"
CLUSTERINGS: Final = (PLAIN, SPARSE)
"""Named in metadata as plain and sparsity-preserving clustering."""

COMPRESSED_KINDS: Final = ("Conv2D", "Dense")
"""Keras layers whose kernels are pruned and clustered."""

SKIPPED: Final = {
    "DepthwiseConv2D": "depthwise kernels: few weights, and each counts for a whole channel",
    "BatchNormalization": "scales, offsets and statistics of normalisation: the converter folds them into kernels",
}
"""Layers with parameters that stay as they are, as in the toolkit's own registries; biases of all layers do too."""


def prune(weights: Weights, sparsity: float = SPARSITY) -> Weights:
    """A copy with the smallest magnitudes set to zero, until the share ``sparsity`` of all weights is.

    Kept are round(size · (1 - sparsity)) weights (halves to even), one at least; among equal magnitudes the first ones.
    Raises ``ValueError`` if ``sparsity`` is not at least 0 and below 1, or a weight is not finite.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity is at least 0 and below 1, not {sparsity}")
    flat = _finite(weights).reshape(-1)
    if flat.size == 0:
        return weights.copy()
    kept = max(round(flat.size * (1 - sparsity)), 1)
    magnitudes = np.abs(flat)
    threshold = np.partition(magnitudes, flat.size - kept)[flat.size - kept]
    keep = magnitudes > threshold
    ties = np.flatnonzero(magnitudes == threshold)
    keep[ties[: kept - int(np.count_nonzero(keep))]] = True
    return np.where(keep, flat, np.float32(0)).astype(np.float32).reshape(weights.shape)


def cluster(weights: Weights, clusters: int = CLUSTERS, *, clustering: str = PLAIN) -> Weights:
    """A copy in which each weight is the nearest of at most ``clusters`` linear centroids; halfway, the smaller one.

    Raises ``ValueError`` for fewer than two clusters (three where zero takes one), an unknown ``clustering``, or a
    weight that is not finite.
    """
    if clustering not in CLUSTERINGS:
        raise ValueError(f"clustering is one of {', '.join(CLUSTERINGS)}, not {clustering!r}")
    if clusters < (least := 3 if clustering == SPARSE else 2):
        raise ValueError(f"{clustering} clustering needs at least {least} clusters, not {clusters}")
    values = _finite(weights)
    if values.size == 0:
        return weights.copy()
    centroids = linear_centroids(values, clusters) if clustering == PLAIN else centroids_around_zero(values, clusters)
    middles = (centroids[1:].astype(np.float64) + centroids[:-1]) / 2
    return centroids[np.searchsorted(middles, values.astype(np.float64), side="left")]


def linear_centroids(weights: Weights, clusters: int) -> Weights:
    """``clusters`` values from the smallest weight to the largest, evenly spaced."""
    return np.linspace(weights.min(), weights.max(), clusters, dtype=np.float32)


def centroids_around_zero(weights: Weights, clusters: int) -> Weights:
    """Zero, and the other centroids shared out between negative and positive weights by their numbers; on either side
    evenly spaced from its smallest value to its largest. One zero where all weights are."""
    negative, positive = weights[weights < 0], weights[weights > 0]
    if not (nonzero := negative.size + positive.size):
        return np.zeros(1, np.float32)
    below = round((clusters - 1) * (negative.size / nonzero))
    parts = [np.zeros(1, np.float32)]
    if below:
        parts.insert(0, linear_centroids(negative, below))
    if above := clusters - 1 - below:
        parts.append(linear_centroids(positive, above))
    return np.concatenate(parts)


def _finite(weights: Weights) -> Weights:
    if not np.isfinite(weights).all():
        raise ValueError("weights that are not finite cannot be compressed")
    return weights
