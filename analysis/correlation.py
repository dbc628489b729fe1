"""How two quantities go together over the points of a matrix, with intervals that respect families.

Pearson's r is taken on logarithms: times, energies and counts span decades, and a power law is a line there.
Spearman's ρ asks for order only. Points of one family (one network at several sizes and compressions) are not
independent of each other, so the bootstrap draws whole families (A. C. Cameron, J. B. Gelbach, D. L. Miller,
*Bootstrap-Based Improvements for Inference with Clustered Errors*, Rev. Econ. Stat. 90, 2008). With few families such
an interval is rough, and the number of families stands beside it; below :data:`FEWEST_CLUSTERS` there is no interval
at all.

Where several correlations are tested, their p-values are corrected with Holm's method (S. Holm, *A Simple
Sequentially Rejective Multiple Test Procedure*, Scand. J. Stat. 6, 1979). They are those of Spearman's ρ for
independent points, which points of one family are not: read them as a sieve, and the intervals as the statement.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

FEWEST_POINTS = 4
"""Below this a correlation says nothing."""

FEWEST_CLUSTERS = 3
"""Below this resampling whole families says nothing."""

RESAMPLES = 2000
INTERVAL = (2.5, 97.5)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Correlation:
    """Pearson's r of logarithms and Spearman's ρ with 95 % bootstrap intervals.

    ``n`` counts the points used, ``n_clusters`` the families; values are ``None``, with ``note`` saying why, where
    there is nothing to state. ``p`` is the two-sided p-value of ρ under independence of all points.
    """

    n: int
    n_clusters: int
    pearson: float | None = None
    pearson_low: float | None = None
    pearson_high: float | None = None
    spearman: float | None = None
    spearman_low: float | None = None
    spearman_high: float | None = None
    p: float | None = None
    note: str = ""


def correlate(
    x: Sequence[float],
    y: Sequence[float],
    clusters: Sequence[Hashable] | None,
    seed: int | Sequence[int],
    resamples: int = RESAMPLES,
) -> Correlation:
    """Correlate ``y`` with ``x``; ``clusters`` names each point's family (``None``: each point its own).

    Pairs in which a value is not positive have no logarithm: they are left out of both figures, and counted in
    ``note``. The same seed gives the same interval.
    """
    if len(x) != len(y) or (clusters is not None and len(clusters) != len(x)):
        raise ValueError("x, y and clusters must be equally long")
    kept = [i for i, (a, b) in enumerate(zip(x, y, strict=True)) if a > 0.0 and b > 0.0]
    note = f"{len(x) - len(kept)} points without a positive value left out" if len(kept) < len(x) else ""
    names = [i if clusters is None else clusters[i] for i in kept]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    n, n_clusters = len(kept), len(numbers)
    if n < FEWEST_POINTS:
        return Correlation(n, n_clusters, note=_joined(note, f"fewer than {FEWEST_POINTS} points"))
    log_x, log_y = (np.log([values[i] for i in kept]) for values in (x, y))
    if np.ptp(log_x) == 0.0 or np.ptp(log_y) == 0.0:
        return Correlation(n, n_clusters, note=_joined(note, "one of the two is constant"))
    pearson, spearman = _pearson(log_x, log_y), _pearson(_ranks(log_x), _ranks(log_y))
    result = Correlation(n, n_clusters, pearson, spearman=spearman, p=_p_value(spearman, n), note=note)
    if n_clusters < FEWEST_CLUSTERS:
        why = f"fewer than {FEWEST_CLUSTERS} families: no interval"
        return Correlation(n, n_clusters, pearson, spearman=spearman, p=result.p, note=_joined(note, why))
    index = np.array([numbers[name] for name in names])
    low, high = _bootstrap(log_x, log_y, index, n_clusters, seed, resamples)
    return Correlation(n, n_clusters, pearson, low[0], high[0], spearman, low[1], high[1], result.p, note)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the order given; ``None`` stays ``None`` and does not count as a test."""
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(tested):
        running = max(running, min(1.0, (len(tested) - rank) * p))
        adjusted[i] = running
    return adjusted


def _bootstrap(
    x: Floats, y: Floats, cluster: NDArray[np.intp], n_clusters: int, seed: int | Sequence[int], resamples: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Low and high ends of the percentile intervals of r and ρ. Resamples without any spread are left out."""
    members = [np.flatnonzero(cluster == number) for number in range(n_clusters)]
    draws = np.random.default_rng(seed).integers(n_clusters, size=(resamples, n_clusters))
    # Few families have few different draws (35 of four families): each is computed once and counts as often as it fell.
    distinct, times = np.unique(np.sort(draws, axis=1), axis=0, return_counts=True)
    figures, counts = [], []
    for drawn, count in zip(distinct, times, strict=True):
        chosen = np.concatenate([members[number] for number in drawn])
        some_x, some_y = x[chosen], y[chosen]
        if np.ptp(some_x) > 0.0 and np.ptp(some_y) > 0.0:
            figures.append((_pearson(some_x, some_y), _pearson(_ranks(some_x), _ranks(some_y))))
            counts.append(count)
    low, high = np.percentile(np.repeat(np.array(figures), counts, axis=0), INTERVAL, axis=0)
    return (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def _pearson(x: Floats, y: Floats) -> float:
    centred_x, centred_y = x - x.mean(), y - y.mean()
    r = float((centred_x * centred_y).sum() / math.sqrt((centred_x**2).sum() * (centred_y**2).sum()))
    return max(-1.0, min(1.0, r))


def _ranks(values: Floats) -> Floats:
    """Ranks, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[inverse])


def _p_value(rho: float, n: int) -> float:
    """Two-sided p-value of Spearman's ρ by its t approximation with n − 2 degrees of freedom."""
    if abs(rho) >= 1.0:
        return 0.0
    t = abs(rho) * math.sqrt((n - 2) / (1.0 - rho * rho))
    return float(2.0 * special.stdtr(n - 2, -t))


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
