"""A meter's energy counter held against the power that it says it measures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from instruments.polling.pace import NS
from instruments.polling.source import Asked, update_period_s

AGREEMENT = 0.05
"""Relative difference that is still agreement: both come from one sensor, but power is only sampled."""

SIGMAS = 3.0

LEAST_EDGES = 5
"""Fewer edges of the counter say too little."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the counter and the samples of power give over the same ``duration_s``, and how far apart they may be."""

    counter_j: float
    samples_j: float
    duration_s: float
    bound_j: float

    @property
    def agrees(self) -> bool:
        """Do they lie within the bound?"""
        return abs(self.samples_j - self.counter_j) <= self.bound_j

    def text(self) -> str:
        """For a person."""
        return (
            f"over {self.duration_s:.3g} s the counter gives {self.counter_j:.6g} J, "
            f"the samples of power {self.samples_j:.6g} J; {self.bound_j:.3g} J are allowed between them"
        )


class CrossCheck:
    """Sums up both as the readings come; constant memory.

    Between two samples the power is taken to go straight from one to the other. The bound is :data:`AGREEMENT` of the
    energy, what a step from the least to the largest power seen makes in the time by which samples may lag, and
    :data:`SIGMAS` standard errors of their mean: samples of a load that comes and goes faster than they fall on it by
    chance. The scatter is that from one sample to the next (von Neumann's), so that slow changes do not count.
    """

    def __init__(self, counter: str, power: str, asked: Mapping[str, Asked], period_s: float) -> None:
        self._counter, self._power = counter, power
        self._scale_j = asked[counter].channel.scale
        self._scale_w = asked[power].channel.scale
        self._modulus = asked[counter].channel.modulus
        self._lag_s = (
            asked[power].channel.averaged_s
            + update_period_s(asked[power])
            + update_period_s(asked[counter])
            + period_s * asked[power].every
        )
        self._sampled_j = 0.0
        self._sample: tuple[float, float] | None = None
        self._least_w = self._most_w = 0.0
        self._renewed_w: float | None = None
        self._renewals = 0
        self._squares = 0.0
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] = (0.0, 0.0)
        self._counted = 0.0
        self._raw: float | None = None
        self._edges = 0

    def take(self, channel: str, begin_ns: int, end_ns: int, value: float, changed: bool) -> None:
        """Take a reading of either channel; others are left."""
        at_s = (begin_ns + end_ns) / 2 / NS
        if channel == self._power:
            self._take_power(at_s, value * self._scale_w)
        elif channel == self._counter:
            self._take_counter(at_s, value, changed)

    def _take_power(self, at_s: float, power_w: float) -> None:
        if self._sample is None:
            self._least_w = self._most_w = power_w
        else:
            before_s, before_w = self._sample
            self._sampled_j += (before_w + power_w) / 2 * (at_s - before_s)
            self._least_w, self._most_w = min(self._least_w, power_w), max(self._most_w, power_w)
        if self._renewed_w is not None and power_w != self._renewed_w:
            self._squares += (power_w - self._renewed_w) ** 2 / 2
            self._renewals += 1
        self._renewed_w = power_w
        self._sample = at_s, power_w

    def _take_counter(self, at_s: float, value: float, changed: bool) -> None:
        if self._raw is not None:
            step = value - self._raw
            self._counted += step + (self._modulus or 0) if step < 0 else step
        # The first value ever is no edge: nobody saw it come.
        is_edge = changed and self._raw is not None
        self._raw = value
        if not is_edge or self._sample is None:
            return
        sampled_j = self._sampled_j + self._sample[1] * (at_s - self._sample[0])
        if self._first is None:
            self._first = at_s, sampled_j
            self._counted = 0.0
        self._last = at_s, sampled_j
        self._edges += 1

    def result(self) -> Agreement | None:
        """Both energies between the first edge and the last; ``None`` if there is too little to compare."""
        if self._first is None or self._edges < LEAST_EDGES:
            return None
        counter_j = self._counted * self._scale_j
        samples_j = self._last[1] - self._first[1]
        duration_s = self._last[0] - self._first[0]
        # √(mean square) / √n, of n samples that were renewed
        chance_w = math.sqrt(self._squares) / self._renewals if self._renewals else 0.0
        bound_j = AGREEMENT * max(counter_j, samples_j)
        bound_j += self._lag_s * (self._most_w - self._least_w) + SIGMAS * chance_w * duration_s
        return Agreement(counter_j, samples_j, duration_s, bound_j)
