# SPDX-License-Identifier: Apache-2.0
"""Softmax of a quantised network's outputs, in integers: the same shares in NumPy and in C (``tn_softmax``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WHOLE = 255


def powers(step: float) -> NDArray[np.uint16]:
    """``65535 · exp(-d · step)``, rounded, for outputs ``d`` = 0…255 units below the largest; shape (256,)."""
    return np.asarray(np.floor(65535 * np.exp(-np.arange(256) * step) + 0.5).astype(np.uint16))


def shares(outputs: NDArray[np.int8], step: float) -> NDArray[np.uint8]:
    """Outputs (n, classes) whose unit is ``step`` → shares of 255, (n, classes), each rounded half up by itself."""
    below = outputs.max(axis=1, keepdims=True).astype(np.intp) - outputs
    parts = powers(step).astype(np.uint32)[below]
    whole = parts.sum(axis=1, keepdims=True)
    return np.asarray(((parts * WHOLE + whole // 2) // whole).astype(np.uint8))
