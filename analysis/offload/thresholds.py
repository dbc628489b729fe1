"""The study's thresholds: what offloading costs on average over its networks, its spread and its extremes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Threshold:
    """Mean, sample standard deviation (n − 1), greatest and least cost over a set of networks, and how many there
    were."""

    mean: float
    sd: float
    max: float
    min: float
    n: int


def threshold(costs: ArrayLike) -> Threshold:
    """The threshold of one medium and server. Raises ``ValueError`` for fewer than two costs."""
    values = np.asarray(costs, np.float64)
    if values.size < 2:
        raise ValueError("a threshold needs the costs of at least two networks")
    return Threshold(
        float(values.mean()), float(values.std(ddof=1)), float(values.max()), float(values.min()), values.size
    )
