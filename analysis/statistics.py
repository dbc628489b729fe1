"""Plain statistics of sets of values: means, spread, and how much faster one set is than another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Speedup:
    """How many times less one set took than another, pair by pair. ``n`` counts the pairs."""

    n: int
    mean: float
    maximum: float
    minimum: float
    geometric_mean: float


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean. Raises ``ValueError`` for no values."""
    if not values:
        raise ValueError("no values have no mean")
    return math.fsum(values) / len(values)


def standard_deviation(values: Sequence[float]) -> float | None:
    """Sample standard deviation (n − 1); ``None`` for fewer than two values."""
    if len(values) < 2:
        return None
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean. Raises ``ValueError`` for no values, and for one that is not positive."""
    if any(not value > 0.0 for value in values):
        raise ValueError("a geometric mean needs positive values")
    return math.exp(mean([math.log(value) for value in values]))


def speedup(before: Sequence[float], after: Sequence[float]) -> Speedup:
    """Speed-ups ``before[i] / after[i]`` of pairs, summarised.

    The arithmetic mean is what studies print; it is drawn up by single large ratios and differs from the inverse of
    the mean slow-down. The geometric mean does neither. Raises ``ValueError`` for no pairs, and for times that are
    not positive.
    """
    ratios = []
    for slow, fast in zip(before, after, strict=True):
        if not (slow > 0.0 and fast > 0.0):
            raise ValueError("a speed-up needs positive times")
        ratios.append(slow / fast)
    return Speedup(len(ratios), mean(ratios), max(ratios, default=0.0), min(ratios), geometric_mean(ratios))
