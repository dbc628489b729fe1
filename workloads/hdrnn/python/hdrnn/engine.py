# SPDX-License-Identifier: Apache-2.0
"""What a program of this workload adds to what they share: the arithmetic of training.

The loss of one image is ½ Σ (output − wanted)², as in M. A. Nielsen, Neural Networks and Deep Learning, eq. 6; a batch
moves the parameters by −rate · (mean gradient). Inputs are byte / 255.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hdrnn.digits import DigitSet
from hdrnn.network import Floats, Network
from hdrnn.order import Numbers


class Engine(Protocol):
    """Trains one network, in its precision. Between calls its parameters are in the network."""

    kernel: str
    """What computes, for the last line of JSON."""

    def epoch(self, digits: DigitSet, order: Numbers, batch_size: int, rate: float) -> float:
        """One pass over the images in the given order, in batches (the last one may be smaller).

        Returns the mean loss, each image's taken just before its own batch moved the parameters.
        """
        ...

    def right(self, digits: DigitSet) -> int:
        """The number of images whose label is the number of the largest output (the lowest of equals)."""
        ...

    def outputs(self, pixels: NDArray[np.uint8]) -> Floats:
        """The last layer's outputs, shape (DIGITS,), for one image, shape (PIXELS,)."""
        ...


Start = Callable[[Network, int], Engine]
"""Makes an engine for a network and batches of so many images (1 for inference alone)."""


def inputs_of(pixels: NDArray[np.uint8], dtype: np.dtype[Any]) -> Floats:
    """The inputs that some bytes stand for, of the same shape."""
    inputs: Floats = np.divide(pixels, dtype.type(255), dtype=dtype)
    return inputs
