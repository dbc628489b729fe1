# SPDX-License-Identifier: Apache-2.0
"""How parameters move along their gradient. One flat array each, changed in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_EPSILON = np.float32(1e-7)
"""Keras's, of both."""


class Optimizer(Protocol):
    """Moves parameters."""

    def step(self, parameters: Floats, gradient: Floats) -> None:
        """One step; ``parameters`` change in place, ``gradient`` may."""
        ...


class Adam:
    """D. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, 2015; β₁ 0.9, β₂ 0.999, ε as Keras places it."""

    def __init__(self, size: int, rate: float) -> None:
        self._rate = rate
        self._steps = 0
        self._mean = np.zeros(size, np.float32)
        self._square = np.zeros(size, np.float32)
        self._scratch = np.empty(size, np.float32)

    def step(self, parameters: Floats, gradient: Floats) -> None:
        self._steps += 1
        scratch = self._scratch
        np.subtract(gradient, self._mean, out=scratch)
        scratch *= np.float32(0.1)
        self._mean += scratch
        np.multiply(gradient, gradient, out=scratch)
        scratch -= self._square
        scratch *= np.float32(0.001)
        self._square += scratch
        np.sqrt(self._square, out=scratch)
        scratch += _EPSILON
        np.divide(self._mean, scratch, out=scratch)
        scratch *= np.float32(self._rate * math.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps))
        parameters -= scratch


class RmsProp:
    """G. Hinton's lecture 6a of 2012, with Keras's ρ of 0.9."""

    def __init__(self, size: int, rate: float) -> None:
        self._rate = np.float32(rate)
        self._square = np.zeros(size, np.float32)
        self._scratch = np.empty(size, np.float32)

    def step(self, parameters: Floats, gradient: Floats) -> None:
        scratch = self._scratch
        np.multiply(gradient, gradient, out=scratch)
        scratch -= self._square
        scratch *= np.float32(0.1)
        self._square += scratch
        np.sqrt(self._square, out=scratch)
        scratch += _EPSILON
        np.divide(gradient, scratch, out=scratch)
        scratch *= self._rate
        parameters -= scratch


OPTIMIZERS: dict[str, Callable[[int, float], Optimizer]] = {"adam": Adam, "rmsprop": RmsProp}
"""Name → made of the number of parameters and the rate."""
