# SPDX-License-Identifier: Apache-2.0
"""The step of a tensor's bytes, from values seen: by the largest, or by least Kullback-Leibler divergence.

A step is the real value of one unit; bytes hold 128 steps (127 upwards). Steps of the power-of-two scheme are powers of
two; the largest value may then be 128 steps, which the clamp shortens by one unit, as in CMSIS-NN's and NNoM's formats.

Divergence after S. Migacz, *8-bit Inference with TensorRT*, GPU Technology Conference 2017: the threshold is chosen
whose clipped and quantised distribution of magnitudes is nearest to the one seen. Zeros are left out: any step holds
them exactly, and behind a ReLU they would outweigh all else.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Method = Literal["max", "kl"]

LEVELS = 128
BINS = 4096
CANDIDATES = 128
"""Thresholds tried where any step is allowed: at every ``BINS / CANDIDATES`` bins."""
STEP_BITS = 12
"""Steps that are no powers of two keep so many bits: the last bits of a sum in binary32 do not change them."""


def power_of_two_step(largest: float) -> float:
    """The smallest power of two of which 128 steps reach ``largest``; 2^-7 for 0."""
    if largest <= 0:
        return 1 / LEVELS
    fraction, exponent = math.frexp(largest)
    return math.ldexp(1.0, (exponent - 1 if fraction == 0.5 else exponent) - 7)


def any_step(largest: float) -> float:
    """A step of which 127 reach ``largest``, rounded up to :data:`STEP_BITS` bits; 1/127 for 0 (rounded likewise)."""
    fraction, exponent = math.frexp((largest if largest > 0 else 1.0) / (LEVELS - 1))
    return math.ldexp(math.ceil(fraction * (1 << STEP_BITS)), exponent - STEP_BITS)


def step_for(values: ArrayLike, *, method: Method, power_of_two: bool) -> float:
    """The step for a tensor of which ``values`` (any shape, finite) were seen."""
    magnitudes = np.abs(np.asarray(values, dtype=np.float64)).ravel()
    largest = float(magnitudes.max(initial=0.0))
    step = power_of_two_step(largest) if power_of_two else any_step(largest)
    if method == "max" or largest == 0:
        return step
    # The histogram ends where the bytes of the largest step end, so that each threshold lies between two bins.
    end = step * LEVELS
    counts = np.histogram(magnitudes[magnitudes > 0], bins=BINS, range=(0.0, end))[0].astype(np.float64)
    if power_of_two:
        places = [BINS >> halvings for halvings in range(BINS.bit_length()) if BINS >> halvings >= LEVELS]
    else:
        places = list(range(LEVELS, BINS + 1, BINS // CANDIDATES))
    best = min(places, key=lambda place: (divergence(counts, place), -place))
    return end * best / BINS / LEVELS if power_of_two else any_step(end * best / BINS * (LEVELS - 1) / LEVELS)


def divergence(counts: NDArray[np.float64], place: int) -> float:
    """Kullback-Leibler divergence of the histogram from itself clipped at bin ``place`` and held in 128 levels.

    What is clipped counts into the last bin of what was seen, not of what is held: that is the cost of clipping.
    """
    seen = counts[:place].copy()
    edges = np.arange(LEVELS + 1) * place // LEVELS
    kept = np.add.reduceat(seen, edges[:-1])
    filled = np.add.reduceat((seen > 0).astype(np.float64), edges[:-1])
    share = np.divide(kept, filled, out=np.zeros_like(kept), where=filled > 0)
    held = np.where(seen > 0, np.repeat(share, np.diff(edges)), 0.0)
    seen[-1] += counts[place:].sum()
    if held.sum() == 0:
        return math.inf
    # A little everywhere, so that what the levels cannot hold at all costs much, not infinitely.
    little = 1e-9
    first = (seen + little) / (seen + little).sum()
    second = (held + little) / (held + little).sum()
    return float(np.sum(first * np.log(first / second)))
