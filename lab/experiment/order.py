"""In which order the trials are done: drawn from the campaign's seed, the same on every machine and Python version."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal, TypeAlias, TypeVar

T = TypeVar("T")
Order: TypeAlias = Literal["interleaved", "grouped", "as_written"]


def ordered(points: Sequence[T], repeats: int, order: Order, seed: int) -> list[tuple[int, T]]:
    """(repeat, point) for every trial, in order; repeats count from 0.

    ``interleaved``: repeat by repeat, each a random order of all points, so that slow drift of board and meter meets
    all of them alike. ``grouped``: all repeats of a point together, points in random order. ``as_written``: the same,
    points as in the file.
    """
    if order == "interleaved":
        return [(repeat, point) for repeat in range(repeats) for point in _shuffled(points, f"{seed}/order/{repeat}")]
    sequence = _shuffled(points, f"{seed}/order") if order == "grouped" else points
    return [(repeat, point) for point in sequence for repeat in range(repeats)]


def _shuffled(points: Sequence[T], seed: str) -> list[T]:
    """A random order. It uses ``random()`` alone, whose sequence for a seed is promised to stay (that of ``shuffle`` is
    not)."""
    source = random.Random(seed)
    drawn = [source.random() for _ in points]
    return [points[index] for index in sorted(range(len(points)), key=drawn.__getitem__)]
