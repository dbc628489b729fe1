"""Correlations of several quantities at once, and intervals that respect families.

Points of one family (one network at several sizes and compressions) are not independent of each other, so resampling
draws whole families (A. C. Cameron, J. B. Gelbach, D. L. Miller, *Bootstrap-Based Improvements for Inference with
Clustered Errors*, Rev. Econ. Stat. 90, 2008). A draw is a set of weights on the points, and every figure is computed
from the weighted correlations of the draw; figures of one draw belong together, so that their difference is a paired
one.

The usual percentile interval of such a bootstrap is too narrow for few families: of four there are only 35 different
draws, and where families differ it holds the truth in three cases of four instead of 95 %. What is stated here takes
the bootstrap's scatter, enlarged by √(G/(G−1)) for the G families, times Student's t with G − 1 degrees of freedom (as
J. G. MacKinnon, M. Ø. Nielsen, M. D. Webb, *Cluster-robust inference: A guide to empirical practice*, J. Econometrics
232, 2023, advise for few clusters), on Fisher's z for a correlation. How often it holds the truth is checked by
simulation in the slow tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy import special

FEWEST_CLUSTERS = 3
"""Below this resampling whole families says nothing."""

RESAMPLES = 2000
LEVEL = 0.95

_MOST_ENUMERATED = 6
"""Up to so many families every possible draw is taken (462 of six), so that an interval is free of chance."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """The ends of a 95 % interval, and the two-sided p-value of the figure being zero."""

    low: float
    high: float
    p: float

    @property
    def holds_zero(self) -> bool:
        """True if the figure cannot be told from zero."""
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True)
class Draws:
    """Which families each resample consists of.

    ``weights`` (draws × points) say how often a point is in a draw, ``times`` (draws) how often the draw occurs.
    """

    weights: Floats
    times: Floats
    n_clusters: int

    @property
    def n(self) -> int:
        """Number of points."""
        return int(self.weights.shape[1])


def draws_of(clusters: Sequence[Hashable], seed: int | Sequence[int], resamples: int = RESAMPLES) -> Draws:
    """Draws of whole families; ``clusters`` names each point's. All that are possible where there are few families,
    ``resamples`` random ones else. A draw of one family alone has no between-family scatter, and is left out."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    index = np.array([numbers[name] for name in clusters], dtype=np.intp)
    count = len(numbers)
    if count <= _MOST_ENUMERATED:
        counts, times = _all_draws(count)
    else:
        drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
        counts = np.zeros((resamples, count))
        np.add.at(counts, (np.arange(resamples)[:, None], drawn), 1.0)
        times = np.ones(resamples)
    useful = (counts > 0).sum(axis=1) > 1
    return Draws(counts[useful][:, index], times[useful], count)


def _all_draws(count: int) -> tuple[Floats, Floats]:
    """Every multiset of ``count`` out of ``count`` families, and in how many orders it can fall."""
    drawn = list(combinations_with_replacement(range(count), count))
    counts = np.array([[float(draw.count(number)) for number in range(count)] for draw in drawn])
    orders = math.factorial(count) / np.prod(special.factorial(counts), axis=1)
    return counts.reshape(len(drawn), count), np.asarray(orders)


@dataclass(frozen=True)
class Correlations:
    """Correlation matrices of several columns: of the data, and of each draw (draws × columns × columns).

    An entry is NaN where a column is constant; NaN never leaves this module as a value.
    """

    n: int
    data: Floats
    drawn: Floats
    draws: Draws
    ranked: bool = False

    def interval(self, figure: Callable[[Floats], Floats], *, on_z: bool) -> Interval | None:
        """The interval of a figure that follows from a correlation matrix and lies between −1 and 1; taken ``on_z`` for
        a correlation, as it is for a share of variance or a difference of two.

        ``figure`` maps matrices (… × columns × columns) to values (…). ``None`` where there are too few families, or
        the draws have no finite scatter, or none at all: a figure that no draw changes is fixed by how the points were
        made. Only ±1 of values is then stated, a relation without exception; few points can be in one order by chance.
        """
        if self.draws.n_clusters < FEWEST_CLUSTERS:
            return None
        with np.errstate(invalid="ignore", divide="ignore"):
            value, drawn = float(figure(self.data)), figure(self.drawn)
        finite = np.isfinite(drawn)
        if not math.isfinite(value) or finite.sum() < FEWEST_CLUSTERS:
            return None
        # Fisher's z has no place for ±1, which a draw of few points may give by chance.
        shrink = 1.0 - 1.0 / self.n**2
        z = math.atanh(value * shrink) if on_z else value
        z_drawn = np.arctanh(drawn[finite] * shrink) if on_z else drawn[finite]
        times = self.draws.times[finite]
        mean = np.average(z_drawn, weights=times)
        variance = float(np.average((z_drawn - mean) ** 2, weights=times))
        count = self.draws.n_clusters
        se = math.sqrt(variance * count / (count - 1))
        if not se > _NO_SCATTER:
            certain = on_z and not self.ranked and abs(value) > 1.0 - _NO_SCATTER
            return Interval(value, value, 0.0) if certain else None
        half = float(special.stdtrit(count - 1, 0.5 + LEVEL / 2)) * se
        low, high = z - half, z + half
        if on_z:
            low, high = math.tanh(low) / shrink, math.tanh(high) / shrink
        low, high = (max(-1.0, min(1.0, end)) for end in (low, high))
        p = float(2.0 * special.stdtr(count - 1, -abs(z) / se))
        return Interval(low, high, p)

    def value(self, figure: Callable[[Floats], Floats]) -> float | None:
        """The figure of the data; ``None`` where it is not defined."""
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(figure(self.data))
        return value if math.isfinite(value) else None


