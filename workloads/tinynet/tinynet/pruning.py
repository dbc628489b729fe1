# SPDX-License-Identifier: Apache-2.0
"""Gradual magnitude pruning: the smallest weights of each layer are held at zero, ever more of them, in training.

The schedule is M. Zhu's and S. Gupta's (*To prune, or not to prune*, 2017, equation 1), as TensorFlow's model
optimization toolkit has it: ``s(t) = final + (initial − final) · (1 − t/T)³``, a new choice of zeros every 100 steps.
Weights at zero take part in each step, so one may grow and be chosen again. Biases are never pruned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError
from tinynet.network import Network

Floats = NDArray[np.float32]

EXPONENT = 3
EVERY = 100
"""Steps between two choices of zeros."""
_FEWEST_CHOICES = 10
"""A training too short for so many choices chooses more often."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many of a layer's weights are zero when: from ``initial`` to ``final`` (shares) over ``ramp_steps``.

    ``every``: steps between two choices; the last is made at ``ramp_steps``. After it the zeros stay where they are.
    """

    initial: float
    final: float
    ramp_steps: int
    every: int

    def sparsity(self, step: int) -> float:
        """The share of zeros that is wanted at a step."""
        if self.ramp_steps == 0:
            return self.final
        left = 1 - min(step, self.ramp_steps) / self.ramp_steps
        return self.final + (self.initial - self.final) * left**EXPONENT

    def chooses(self, step: int) -> bool:
        """Whether zeros are chosen anew before this step."""
        return step <= self.ramp_steps and step % self.every == 0


def schedule(initial: float, final: float, steps: int, ramp: float = 1.0) -> Schedule:
    """A schedule for a training of ``steps`` that reaches ``final`` after the share ``ramp`` of them.

    Raises :class:`TinynetError` for shares that are none. ``initial`` may be above ``final``: then weights come back.
    """
    for name, share in (("initial", initial), ("final", final)):
        if not (math.isfinite(share) and 0 <= share < 1):
            raise TinynetError(f"{name} sparsity {share}: expected a share from 0 to below 1")
    if not (math.isfinite(ramp) and 0 < ramp <= 1):
        raise TinynetError(f"ramp {ramp}: expected a share of the training, above 0 to 1")
    every = max(1, min(EVERY, steps // _FEWEST_CHOICES))
    last = max(0, min(int(steps * ramp), steps - 1))
    return Schedule(initial, final, last // every * every, every)


class MagnitudePruner:
    """Holds weights at zero by a schedule; given to :func:`tinynet.training.train`."""

    def __init__(self, plan: Schedule) -> None:
        self._plan = plan
        self._masks: dict[str, Floats] = {}

    def before_step(self, step: int, layers: dict[str, Floats]) -> None:
        """Choose anew where the schedule says so, then set to zero."""
        if self._plan.chooses(step):
            sparsity = self._plan.sparsity(step)
            self._masks = {name: keep_largest(weights, sparsity) for name, weights in layers.items()}
        self.at_end(layers)

    def at_end(self, layers: dict[str, Floats]) -> None:
        """Set to zero what a step has moved."""
        for name, mask in self._masks.items():
            layers[name] *= mask


def keep_largest(weights: Floats, sparsity: float) -> Floats:
    """1 for the weights to keep, 0 for the share ``sparsity`` of smallest magnitude; of equal ones the first go."""
    zeros = round(weights.size * sparsity)
    mask = np.ones(weights.size, np.float32)
    mask[np.argsort(np.abs(weights), axis=None, kind="stable")[:zeros]] = 0
    return mask.reshape(weights.shape)


def zero_weights(network: Network) -> int:
    """Weights that are zero; biases do not count."""
    return sum(int(np.count_nonzero(layer.weights == 0)) for layer in network.layers if layer.weights is not None)


def weight_count(network: Network) -> int:
    """Weights without biases."""
    return sum(layer.weights.size for layer in network.layers if layer.weights is not None)
