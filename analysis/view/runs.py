"""Stretches found along a trace, in order and few: what lies close together is taken as one when there are too many.

A gap here or an edge there is what one looks for in a trace; a million of them are a grey bar. So that memory stays
bounded whatever a trace holds, runs that are near each other are joined once there are more than asked for, and the
distance for that doubles until they are few enough. A joined run says how many pieces it is made of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

_MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Runs:
    """Half-open runs [start, stop) of samples, in rising order and apart.

    ``pieces`` is how many were joined to make each; ``level`` a small number that the last of them carried. ``apart``
    is the distance in samples up to which runs were joined, 0 if every one is as it was found.
    """

    start: Int64s
    stop: Int64s
    pieces: Int64s
    level: Int64s
    apart: int

    def __len__(self) -> int:
        return int(self.start.size)

    @property
    def samples(self) -> int:
        """How many samples the runs span."""
        return int((self.stop - self.start).sum())


class RunCollector:
    """Takes runs as they are found and keeps at most about ``most`` of them.

    With ``touching``, runs that meet are one and the same run, cut by the reading in pieces.
    """

    def __init__(self, most: int, *, touching: bool) -> None:
        self._most = most
        self._touching = touching
        self._apart = 0
        self._columns: list[Int64s] = [np.zeros(0, np.int64) for _ in range(4)]
        self._waiting: list[list[Int64s]] = []
        self._count = 0

    def add(self, start: Int64s, stop: Int64s, level: Int64s | None = None) -> None:
        """Add runs that begin where the last one added ended, or later."""
        if not start.size:
            return
        levels = np.zeros(start.size, np.int64) if level is None else level
        self._waiting.append([start, stop, np.ones(start.size, np.int64), levels])
        self._count += int(start.size)
        if self._count > 4 * self._most or len(self._waiting) > _MOST_WAITING:
            self._settle()

    def runs(self) -> Runs:
        """What was added so far."""
        self._settle()
        start, stop, pieces, level = self._columns
        return Runs(start, stop, pieces, level, self._apart)

    def _settle(self) -> None:
        batches = [self._columns, *self._waiting]
        self._columns = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
        self._waiting = []
        if self._touching or self._apart:
            self._join()
        while self._columns[0].size > self._most:
            self._apart = 2 * self._apart or 1
            self._join()
        self._count = int(self._columns[0].size)

    def _join(self) -> None:
        start, stop, pieces, level = self._columns
        if start.size < 2:
            return
        meets = start[1:] == stop[:-1] if self._touching else np.zeros(start.size - 1, np.bool_)
        joined = meets | (start[1:] - stop[:-1] <= self._apart) if self._apart else meets
        first = np.flatnonzero(np.concatenate([[True], ~joined]))
        last = np.append(first[1:], start.size) - 1
        # Pieces that meet are one piece.
        new = np.concatenate([[1], np.where(meets, pieces[1:] - 1, pieces[1:])])
        new[first] = pieces[first]
        self._columns = [start[first], stop[last], np.add.reduceat(new, first), level[last]]
