"""Tiles as columns of a picture: as many as there is room for, extremes kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.view.tiles import Series, Tile


@dataclass(frozen=True)
class Envelope:
    """Least, mean and largest value of equal stretches of a trace. NaN where a stretch has no sample at all.

    ``at`` is the middle of each in samples, ``per_column`` how many samples one holds.
    """

    at: NDArray[np.float64]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]
    per_column: int


def envelope(tile: Tile, quantity: str, columns: int, start: int | None = None, stop: int | None = None) -> Envelope:
    """A quantity of the tile between two samples (whole buckets), in at most ``columns`` stretches.

    Raises ``KeyError`` if the tile does not have it.
    """
    series = tile.series[quantity]
    first = 0 if start is None else max((start - tile.start) // tile.per, 0)
    last = tile.buckets if stop is None else min(-(-(stop - tile.start) // tile.per), tile.buckets)
    together = max(1, -(-(last - first) // columns))
    at = np.arange(first, last, together)
    if not at.size:
        empty = np.zeros(0)
        return Envelope(empty, empty, empty, empty, tile.per)
    low, mean, high = _joined(series, first, last, together)
    middle = tile.start + at * tile.per + (np.minimum(at + together, last) - at) * tile.per / 2
    return Envelope(np.minimum(middle, tile.stop), low, mean, high, together * tile.per)


def _joined(
    series: Series, first: int, last: int, together: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Buckets first … last, ``together`` at a time."""
    edges = np.arange(0, last - first, together)
    count = series.count[first:last]
    low = np.fmin.reduceat(series.low[first:last].astype(np.float64), edges)
    high = np.fmax.reduceat(series.high[first:last].astype(np.float64), edges)
    total = np.add.reduceat(np.where(count > 0, series.mean[first:last], 0.0) * count, edges)
    held = np.add.reduceat(count, edges)
    mean = np.full(edges.size, np.nan)
    np.divide(total, held, out=mean, where=held > 0)
    return low, mean, high
