# SPDX-License-Identifier: Apache-2.0
"""From g and degrees per second to the network's 180 inputs between 0 and 1, as the study scales them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gesture.motion import Floats
from tinynet.network import Network
from tinynet.scales import scaled as scaled_bytes

ACCELERATION_G = 4.0
RATE_DPS = 2000.0


def scaled(values: Floats) -> NDArray[np.float32]:
    """(n, samples, 6) → (n, samples · 6): acceleration from ±4 g, rate from ±2000 °/s; what lies beyond is cut."""
    limits = np.repeat([ACCELERATION_G, RATE_DPS], 3)
    return np.asarray(np.clip((values + limits) / (2 * limits), 0.0, 1.0).reshape(len(values), -1), np.float32)


def as_bytes(inputs: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Inputs between 0 and 1 as bytes: what a microcontroller is sent. A step is 0.031 g, or 15.7 °/s."""
    return np.asarray(np.rint(inputs * 255.0), np.uint8)


def as_network_inputs(network: Network, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes as the numbers that the trained network takes."""
    return scaled_bytes(network.scale, inputs)


def unrounded(network: Network, values: Floats) -> NDArray[np.float32]:
    """Values (n, samples, 6) in g and °/s as the trained network would take them without bytes in between."""
    scale = network.scale
    return ((255.0 * scaled(values).astype(np.float64) - scale.offset) / scale.divisor).astype(np.float32)


def shuffled(count: int, held_back: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which performances to train on and which to hold back for validation, in the order drawn from the seed."""
    order = np.random.default_rng([seed, 3]).permutation(count)
    kept = round(count * held_back)
    return order[kept:], order[:kept]
