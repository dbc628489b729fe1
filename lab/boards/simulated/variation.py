"""How one pass differs from the model's mean: factors drawn once, wander of the idle power, jitter, throttling.

Everything is drawn from the pass's seed, in streams of its own for each purpose, and nothing survives from one pass to
the next: a pass that is attempted again is the same pass. All factors have the mean 1 and all offsets the mean 0
exactly, and they are independent of each other, so the model's means are the means over passes, of products too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lab.boards.simulated.constants import VariationConstants

_FACTOR_LIMIT = 4.0
"""Factors are cut symmetrically at this many standard deviations, which keeps their mean."""


class PassVariation:
    """The random part of one pass."""

    def __init__(self, seed: int, constants: VariationConstants) -> None:
        self._constants = constants
        streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(5)]
        factors, self._idle, self._jitter, self.counts, self.faults = streams
        self.latency_factor = self._factor(factors, constants.latency_relative)
        self.active_power_factor = self._factor(factors, constants.active_power_relative)
        self._idle_levels_w: list[float] = []
        self._idle_offset_w = constants.idle_pass_w * _limited(factors)
        self._wander_w = constants.idle_wander_w * _limited(self._idle)

    @staticmethod
    def _factor(stream: np.random.Generator, relative: float) -> float:
        return 1.0 + relative * _limited(stream)

    @property
    def idle_step_s(self) -> float:
        """Idle power is constant for this long."""
        return self._constants.idle_step_s

    def idle_levels_w(self, count: int) -> NDArray[np.float64]:
        """Offsets from the mean idle power in the pass's first ``count`` steps, of shape (count,)."""
        constants = self._constants
        missing = count - len(self._idle_levels_w)
        if missing > 0:
            keep = math.exp(-constants.idle_step_s / constants.idle_wander_s)
            fresh = constants.idle_wander_w * math.sqrt(1 - keep * keep)
            # A few seconds at a time: a level depends on its index only, not on how it was asked for.
            steps = self._idle.standard_normal((max(missing, 64), 2))
            for wander, noise in steps.tolist():
                self._idle_levels_w.append(self._idle_offset_w + self._wander_w + constants.idle_noise_w * noise)
                self._wander_w = keep * self._wander_w + fresh * wander
        return np.array(self._idle_levels_w[:count])

    def jitter(self, count: int) -> NDArray[np.float64]:
        """Factors of mean 1 on the latency of the next ``count`` inferences: log-normal, delays have a tail."""
        spread = math.sqrt(math.log1p(self._constants.jitter_relative**2))
        return np.exp(spread * self._jitter.standard_normal(count) - spread * spread / 2)


def _limited(stream: np.random.Generator) -> float:
    return float(np.clip(stream.standard_normal(), -_FACTOR_LIMIT, _FACTOR_LIMIT))