def pearson_correlations(columns: Floats, draws: Draws) -> Correlations:
    """Pearson's correlations of the columns (points × columns)."""
    one = np.ones((1, len(columns)))
    return Correlations(len(columns), _weighted(columns[None], one)[0], _weighted(columns[None], draws.weights), draws)


def spearman_correlations(columns: Floats, draws: Draws) -> Correlations:
    """Spearman's correlations of the columns (points × columns); every draw is ranked anew, ties share their mean."""
    one = np.ones((1, len(columns)))
    return Correlations(
        len(columns),
        _weighted(_ranks(columns, one), one)[0],
        _weighted(_ranks(columns, draws.weights), draws.weights),
        draws,
        ranked=True,
    )


def correlation(a: int, b: int) -> Callable[[Floats], Floats]:
    """The correlation of two columns."""
    return lambda matrix: matrix[..., a, b]


def partial_correlation(a: int, b: int, given: int) -> Callable[[Floats], Floats]:
    """The correlation of two columns given a third: of what the third leaves unexplained of each."""

    def figure(matrix: Floats) -> Floats:
        ab, ag, bg = matrix[..., a, b], matrix[..., a, given], matrix[..., b, given]
        left = (1.0 - ag**2) * (1.0 - bg**2)
        # Where the third column says all of one of them there is nothing left to correlate.
        value = np.where(left > _NOTHING, (ab - ag * bg) / np.sqrt(np.maximum(left, _NOTHING)), np.nan)
        return np.asarray(np.clip(value, -1.0, 1.0) + 0.0 * value)

    return figure


def explained(a: int, b: int) -> Callable[[Floats], Floats]:
    """R²: the share of a column's variance that a straight line in another explains."""
    return lambda matrix: matrix[..., a, b] ** 2


def explained_beyond(a: int, b: int, given: int) -> Callable[[Floats], Floats]:
    """By how much R² of column ``a`` grows when ``b`` joins ``given``."""
    partial = partial_correlation(a, b, given)
    return lambda matrix: partial(matrix) ** 2 * (1.0 - matrix[..., a, given] ** 2)


def difference(first: Callable[[Floats], Floats], second: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """``first`` minus ``second``, draw by draw."""
    return lambda matrix: np.asarray(first(matrix) - second(matrix))


_NOTHING = 1e-12
"""Shares of variance below this are rounding."""

_NO_SCATTER = 1e-9
"""Standard errors below this are rounding."""


def _weighted(columns: Floats, weights: Floats) -> Floats:
    """Correlation matrices (draws × columns × columns) of columns (draws or 1 × points × columns)."""
    total = weights.sum(axis=1)[:, None, None]
    mean = np.einsum("dn,dnp->dp", weights, np.broadcast_to(columns, (len(weights), *columns.shape[1:])))[:, None]
    centred = columns - mean / total
    covariance = np.einsum("dnp,dnq->dpq", centred * weights[:, :, None], centred)
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    # A constant column keeps some rounding behind: that is no spread.
    largest = np.abs(columns).max(axis=1) ** 2 * total[:, :, 0]
    spread = np.sqrt(np.where(variance > _NOTHING**2 * largest, variance, np.nan))
    return np.asarray(np.clip(covariance / (spread[:, :, None] * spread[:, None, :]), -1.0, 1.0))


def _ranks(columns: Floats, weights: Floats) -> Floats:
    """Mean ranks (draws × points × columns) of points that occur ``weights`` times."""
    ranks = np.empty((len(weights), *columns.shape))
    for column in range(columns.shape[1]):
        _, group = np.unique(columns[:, column], return_inverse=True)
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        occurs = np.add.reduceat(weights[:, order], starts, axis=1)
        ranks[:, :, column] = (np.cumsum(occurs, axis=1) - (occurs - 1.0) / 2.0)[:, group]
    return ranks
