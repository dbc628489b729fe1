# SPDX-License-Identifier: Apache-2.0
"""Losses of what comes before the last softmax: the mean over a batch, and its gradient."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinynet.passes import softmax

Floats = NDArray[np.float32]

_TINY = np.float32(1e-30)
"""A share that is zero counts as this much, so that its logarithm is finite."""


class Loss(Protocol):
    """Outputs before softmax, (batch, classes), and labels to the mean loss and its gradient by the outputs."""

    def __call__(self, outputs: Floats, labels: NDArray[np.uint8]) -> tuple[float, Floats]: ...


def cross_entropy(outputs: Floats, labels: NDArray[np.uint8]) -> tuple[float, Floats]:
    """Categorical cross-entropy after softmax."""
    shares = softmax(outputs)
    rows = np.arange(len(labels))
    loss = -float(np.log(np.maximum(shares[rows, labels], _TINY)).mean())
    shares[rows, labels] -= np.float32(1)
    shares *= np.float32(1 / len(labels))
    return loss, shares


def cross_entropy_softmax_twice(outputs: Floats, labels: NDArray[np.uint8]) -> tuple[float, Floats]:
    """Softmax, and then a cross-entropy that applies softmax once more.

    A mistake that is easily made: ``SparseCategoricalCrossentropy(from_logits=True)`` behind a network that ends in
    softmax, as in the microcontroller study's appendix D. Its gradient vanishes as the right share nears one. Here so
    that what it does can be seen.
    """
    shares = softmax(outputs)
    loss, by_share = cross_entropy(shares, labels)
    return loss, shares * (by_share - (by_share * shares).sum(axis=1, keepdims=True))


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "cross_entropy_softmax_twice": cross_entropy_softmax_twice,
}
"""Name → loss."""
