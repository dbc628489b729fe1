"""How closely two quantities of a figure go together: correlations, and the difference of two of them."""

from __future__ import annotations

import numpy as np

from analysis.clustered import correlation, difference, draws_of, pearson_correlations
from analysis.correlation import FEWEST_POINTS, Correlation, correlate
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.shapes import Relation


def correlation_of(context: Context, shape: Relation) -> Correlation:
    """Pearson's r of logarithms and Spearman's ρ, with intervals that draw whole families (one network each)."""
    pairs = context.pairs(shape)
    return correlate(
        [x.value for _, x, _ in pairs],
        [y.value for _, _, y in pairs],
        [variation.network for variation, _, _ in pairs],
        context.study.seed,
    )


def plain_correlation(context: Context, shape: Relation) -> float | None:
    """Pearson's r of the values themselves; ``None`` where there are too few points or no spread."""
    pairs = context.pairs(shape)
    if len(pairs) < FEWEST_POINTS:
        return None
    x, y = np.array([[a.value, b.value] for _, a, b in pairs]).T
    if np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def difference_of(context: Context, first: Relation, second: Relation) -> tuple[float, float, float] | None:
    """Pearson's r (logarithms) of the second relation less that of the first, with its 95 % interval.

    Both are resampled together, whole families at a time, over the variations that have all four values. ``None`` where
    there are too few variations or families (see :mod:`analysis.clustered`).
    """
    one = {variation: (x.value, y.value) for variation, x, y in context.pairs(first)}
    two = {variation: (x.value, y.value) for variation, x, y in context.pairs(second)}
    common = [item for item in one if item in two and min(*one[item], *two[item]) > 0.0]
    if len(common) < FEWEST_POINTS:
        return None
    columns = np.log(np.array([[*one[item], *two[item]] for item in common]))
    draws = draws_of([variation.network for variation in common], context.study.seed)
    found = pearson_correlations(columns, draws)
    figure = difference(correlation(2, 3), correlation(0, 1))
    value, interval = found.value(figure), found.interval(figure, on_z=False)
    return (value, interval.low, interval.high) if value is not None and interval is not None else None


def correlation_words(found: Correlation) -> str:
    """A correlation in one line: ``r = 0.996 [0.990, 0.999], ρ = 0.991, n = 33``."""
    if found.pearson is None:
        return f"no correlation ({found.note})"
    words = f"r = {found.pearson:.3f}"
    if found.pearson_low is not None and found.pearson_high is not None:
        words += f" [{found.pearson_low:.3f}, {found.pearson_high:.3f}]"
    if found.spearman is not None:
        words += f", ρ = {found.spearman:.3f}"
    return f"{words}, n = {found.n}".replace("-", "−")
