"""How two quantities go together over the points of a matrix, with intervals that respect families.

Pearson's r is taken on logarithms: times, energies and counts span decades, and a power law is a line there.
Spearman's ρ asks for order only. Points of one family (one network at several sizes and compressions) are not
independent of each other, so intervals come from a bootstrap that draws whole families and from Student's t with one
degree of freedom less than there are families (:mod:`analysis.clustered`). With few families such an interval is wide,
as it must be; below :data:`FEWEST_CLUSTERS` there is none at all.

Where several correlations are tested, their p-values are corrected with Holm's method (S. Holm, *A Simple
Sequentially Rejective Multiple Test Procedure*, Scand. J. Stat. 6, 1979). They are those of Spearman's ρ for
independent points, which points of one family are not: read them as a sieve, and the intervals as the statement.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.clustered import (
    FEWEST_CLUSTERS,
    RESAMPLES,
    correlation,
    draws_of,
    pearson_correlations,
    spearman_correlations,
)

FEWEST_POINTS = 4
"""Below this a correlation says nothing."""


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
    n, n_clusters = len(kept), len(set(names))
    if n < FEWEST_POINTS:
        return Correlation(n, n_clusters, note=_joined(note, f"fewer than {FEWEST_POINTS} points"))
    columns = np.log([[values[i] for values in (x, y)] for i in kept])
    if not np.ptp(columns, axis=0).all():
        return Correlation(n, n_clusters, note=_joined(note, "one of the two is constant"))
    draws, both = draws_of(names, seed, resamples), correlation(0, 1)
    figures: dict[str, float | None] = {}
    for name, found in (
        ("pearson", pearson_correlations(columns, draws)),
        ("spearman", spearman_correlations(columns, draws)),
    ):
        figures[name], interval = found.value(both), found.interval(both, on_z=True)
        if interval is not None:
            figures |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    if n_clusters < FEWEST_CLUSTERS:
        note = _joined(note, f"fewer than {FEWEST_CLUSTERS} families: no interval")
    spearman = figures["spearman"]
    return Correlation(n, n_clusters, p=None if spearman is None else _p_value(spearman, n), note=note, **figures)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the order given; ``None`` stays ``None`` and does not count as a test."""
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(tested):
        running = max(running, min(1.0, (len(tested) - rank) * p))
        adjusted[i] = running
    return adjusted


def _p_value(rho: float, n: int) -> float:
    """Two-sided p-value of Spearman's ρ by its t approximation with n − 2 degrees of freedom."""
    if abs(rho) >= 1.0:
        return 0.0
    t = abs(rho) * math.sqrt((n - 2) / (1.0 - rho * rho))
    return float(2.0 * special.stdtr(n - 2, -t))


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
